"""Figures of result files as text: numbers, means with spread, percentiles, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

ABSENT = "-"
#: More columns than this are shown the other way round.
MOST_COLUMNS = 9
_MAIN = ("mean", "p50", "median")
#: Beside a figure, how many it rests on.
_COUNTS = frozenset({"count", "seeds"})


def is_figure(value: Any) -> bool:
    """Whether a value is one figure: a number, a word, or a mapping with a mean, median or percentile."""
    if isinstance(value, Mapping):
        return any(name in value for name in _MAIN)
    return not isinstance(value, list)


def number_of(value: Any) -> float:
    """The figure's number: itself, its mean or its median; NaN where there is none."""
    if isinstance(value, Mapping):
        return next((number_of(value[name]) for name in _MAIN if name in value), math.nan)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value)


def text_of(value: Any) -> str:
    """One figure: ``0.916 ± 0.017``, ``3.41 (p99 5.02)``, ``1.2 [0.8, 1.9]``; a dash where it is not defined."""
    if isinstance(value, Mapping):
        main = next(name for name in _MAIN if name in value)
        text = text_of(value[main])
        if value.get("std") and text != ABSENT:  # 0: there was one seed only, or nothing to spread
            text += f" ± {text_of(value['std'])}"
        if "lower95" in value and "upper95" in value:
            text += f" [{text_of(value['lower95'])}, {text_of(value['upper95'])}]"
        others = {k: v for k, v in value.items() if k not in (main, "std", "lower95", "upper95")}
        plain = {k: v for k, v in others.items() if not isinstance(v, (Mapping, list))}
        extras = ", ".join(
            f"{words(k)} {v:.0f}" if k in _COUNTS else f"{words(k)} {text_of(v)}" for k, v in plain.items()
        )
        return f"{text} ({extras})" if extras else text
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 and math.isfinite(value) else _long(value)
    return ABSENT if value is None else cell(str(value))


def words(name: str) -> str:
    """A key as words."""
    return cell(name.replace("_", " "))


def cell(text: str) -> str:
    """Text that cannot break out of a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(rows: Mapping[str, Mapping[str, Any]], first: str) -> list[str]:
    """A table with one row for each entry and one column for each figure in any of them; turned when it gets too wide.

    Args:
        rows: name -> figure -> value; what is no figure is left out. first: heading of the first column.
    """
    columns = list(dict.fromkeys(k for own in rows.values() for k, v in own.items() if is_figure(v)))
    if not columns:
        return []
    if len(columns) > MOST_COLUMNS and len(rows) < len(columns):
        turned = {column: {name: own.get(column) for name, own in rows.items()} for column in columns}
        return _table(turned, list(rows), "")
    return _table(rows, columns, first)


def _table(rows: Mapping[str, Mapping[str, Any]], columns: list[str], first: str) -> list[str]:
    lines = [f"| {first} | " + " | ".join(words(c) for c in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, own in rows.items():
        shown = (text_of(own[c]) if c in own and is_figure(own[c]) else "" for c in columns)
        lines.append(f"| {words(name)} | " + " | ".join(shown) + " |")
    return lines


def _long(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else ABSENT
