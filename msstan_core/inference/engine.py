"""Engines: one step of the network with its state, whatever runs it. No ROS, no threads, no policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.inference.model_package import STEP_FILE, WEIGHTS_FILE, ModelPackage
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.state import state_shapes
from msstan_core.preprocessing.preprocessor import NetworkInput

Backend = Literal["onnx", "torch"]
BACKENDS: tuple[Backend, ...] = ("onnx", "torch")

#: ONNX Runtime providers in order of preference; the CPU is always there.
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """The network's answer to one tick."""

    action_logits: NDArray[np.float32]  #: [9]
    imperfection_logits: NDArray[np.float32]  #: [13]
    embedding: NDArray[np.float32]  #: [d]
    modality_weights: NDArray[np.float32]  #: [4]
    attention: NDArray[np.float32]  #: [h, w]


class Engine(ABC):
    """Runs the step graph and keeps the streaming state between calls."""

    #: What runs the graph, e.g. "CPUExecutionProvider" or "torch cpu".
    provider: str

    @abstractmethod
    def step(self, tick: NetworkInput) -> EngineOutput:
        """Process one tick and advance the state."""

    @abstractmethod
    def reset(self) -> None:
        """Forget the past."""


def load_engine(package: ModelPackage, backend: Backend = "onnx", threads: int = 1) -> Engine:
    """Open a model.

    Args:
        package: verified model folder.
        backend: "onnx" (ONNX Runtime) or "torch".
        threads: CPU threads for one step.

    Raises:
        InputError: when the runtime is not installed or cannot read the graph.
    """
    if backend == "torch":
        return TorchEngine(package, threads)
    return OnnxEngine(package, threads)


def initial_state(config: ModelConfig) -> dict[str, NDArray[np.float32]]:
    """State arrays before the first tick, by their names in the graph."""
    return {name: np.zeros(shape, np.float32) for name, shape in state_shapes(config).items()}


class OnnxEngine(Engine):
    """The step graph in ONNX Runtime."""

    def __init__(self, package: ModelPackage, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError("backend onnx", "onnxruntime is not installed", "pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads steal the cores from DDS and the camera driver; measured p99 is far better without.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        path = package.path(STEP_FILE)
        available = onnxruntime.get_available_providers()
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=[p for p in _PROVIDERS if p in available]
            )
        except Exception as error:  # onnxruntime raises its own unrelated classes for every kind of bad file
            raise InputError(
                path, f"ONNX Runtime cannot open it ({str(error).splitlines()[0]})", "export it again"
            ) from error
        self.provider = self._session.get_providers()[0]
        self._output_names = [o.name for o in self._session.get_outputs()]
        self._input_names = {i.name for i in self._session.get_inputs()}
        self._config = package.card.config
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._state: dict[str, Any] = initial_state(self._config)

    def step(self, tick: NetworkInput) -> EngineOutput:
        """Process one tick and advance the state."""
        feeds = {**tick.arrays(), **self._state}
        feeds = {name: array for name, array in feeds.items() if name in self._input_names}
        results = dict(zip(self._output_names, self._session.run(None, feeds), strict=True))
        self._state = {name: results[f"next_{name}"] for name in self._state}
        return EngineOutput(
            results["action_logits"][0],
            results["imperfection_logits"][0],
            results["combined"][0],
            results["modality_weights"][0],
            results["attention"][0],
        )


class TorchEngine(Engine):
    """The same step in torch: the reference for the export, and the engine that can be adapted."""

    def __init__(self, package: ModelPackage, threads: int = 1) -> None:
        try:
            import torch
        except ImportError:
            raise InputError(
                "backend torch", "torch is not installed", "pip install torch, or use backend onnx"
            ) from None
        from msstan_core.model.ms_stan import MsStan

        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self._device.type == "cpu":
            torch.set_num_threads(threads)
        self.model = MsStan(package.card.config.model_copy(update={"pretrained": False}))
        self.model.load_state_dict(torch.load(package.path(WEIGHTS_FILE), map_location="cpu", weights_only=True))
        self.model.eval().to(self._device)
        self.provider = f"torch {self._device.type}"
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._state = self.model.initial_state().map(lambda part: part.to(self._device))

    def step(self, tick: NetworkInput) -> EngineOutput:
        """Process one tick and advance the state."""
        from msstan_core.model.ms_stan import Features

        torch = self._torch
        arrays = {name: torch.from_numpy(np.ascontiguousarray(a)).to(self._device) for name, a in tick.arrays().items()}
        with torch.inference_mode():
            output, self._state = self.model.step(arrays["camera"], Features(**arrays), self._state)
        return EngineOutput(*(part[0].cpu().numpy() for part in output))
