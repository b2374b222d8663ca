"""Engines: one step of the network with its state, whatever runs it. No ROS, no threads, no policy."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.inference.bound_graph import BoundGraph, Places
from msstan_core.inference.frame_sampling import FrameSampling, ImportanceThreshold
from msstan_core.inference.graph_names import OUTPUT_NAMES
from msstan_core.inference.model_package import STEP_FILE, ModelPackage
from msstan_core.inference.network import load_network
from msstan_core.inference.providers import Provider, device_of, open_session, runs_on_cpu
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.state import DOUBLE_PRECISION, state_shapes
from msstan_core.preprocessing.preprocessor import NetworkInput
from msstan_core.vocabulary import Modality

if TYPE_CHECKING:
    from torch import Tensor

Backend = Literal["onnx", "torch"]


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """The network's answer to one tick."""

    action_logits: NDArray[np.float32]  #: [9]
    imperfection_logits: NDArray[np.float32]  #: [13]
    embedding: NDArray[np.float32]  #: [d]
    modality_weights: NDArray[np.float32]  #: [4]
    attention: NDArray[np.float32]  #: [h, w]; zeros without a camera image
    looked: bool = True  #: False where the camera frame was not worth the backbone and an earlier one stood in for it
    importance: float = float("nan")  #: a_t of equation 40; NaN where frames are not sampled

    @classmethod
    def of(
        cls,
        parts: Iterable[NDArray[np.float32]],
        tick: NetworkInput,
        looked: bool = True,
        importance: float = float("nan"),
    ) -> EngineOutput:
        """From the arrays in the order of OUTPUT_NAMES, of this tick."""
        actions, imperfections, embedding, weights, attention = parts
        if not tick.valid[Modality.CAMERA] > 0:
            attention = np.zeros_like(attention)
        return cls(actions, imperfections, embedding, weights, attention, looked, importance)


