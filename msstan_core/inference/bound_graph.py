"""A graph whose inputs, results and state stay at fixed places in memory: a run allocates nothing of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.inference.graph_names import NEXT

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
}


class Places:
    """Tensors by name, made when first asked for, on one device.

    Graphs that share places pass on what they compute without a copy: a camera frame is written once for all of them.

    Args:
        device: "cpu" or "cuda".
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._values: dict[str, Any] = {}
        self._kinds: dict[str, tuple[tuple[int, ...], Any]] = {}

    def at(self, argument: Any) -> Any:
        """The OrtValue for a graph's argument (ONNX Runtime's NodeArg); zeros at first."""
        if argument.name not in self._values:
            self._values[argument.name] = zeros(argument, self.device)
            self._kinds[argument.name] = (tuple(argument.shape), _TYPES[argument.type])
        return self._values[argument.name]

    def write(self, name: str, array: NDArray[np.generic]) -> None:
        """Copy into a place; names that no graph reads are left out.

        Raises:
            ValueError: for another shape than the graph's (ONNX Runtime itself compares only the number of bytes).
        """
        if name not in self._values:
            return
        shape, kind = self._kinds[name]
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, the graph takes {shape}")
        self._values[name].update_inplace(np.ascontiguousarray(array, kind))

    def clear(self, names: Iterable[str]) -> None:
        """Zeros at these places."""
        for name in names:
            shape, kind = self._kinds[name]
            self._values[name].update_inplace(np.zeros(shape, kind))


class BoundGraph:
    """One session on places; the state goes back and forth between two of its own.

    Args:
        session: ONNX Runtime's. places: of its inputs and results; results on the host are read with :meth:`result`.
        host_results: results that the host reads after a run; the others stay on the device at their places.
    """

    def __init__(self, session: Any, places: Places, host_results: tuple[str, ...] = ()) -> None:
        inputs = {argument.name: argument for argument in session.get_inputs()}
        outputs = {argument.name: argument for argument in session.get_outputs()}
        state = [name.removeprefix(NEXT) for name in outputs if name.startswith(NEXT)]
        self._session = session
        self._results = {name: np.zeros(outputs[name].shape, np.float32) for name in host_results}
        self._kinds = {name: _TYPES[outputs[NEXT + name].type] for name in state}
        self._state = [{name: zeros(outputs[NEXT + name], places.device) for name in state} for _ in range(2)]
        self._bindings = [
            self._bound(inputs, outputs, places, self._state[turn], self._state[1 - turn]) for turn in range(2)
        ]
        self._turn = 0
        self.inputs = frozenset(inputs)

    def _bound(
        self,
        inputs: dict[str, Any],
        outputs: dict[str, Any],
        places: Places,
        before: dict[str, Any],
        after: dict[str, Any],
    ) -> Any:
        import onnxruntime

        binding = self._session.io_binding()
        for name, argument in inputs.items():
            binding.bind_ortvalue_input(name, before[name] if name in before else places.at(argument))
        for name, argument in outputs.items():
            if name in self._results:
                value = onnxruntime.OrtValue.ortvalue_from_numpy(self._results[name])  # a view, on the CPU
            elif name.startswith(NEXT):
                value = after[name.removeprefix(NEXT)]
            else:
                value = places.at(argument)
            binding.bind_ortvalue_output(name, value)
        return binding

    def run(self) -> None:
        """One run on what the places hold; the state advances unless it fails."""
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn = 1 - self._turn

    def result(self, name: str) -> NDArray[np.float32]:
        """One of ``host_results``; overwritten by the next run."""
        return self._results[name]

    def state(self) -> dict[str, NDArray[np.floating]]:
        """A copy of what the next run starts from, by name."""
        return {name: np.array(value.numpy()) for name, value in self._state[self._turn].items()}

    def reset(self) -> None:
        """State of zeros, as before the first run."""
        for name, value in self._state[self._turn].items():
            value.update_inplace(np.zeros(value.shape(), self._kinds[name]))


def zeros(argument: Any, device: str) -> Any:
    """An OrtValue of zeros with the argument's shape and type."""
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(argument.shape, _TYPES[argument.type]), device, 0)
