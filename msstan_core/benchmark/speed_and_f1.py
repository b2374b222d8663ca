"""What a network reaches beside what it costs: event F1 of ``peers.json``, ms an update of ``bench.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Protocols of the comparison of peers, and their names on the page.
PROTOCOLS = {"real_phases": "real phases", "unseen_materials": "unseen materials"}
#: Figures of a protocol: what the network says, and after the same action filter for all.
_FIGURES = ("event_f1", "filtered_event_f1")
_OURS = {"ms_stan": "MS-STAN nano", "ms_stan_camera": "MS-STAN nano, camera only"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One network."""

    name: str
    ours: bool
    update_ms: float  #: median of an update at full size; NaN where it was not timed
    event_f1: Mapping[str, tuple[float, float]]  #: protocol -> (as the network says, after the action filter)


def compared(bench: Mapping[str, Any], peers: Mapping[str, Any]) -> list[Compared]:
    """All networks that ``peers`` has an event F1 of, fastest first, those that were not timed last.

    A time of ``bench`` goes before one that the comparison took itself.

    Args:
        bench: content of ``bench.json``. peers: of ``peers.json``.
    """
    timed = {name: row["update_ms"]["p50"] for name, row in bench["baselines"].items() if "update_ms" in row}
    timed["ms_stan"] = bench["metrics"]["tick_ms"]["p50"]
    found = []
    for name, own in (*peers["metrics"].items(), *peers["baselines"].items()):
        if not isinstance(own, Mapping):
            continue
        by_protocol = {key: own[key] for key in PROTOCOLS if _FIGURES[0] in own.get(key, {})}
        if not by_protocol:
            continue
        taken = next((row["update_ms"]["p50"] for row in by_protocol.values() if "update_ms" in row), math.nan)
        f1 = {key: (_mean(row, _FIGURES[0]), _mean(row, _FIGURES[1])) for key, row in by_protocol.items()}
        found.append(Compared(_OURS.get(name, name), name in _OURS, float(timed.get(name, taken)), f1))
    return sorted(found, key=lambda row: (math.isnan(row.update_ms), row.update_ms))


def section(rows: Sequence[Compared], peers: Mapping[str, Any]) -> list[str]:
    """Lines of the page."""
    seeds = peers["seeds"]
    lines = [
        "## Event F1 beside speed",
        "",
        f"Event F1 of [results/peers.json](results/peers.json) ({seeds} seed{'' if seeds == 1 else 's'}): all trained "
        "within the same short budget, peers that read pixels at reduced width and size, timed at full size; see "
        "[Peers](results.md#peers) before you read anything into a difference. In brackets: after the same action "
        "filter for all.",
        "",
        "![Event F1 against milliseconds an update](images/speed_and_f1.png)",
        "",
        "| network | ms an update | " + " | ".join(f"event F1, {name}" for name in PROTOCOLS.values()) + " |",
        "|" + "---|" * (2 + len(PROTOCOLS)),
    ]
    for row in rows:
        name = f"**{row.name}**" if row.ours else row.name
        ms = "not timed" if math.isnan(row.update_ms) else f"{row.update_ms:.3g}"
        lines.append(f"| {name} | {ms} | " + " | ".join(_cell(row.event_f1.get(key)) for key in PROTOCOLS) + " |")
    return [*lines, ""]


def _mean(row: Mapping[str, Any], figure: str) -> float:
    value = row.get(figure, {}).get("mean")
    return math.nan if value is None else float(value)


def _cell(f1: tuple[float, float] | None) -> str:
    if f1 is None:
        return ""
    said, filtered = ("-" if math.isnan(value) else f"{value:.3f}" for value in f1)
    return f"{said} ({filtered})"
