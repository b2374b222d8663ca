"""torch -> ONNX: the step graph with explicit state, checked against torch before it is kept."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import torch

from msstan_core.errors import InputError
from msstan_core.inference.model_package import STEP_FILE
from msstan_core.inference.step_graph import OUTPUT_NAMES, STATE_NAMES, StepGraph
from msstan_core.model.ms_stan import MsStan
from msstan_core.preprocessing.preprocessor import INPUT_NAMES
from msstan_core.preprocessing.telemetry_features import FEATURE_COUNT

OPSET = 18
#: Largest difference between torch and ONNX Runtime over the checked ticks.
TOLERANCE = 1e-4
CHECKED_TICKS = 80


def export_step(model: MsStan, directory: Path) -> float:
    """Write ``step.onnx`` into a model folder.

    Returns:
        The largest absolute difference to torch over CHECKED_TICKS random ticks.

    Raises:
        InputError: when the difference exceeds TOLERANCE; the file is then not kept.
    """
    graph = StepGraph(model).eval()
    arguments = (*random_tick(model, np.random.default_rng(0)), *model.initial_state())
    temporary = directory / (STEP_FILE + ".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The exporter logs its optional torchvision operators at WARNING.
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            graph,
            arguments,
            temporary,
            input_names=[*INPUT_NAMES, *STATE_NAMES],
            output_names=[*OUTPUT_NAMES, *(f"next_{name}" for name in STATE_NAMES)],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    difference = largest_difference(model, temporary)
    if difference > TOLERANCE:
        temporary.unlink()
        raise InputError(
            directory, f"exported graph differs from torch by {difference:.2g}", "report this model config"
        )
    temporary.replace(directory / STEP_FILE)
    return difference


def random_tick(model: MsStan, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """Plausible random inputs of one tick, in the order of INPUT_NAMES, with random validity."""
    spec = model.config.inputs
    px, thermal_px = spec.camera_px, spec.thermal_px
    valid = rng.integers(0, 2, (1, 4)).astype(np.float32)
    arrays = (
        rng.integers(0, 256, (1, px, px, 3), dtype=np.uint8),
        rng.uniform(20, 3000, (1, thermal_px, thermal_px)).astype(np.float32),
        rng.uniform(-100, 0, (1, spec.log_mel.bands, spec.log_mel.frames)).astype(np.float32),
        rng.normal(size=(1, FEATURE_COUNT)).astype(np.float32),
        rng.integers(0, 4, (1, 4)).astype(np.int64),
        valid,
        rng.uniform(0, 1, (1, 4)).astype(np.float32),
    )
    return tuple(torch.from_numpy(a) for a in arrays)


def largest_difference(model: MsStan, path: Path, ticks: int = CHECKED_TICKS) -> float:
    """Stream random ticks through torch and ONNX Runtime side by side, each with its own state."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    used = {i.name for i in session.get_inputs()}
    graph = StepGraph(model).eval()
    rng = np.random.default_rng(1)
    ours = tuple(model.initial_state())
    theirs = {name: part.numpy() for name, part in zip(STATE_NAMES, ours, strict=True)}
    worst = 0.0
    for _ in range(ticks):
        tick = random_tick(model, rng)
        with torch.inference_mode():
            expected = graph(*tick, *ours)
        ours = expected[len(OUTPUT_NAMES) :]
        feeds = {**dict(zip(INPUT_NAMES, (t.numpy() for t in tick), strict=True)), **theirs}
        got = session.run(None, {n: a for n, a in feeds.items() if n in used})
        theirs = {name: got[names.index(f"next_{name}")] for name in STATE_NAMES}
        worst = max(worst, *(float(np.abs(e.numpy() - g).max()) for e, g in zip(expected, got, strict=True)))
    return worst
