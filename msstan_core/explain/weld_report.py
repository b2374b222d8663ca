"""One replayed weld as an HTML page for a welding engineer: what was done, what is suspected where, what may help."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.advisory.rules import NO_RULE, rule_for
from msstan_core.decision.event_log import EventLog, LoggedEvent
from msstan_core.decision.result import Decision
from msstan_core.explain.overlay import ALARM_COLOUR, SUSPICION_COLOUR, colour_of
from msstan_core.observation import LONGEST_TICK_GAP_S
from msstan_core.vocabulary import ACTIONS, MODALITIES, Action

#: Pictures on a page: of the alarms first, then of the suspicions that were farthest above their limits.
MOST_PICTURES = 12
_JPEG_QUALITY = 85
_EVENT_COLUMNS = (
    "ISO 6520-1",
    "kind",
    "from s",
    "to s",
    "alarm from s",
    "place on the seam",
    "highest score",
    "severity (1: worst)",
)


@dataclass(slots=True)
class Course:
    """What is kept of a replay: decisions in the order of their stamps."""

    seconds: list[float] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    weights: list[NDArray[np.float64]] = field(default_factory=list)
    log: EventLog = field(default_factory=EventLog)
    #: event id -> JPEG of the moment of its highest score
    pictures: dict[int, bytes] = field(default_factory=dict)
    degraded: dict[str, int] = field(default_factory=dict)  #: reason -> ticks
    _start_ns: int = 0

    def add(self, decision: Decision, time_s: float) -> list[int]:
        """Take the next decision, at ``time_s`` from the recording's start.

        Returns:
            Ids of the events whose score is the highest so far: a picture of this moment is worth keeping.
        """
        self.seconds.append(time_s)
        self.actions.append(decision.action)
        self.probabilities.append(decision.action_probability)
        self.weights.append(np.where(decision.valid, decision.modality_weights, np.nan).astype(np.float64))
        self._start_ns = decision.stamp_ns - round(time_s * 1e9)
        for reason in decision.degraded:
            self.degraded[reason] = self.degraded.get(reason, 0) + 1
        before = {entry.event_id: entry.peak for entry in self.log.entries}
        self.log.add(decision.events)
        return [e.event_id for e in self.log.entries if e.peak > before.get(e.event_id, -math.inf)]

    def keep_picture(self, event_ids: Iterable[int], picture: NDArray[np.uint8]) -> None:
        """Keep the picture [H, W, 3] BGR of this moment for these events, instead of an earlier one."""
        content = _jpeg(picture)
        self.pictures.update(dict.fromkeys(event_ids, content))

    @property
    def events(self) -> tuple[LoggedEvent, ...]:
        """What was suspected, in the order of the onsets."""
        return self.log.entries

    def time_of(self, stamp_ns: int) -> float:
        """A stamp in seconds from the recording's start."""
        return (stamp_ns - self._start_ns) / 1e9

    def spans(self) -> list[tuple[float, float, Action]]:
        """(start, end, action) of each stretch of one action, seconds.

        The last ends with the last decision, and so does each before a hole of the recording, and each after which its
        clock was set back.
        """
        out: list[tuple[float, float, Action]] = []
        for action, start, next_s in zip(
            self.actions, self.seconds, [*self.seconds[1:], *self.seconds[-1:]], strict=True
        ):
            begin = out.pop()[0] if out and out[-1][1:] == (start, action) else start
            goes_on = 0.0 <= next_s - start <= LONGEST_TICK_GAP_S
            out.append((begin, next_s if goes_on else start, action))
        return out

    @property
    def holes(self) -> list[tuple[float, float]]:
        """Stretches without any decision, s."""
        return [(before, now) for before, now in pairwise(self.seconds) if now - before > LONGEST_TICK_GAP_S]

    @property
    def clock_set_back_s(self) -> list[float]:
        """By how much the recording's clock was set back, each time, s: what came after repeats times of before."""
        return [before - now for before, now in pairwise(self.seconds) if now < before]


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
    events = [
        (
            str(e.iso_code) if e.iso_code else "-",
            e.name,
            f"{course.time_of(e.onset_ns):.2f}",
            f"{course.time_of(e.end_ns):.2f}" + (", still open" if e.open else ""),
            "-" if e.alarm_ns is None else f"{course.time_of(e.alarm_ns):.2f}",
            _place(e),
            f"{e.peak:.2f} (limit {e.threshold:.2f})",
            "unknown" if math.isnan(e.severity) else f"{e.severity:.2f}",
        )
        for e in course.events
    ]
    advice = [
        (f"{code} {name}", line)
        for code, name in dict.fromkeys((e.iso_code, e.name) for e in course.events)
        for line in advice_for(code)
    ]
    degraded = [(str(count), reason) for reason, count in course.degraded.items()]
    degraded += [("1", f"no decision from {begin:.2f} s to {end:.2f} s") for begin, end in course.holes]
    degraded += [("1", f"the clock was set back by {by:.1f} s: later times repeat") for by in course.clock_set_back_s]
    parts = [
        f"<h1>Weld report: {html.escape(title)}</h1>",
        f"<p>{len(course.seconds)} decisions over {sum(b - a for a, b, _ in course.spans()):.1f} s by model "
        f"{html.escape(model)}. Suspicions and alarms are no verdict: they say where to look. Not a safety function. "
        f"{html.escape(promise)}</p>",
        f'<img alt="course of the weld" src="data:image/png;base64,{picture}">',
        "<h2>Suspected imperfections</h2>",
        _table(_EVENT_COLUMNS, events) if events else "<p>None reported.</p>",
        _pictures(course),
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
    style += ".moments{display:grid;grid-template-columns:repeat(auto-fill,minmax(20em,1fr));gap:1em}figure{margin:0}"
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
    breaks = np.flatnonzero(np.diff(course.seconds) < 0) + 1  # no line back to where the clock was set
    seconds = np.insert(course.seconds, breaks, np.nan)
    strip.plot(seconds, np.insert(course.probabilities, breaks, np.nan), color="black", linewidth=0.9)
    strip.set_ylim(0, 1.02)
    strip.set_ylabel("action,\nprobability")
    seen = [a for a in ACTIONS if a in course.actions]
    beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "fontsize": 8, "frameon": False}
    strip.legend(handles=[Patch(color=colour_of(a), alpha=0.6, label=_words(a)) for a in seen], **beside)
    shares = np.insert(np.array(course.weights), breaks, np.nan, axis=0)
    for modality in MODALITIES:
        if np.isfinite(shares[:, modality]).any():
            weights.plot(seconds, shares[:, modality], label=modality.label, linewidth=1.1)
    weights.set_ylim(0, 1.02)
    weights.set_ylabel("sensor weight")
    if weights.lines:
        weights.legend(**beside)
    names = list(dict.fromkeys(_title(e) for e in course.events))
    for e in course.events:
        row, until = names.index(_title(e)), course.time_of(e.end_ns)
        suspicion.plot([course.time_of(e.onset_ns), until], [row, row], color=SUSPICION_COLOUR, linewidth=5)
        if e.alarm_ns is not None:
            suspicion.plot([course.time_of(e.alarm_ns), until], [row, row], color=ALARM_COLOUR, linewidth=5)
    suspicion.set_yticks(range(len(names)), names)
    suspicion.set_ylim(max(len(names), 1) - 0.5, -0.5)
    if not names:
        suspicion.text(0.5, 0.5, "nothing suspected", transform=suspicion.transAxes, ha="center", color="grey")
    suspicion.set_xlabel("seconds")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()


