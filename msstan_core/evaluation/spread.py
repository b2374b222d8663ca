"""Means and spreads: over bags (bootstrap of whole bags) for one model, over models where there are several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from msstan_core.evaluation.replayed import ReplayedBag

BOOTSTRAPS = 100
#: Digits of figures in result files.
DIGITS = 4

Figures = Callable[[Sequence[ReplayedBag]], Mapping[str, float]]


def finite_mean(values: Iterable[float]) -> float:
    """Mean of the finite values; NaN when there are none."""
    finite = [float(v) for v in values if math.isfinite(v)]
    return float(np.mean(finite)) if finite else math.nan


def finite_std(values: Iterable[float]) -> float:
    """Standard deviation of the finite values; NaN when there are none."""
    finite = [float(v) for v in values if math.isfinite(v)]
    return float(np.std(finite)) if finite else math.nan


def over_bags(bags: Sequence[ReplayedBag], figures: Figures, seed: int = 0) -> dict[str, dict[str, float]]:
    """Figures of all bags together, and their standard error over resampled bags: ticks of one bag are not independent.

    Args:
        bags: replays of one model. figures: of any collection of bags. seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    drawn = [figures([bags[i] for i in rng.integers(0, len(bags), len(bags))]) for _ in range(BOOTSTRAPS)]
    return {
        name: {"mean": value, "std": finite_std(d.get(name, math.nan) for d in drawn)}
        for name, value in figures(bags).items()
    }


def over_models(models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Nested figures of several models in one: each number becomes its mean and standard deviation over them.

    With one model the figures stay as they are. A {"mean", "std"} counts by its mean. What is no number is taken from
    the first model; a figure that a model lacks is left out of the mean.
    """
    if len(models) == 1:
        return dict(models[0])
    merged: dict[str, Any] = {}
    for name in dict.fromkeys(key for model in models for key in model):
        values = [model[name] for model in models if name in model]
        first = values[0]
        if isinstance(first, Mapping) and set(first) == {"mean", "std"}:
            values, first = [v["mean"] for v in values], first["mean"]
        if isinstance(first, Mapping):
            merged[name] = over_models(values) if len(values) > 1 else dict(first)
        elif isinstance(first, (int, float)) and not isinstance(first, bool):
            merged[name] = {"mean": finite_mean(values), "std": finite_std(values)}
        else:
            merged[name] = first
    return merged


def rounded(figures: Any) -> Any:
    """Nested figures for a result file: few digits, and null for what is not defined (JSON has no NaN)."""
    if isinstance(figures, Mapping):
        return {name: rounded(value) for name, value in figures.items()}
    if isinstance(figures, (list, tuple)):
        return [rounded(value) for value in figures]
    if isinstance(figures, (float, np.floating)):
        return round(float(figures), DIGITS) if math.isfinite(figures) else None
    return figures