class Engine(ABC):
    """Runs the step graph and keeps the streaming state between calls."""

    #: What runs the graph, e.g. "CPUExecutionProvider" or "torch cpu".
    provider: str

    def begin(self, camera: NDArray[np.uint8]) -> None:
        """Start on the camera image [px, px, 3] of the tick that :meth:`step` gets next, where the engine can; returns
        at once. Who calls it computes the tick's other inputs meanwhile.
        """
        del camera  # here nothing can be started early

    @abstractmethod
    def step(self, tick: NetworkInput) -> EngineOutput:
        """Process one tick and advance the state."""

    @abstractmethod
    def reset(self) -> None:
        """Forget the past."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[np.floating]]:
        """A copy of the streaming state by part (:class:`~msstan_core.model.state.State`), each [1, ...]."""

    @abstractmethod
    def fork(self) -> Engine:
        """An engine with the same weights in memory and a state of its own: for another torch in one process."""

    def sibling(self) -> Engine:
        """A fork for the same ticks with fewer modalities. It must get each tick after this engine has, and where the
        camera backbone is a part of its own takes over what came of the image.
        """
        return self.fork()


def load_engine(
    package: ModelPackage,
    backend: Backend = "onnx",
    threads: int = 1,
    *,
    provider: Provider = "auto",
    sampling: FrameSampling | None = None,
) -> Engine:
    """Open a model.

    Args:
        package: verified model folder.
        backend: "onnx" (ONNX Runtime) or "torch".
        threads: CPU threads for one step.
        provider: of ONNX Runtime.
        sampling: which camera frames are looked at (41); None: every one.

    Raises:
        InputError: when the runtime is not installed or cannot read the graph, or the model cannot sample frames.
    """
    if sampling is not None:
        _check_sampling(package, sampling)
    if backend == "torch":
        return TorchEngine(package, threads, sampling)
    from msstan_core.inference.sampling_engine import SamplingEngine
    from msstan_core.inference.split_engine import SplitEngine

    if sampling is not None:
        return SamplingEngine(package, threads, provider, sampling)
    if SplitEngine.can_run(package) and runs_on_cpu(provider):
        return SplitEngine(package, threads, provider)
    return OnnxEngine(package, threads, provider)  # a device has a queue of its own: there the step stays whole


def _check_sampling(package: ModelPackage, sampling: FrameSampling) -> None:
    if not package.card.config.sampling.enabled:
        raise InputError(
            package.directory,
            "has no importance gate, so that no frame can be skipped",
            "leave frame sampling off, or train a model with sampling enabled",
        )
    sampling.checked()


def initial_state(config: ModelConfig) -> dict[str, NDArray[np.floating]]:
    """State arrays before the first tick, by their names in the graph."""
    return {
        name: np.zeros(shape, np.float64 if name in DOUBLE_PRECISION else np.float32)
        for name, shape in state_shapes(config).items()
    }


class OnnxEngine(Engine):
    """The step graph in ONNX Runtime."""

    def __init__(self, package: ModelPackage, threads: int = 1, provider: Provider = "auto") -> None:
        self._open(open_session(package.path(STEP_FILE), threads, provider))

    def _open(self, session: Any) -> None:
        self._session = session
        self.provider = session.get_providers()[0]
        self._places = Places(device_of(session))
        self._graph = BoundGraph(session, self._places, OUTPUT_NAMES)

    def reset(self) -> None:
        """Forget the past."""
        self._graph.reset()

    def state(self) -> dict[str, NDArray[np.floating]]:
        """A copy of the streaming state."""
        return self._graph.state()

    def fork(self) -> OnnxEngine:
        """Another stream on the same session."""
        other = OnnxEngine.__new__(OnnxEngine)
        other._open(self._session)
        return other

    def step(self, tick: NetworkInput) -> EngineOutput:
        """Process one tick and advance the state."""
        for name, array in tick.arrays().items():
            self._places.write(name, array)
        self._graph.run()
        return EngineOutput.of((self._graph.result(name)[0].copy() for name in OUTPUT_NAMES), tick)


class TorchEngine(Engine):
    """The same step in torch: the reference for the export."""

    def __init__(self, package: ModelPackage, threads: int = 1, sampling: FrameSampling | None = None) -> None:
        self.model = load_network(package)
        import torch

        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self._device.type == "cpu":
            torch.set_num_threads(threads)
        self.model.to(self._device)
        self.provider = f"torch {self._device.type}"
        gate = package.card.config.sampling
        self._threshold = None if sampling is None else ImportanceThreshold(sampling, gate.threshold)
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._state = self.model.initial_state().map(lambda part: part.to(self._device))
        self._seen: tuple[Tensor, Tensor | None] | None = None
        if self.model.gate is not None:
            self._gate_state = self.model.gate.initial_state(device=self._device)
        if self._threshold is not None:
            self._threshold.reset()

    def state(self) -> dict[str, NDArray[np.floating]]:
        """A copy of the streaming state."""
        return {name: part.cpu().numpy().copy() for name, part in self._state.parts().items()}

    def fork(self) -> TorchEngine:
        """Another stream on the same weights."""
        other = copy.copy(self)
        other._threshold = None if self._threshold is None else self._threshold.fork()
        other.reset()
        return other

    def step(self, tick: NetworkInput) -> EngineOutput:
        """Process one tick and advance the state."""
        from msstan_core.model.ms_stan import Features

        torch = self._torch
        arrays = {name: torch.from_numpy(np.ascontiguousarray(a)).to(self._device) for name, a in tick.arrays().items()}
        with torch.inference_mode():
            looked, importance = self._decide(arrays)
            if looked or self._seen is None:
                seen = self.model.look(arrays["camera"])
                if not looked:  # no frame was ever looked at: as the graphs have it, zeros stand in
                    seen = (torch.zeros_like(seen[0]), None if seen[1] is None else torch.zeros_like(seen[1]))
                self._seen = seen
            features = Features(**{**arrays, "camera": self._seen[0]}, thumbnail=self._seen[1])
            output, self._state = self.model.step_features(features, self._state)
        return EngineOutput.of((part[0].cpu().numpy() for part in output), tick, looked, importance)

    def _decide(self, arrays: dict[str, Tensor]) -> tuple[bool, float]:
        """Whether to look at the frame (41), and its importance (40)."""
        if self._threshold is None or self.model.gate is None:
            return True, float("nan")
        from msstan_core.model.thumbnail import grey_thumbnail

        gate, valid = self.model.gate, arrays["valid"]
        read = (grey_thumbnail(arrays["camera"]), arrays["thermal"], arrays["log_mel"], arrays["telemetry"], valid)
        threshold = self._torch.tensor([self._threshold.value], device=self._device)
        gated, self._gate_state = gate.step(gate.summary(*read), valid, self._gate_state, threshold)
        looked = bool(gated.looked > 0)
        if valid[0, Modality.CAMERA] > 0:
            self._threshold.update(looked)
        return looked, float(gated.importance)
