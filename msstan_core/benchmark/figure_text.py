"""Figures of a result file as people read them."""

from __future__ import annotations


def value_text(value: object) -> str:
    """A figure as people read it: "2.10 (p99 3.4)", "1.31 (mean 1.33 ± 0.1)", "12.3 ± 0.4" or a plain number."""
    if not isinstance(value, dict):
        return "" if value is None else number_text(value) if isinstance(value, (int, float)) else str(value)
    if "p99" in value:
        return f"{number_text(value['p50'])} (p99 {number_text(value['p99'])})"
    if "p50" in value and "mean" in value and "std" in value:
        return f"{number_text(value['p50'])} (mean {number_text(value['mean'])} ± {value['std']:.2g})"
    if "std" in value:
        return f"{number_text(value['p50'] if 'p50' in value else value['mean'])} ± {value['std']:.2g}"
    return value_text(value["p50"] if "p50" in value else value["mean"])


def number_text(value: float) -> str:
    """Three digits, and no powers of ten where a number has more before its point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
