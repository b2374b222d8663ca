"""The section of docs/closed_loop.md about welds over DDS and its picture, from a result file and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from msstan_core.closed_loop.loop import LATENCY_S
from msstan_core.closed_loop.report.page_section import PageSection
from msstan_core.closed_loop.report.study_page import NAMES, basis, draw_times, spread_text
from msstan_core.closed_loop.tasks import LIVE_ARMS
from msstan_core.closed_loop.timing import Timing

SECTION = PageSection(
    "<!-- results over DDS: written by msstan closed-loop-live --page -->", "<!-- end of results over DDS -->"
)
_CALLED = {"none": "programme alone", "monitor": "in one process", "live": "over DDS"}
_COLOURS = {"none": "#b0413e", "monitor": "#1f6f8b", "live": "#d9a441"}
#: The welds of one imperfection lie beside each other, in the order of their seeds, over this width.
_POINTS_WIDTH = 0.5


def write_live(page: Path, result: Path) -> list[Path]:
    """Rewrite the section of ``page`` and its picture; returns the files written.

    Raises:
        InputError: when the page has no such section.
    """
    content = json.loads(result.read_text(encoding="utf-8"))
    images = SECTION.replace(page, live_section(content))
    return [page, _picture(content, images / "closed_loop_live.png")]


def live_section(content: dict[str, Any]) -> str:
    """Results over DDS as Markdown."""
    number = partial(spread_text, content["seeds"])
    live, in_process = content["metrics"], content["baselines"]["in_process"]
    none = content["baselines"]["none"]
    lines = [
        f"`{content['command']}` at revision {content['revision']}, {basis(content['seeds'])}. All figures: "
        "[results/closed_loop_live.json](results/closed_loop_live.json).",
        "",
        "| the same welds | programme alone | in one process | over DDS |",
        "|---|---|---|---|",
        f"| imperfection, s per metre | {number(none['imperfection_s_per_m'])} | "
        f"{number(in_process['imperfection_s_per_m'])} | {number(live['imperfection_s_per_m'])} |",
    ]
    lines += [
        f"| {words} | {alone} | {number(in_process[key])} | {number(live[key])} |"
        for key, words, alone in (
            ("imperfection_time_ratio", "imperfection time, share of the programme alone", "1"),
            ("wps_violations", "violations of the procedure per seed", ""),
            ("detected", "imperfections suspected, share", ""),
            ("delay_s", "detection delay, s", ""),
            ("wrong_corrections_per_weld", "corrections without cause per weld", ""),
            ("good_weld_advised_s", "good welds: time with any advice, s", ""),
        )
    ]
    lines += [
        "",
        f"A weld has {number(live['more_than_in_process_s'])} s more of imperfections over DDS than in one process.",
        *_kept_up(content, number),
        "",
        "| imperfection, s per metre | programme alone | in one process | over DDS | delay over DDS, s |",
        "|---|---|---|---|---|",
    ]
    for code, row in content["details"]["by_imperfection"].items():
        called = f"{code} {NAMES[int(code)]}" if int(code) else NAMES[0]
        cells = [called, *(number(row[f"{arm}_s_per_m"]) for arm in LIVE_ARMS), number(row["delay_s"])]
        lines.append("| " + " | ".join(cells) + " |")
    spread = ", bars: standard deviation over seeds" if content["seeds"] > 1 else ""
    lines += [
        "",
        f"Above: mean of the welds{spread}. Below: each weld over DDS less the same weld in one process, and the mean.",
        "",
        "![Seconds of imperfection per metre, alone, in one process and over DDS](images/closed_loop_live.png)",
        "",
    ]
    return "\n".join(lines)


def _kept_up(content: dict[str, Any], number: Callable[[dict[str, float | None]], str]) -> list[str]:
    """What the result says about the machine; nothing in a file that was written before this was measured."""
    live = content["metrics"]
    if "late_decisions" not in live:
        return []
    rate, welds = content["details"]["rate"], [w for w in content["details"]["welds"] if w["arm"] == "live"]
    slow = sum(not Timing.from_dict(w["timing"]).kept_up(rate) for w in welds)
    warning = f"In {slow} of {len(welds)} welds over DDS the machine did not keep up; their figures are its too."
    return [
        *(["", warning] if slow else []),
        "",
        "| whether the machine kept up | over DDS |",
        "|---|---|",
        f"| decisions that arrive over {LATENCY_S:g} s after their frame, share | {number(live['late_decisions'])} |",
        f"| age of a decision at its arrival, median, s | {number(live['decision_age_s'])} |",
        f"| 99th percentile, s | {number(live['decision_age_p99_s'])} |",
        f"| heartbeats with DEGRADED, STALE or ERROR, share | {number(live['not_ok'])} |",
        f"| pace of the cell, times real time | {number(live['pace'])} |",
    ]


def _picture(content: dict[str, Any], path: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    times, differences = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    draw_times(times, content, _CALLED, _COLOURS)
    times.tick_params(labelbottom=True)
    welds = content["details"]["welds"]
    per_metre = {(w["imperfection"], w["seed"], w["arm"]): w["any_s"] / w["seam_m"] for w in welds}
    for place, code in enumerate(map(int, content["details"]["by_imperfection"])):
        seeds = sorted({w["seed"] for w in welds if w["imperfection"] == code})
        more = [per_metre[code, seed, "live"] - per_metre[code, seed, "monitor"] for seed in seeds]
        step = _POINTS_WIDTH / max(len(seeds) - 1, 1)
        places = [place + step * (index - (len(seeds) - 1) / 2) for index in range(len(seeds))]
        differences.plot(places, more, ".", color=_COLOURS["live"], markersize=5, alpha=0.8)
        differences.hlines(sum(more) / len(more), place - 0.32, place + 0.32, color="#333333", linewidth=1.5)
    differences.axhline(0.0, color="#999999", linewidth=0.8, zorder=0)
    differences.tick_params(bottom=False, labelbottom=False)
    differences.set_ylabel("more over DDS,\ns per metre")
    figure.align_ylabels()
    figure.savefig(path)
    return path
