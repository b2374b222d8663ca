"""The results section and the pictures of docs/closed_loop.md, from a result file and from nothing else."""

from __future__ import annotations

import json
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

from msstan_core.advisory.parameters import PARAMETERS, Parameter
from msstan_core.closed_loop.report.page_section import PageSection
from msstan_core.vocabulary import IMPERFECTIONS

SECTION = PageSection("<!-- results: written by msstan closed-loop --page -->", "<!-- end of results -->")
NAMES = {0: "good welds", **{i.iso_code: i.name for i in IMPERFECTIONS}}
_COLOURS = {"none": "#b0413e", "monitor": "#1f6f8b", "oracle": "#7a9e7e"}
_CALLED = {"none": "programme alone", "monitor": "with monitor and gate", "oracle": "with an oracle"}


def write_page(page: Path, result: Path) -> list[Path]:
    """Rewrite the section of ``page`` and its pictures; returns the files written.

    Raises:
        InputError: when the page has no such section.
    """
    content = json.loads(result.read_text(encoding="utf-8"))
    images = SECTION.replace(page, section(content))
    return [
        page,
        _bars(content, images / "closed_loop_times.png"),
        _example(content, images / "closed_loop_example.png"),
    ]


def section(content: dict[str, Any]) -> str:
    """Results as Markdown."""
    number = partial(spread_text, content["seeds"])
    metrics, oracle = content["metrics"], content["baselines"]["oracle"]
    none = content["baselines"]["none"]
    head = [
        f"`{content['command']}` at revision {content['revision']}, {basis(content['seeds'])}. All figures: "
        "[results/closed_loop.json](results/closed_loop.json).",
        "",
        "| over all faulty welds | programme alone | with monitor and gate | with an oracle |",
        "|---|---|---|---|",
        f"| imperfection, s per metre | {number(none['imperfection_s_per_m'])} | "
        f"{number(metrics['imperfection_s_per_m'])} | {number(oracle['imperfection_s_per_m'])} |",
        f"| imperfection time, share of the programme alone | 1 | {number(metrics['imperfection_time_ratio'])} | "
        f"{number(oracle['imperfection_time_ratio'])} |",
        f"| of the time that an oracle takes away, share taken away | | "
        f"{number(metrics['share_of_what_an_oracle_mends'])} | 1 |",
        f"| violations of the procedure per seed | | {number(metrics['wps_violations'])} | "
        f"{number(oracle['wps_violations'])} |",
        f"| imperfections suspected, share | | {number(metrics['detected'])} | |",
        f"| detection delay, s | | {number(metrics['delay_s'])} | |",
        f"| corrections without cause per weld | | {number(metrics['wrong_corrections_per_weld'])} | |",
        f"| good welds: imperfection, s | {number(none['good_weld_imperfection_s'])} | "
        f"{number(metrics['good_weld_imperfection_s'])} | |",
        f"| good welds: time with any advice, s | | {number(metrics['good_weld_advised_s'])} | |",
        "",
        "Seconds of any imperfection per metre of seam, by the imperfection that the fault was meant to bring:",
        "",
        "| imperfection | programme alone | monitor and gate | oracle | suspected | delay, s | wrong per weld |",
        "|---|---|---|---|---|---|---|",
    ]
    for code, row in content["details"]["by_imperfection"].items():
        called = f"{code} {NAMES[int(code)]}" if int(code) else NAMES[0]
        cells = [called, *(number(row[f"{arm}_s_per_m"]) for arm in _CALLED)]
        cells += [number(row[key]) for key in ("detected", "delay_s", "wrong_corrections_per_weld")]
        head.append("| " + " | ".join(cells) + " |")
    example = content["details"]["example"]
    head += [
        "",
        "![Seconds of imperfection per metre, by imperfection and arm](images/closed_loop_times.png)",
        "",
        f"One weld (fault for {example['imperfection']}, seed {example['seed']}, the first of its kind in which an "
        "oracle more than halves the time): what was advised, and when which imperfection was there.",
        "",
        "![The course of one weld](images/closed_loop_example.png)",
        "",
    ]
    return "\n".join(head)


