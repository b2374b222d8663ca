"""One replayed weld as an HTML page for a welding engineer: what was done, what is suspected where, what may help."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.advisory.rules import NO_RULE, rule_for
from msstan_core.decision.result import AnomalyEvent, Decision, EventPhase
from msstan_core.explain.overlay import ALARM_COLOUR, SUSPICION_COLOUR, colour_of
from msstan_core.vocabulary import ACTIONS, MODALITIES, Action


@dataclass(slots=True)
class Suspicion:
    """One anomaly from onset to clearance, or to the end of the recording."""

    iso_code: int  #: ISO 6520-1; 0: novelty
    name: str
    onset_s: float
    until_s: float
    peak: float  #: highest score
    threshold: float
    from_m: float  #: along the seam from the arc's start, NaN when unknown
    to_m: float
    cleared: bool = False
    alarm_s: float = math.nan  #: since when it is an alarm; NaN: it stayed a suspicion


@dataclass(slots=True)
class Course:
    """What is kept of a replay: decisions in the order of their stamps."""

    seconds: list[float] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    weights: list[NDArray[np.float64]] = field(default_factory=list)
    suspicions: dict[int, Suspicion] = field(default_factory=dict)
    degraded: dict[str, int] = field(default_factory=dict)  #: reason -> ticks

    def add(self, decision: Decision, time_s: float) -> None:
        """Take a decision at ``time_s``, seconds from the recording's start."""
        self.seconds.append(time_s)
        self.actions.append(decision.action)
        self.probabilities.append(decision.action_probability)
        self.weights.append(np.where(decision.valid, decision.modality_weights, np.nan).astype(np.float64))
        for reason in decision.degraded:
            self.degraded[reason] = self.degraded.get(reason, 0) + 1
        for event in decision.events:
            self._follow(event, decision.stamp_ns, time_s)

    def spans(self) -> list[tuple[float, float, Action]]:
        """(start, end, action) of each stretch of one action, seconds; the last ends with the last decision."""
        out: list[tuple[float, float, Action]] = []
        for action, start, end in zip(self.actions, self.seconds, [*self.seconds[1:], *self.seconds[-1:]], strict=True):
            begin = out.pop()[0] if out and out[-1][2] is action else start
            out.append((begin, end, action))
        return out

    def _follow(self, event: AnomalyEvent, stamp_ns: int, time_s: float) -> None:
        found = self.suspicions.get(event.event_id)
        if found is None:
            onset = time_s - (stamp_ns - event.onset_stamp_ns) / 1e9
            place = event.seam_position_m
            found = Suspicion(event.iso_code, event.name, onset, time_s, event.score, event.threshold, place, place)
            self.suspicions[event.event_id] = found
        if event.alarm and math.isnan(found.alarm_s):
            found.alarm_s = time_s
        found.until_s = time_s
        found.peak = float(np.fmax(found.peak, event.score))
        found.from_m = float(np.fmin(found.from_m, event.seam_position_m))
        found.to_m = float(np.fmax(found.to_m, event.seam_position_m))
        found.cleared = event.phase is EventPhase.CLEARED


def advice_for(iso_code: int) -> list[str]:
    """What the advisory's rules say about an imperfection, in words; without telemetry all remedies are candidates."""
    rule = rule_for(iso_code)
    if rule is None:
        return [f"{NO_RULE[iso_code]}; look at the seam there"]
    lines = ["check the shielding gas: flow, leaks, draught, nozzle"] if rule.check_gas else []
    for remedy in rule.remedies:
        for change in remedy.changes:
            parameter = change.parameter.name.lower().replace("_", " ")
            lines.append(f"{'raise' if change.share > 0 else 'lower'} {parameter}: {change.reason}")
    return list(dict.fromkeys(lines)) or ["no parameter helps by rule of thumb: look at aim and preparation"]


