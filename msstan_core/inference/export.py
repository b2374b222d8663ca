"""torch -> ONNX: the streaming graphs with explicit state, each checked against torch before it is kept."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from msstan_core.errors import InputError
from msstan_core.inference.graph_names import GATE_INPUT_NAMES
from msstan_core.inference.model_package import GATE_FILE, HELD_STEP_FILE, LOOK_FILE, STEP_FILE
from msstan_core.inference.step_graph import (
    GateGraph,
    HeldStepGraph,
    LookGraph,
    SeenStepGraph,
    StepGraph,
    StreamingGraph,
)
from msstan_core.model.ms_stan import MsStan
from msstan_core.output_files import written_whole
from msstan_core.preprocessing.preprocessor import INPUT_NAMES
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT

if TYPE_CHECKING:
    from onnx import ModelProto

#: From 20 on GELU is one operation instead of five.
OPSET = 20
#: Largest difference between torch and ONNX Runtime over the checked ticks.
TOLERANCE = 1e-4
CHECKED_TICKS = 80
#: Backbone features reach into the tens, and float32 keeps seven digits: their differences are judged at this size.
BACKBONE_MAGNITUDE = 10.0

#: Random inputs of one tick without the state.
TickMaker = Callable[[np.random.Generator], tuple[Tensor, ...]]


def export_step(model: MsStan, directory: Path) -> float:
    """Write a model folder's graphs: ``step.onnx``, the parts ``look.onnx`` and ``held_step.onnx`` that are cut out of
    it, and with an importance gate ``gate.onnx``.

    Returns:
        The largest absolute difference to torch over CHECKED_TICKS random ticks.

    Raises:
        InputError: when the difference exceeds TOLERANCE; the file is then not kept.
    """
    step, look, held = StepGraph(model), LookGraph(model).eval(), HeldStepGraph(model)
    arguments = (*random_tick(model, np.random.default_rng(0)), *step.initial_state().values())
    whole = exported(SeenStepGraph(model), arguments)

    def held_tick(rng: np.random.Generator) -> tuple[Tensor, ...]:
        camera, *rest = random_tick(model, rng)
        with torch.no_grad():
            return (*look(camera), *rest)

    parts = [
        _kept(step, _cut(whole, step), lambda rng: random_tick(model, rng), directory / STEP_FILE),
        _kept(
            look, _cut(whole, look), lambda rng: random_tick(model, rng)[:1], directory / LOOK_FILE, BACKBONE_MAGNITUDE
        ),
        _kept(held, _cut(whole, held), held_tick, directory / HELD_STEP_FILE),
    ]
    if model.gate is not None:
        gate = GateGraph(model)

        def gate_tick(rng: np.random.Generator) -> tuple[Tensor, ...]:
            tick = dict(zip(INPUT_NAMES, random_tick(model, rng), strict=True))
            return (*(tick[name] for name in GATE_INPUT_NAMES), torch.tensor([model.config.sampling.threshold]))

        arguments = (*gate_tick(np.random.default_rng(0)), *gate.initial_state().values())
        parts.append(_kept(gate, exported(gate, arguments), gate_tick, directory / GATE_FILE))
    return max(parts)


def _cut(whole: ModelProto, part: StreamingGraph) -> ModelProto:
    """The piece of a graph between a part's inputs and outputs."""
    from onnx.utils import Extractor

    # what a switched-off mechanism would read is no input of the graph
    known = {value.name for value in (*whole.graph.input, *whole.graph.output)}
    inputs = [name for name in part.input_names if name in known]
    piece = Extractor(whole).extract_model(inputs, list(part.output_names))
    # a result that never changes is no node's: the extractor leaves it out
    there = {value.name for value in piece.graph.initializer}
    constants = (c for c in whole.graph.initializer if c.name in part.output_names and c.name not in there)
    piece.graph.initializer.extend(constants)
    return piece