def basis(seeds: int) -> str:
    """What a number of seeds says, in words."""
    if seeds == 1:
        return "one seeded weld per imperfection, which says nothing of the spread"
    return f"{seeds} seeded welds per imperfection; mean and standard deviation over seeds"


def spread_text(seeds: int, figure: dict[str, float | None]) -> str:
    """Mean and standard deviation; empty where there is none; one seed has no spread."""
    mean, std = figure["mean"], figure["std"]
    if mean is None or std is None:
        return ""
    return f"{mean:.2f}" if seeds == 1 else f"{mean:.2f} ± {std:.2f}"


def _bars(content: dict[str, Any], path: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    draw_times(figure.subplots(), content, _CALLED, _COLOURS)
    figure.savefig(path)
    return path


def draw_times(axes: Any, content: dict[str, Any], called: dict[str, str], colours: dict[str, str]) -> None:
    """Seconds of imperfection per metre, by imperfection and arm, with the spread over seeds where there are several.

    Args:
        axes: of matplotlib. content: of the result file. called: arms and what they are called. colours: of the arms.
    """
    table = {int(code): row for code, row in content["details"]["by_imperfection"].items()}
    for index, arm in enumerate(called):
        heights = [row[f"{arm}_s_per_m"]["mean"] or 0.0 for row in table.values()]
        spreads = [row[f"{arm}_s_per_m"]["std"] or 0.0 for row in table.values()] if content["seeds"] > 1 else None
        places = [place + 0.27 * (index - 1) for place in range(len(table))]
        axes.bar(places, heights, 0.25, yerr=spreads, color=colours[arm], label=called[arm], capsize=2)
    labels = [f"{c}\n{textwrap.fill(NAMES[c], 12)}" if c else "good\nwelds" for c in table]
    axes.set_xticks(range(len(table)), labels, fontsize=7)
    axes.set_ylabel("imperfection, s per metre of seam")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize=8, ncols=len(called), loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _example(content: dict[str, Any], path: Path) -> Path:
    from matplotlib.figure import Figure

    example = content["details"]["example"]
    figure = Figure(figsize=(9, 5), layout="constrained")
    deltas, truth = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    course = example["monitor"]
    for p in PARAMETERS:
        column = [row[p] for row in course["deltas"]]
        largest = max(map(abs, column), default=0.0)
        if p is not Parameter.CURRENT and largest > 0:
            share = [value / largest for value in column]
            deltas.plot(course["time_s"], share, label=f"{p.words}, up to {largest:.3g} {p.unit}")
    deltas.set_ylabel("delta, share of its largest")
    if deltas.get_legend_handles_labels()[0]:
        deltas.legend(fontsize=8)
    else:
        deltas.text(0.5, 0.5, "nothing was advised", transform=deltas.transAxes, ha="center")
    codes = sorted({code for arm in _CALLED for _, _, code in example[arm]["truth"]})
    height = 0.8 / max(len(codes), 1)
    for row, arm in enumerate(_CALLED):
        for start, end, code in example[arm]["truth"]:
            lane = row - 0.4 + height * (codes.index(code) + 0.5)
            truth.barh(lane, end - start, left=start, height=0.9 * height, color=_COLOURS[arm], alpha=0.7)
            truth.text(start, lane, f" {code}", fontsize=6, va="center")
    truth.set_xlim(0.0, max(example[arm]["time_s"][-1] for arm in _CALLED))
    truth.set_yticks(range(len(_CALLED)), list(_CALLED.values()), fontsize=8)
    truth.set_ylim(-0.6, len(_CALLED) - 0.4)
    truth.set_xlabel("time, s; bars: imperfections that are there (ISO 6520-1 numbers)")
    figure.savefig(path)
    return path
