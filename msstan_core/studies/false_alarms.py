"""False alarms an hour on simulated welds without imperfections, and how late the others' imperfections are said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from msstan_core.calibration.conformal import realised_rate
from msstan_core.evaluation.imperfections import GRACE_S
from msstan_core.observation import SECONDS_PER_HOUR
from msstan_core.studies.watched_welds import WatchedWeld
from msstan_core.vocabulary import ISO_CODES

#: What counts as said: the whole of an event, or what it is from its alarm on.
Level = Literal["alarm", "suspicion"]
#: Name of novelty beside the ISO codes.
NOVELTY = "novelty"
_ANYTHING = frozenset({0, *ISO_CODES})


def rates(watched: Sequence[WatchedWeld]) -> dict[str, Any]:
    """Alarms and suspicions an hour in welds that have no imperfection at all, with exact 95 % intervals.

    Returns:
        ``false_alarms_per_hour`` of all kinds together, the same per hour of arc (the stricter one), the same of
        suspicions (whether they become alarms or not), alarms and suspicions ``by_kind``, and the ``hours``,
        ``arc_hours`` and ``welds`` behind them.
    """
    clean = [w for w in watched if not w.spans and not w.faulty]
    hours, arc = (sum(values) / SECONDS_PER_HOUR for values in ([w.seconds for w in clean], [w.arc_s for w in clean]))
    events = [e for w in clean for e in w.events]

    def figure(count: int, judged_h: float) -> dict[str, float]:
        rate = realised_rate(count, judged_h)
        return {"mean": rate.per_hour, "lower95": rate.lower95, "upper95": rate.upper95, "count": float(count)}

    def of_kind(code: int) -> dict[str, dict[str, float]]:
        own = [e for e in events if e.iso_code == code]
        return {"alarms": figure(sum(e.alarm for e in own), hours), "suspicions": figure(len(own), hours)}

    said = {e.iso_code for e in events}
    return {
        "false_alarms_per_hour": figure(sum(e.alarm for e in events), hours),
        "false_alarms_per_arc_hour": figure(sum(e.alarm for e in events), arc),
        "false_suspicions_per_hour": figure(len(events), hours),
        "by_kind": {
            name: of_kind(code) for code, name in ((0, NOVELTY), *((c, str(c)) for c in ISO_CODES)) if code in said
        },
        "hours": hours,
        "arc_hours": arc,
        "welds": len(clean),
        "left_out": sum(bool(w.spans) and not w.faulty for w in watched),
    }


def delays(watched: Sequence[WatchedWeld], level: Level) -> dict[str, dict[str, float]]:
    """By ISO code, and for ``"all"`` together, over the true imperfections of faulty welds.

    Args:
        watched: welds. level: what counts as said.

    Returns:
        ``spans``; ``named``, the share said under its own code, and ``said``, under any or as novelty; median and 95th
        percentile of the delay from onset to the first such event, s. An event that was already open counts as 0.
    """
    own, anything = delays_of(watched, level, own=True), delays_of(watched, level)
    out = {}
    for name, codes in (("all", sorted(own)), *((str(code), [code]) for code in sorted(own))):
        named, said = ([d for code in codes for d in found[code]] for found in (own, anything))
        if named:
            out[name] = {
                "spans": float(len(named)),
                "named": _share(named),
                **_percentiles("named_delay", named),
                "said": _share(said),
                **_percentiles("said_delay", said),
            }
    return out


def delays_of(watched: Sequence[WatchedWeld], level: Level, *, own: bool = False) -> dict[int, list[float | None]]:
    """ISO code -> for each true imperfection of faulty welds, from onset to the first event of this level, s.

    Args:
        watched: welds. level: what counts as said. own: whether it must be said under its own code.

    Returns:
        None where nothing was said while it lasted.
    """
    out: dict[int, list[float | None]] = {}
    for weld in (w for w in watched if w.faulty):
        for code, start_s, end_s in weld.spans:
            codes = frozenset({code}) if own else _ANYTHING
            out.setdefault(code, []).append(_delay(weld, start_s, end_s, codes, level))
    return out


def _delay(weld: WatchedWeld, start_s: float, end_s: float, codes: frozenset[int], level: Level) -> float | None:
    own = [event for event in weld.events if event.iso_code in codes]
    said = [(event.alarm_s if level == "alarm" else event.said_s, event.end_s) for event in own]
    found = [
        max(at_s - start_s, 0.0)
        for at_s, until_s in said
        if at_s is not None and until_s >= start_s and at_s <= end_s + GRACE_S
    ]
    return min(found, default=None)


def _share(found: Sequence[float | None]) -> float:
    return float(np.mean([d is not None for d in found]))


def _percentiles(name: str, found: Sequence[float | None]) -> dict[str, float]:
    known = [d for d in found if d is not None]
    if not known:
        return {}
    return {f"{name}_p50_s": float(np.percentile(known, 50)), f"{name}_p95_s": float(np.percentile(known, 95))}
