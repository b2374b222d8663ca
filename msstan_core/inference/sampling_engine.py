"""The engine that skips: the gate sees every frame, the camera backbone only those that are worth it (40, 41)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.inference.bound_graph import BoundGraph, Places
from msstan_core.inference.engine import Engine, EngineOutput
from msstan_core.inference.frame_sampling import FrameSampling, ImportanceThreshold
from msstan_core.inference.graph_names import GATE_OUTPUT_NAMES, OUTPUT_NAMES, THRESHOLD_NAME
from msstan_core.inference.model_package import GATE_FILE, HELD_STEP_FILE, LOOK_FILE, ModelPackage
from msstan_core.inference.providers import Provider, device_of, open_session
from msstan_core.preprocessing.preprocessor import NetworkInput
from msstan_core.vocabulary import Modality


class SamplingEngine(Engine):
    """Gate, backbone and the rest of the step as graphs of their own, on places that they share.

    What was seen of the last frame that was looked at stays at its place and stands in for the frames after it.

    Args:
        package: of a model with an importance gate.
        threads: CPU threads for one step. provider: of ONNX Runtime.
        sampling: which frames are looked at.

    Raises:
        InputError: when a graph is missing, older than this version, or cannot be opened.
    """

    def __init__(self, package: ModelPackage, threads: int, provider: Provider, sampling: FrameSampling) -> None:
        self._sessions = [
            open_session(package.path(name), threads, provider) for name in (GATE_FILE, LOOK_FILE, HELD_STEP_FILE)
        ]
        self._threshold = ImportanceThreshold(sampling, package.card.config.sampling.threshold)
        self._bind()
        if THRESHOLD_NAME not in self._gate.inputs:
            raise InputError(package.directory / GATE_FILE, "takes no threshold", "export it again: msstan export")

    def _bind(self) -> None:
        gate, look, held = self._sessions
        self.provider = held.get_providers()[0]
        self._places = Places(device_of(held))
        self._gate = BoundGraph(gate, self._places, GATE_OUTPUT_NAMES)
        self._look = BoundGraph(look, self._places)
        self._held = BoundGraph(held, self._places, OUTPUT_NAMES)
        self._limit = np.empty(1, np.float32)  # the threshold, as the gate takes it
        self._seen: tuple[Any, ...] = tuple(argument.name for argument in look.get_outputs())

    def reset(self) -> None:
        """Forget the past: the next frame is looked at."""
        self._threshold.reset()
        self._gate.reset()
        self._held.reset()
        self._places.clear(self._seen)

    def state(self) -> dict[str, NDArray[np.floating]]:
        """A copy of the streaming state, the gate's left out."""
        return self._held.state()

    def fork(self) -> SamplingEngine:
        """Another stream on the same sessions."""
        other = SamplingEngine.__new__(SamplingEngine)
        other._sessions, other._threshold = self._sessions, self._threshold.fork()
        other._bind()
        return other

    def step(self, tick: NetworkInput) -> EngineOutput:
        """Process one tick and advance the state; the backbone runs only where the gate says so."""
        for name, array in tick.arrays().items():
            self._places.write(name, array)
        self._limit[0] = self._threshold.value
        self._places.write(THRESHOLD_NAME, self._limit)
        self._gate.run()
        looked = bool(self._gate.result("looked")[0] > 0)
        if tick.valid[Modality.CAMERA] > 0:
            self._threshold.update(looked)
        if looked:
            self._look.run()
        self._held.run()
        answer = (self._held.result(name)[0].copy() for name in OUTPUT_NAMES)
        return EngineOutput.of(answer, tick, looked, float(self._gate.result("importance")[0]))
