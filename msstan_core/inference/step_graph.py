"""The graphs that stream: a tick's arrays and the state in, the network's answer and the new state out.

``StepGraph`` is the whole tick. The engine may run it in parts instead: ``LookGraph`` is the backbone,
``HeldStepGraph`` the rest of the tick on what was seen of the last frame that was looked at, and with an importance
gate ``GateGraph`` decides whether a frame is worth the backbone:

    importance, looked, *gate_state = gate(camera, thermal, log_mel, telemetry, valid, threshold, *gate_state)
    if looked: seen = look(camera)                     # zeros before the first look
    *output, *state = held_step(*seen, thermal, log_mel, telemetry, context, valid, age_s, *state)

With every frame looked at this is the step graph, number for number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from msstan_core.inference.graph_names import (
    GATE_INPUT_NAMES,
    GATE_OUTPUT_NAMES,
    NEXT,
    OUTPUT_NAMES,
    THRESHOLD_NAME,
    seen_names,
)
from msstan_core.model.importance import ImportanceState
from msstan_core.model.ms_stan import Features, MsStan, State
from msstan_core.model.state import gate_state_shapes, state_shapes
from msstan_core.model.thumbnail import grey_thumbnail
from msstan_core.preprocessing.preprocessor import INPUT_NAMES


class StreamingGraph(nn.Module, ABC):
    """A part of the network with flat arguments and results, as an exporter and a runtime want them.

    Arguments are those of ``inputs`` and then the state; results those of ``outputs`` and then ``next_`` and the state.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @abstractmethod
    def initial_state(self) -> dict[str, Tensor]:
        """The state before the first tick, by name; empty where the graph has none."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """All arguments in order."""
        return (*self.inputs, *self.initial_state())

    @property
    def output_names(self) -> tuple[str, ...]:
        """All results in order."""
        return (*self.outputs, *(NEXT + name for name in self.initial_state()))


class StepGraph(StreamingGraph):
    """``MsStan.step``: a whole tick."""

    inputs = INPUT_NAMES
    outputs: tuple[str, ...] = OUTPUT_NAMES

    def __init__(self, model: MsStan) -> None:
        super().__init__()
        self.model = model
        self.state = tuple(state_shapes(model.config))

    def initial_state(self) -> dict[str, Tensor]:
        """That of the model."""
        return self.model.initial_state().parts()

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Arguments as in :class:`~msstan_core.preprocessing.preprocessor.NetworkInput`, then the state."""
        tick = Features(*arguments[: len(self.inputs)])
        state = State(**dict(zip(self.state, arguments[len(self.inputs) :], strict=True)))
        output, state = self.model.step(tick.camera, tick, state)
        return (*output, *state.parts().values())


class SeenStepGraph(StepGraph):
    """The same, which also tells what was seen of the frame: the parts are cut out of it there."""

    def __init__(self, model: MsStan) -> None:
        super().__init__(model)
        self.outputs = (*OUTPUT_NAMES, *seen_names(model.config))

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """As the step graph, with what was seen before the state."""
        tick = Features(*arguments[: len(self.inputs)])
        state = State(**dict(zip(self.state, arguments[len(self.inputs) :], strict=True)))
        features, thumbnail = self.model.look(tick.camera)
        output, state = self.model.step_features(tick._replace(camera=features, thumbnail=thumbnail), state)
        seen = (part for part in (features, thumbnail) if part is not None)
        return (*output, *seen, *state.parts().values())


class LookGraph(StreamingGraph):
    """``MsStan.look``: what a camera frame costs most for."""

    inputs = ("camera",)

    def __init__(self, model: MsStan) -> None:
        super().__init__()
        self.model = model
        self.outputs = seen_names(model.config)

    def initial_state(self) -> dict[str, Tensor]:
        """None."""
        return {}

    def forward(self, camera: Tensor) -> tuple[Tensor, ...]:
        """camera: [1, H, W, 3] uint8 RGB."""
        return tuple(part for part in self.model.look(camera) if part is not None)


class HeldStepGraph(StreamingGraph):
    """``MsStan.step_features``: a tick with what was seen of the last frame that was looked at."""

    outputs = OUTPUT_NAMES

    def __init__(self, model: MsStan) -> None:
        super().__init__()
        self.model = model
        self.seen = len(seen_names(model.config))
        self.inputs = (*seen_names(model.config), *INPUT_NAMES[1:])
        self.state = tuple(state_shapes(model.config))

    def initial_state(self) -> dict[str, Tensor]:
        """That of the model."""
        return self.model.initial_state().parts()

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """What was seen, the tick without the camera, the state."""
        camera, thumbnail = arguments[0], arguments[1] if self.seen > 1 else None
        rest = dict(zip(INPUT_NAMES[1:], arguments[self.seen : len(self.inputs)], strict=True))
        tick = Features(camera=camera, thumbnail=thumbnail, **rest)
        state = State(**dict(zip(self.state, arguments[len(self.inputs) :], strict=True)))
        output, state = self.model.step_features(tick, state)
        return (*output, *state.parts().values())


class GateGraph(StreamingGraph):
    """``ImportanceGate.step`` from a tick's arrays; for models with the gate."""

    inputs, outputs = (*GATE_INPUT_NAMES, THRESHOLD_NAME), GATE_OUTPUT_NAMES

    def __init__(self, model: MsStan) -> None:
        super().__init__()
        assert model.gate is not None
        self.gate = model.gate
        assert ImportanceState._fields == tuple(gate_state_shapes(model.config))

    def initial_state(self) -> dict[str, Tensor]:
        """That of the gate."""
        return self.gate.initial_state()._asdict()

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """The gate's inputs, then its state -> a_t (40), 1 where the frame is to be looked at (41), its new state."""
        camera, thermal, log_mel, telemetry, valid, threshold, *state = arguments
        summary = self.gate.summary(grey_thumbnail(camera), thermal, log_mel, telemetry, valid)
        gated, after = self.gate.step(summary, valid, ImportanceState(*state), threshold)
        return (*gated, *after)
