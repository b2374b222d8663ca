"""Networks of other sizes with random weights, as graphs to be timed. Speed does not depend on the weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.inference.bound_graph import BoundGraph, Places
from msstan_core.inference.export import random_tick, write_graph
from msstan_core.inference.graph_names import OUTPUT_NAMES, seen_names
from msstan_core.inference.model_package import GATE_FILE, HELD_STEP_FILE, LOOK_FILE, STEP_FILE
from msstan_core.inference.providers import Provider, device_of, open_session
from msstan_core.inference.step_graph import GateGraph, HeldStepGraph, LookGraph, StepGraph, StreamingGraph
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.ms_stan import MsStan
from msstan_core.preprocessing.input_spec import InputSpec


def with_resolution(config: ModelConfig, camera_px: int) -> ModelConfig:
    """The configuration with another side of the camera image."""
    inputs = InputSpec(**{**config.inputs.model_dump(), "camera_px": camera_px})
    return config.model_copy(update={"inputs": inputs})


def with_longest_window(config: ModelConfig, longest: int) -> ModelConfig:
    """The configuration with this longest window: shorter ones stay, longer ones go."""
    shorter = tuple(tau for tau in config.windows if tau < longest)
    return config.model_copy(update={"windows": (*shorter, longest)})


def write_step(config: ModelConfig, folder: Path, batch: int = 1) -> Path:
    """The whole step; returns its file."""
    return _write(lambda model: StepGraph(model), config, folder / STEP_FILE, batch)


def write_backbone(config: ModelConfig, folder: Path) -> Path:
    """The camera backbone alone; returns its file."""
    return _write(lambda model: LookGraph(model), config, folder / LOOK_FILE, 1)


def write_parts(config: ModelConfig, folder: Path) -> tuple[Path, Path, Path]:
    """Gate, backbone and rest of the step of a network with the importance gate."""
    gated = config.model_copy(update={"sampling": config.sampling.model_copy(update={"enabled": True})})
    return (
        _write(lambda model: GateGraph(model), gated, folder / GATE_FILE, 1),
        _write(lambda model: LookGraph(model), gated, folder / LOOK_FILE, 1),
        _write(lambda model: HeldStepGraph(model), gated, folder / HELD_STEP_FILE, 1),
    )


def _write(make: Callable[[MsStan], StreamingGraph], config: ModelConfig, path: Path, batch: int) -> Path:
    import torch

    model = MsStan(config.model_copy(update={"pretrained": False})).eval()
    rng = np.random.default_rng(0)
    tick = dict(zip(("camera", *StepGraph.inputs[1:]), random_tick(model, rng), strict=True))
    tick["threshold"] = torch.tensor([config.sampling.threshold])
    with torch.inference_mode(), torch.no_grad():
        seen = model.look(tick["camera"])
        tick.update(dict(zip(seen_names(config), (part for part in seen if part is not None), strict=True)))
    graph = make(model).eval()
    state = graph.initial_state()
    arguments = [tick[name] for name in graph.inputs] + list(state.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_graph(graph, tuple(a.clone().repeat(batch, *([1] * (a.ndim - 1))) for a in arguments), path)
    return path


def runner(path: Path, threads: int, provider: Provider = "auto") -> Callable[[], Any]:
    """A call that runs the graph once on random inputs, with its state going on as in the engine."""
    session = open_session(path, threads, provider)
    places = Places(device_of(session))
    results = [o.name for o in session.get_outputs() if o.name in OUTPUT_NAMES]
    graph = BoundGraph(session, places, tuple(results))
    rng = np.random.default_rng(0)
    for argument in session.get_inputs():
        high = 256 if argument.type == "tensor(uint8)" else 4 if argument.type == "tensor(int64)" else 1
        places.write(argument.name, rng.uniform(0, high, argument.shape))
    return graph.run
