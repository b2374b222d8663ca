"""What one tick costs: the whole step, its floor (the backbone alone in the same runtime), and the preprocessing."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.inference.engine import OnnxEngine, TorchEngine
from msstan_core.inference.model_package import ModelPackage
from msstan_core.observation import AudioWindow, CameraFrame, TelemetryWindow, ThermalFrame, Tick
from msstan_core.preprocessing.preprocessor import Preprocessor

#: Calls before anything is counted.
WARM_UP = 20


def example_tick(rng: np.random.Generator) -> Tick:
    """A tick of a usual cell: 640x480 colour, 640x480 thermal, 16 kHz sound, 50 Hz telemetry."""
    telemetry = rng.uniform(0, 1, (50, 5)).astype(np.float32)
    return Tick(
        index=0,
        stamp_ns=10**9,
        camera=CameraFrame(10**9, image=rng.integers(0, 255, (480, 640, 3), dtype=np.uint8)),
        thermal=ThermalFrame(10**9, rng.uniform(20, 2000, (480, 640)).astype(np.float32)),
        audio=AudioWindow(10**9, 16_000, rng.normal(0, 0.1, 6_400).astype(np.float32)),
        telemetry=TelemetryWindow(np.arange(50, dtype=np.int64), telemetry),
        age_s=np.zeros(4, np.float32),
        valid=np.ones(4, bool),
    )


def measure_tick(package: ModelPackage, ticks: int) -> dict[str, dict[str, float]]:
    """Milliseconds of every part, measured in turns so that a slow moment of the machine hits all alike.

    Args:
        package: the model. ticks: counted calls of each part.

    Returns:
        Name -> {"p50", "p99"} in ms; ``backbone_ratio`` {"p50"} is the whole step over the backbone alone, one thread.
    """
    tick = example_tick(np.random.default_rng(0))
    preprocess = Preprocessor(package.card.config.inputs, package.card.modalities)
    network_input, _ = preprocess(tick)
    engines = {f"tick_onnx_{n}_thread_ms": OnnxEngine(package, n) for n in (1, 2)}
    parts: dict[str, Callable[[], Any]] = {"preprocessing_ms": lambda: preprocess(tick)}
    for name, engine in engines.items():
        parts[name] = lambda engine=engine: engine.step(network_input)  # type: ignore[misc]
    torch_engine = TorchEngine(package, 1)
    parts["tick_torch_1_thread_ms"] = lambda: torch_engine.step(network_input)
    parts["backbone_onnx_1_thread_ms"] = _backbone(torch_engine, network_input.camera)
    times: dict[str, list[float]] = {name: [] for name in parts}
    for turn in range(WARM_UP + ticks):
        for name, part in parts.items():
            started = time.perf_counter()
            part()
            if turn >= WARM_UP:
                times[name].append((time.perf_counter() - started) * 1e3)
    figures = {name: _percentiles(np.array(values)) for name, values in times.items()}
    whole, floor = times["tick_onnx_1_thread_ms"], times["backbone_onnx_1_thread_ms"]
    figures["backbone_ratio"] = {"p50": round(float(np.median(np.array(whole) / np.array(floor))), 3)}
    figures["rss_mb"] = {"p50": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}
    return figures


def _backbone(engine: TorchEngine, camera: NDArray[np.uint8]) -> Callable[[], Any]:
    """The camera backbone alone, exported like the step graph and run by the same runtime."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.onnx"
        batch = torch.from_numpy(camera[None])
        torch.onnx.export(engine.model.backbone, (batch,), path, input_names=["camera"], dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    feeds = {"camera": camera[None]}
    return lambda: session.run(None, feeds)


def _percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    return {"p50": round(float(np.median(values)), 3), "p99": round(float(np.percentile(values, 99)), 3)}
