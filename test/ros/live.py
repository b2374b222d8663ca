"""What tests of the live system share: a domain of their own, a fake recogniser, nodes that spin beside the test.

In a module of its own because test/launch uses it too, and every folder's conftest has the same name.
"""

from __future__ import annotations

import math
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

# Before any test imports rclpy's middleware: other ROS systems stay out of the tests.
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its parser, lark, imports a deprecated module
    import rosidl_generator_py  # noqa: F401

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from msstan_core.decision.anomaly import EventsLeft
from msstan_core.decision.result import AnomalyEvent, Decision, EventPhase
from msstan_core.errors import InputError
from msstan_core.inference.model_card import ModelCard, SmoothingCard
from msstan_core.inference.model_info import ModelInfo
from msstan_core.model.configuration import ModelConfig
from msstan_core.observation import Tick
from msstan_core.resources import default_model_dir
from msstan_core.vocabulary import ACTIONS, MODALITIES, Action, Modality

Result = TypeVar("Result")

REAL_DATA = Path(os.environ.get("MSSTAN_REAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nodes log here unless the run has a folder of its own."""
    folder = tmp_path_factory.mktemp("ros_log")
    os.environ.setdefault("ROS_LOG_DIR", str(folder))
    return folder


def until(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether ``condition`` comes true before the patience ends."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


class Spinner:
    """Nodes in a context of their own, spun in a thread."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self.nodes: list[Node] = []
        self._stop = threading.Event()
        self._thread.start()

    def add(self, node: Node) -> Node:
        self.nodes.append(node)
        self.executor.add_node(node)
        self.executor.wake()
        return node

    def peer(self, name: str = "peer") -> Node:
        return self.add(rclpy.create_node(name, context=self.context))

    def run(self, work: Callable[[], Result]) -> Result:
        """In the executor's thread, as the service call of a lifecycle transition would be."""
        answer: Future[Result] = Future()

        def answered() -> None:
            try:
                answer.set_result(work())
            except BaseException as error:
                answer.set_exception(error)

        self.executor.create_task(answered)
        return answer.result(30)

    def close(self) -> None:
        self._stop.set()  # first: what a node destroys while the executor waits for it ends the thread with an error
        self.executor.wake()
        self._thread.join(5)
        for node in self.nodes:
            if hasattr(node, "close"):
                node.close()
        self.executor.shutdown(timeout_sec=1)
        for node in self.nodes:  # a latched message of a forgotten node would reach the next test
            node.destroy_node()
        self.context.try_shutdown()

    def _spin(self) -> None:
        while not self._stop.is_set():
            self.executor.spin_once(timeout_sec=0.1)


@pytest.fixture
def spinner() -> Iterator[Spinner]:
    spinner = Spinner()
    yield spinner
    spinner.close()


def model_card(name: str = "fake", version: str = "1") -> ModelCard:
    return ModelCard(
        name=name,
        version=version,
        config=ModelConfig(),
        trained_actions=("IDLE", "MATERIAL_DEPOSITION"),
        trained_imperfections=(2011,),
        trained_modalities=tuple(m.label for m in MODALITIES),
        action_prior=(1 / 9,) * 9,
        smoothing=SmoothingCard(mean_duration_s={"IDLE": 1.0}, emission_power=0.3),
    )


def decision_for(tick: Tick, action: Action = Action.MATERIAL_DEPOSITION, **changes: object) -> Decision:
    probabilities = np.full(9, 0.025, np.float32)
    probabilities[ACTIONS.index(action)] = 0.8
    weights = tick.valid / max(tick.valid.sum(), 1)
    fields: dict[str, object] = {
        "stamp_ns": tick.stamp_ns,
        "frame_id": tick.frame_id,
        "action": action,
        "action_probability": 0.8,
        "action_probabilities": probabilities,
        "raw_action_probabilities": probabilities[::-1].copy(),
        "imperfection_probabilities": np.full(13, np.nan, np.float32),
        "anomaly_score": float("nan"),
        "anomaly_threshold": float("nan"),
        "modality_weights": weights.astype(np.float32),
        "valid": tick.valid,
        "age_s": tick.age_s,
        "attention": np.full((4, 5), 0.05, np.float32),
        "inference_ms": 3.0,
    }
    return Decision(**{**fields, **changes})  # type: ignore[arg-type]


class FakeMonitor:
    """Answers every tick with material deposition; can be told to fail, to dawdle, and to report an event."""

    def __init__(self, name: str = "fake", modalities: frozenset[Modality] = frozenset(MODALITIES)) -> None:
        self.info = ModelInfo(model_card(name), "c" * 64, f"{name:w<64}"[:64], "onnx", "fake", modalities)
        self.fail = False
        self.adapter = None
        self.delay_s = 0.0
        self.events: tuple[AnomalyEvent, ...] = ()
        self.resets = 0
        self.left: EventsLeft | None = None
        self.ticks: list[Tick] = []
        self.false_alarms_per_hour = math.nan

    def step(self, tick: Tick) -> Decision:
        if self.fail:
            raise InputError("tick", "this one is bad", "send another")
        time.sleep(self.delay_s)
        self.ticks.append(tick)
        return decision_for(tick, events=self.events)

    def reset(self) -> None:
        self.resets += 1

    def begin(self) -> None:
        self.resets += 1

    def leave(self) -> EventsLeft:
        cleared = tuple(replace(event, phase=EventPhase.CLEARED) for event in self.events)
        return EventsLeft(cleared, max((event.event_id for event in self.events), default=0) + 1)

    def succeed(self, left: EventsLeft) -> None:
        self.left = left


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model, or an untrained one of the same kind where none is shipped yet."""
    try:
        return default_model_dir()
    except InputError:
        return _untrained_model(tmp_path_factory.mktemp("model"))


def _untrained_model(folder: Path) -> Path:
    torch = pytest.importorskip("torch", reason="no model is shipped, and making one needs torch")
    from msstan_core.inference.export import export_step
    from msstan_core.inference.model_package import save_card
    from msstan_core.model.ms_stan import MsStan

    torch.manual_seed(0)
    model = MsStan(ModelConfig(pretrained=False)).eval()
    export_step(model, folder)
    torch.save(model.state_dict(), folder / "weights.pt")
    card = model_card("untrained").model_copy(
        update={"trained_actions": tuple(a.name for a in ACTIONS), "trained_imperfections": ()}
    )
    save_card(folder, card)
    return folder