def _pictures(course: Course) -> str:
    """The moments of the highest scores, in the order of the onsets; at most ``MOST_PICTURES``."""
    drawn = [e for e in course.events if e.event_id in course.pictures]
    if not drawn:
        return ""
    first = sorted(drawn, key=lambda e: (e.alarm_ns is None, -e.peak / max(e.threshold, 1e-9)))[:MOST_PICTURES]
    figures = [
        f'<figure><img alt="{html.escape(_title(e))}" src="data:image/jpeg;base64,'
        f'{base64.b64encode(course.pictures[e.event_id]).decode("ascii")}"><figcaption>'
        f"{html.escape(_title(e))}, from {course.time_of(e.onset_ns):.2f} s</figcaption></figure>"
        for e in drawn
        if e in first
    ]
    left = len(drawn) - len(first)
    rest = f" {left} more have none: alarms come first, then what was farthest above its limit." if left else ""
    return (
        "<h2>When their scores were highest</h2><p>Tinted where the network looked; a box is what an event points at."
        f'{rest}</p><div class="moments">{"".join(figures)}</div>'
    )


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    written, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert written  # an 8-bit BGR array always is
    return content.tobytes()


def _title(event: LoggedEvent) -> str:
    return f"{event.iso_code or ''} {event.name}".strip()


def _place(event: LoggedEvent) -> str:
    if math.isnan(event.seam_from_m):
        return "unknown (needs travel speed)"
    return f"{event.seam_from_m * 1e3:.0f} to {event.seam_to_m * 1e3:.0f} mm from the arc's start"


def _words(action: Action) -> str:
    return action.name.replace("_", " ").lower()


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    return "<table>" + line(heads, "th") + "".join(line(row, "td") for row in rows) + "</table>"
