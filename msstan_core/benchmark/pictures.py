"""Pictures of ``docs/performance.md``, from the figures of the result files alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msstan_core.benchmark.speed_and_f1 import PROTOCOLS, Compared

#: Colours of MS-STAN, of others, and of the aim.
#: Where the names of networks stand above their points, and how far apart, in decades of the time.
_NAMES_AT, _NAME_WIDTH = 1.02, 0.2
_OURS, _OTHERS, _SECOND = "#c44e52", "#8c9aab", "#4c72b0"
CAMERA_PERIOD_MS = 1000 / 30


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def draw_updates(found: dict[str, Any], picture: Path) -> None:
    """Milliseconds of a decision update, MS-STAN and peers, on a logarithmic axis with the camera's period.

    Args:
        found: content of ``bench.json``. picture: PNG file to write.
    """
    pyplot = _pyplot()
    metrics = found["metrics"]
    ours = (("MS-STAN nano", "tick_ms"), ("MS-STAN nano, samples to decision", "monitor_tick_ms"))
    named = [*ours, ("MS-STAN base", "base_tick_ms")]
    rows = [(label, metrics[name]["p50"], True) for label, name in named if name in metrics]
    peers = [row for row in found["baselines"].values() if "update_ms" in row]
    rows += [(str(peer["variant"]), peer["update_ms"]["p50"], False) for peer in peers]
    rows.sort(key=lambda row: -row[1])
    figure, axes = pyplot.subplots(figsize=(8, 0.34 * len(rows) + 1.2), layout="constrained")
    axes.barh([row[0] for row in rows], [row[1] for row in rows], color=[_OURS if row[2] else _OTHERS for row in rows])
    for index, (_, ms, _) in enumerate(rows):
        axes.text(ms * 1.06, index, f"{ms:.3g}" if ms < 1000 else f"{ms:.0f}", va="center", fontsize=8)
    axes.axvline(CAMERA_PERIOD_MS, color="black", linewidth=0.8, linestyle="--")
    axes.text(CAMERA_PERIOD_MS, len(rows) - 0.3, " camera period at 30 Hz", fontsize=8, va="bottom")
    axes.set_xscale("log")
    axes.set_xlim(right=3.0 * max(row[1] for row in rows))
    axes.set_xlabel("ms a decision update, median")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def _apart(times_ms: Sequence[float]) -> list[float]:
    """Places of names on a logarithmic axis, in the order of the rising times and about _NAME_WIDTH apart."""
    places = [math.log10(time_ms) for time_ms in times_ms]
    for _ in range(200):  # neighbours that are too near push each other away
        for left in range(len(places) - 1):
            lack = _NAME_WIDTH - (places[left + 1] - places[left])
            if lack > 0:
                places[left] -= lack / 2
                places[left + 1] += lack / 2
    return [10**place for place in places]


def draw_speed_and_f1(rows: Sequence[Compared], picture: Path) -> None:
    """Event F1 against milliseconds an update, one panel a protocol; networks that were not timed are left out.

    Args:
        rows: of :func:`~msstan_core.benchmark.speed_and_f1.compared`. picture: PNG file to write.
    """
    pyplot = _pyplot()
    figure, panels = pyplot.subplots(1, len(PROTOCOLS), figsize=(9, 5), sharey=True, layout="constrained")
    for (key, title), axes in zip(PROTOCOLS.items(), panels, strict=True):
        shown = sorted((r for r in rows if key in r.event_f1 and r.update_ms > 0), key=lambda r: r.update_ms)
        for row, place in zip(shown, _apart([row.update_ms for row in shown]), strict=True):
            said, filtered = row.event_f1[key]
            colour = _OURS if row.ours else _OTHERS
            axes.plot([row.update_ms] * 2, [said, filtered], "-", color=colour, linewidth=0.8)
            axes.plot(row.update_ms, said, "o", color=colour)
            axes.plot(row.update_ms, filtered, "o", color="white", markeredgecolor=colour)
            axes.plot([row.update_ms, place], [max(said, filtered), _NAMES_AT], "-", color="#cccccc", linewidth=0.5)
            axes.annotate(
                row.name, (place, _NAMES_AT), (0, 2), textcoords="offset points", ha="center", fontsize=7, rotation=90
            )
        axes.axvline(CAMERA_PERIOD_MS, color="black", linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        times = [row.update_ms for row in rows if not math.isnan(row.update_ms)] or [CAMERA_PERIOD_MS]
        axes.set_xlim(min(times) / 2, max(times) * 4)
        axes.set_ylim(0, 1.95)
        axes.set_yticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("ms an update (dashed: camera period at 30 Hz)")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("event F1 (hollow: after the action filter)")
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def draw_skipping(curves: dict[str, dict[str, dict[str, Any]]], usual: float, picture: Path) -> None:
    """Time saved against macro-F1 lost, one line per kind of weld, one point per share of frames looked at.

    Args:
        curves: kind -> share -> row of ``sampling.json``. usual: the default share, marked. picture: PNG file.
    """
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for (kind, curve), colour in zip(sorted(curves.items()), (_OURS, _SECOND), strict=False):
        points = sorted((float(t), row["time_saved"]["mean"], row["f1_loss"]["mean"]) for t, row in curve.items())
        _, saved, lost = zip(*points, strict=True)
        points_lost = [100.0 * value for value in lost]
        axes.plot([100.0 * value for value in saved], points_lost, "o-", color=colour, markersize=4, label=kind)
        for share, x, y in points:
            if share == usual:
                axes.plot(100.0 * x, 100.0 * y, "o", color="none", markeredgecolor=colour, markersize=11)
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.axvline(30.0, color="black", linewidth=0.8, linestyle=":")
    axes.set_xlabel("time saved, % (dotted: aim; ring: the default share)")
    axes.set_ylabel("macro-F1 lost, points (dashed: most)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def draw_course(course: list[dict[str, Any]], picture: Path) -> None:
    """Latency and memory over a long run.

    Args:
        course: rows of ``soak.json``, in order. picture: PNG file to write.
    """
    pyplot = _pyplot()
    minutes, elapsed = [], 0.0
    for row in course:
        elapsed += row["actions"] / row["rate_hz"] / 60.0
        minutes.append(elapsed)
    figure, (above, below) = pyplot.subplots(2, 1, figsize=(7, 4), sharex=True, layout="constrained")
    for name, colour in (("p50", _OURS), ("p99", _OTHERS)):
        above.plot(minutes, [row["end_to_end_ms"][name] for row in course], ".-", color=colour, label=name)
    above.set_ylabel("acquisition to\nmessage, ms")
    above.set_ylim(0, 1.1 * max(row["end_to_end_ms"]["p99"] for row in course))
    above.legend(frameon=False, ncols=2)
    below.plot(minutes, [row["rss_mb"] for row in course], ".-", color=_SECOND)
    below.set_ylabel("memory, MB")
    below.set_ylim(0, 1.1 * max(row["rss_mb"] for row in course))
    below.set_xlabel("minutes")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
