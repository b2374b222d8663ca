"""``docs/performance.md`` and its plot, from the result files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msstan_core.errors import InputError

#: What the project aims at: figure, aim in words.
AIMS: tuple[tuple[str, str, str], ...] = (
    ("tick_ms", "network, one tick, ms", "median <= 5, p99 <= 10"),
    ("monitor_tick_ms", "samples to decision, ms", "median <= 5, p99 <= 10"),
    ("backbone_ratio", "network over its camera backbone alone", "<= 1.3"),
    ("preprocessing_ratio", "preprocessing over network", "< 1"),
    ("end_to_end_ms", "acquisition to message through DDS, ms", "p99 <= 33"),
    ("lost", "samples, frames and results lost", "0"),
    ("cpu_share", "share of one core, live", ""),
    ("rss_mb", "resident memory, MB", "< 600"),
    ("first_action_s", "start to first action, s", "< 5"),
    ("ratio_x3d_xs", "X3D-XS over MS-STAN nano, per update", ">= 12"),
    ("ratio_r3d_18", "3D ResNet-18 over MS-STAN nano, per update", ">= 200"),
    ("ratio_slowfast", "SlowFast-R50 over MS-STAN nano, per update", ">= 200"),
    ("base_tick_ms", "network of size base, ms", ""),
    ("held_tick_ms", "network, frame held by the gate, ms", ""),
)


def read_result(path: Path) -> dict[str, Any]:
    """A result file.

    Raises:
        InputError: when it is missing or broken.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such result file", f"write it: msstan bench --json {path}") from None
    except json.JSONDecodeError as error:
        raise InputError(path, f"is no JSON ({error})", "write it again") from None
    return found


def value_text(value: object) -> str:
    """A figure as people read it: "2.10 (p99 3.4)", "12.3 ± 0.4" or a plain number."""
    if not isinstance(value, dict):
        return "" if value is None else f"{value:g}" if isinstance(value, (int, float)) else str(value)
    if "p99" in value:
        return f"{value['p50']:.3g} (p99 {value['p99']:.3g})"
    if "std" in value:
        return f"{value.get('p50', value['mean']):.3g} ± {value['std']:.2g}"
    return f"{value['p50']:.3g}"


def text_table(path: Path) -> Any:
    """The headline figures as a ``rich`` table."""
    from rich.table import Table

    metrics = read_result(path)["metrics"]
    table = Table("figure", "measured", "aim")
    for name, label, aim in AIMS:
        if name in metrics:
            table.add_row(label, value_text(metrics[name]), aim)
    return table


def write_page(result: Path, page: Path) -> None:
    """Write the page, and its plot to ``images/performance.png`` beside it.

    Args:
        result: ``bench.json``; ``sampling.json`` and ``soak.json`` beside it are told too where they exist.
        page: Markdown file to write.
    """
    found = read_result(result)
    others = {
        name: read_result(path) for name in ("sampling", "soak") if (path := result.with_name(f"{name}.json")).exists()
    }
    picture = page.parent / "images" / "performance.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(found, picture)
    page.write_text(page_text(found, others, result.name), encoding="utf-8")


