"""The course of a weld as one picture: actions, what they rest on, suspicions, and how fast they came."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from msstan_core.explain.overlay import ALARM_COLOUR, SUSPICION_COLOUR, colour_of
from msstan_core.vocabulary import ACTIONS, MODALITIES, Action
from msstan_ros.live_status import ActionRow, AnomalySpan

_MODALITY_COLOURS = ("#4878a8", "#c8553d", "#6a9a58", "#8d6aa8")


def draw_timeline(rows: Sequence[ActionRow], anomalies: Collection[AnomalySpan], path: Path, title: str) -> None:
    """Write the picture.

    Args:
        rows: decisions in the order of their stamps, at least two.
        anomalies: events with onset and end.
        path: PNG file to write; its folder is made.
        title: above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    begin = rows[0].stamp_s
    seconds = np.array([row.stamp_s - begin for row in rows])
    probabilities = np.array([row.probabilities for row in rows])
    weights = np.array([np.where(row.valid, row.weights, np.nan) for row in rows])
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    strip, stack, fusion, suspicion, speed = figure.subplots(
        5, 1, sharex=True, gridspec_kw={"height_ratios": [0.5, 2.2, 1.4, 1.0, 1.2]}
    )
    figure.suptitle(title, fontsize=11)

    for start, end, action in action_spans(rows):
        strip.axvspan(start - begin, end - begin, color=colour_of(action))
    strip.set_yticks([])
    strip.set_ylabel("action", rotation=0, ha="right", va="center")

    stack.stackplot(
        seconds,
        np.nan_to_num(probabilities).T,
        colors=[colour_of(a) for a in ACTIONS],
        labels=[a.name.replace("_", " ").lower() for a in ACTIONS],
    )
    stack.set_ylim(0, 1)
    stack.set_ylabel("probability")
    stack.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)

    for modality, colour in zip(MODALITIES, _MODALITY_COLOURS, strict=True):
        if np.isfinite(weights[:, modality]).any():
            fusion.plot(seconds, weights[:, modality], color=colour, label=modality.label, linewidth=1.2)
    fusion.set_ylim(0, 1)
    fusion.set_ylabel("modality weight")
    fusion.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)

    for span in anomalies:
        left, right = span.onset_s - begin, span.until_s - begin
        suspicion.plot([left, right], [span.score] * 2, linewidth=4, color=SUSPICION_COLOUR, solid_capstyle="butt")
        if span.alarm:
            alarming = [span.alarm_s - begin, right]
            suspicion.plot(alarming, [span.score] * 2, linewidth=4, color=ALARM_COLOUR, solid_capstyle="butt")
        suspicion.annotate(f"{span.code or ''} {span.name}", (left, span.score), fontsize=7, va="bottom")
    suspicion.set_ylim(bottom=0)
    suspicion.set_ylabel("suspicion score\n(alarms red)")
    if not anomalies:
        suspicion.text(0.5, 0.5, "no anomaly reported", transform=suspicion.transAxes, ha="center", color="grey")

    speed.plot(
        seconds, [row.pipeline_s * 1e3 for row in rows], color="#c8853d", linewidth=0.8, label="stamp to publication"
    )
    speed.plot(seconds, [row.inference_s * 1e3 for row in rows], color="#4878a8", linewidth=0.8, label="inference")
    speed.set_yscale("log")
    speed.set_ylabel("ms")
    speed.set_xlabel("seconds from the first decision")
    speed.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    speed.set_xlim(0, max(float(seconds[-1]), 1e-3))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def action_spans(rows: Sequence[ActionRow]) -> list[tuple[float, float, Action]]:
    """(start, end, action) of each stretch of one action, in stamp seconds."""
    spans: list[tuple[float, float, Action]] = []
    for row, following in zip(rows, [*rows[1:], rows[-1]], strict=True):
        if spans and spans[-1][2] is row.action:
            spans[-1] = (spans[-1][0], following.stamp_s, row.action)
        else:
            spans.append((row.stamp_s, following.stamp_s, row.action))
    return spans