def _kept(graph: StreamingGraph, content: ModelProto, tick: TickMaker, path: Path, magnitude: float = 1.0) -> float:
    """Write a graph if it is right; returns its largest difference to torch, in units of the results' magnitude."""
    import onnx

    with written_whole(path) as file:
        onnx.save(content, file)
        difference = _difference(graph, tick, file, CHECKED_TICKS) / magnitude
        if difference > TOLERANCE:
            raise InputError(path, f"exported graph differs from torch by {difference:.2g}", "report this model config")
    return difference


def write_graph(graph: StreamingGraph, arguments: tuple[Tensor, ...], path: Path) -> None:
    """Write a graph as ONNX without checking it; the arguments give the shapes."""
    import onnx

    onnx.save(exported(graph, arguments), path)


def exported(graph: StreamingGraph, arguments: tuple[Tensor, ...]) -> ModelProto:
    """A graph as ONNX; the arguments give the shapes."""
    graph.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The exporter logs its optional torchvision operators at WARNING.
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            graph,
            arguments,
            input_names=list(graph.input_names),
            output_names=list(graph.output_names),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return _without_source(program.model_proto)


def _without_source(model: ModelProto) -> ModelProto:
    """A graph without what the exporter notes of the source, such as paths of the machine it ran on."""
    graph = model.graph
    holders = [model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output]
    for holder in (*holders, *graph.initializer, *model.functions):
        del holder.metadata_props[:]
        holder.ClearField("doc_string")
    return model


def random_tick(model: MsStan, rng: np.random.Generator) -> tuple[Tensor, ...]:
    """Plausible random inputs of one tick, in the order of INPUT_NAMES, with random validity."""
    spec = model.config.inputs
    px, thermal_px = spec.camera_px, spec.thermal_px
    valid = rng.integers(0, 2, (1, 4)).astype(np.float32)
    arrays = (
        rng.integers(0, 256, (1, px, px, 3), dtype=np.uint8),
        rng.uniform(20, 3000, (1, thermal_px, thermal_px)).astype(np.float32),
        rng.uniform(-100, 0, (1, spec.log_mel.bands, spec.log_mel.frames)).astype(np.float32),
        rng.normal(size=(1, spec.telemetry_count)).astype(np.float32),
        rng.integers(0, 4, (1, 4)).astype(np.int64),
        valid,
        rng.uniform(0, 1, (1, 4)).astype(np.float32),
        rng.normal(size=(1, STATISTICS_COUNT)).astype(np.float32),
    )
    return tuple(torch.from_numpy(a) for a in arrays)


def largest_difference(model: MsStan, path: Path, ticks: int = CHECKED_TICKS) -> float:
    """Stream random ticks through the step graph in torch and in ONNX Runtime, each with its own state."""
    return _difference(StepGraph(model), lambda rng: random_tick(model, rng), path, ticks)


def _difference(graph: StreamingGraph, tick: TickMaker, path: Path, ticks: int) -> float:
    """Largest absolute difference of any result between torch and ONNX Runtime, side by side."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    used = {i.name for i in session.get_inputs()}  # what a switched-off mechanism would read is left out
    graph.eval()
    rng = np.random.default_rng(1)
    ours = graph.initial_state()
    theirs = {name: part.numpy() for name, part in ours.items()}
    worst = 0.0
    for _ in range(ticks):
        inputs = tick(rng)
        with torch.inference_mode():
            expected = dict(zip(graph.output_names, graph(*inputs, *ours.values()), strict=True))
        given = {name: part.numpy() for name, part in zip(graph.input_names, inputs, strict=False)}
        feeds = {name: array for name, array in {**given, **theirs}.items() if name in used}
        got = dict(zip(names, session.run(None, feeds), strict=True))
        differences = [float(np.abs(expected[name].numpy() - got[name]).max()) for name in names]
        if not np.isfinite(differences).all():  # which max() would pass over
            raise InputError(path, "the network answers with no numbers", "train it again, or report this model config")
        worst = max(worst, *differences)
        ours = {name: expected[f"next_{name}"] for name in ours}
        theirs = {name: got[f"next_{name}"] for name in theirs}
    return worst