def page_text(found: dict[str, Any], others: dict[str, dict[str, Any]], name: str) -> str:
    """The page as Markdown."""
    details = found["details"]
    lines = [
        "# Performance",
        "",
        f"Written by `{found['command']}` from [results/{name}](results/{name}); do not edit by hand. Machine: "
        f"{found['machine']}. Revision {found['revision']}. All parts are timed in turns in one run; MS-STAN runs with "
        f"{details['threads']['MS-STAN']} thread, every peer with {details['threads']['peers']}. Ratios are what may "
        "be compared between machines.",
        "",
        "![Milliseconds of a decision update](images/performance.png)",
        "",
        "## Against the aims",
        "",
        *_rows(("figure", "measured", "aim")),
        *(
            f"| {label} | {value_text(found['metrics'][metric])} | {aim} |"
            for metric, label, aim in AIMS
            if metric in found["metrics"]
        ),
        "",
        "*Network* is one step of the graph with all four branches, from prepared arrays to logits. *Samples to "
        "decision* adds decoding, resizing, log-mel, statistics, calibration, action filter and events.",
        "",
        "## Per decision update on a live stream",
        "",
        "A clip network computes its whole window for every update. Where that takes longer than a camera period, it "
        "answers only every k-th frame (stride). Published sizes, random weights, each in the faster of ONNX Runtime "
        "and torch.",
        "",
        *_rows(("network", "runtime", "ms an update", "stride at 30 Hz", "answers a second", "times MS-STAN nano")),
        f"| **MS-STAN nano** | ONNX Runtime | {value_text(found['metrics']['tick_ms'])} | 1 | 30 | 1 |",
        f"| **MS-STAN base** | ONNX Runtime | {value_text(found['metrics']['base_tick_ms'])} | 1 | 30 | "
        f"{found['metrics']['base_tick_ms']['p50'] / found['metrics']['tick_ms']['p50']:.3g} |",
        *(_peer_row(peer) for peer in sorted(_peers(found), key=lambda p: float(p["update_ms"]["p50"]))),
        "",
        "## Where a tick's time goes",
        "",
        *_rows(("part", "ms")),
        *(f"| {part} | {value_text(value)} |" for part, value in details["parts_ms"].items()),
        "",
        *_scaling(details),
        *_live(details),
        *_others(others),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _rows(head: tuple[str, ...]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]


def _peers(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in found["baselines"].values() if "update_ms" in row]


def _peer_row(peer: dict[str, Any]) -> str:
    return (
        f"| {peer['variant']} | {peer['runtime']} | {value_text(peer['update_ms'])} | {peer['stride_at_30_hz']} | "
        f"{peer['updates_hz_live']:g} | {peer['ratio']['p50']:.3g} |"
    )


_TABLES = {
    "resolution_px": ("Camera resolution", "px"),
    "longest_window": ("Longest window", "ticks"),
    "torches": ("Torches in one process, one thread, samples to decision", "torches"),
    "batch": ("Batch", "ticks at once"),
}


def _scaling(details: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for key, (title, unit) in _TABLES.items():
        if key not in details:
            continue
        each = any("p50_each" in row for row in details[key].values())
        head = (unit, "ms", "ms each") if each else (unit, "ms")
        lines += [f"## {title}", "", *_rows(head)]
        for value, row in details[key].items():
            last = f" {row['p50_each']:.3g} |" if each else ""
            lines.append(f"| {value} | {value_text(row)} |{last}")
        lines.append("")
    return lines


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


def _others(others: dict[str, dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    if soak := others.get("soak"):
        m = soak["metrics"]
        lines += [
            "## Long run",
            "",
            f"{m['minutes']:g} minutes at full rate ([results/soak.json](results/soak.json)): {m['actions']} results, "
            f"{m['lost']} lost, acquisition to message {value_text(m['end_to_end_ms'])} ms, memory "
            f"{m['growth_mb_per_hour']:+g} MB an hour, median latency {m['latency_drift_ms']:+g} ms from the first "
            "quarter to the last.",
            "",
        ]
    if sampling := others.get("sampling"):
        m = sampling["metrics"]
        lines += [
            "## Skipping frames",
            "",
            "The importance gate against no skipping, per threshold ([results/sampling.json](results/sampling.json)); "
            f"at the model's own threshold {value_text(m['time_saved'])} of a tick's time is saved and "
            f"{value_text(m['f1_loss'])} of macro-F1 lost.",
            "",
            *_rows(("welds", "threshold", "frames skipped", "time saved", "F1 lost")),
        ]
        for kind, curve in sampling["details"]["curves"].items():
            lines += [
                f"| {kind} | {threshold} | {row['skipped']['mean']:.2f} | {value_text(row['time_saved'])} | "
                f"{value_text(row['f1_loss'])} |"
                for threshold, row in curve.items()
            ]
        lines.append("")
    return lines


def draw(found: dict[str, Any], picture: Path) -> None:
    """Milliseconds of a decision update, MS-STAN and peers, on a logarithmic axis with the camera's period."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    metrics = found["metrics"]
    rows = [
        ("MS-STAN nano", metrics["tick_ms"]["p50"], True),
        ("MS-STAN nano, samples to decision", metrics["monitor_tick_ms"]["p50"], True),
        ("MS-STAN base", metrics["base_tick_ms"]["p50"], True),
        *((str(peer["variant"]), peer["update_ms"]["p50"], False) for peer in _peers(found)),
    ]
    rows.sort(key=lambda row: -row[1])
    figure, axes = pyplot.subplots(figsize=(8, 0.34 * len(rows) + 1.2), layout="constrained")
    colours = ["#c44e52" if ours else "#8c9aab" for _, _, ours in rows]
    axes.barh([name for name, _, _ in rows], [ms for _, ms, _ in rows], color=colours)
    for index, (_, ms, _) in enumerate(rows):
        axes.text(ms * 1.06, index, f"{ms:.3g}", va="center", fontsize=8)
    axes.axvline(1000 / 30, color="black", linewidth=0.8, linestyle="--")
    axes.text(1000 / 30, len(rows) - 0.3, " camera period at 30 Hz", fontsize=8, va="bottom")
    axes.set_xscale("log")
    axes.set_xlim(right=3.0 * max(ms for _, ms, _ in rows))
    axes.set_xlabel("ms a decision update, median")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
