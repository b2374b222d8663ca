"""Random ticks through engines, and what is looked at in their answers."""

from __future__ import annotations

import numpy as np
import pytest

from msstan_core.inference.engine import Engine, EngineOutput
from msstan_core.inference.export import random_tick
from msstan_core.inference.sampling_engine import SamplingEngine
from msstan_core.inference.split_engine import SplitEngine
from msstan_core.model.ms_stan import MsStan
from msstan_core.preprocessing.preprocessor import NetworkInput

AGREE = 1e-4


def ticks(model: MsStan, count: int, seed: int = 0) -> list[NetworkInput]:
    """Random ticks; the camera moves little most of the time, so that a gate has something to hold."""
    rng = np.random.default_rng(seed)
    out: list[NetworkInput] = []
    for index in range(count):
        tick = NetworkInput(*(part[0].numpy() for part in random_tick(model, rng)))
        if out and index % 5:
            kept = {name: getattr(out[-1], name) for name in ("camera", "thermal", "log_mel", "telemetry", "valid")}
            tick = NetworkInput(**{**{n: getattr(tick, n) for n in tick.arrays()}, **kept})
        out.append(tick)
    return out


def run(engine: Engine, stream: list[NetworkInput]) -> list[EngineOutput]:
    return [engine.step(tick) for tick in stream]


def assert_equal(ours: EngineOutput, theirs: EngineOutput, tolerance: float = AGREE) -> None:
    for name in ("action_logits", "imperfection_logits", "embedding", "modality_weights", "attention"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=tolerance)


def counted_looks(engine: SamplingEngine | SplitEngine, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one with every run of the engine's camera backbone."""
    runs: list[None] = []
    look = engine._look.run

    def counted() -> None:
        runs.append(None)
        look()

    monkeypatch.setattr(engine._look, "run", counted)
    return runs