def report_page(course: Course, title: str, model: str, promise: str = "") -> str:
    """The page, complete in itself.

    Args:
        course: with at least one decision. title: the recording's name. model: its name and version.
        promise: what is known of the rate of false alarms, in words.
    """
    picture = base64.b64encode(timeline_png(course)).decode("ascii")
    spans = [(f"{a:.2f}", f"{b:.2f}", f"{b - a:.2f}", _words(action)) for a, b, action in course.spans()]
    found = sorted(course.suspicions.values(), key=lambda s: s.onset_s)
    events = [
        (
            str(s.iso_code) if s.iso_code else "-",
            s.name,
            f"{s.onset_s:.2f}",
            f"{s.until_s:.2f}" if s.cleared else f"{s.until_s:.2f}, still open",
            "-" if math.isnan(s.alarm_s) else f"{s.alarm_s:.2f}",
            _place(s),
            f"{s.peak:.2f} (limit {s.threshold:.2f})",
        )
        for s in found
    ]
    advice = [
        (f"{code} {name}", line)
        for code, name in dict.fromkeys((s.iso_code, s.name) for s in found)
        for line in advice_for(code)
    ]
    degraded = [(str(count), reason) for reason, count in course.degraded.items()]
    parts = [
        f"<h1>Weld report: {html.escape(title)}</h1>",
        f"<p>{len(course.seconds)} decisions over {course.seconds[-1] - course.seconds[0]:.1f} s by model "
        f"{html.escape(model)}. Suspicions and alarms are no verdict: they say where to look. Not a safety function. "
        f"{html.escape(promise)}</p>",
        f'<img alt="course of the weld" src="data:image/png;base64,{picture}">',
        "<h2>Suspected imperfections</h2>",
        _table(("ISO 6520-1", "kind", "from s", "to s", "alarm from s", "place on the seam", "highest score"), events)
        if events
        else "<p>None reported.</p>",
        "<h2>What may help</h2><p>From the advisory's rules, without the procedure's limits; where several are named, "
        "the cause decides. Change parameters only within the welding procedure.</p>"
        + _table(("suspicion", "candidate"), advice)
        if advice
        else "",
        "<h2>Actions</h2>",
        _table(("from s", "to s", "lasting s", "action"), spans),
        "<h2>What was missing</h2>" + _table(("ticks", "reason"), degraded) if degraded else "",
    ]
    style = "body{font:15px sans-serif;max-width:70em;margin:2em auto}"
    style += "td,th{padding:.2em .8em;text-align:left}img{max-width:100%}"
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
    return f"{head}<style>{style}</style></head><body>" + "\n".join(p for p in parts if p) + "</body></html>\n"


def timeline_png(course: Course) -> bytes:
    """Actions, their probability, the sensors' weights and the suspicions over time, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(11, 6), layout="constrained")
    FigureCanvasAgg(figure)
    strip, weights, suspicion = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [1.0, 1.2, 1.2]})
    for start, end, action in course.spans():
        strip.axvspan(start, end, color=colour_of(action), alpha=0.6, linewidth=0)
    strip.plot(course.seconds, course.probabilities, color="black", linewidth=0.9)
    strip.set_ylim(0, 1.02)
    strip.set_ylabel("action,\nprobability")
    seen = [a for a in ACTIONS if a in course.actions]
    beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "fontsize": 8, "frameon": False}
    strip.legend(handles=[Patch(color=colour_of(a), alpha=0.6, label=_words(a)) for a in seen], **beside)
    shares = np.array(course.weights)
    for modality in MODALITIES:
        if np.isfinite(shares[:, modality]).any():
            weights.plot(course.seconds, shares[:, modality], label=modality.label, linewidth=1.1)
    weights.set_ylim(0, 1.02)
    weights.set_ylabel("sensor weight")
    if weights.lines:
        weights.legend(**beside)
    found = sorted(course.suspicions.values(), key=lambda s: s.onset_s)
    names = list(dict.fromkeys(f"{s.iso_code or ''} {s.name}".strip() for s in found))
    for s in found:
        row = names.index(f"{s.iso_code or ''} {s.name}".strip())
        suspicion.plot([s.onset_s, s.until_s], [row, row], color=SUSPICION_COLOUR, linewidth=5)
        if not math.isnan(s.alarm_s):
            suspicion.plot([s.alarm_s, s.until_s], [row, row], color=ALARM_COLOUR, linewidth=5)
    suspicion.set_yticks(range(len(names)), names)
    suspicion.set_ylim(max(len(names), 1) - 0.5, -0.5)
    if not names:
        suspicion.text(0.5, 0.5, "nothing suspected", transform=suspicion.transAxes, ha="center", color="grey")
    suspicion.set_xlabel("seconds")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()


def _place(s: Suspicion) -> str:
    if math.isnan(s.from_m):
        return "unknown (needs travel speed)"
    return f"{s.from_m * 1e3:.0f} to {s.to_m * 1e3:.0f} mm from the arc's start"


def _words(action: Action) -> str:
    return action.name.replace("_", " ").lower()


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    return "<table>" + line(heads, "th") + "".join(line(row, "td") for row in rows) + "</table>"
