"""``docs/performance.md``, from the result files alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from msstan_core.benchmark.aims import AIMS, verdict
from msstan_core.benchmark.figure_text import number_text, value_text
from msstan_core.benchmark.pictures import draw_course, draw_skipping, draw_speed_and_f1, draw_updates
from msstan_core.benchmark.result_files import read_result
from msstan_core.benchmark.speed_and_f1 import compared, section
from msstan_core.benchmark.workload import CAMERA_HZ
from msstan_core.results_page.figures import number_of


def text_table(path: Path) -> Any:
    """The headline figures as a ``rich`` table."""
    from rich.table import Table

    metrics = read_result(path)["metrics"]
    table = Table("figure", "measured", "aim", "reached")
    for aim in AIMS:
        if aim.figure in metrics:
            table.add_row(aim.label, value_text(metrics[aim.figure]), str(aim), verdict(aim, metrics[aim.figure]))
    return table


def write_page(result: Path, page: Path) -> None:
    """Write the page, and its pictures to ``images/`` beside it.

    Args:
        result: ``bench.json``; ``peers.json``, ``sampling.json``, ``soak.json`` beside it are told too if they exist.
        page: Markdown file to write.
    """
    found = read_result(result)
    others = {
        name: read_result(path, name)
        for name in ("peers", "sampling", "soak")
        if (path := result.with_name(f"{name}.json")).exists()
    }
    images = page.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    draw_updates(found, images / "performance.png")
    if "peers" in others:
        draw_speed_and_f1(compared(found, others["peers"]), images / "speed_and_f1.png")
    if "sampling" in others:
        details = others["sampling"]["details"]
        draw_skipping(details["share_curves"], details["own_share"], images / "sampling.png")
    if "soak" in others:
        draw_course(others["soak"]["details"]["course"], images / "soak.png")
    page.write_text(page_text(found, others, result.name), encoding="utf-8")


def page_text(found: dict[str, Any], others: dict[str, dict[str, Any]], name: str) -> str:
    """The page as Markdown."""
    details, metrics = found["details"], found["metrics"]
    warning = "**A quick run, to see that it works; not to be quoted.** " if details.get("quick") else ""
    lines = [
        "# Performance",
        "",
        f"{warning}Written by `{found['command']}` from [results/{name}](results/{name}); do not edit by hand. "
        f"Machine: {found['machine']}. Revision {found['revision']}. All parts are timed in turns in one run. Compare "
        "ratios between machines, not milliseconds.",
        "",
        "![Milliseconds of a decision update](images/performance.png)",
        "",
        "## Against the aims",
        "",
        *_rows(("figure", "measured", "aim", "reached")),
        *(
            f"| {aim.label} | {value_text(metrics[aim.figure])} | {aim} | {verdict(aim, metrics[aim.figure])} |"
            for aim in AIMS
            if aim.figure in metrics
        ),
        "",
        "*Network* is one step of the graph with all four branches, from prepared arrays to logits. *Samples to "
        "decision* adds decoding, resizing, log-mel, statistics, calibration, action filter and events.",
        "",
        "## Per decision update on a live stream",
        "",
        "A clip network computes its whole window for every update. Where that takes longer than a camera period, it "
        "answers only every k-th frame (stride). Published sizes, random weights, each in the fastest of ONNX Runtime "
        f"and torch with {' or '.join(map(str, details['threads']['peers']))} threads.",
        "",
        *_rows(("network", "runtime", "ms an update", "stride at 30 Hz", "answers a second", "times MS-STAN nano")),
        *_own_rows(metrics),
        *(_peer_row(peer) for peer in sorted(_peers(found), key=lambda p: float(p["update_ms"]["p50"]))),
        "",
        *(section(compared(found, others["peers"]), others["peers"]) if "peers" in others else []),
        "## Where a tick's time goes",
        "",
        *_rows(("part", "ms")),
        *(f"| {part} | {value_text(value)} |" for part, value in details["parts_ms"].items()),
        "",
        *_scaling(details),
        *_adaptation(details),
        *_live(details),
        *_streams(details),
        *_others(others),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _rows(head: tuple[str, ...]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]


def _own_rows(metrics: dict[str, Any]) -> list[str]:
    nano = metrics["tick_ms"]
    rows = [f"| **MS-STAN nano** | ONNX Runtime, 1 thread | {value_text(nano)} | 1 | 30 | 1 |"]
    if base := metrics.get("base_tick_ms"):
        stride = max(1, math.ceil(base["p50"] * CAMERA_HZ / 1e3))
        rows.append(
            f"| **MS-STAN base** | ONNX Runtime, 1 thread | {value_text(base)} | {stride} | {CAMERA_HZ / stride:.3g} | "
            f"{base['p50'] / nano['p50']:.3g} |"
        )
    return rows


def _peers(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in found["baselines"].values() if "update_ms" in row]


def _peer_row(peer: dict[str, Any]) -> str:
    return (
        f"| {peer['variant']} | {peer['runtime']} | {value_text(peer['update_ms'])} | {peer['stride_at_30_hz']} | "
        f"{peer['updates_hz_live']:g} | {number_text(peer['ratio']['p50'])} |"
    )


_TABLES = {
    "resolution_px": ("Camera resolution", "px"),
    "longest_window": ("Longest window", "ticks"),
    "torches": ("Torches in one process, one thread, samples to decision", "torches"),
    "batch": ("Batch", "ticks at once"),
}


def _scaling(details: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for key, (title, unit) in ((k, told) for k, told in _TABLES.items() if k in details):
        each = any("p50_each" in row for row in details[key].values())
        head = (unit, "ms", "ms each") if each else (unit, "ms")
        lines += [f"## {title}", "", *_rows(head)]
        for value, row in details[key].items():
            last = f" {row['p50_each']:.3g} |" if each else ""
            lines.append(f"| {value} | {value_text(row)} |{last}")
        lines.append("")
    return lines


def _adaptation(details: dict[str, Any]) -> list[str]:
    """Ticks with and without online adaptation."""
    found = details.get("adaptation", {})
    if "ms" not in found:
        return []
    rows = (
        f"| {name} | {value_text(ms)} | {value_text(found['ratio'].get(name, 1))} | "
        f"{number_text(found['p99_ratio'].get(name, 1))} |"
        for name, ms in found["ms"].items()
    )
    return [
        "## With online adaptation",
        "",
        "Samples to decision, one thread, in turns: without adaptation, with it and nothing to learn, and while a "
        "thread learns from new labels without pause, which is the worst case: a person labels seldom. It was at work "
        f"for {found['learning_share']:.0%} of that time and took {found['revisions']} heads into use.",
        "",
        *_rows(("adaptation", "ms", "median over that without", "99th percentile over that without")),
        *rows,
        "",
    ]


def _live(details: dict[str, Any]) -> list[str]:
    live = details.get("live", {})
    rows = {name: row for name, row in live.items() if name.startswith("sound at")}
    if not rows:
        return []
    lines = [
        "## Live, through DDS",
        "",
        "Camera 640x480 bgr8 at 30 Hz, thermal camera 640x480 at 25 Hz, microphone, telemetry at 50 Hz and the "
        "monitor, each a process of its own on this machine.",
        "",
        *_rows(("microphone", "acquisition to message, ms", "largest, ms", "lost frames", "CPU, of one core", "MB")),
    ]
    for name, row in rows.items():
        latency, lost = row["end_to_end_ms"], f"{row['frames_without_result']} of {row['received']['camera']}"
        lines.append(
            f"| {name.removeprefix('sound at ')} | {value_text(latency)} | {latency['max']:.3g} | {lost} | "
            f"{row['cpu_share']:.2g} | {row['rss_mb']} |"
        )
    return [*lines, ""]


def _streams(details: dict[str, Any]) -> list[str]:
    """What a long or a fast stream shows, and a process without ROS."""
    lines: list[str] = []
    if streams := details.get("frames_at_100_hz"):
        lines += ["## A hundred frames a second", "", "Through the monitor in real time, one thread:", ""]
        for fast in streams:
            held = f"frame skipping holds {fast['skipped_share']:.0%} of the frames"
            lines.append(
                f"- {held if fast['sampling'] else 'no skipping'}: {fast['late']} of {fast['frames']} answered later "
                f"than the next frame was due; {value_text(fast['step_ms'])} ms each"
            )
        lines.append("")
    if same := details.get("streaming_against_unrolled"):
        lines += [
            "## Streaming against unrolled",
            "",
            f"Over {same['ticks']} ticks the action logits of the streaming engine (ONNX Runtime) differ from the same "
            "network unrolled in torch in double precision, backbone included, by at most "
            f"{same['largest_difference']:g} where logits reach {same['largest_logit']:g}, the "
            f"action probabilities by at most {same['probability_difference']:g}. From "
            "the first tenth of the stream to the last the largest difference of a logit changes by "
            f"{same['drift']:g}.",
            "",
        ]
    if lone := details.get("process"):
        imports, first = lone["of which without a model"], value_text(lone["first_action_s"])
        lines += [
            "## Memory and start-up without ROS",
            "",
            f"A process that only loads the model and steps it: first action after {first} s, {lone['rss_mb']:g} MB "
            f"(peak {lone['peak_rss_mb']:g}), of which {imports:g} before a model is loaded.",
            "",
        ]
    return lines


def _others(others: dict[str, dict[str, Any]]) -> list[str]:
    return [
        *(_soak(others["soak"]) if "soak" in others else []),
        *(_skipping(others["sampling"]) if "sampling" in others else []),
    ]


def _soak(soak: dict[str, Any]) -> list[str]:
    m = soak["metrics"]
    figure = {name: number_of(value) for name, value in m.items()}
    return [
        "## Long run",
        "",
        f"{figure['minutes']:g} minutes at full rate ([results/soak.json](results/soak.json)): {figure['actions']:.0f} "
        f"results, {figure['lost']:.0f} lost, acquisition to message {value_text(m['end_to_end_ms'])} ms, memory "
        f"{figure['growth_mb_per_hour']:+g} MB an hour, median latency {figure['latency_drift_ms']:+g} ms from the "
        "first quarter to the last.",
        "",
        "![Latency and memory over the run](images/soak.png)",
        "",
    ]


def _skipping(sampling: dict[str, Any]) -> list[str]:
    m, details = sampling["metrics"], sampling["details"]
    lines = [
        "## Skipping frames",
        "",
        "The importance gate against no skipping ([results/sampling.json](results/sampling.json)): "
        f"{sampling['data']}. "
        f"Where the share of frames that is looked at is {details['own_share']:g}, {value_text(m['time_saved'])} of a "
        f"tick's time is saved and {value_text(m['f1_loss'])} of macro-F1 lost.",
    ]
    if chosen := details.get("recommended"):
        told = "none" if chosen["share"] is None else chosen["share"]
        lines[-1] += f" Saves most for at most half a point, chosen on {chosen['chosen on']} welds: a share of {told}."
    lines += [
        "",
        "![Time saved against macro-F1 lost](images/sampling.png)",
        "",
        *_rows(("welds", "looked at", "frames skipped", "time saved", "F1 lost", "ticks changed")),
    ]
    for what, curves in (("share", details["share_curves"]), ("above", details["curves"])):
        for kind, curve in curves.items():
            lines += [
                f"| {kind} | {what} {value} | {row['skipped']['mean']:.2f} | {value_text(row['time_saved'])} | "
                f"{value_text(row['f1_loss'])} | {row['changed']['mean']:.1f} |"
                for value, row in curve.items()
            ]
    return [*lines, ""]
