"""What ``/diagnostics`` tells of a session of the monitor, by name."""

from __future__ import annotations

from collections.abc import Mapping

from msstan_core.alignment_statistics import AlignmentStatistics
from msstan_core.vocabulary import Modality
from msstan_ros.input_streams import Arrivals
from msstan_ros.recent_figures import RecentFigures
from msstan_ros.worker import WorkerStatus


def processing_values(
    figures: RecentFigures, statistics: AlignmentStatistics, status: WorkerStatus
) -> dict[str, object]:
    """Rates and latencies of the last ticks, and what became of the others."""
    rate_hz, inference_p50_s, inference_p99_s, pipeline_p50_s, pipeline_p99_s = figures.latencies()
    return {
        "tick rate (Hz)": rate_hz,
        "inference p50 (ms)": inference_p50_s * 1e3,
        "inference p99 (ms)": inference_p99_s * 1e3,
        "stamp to publication p50 (ms)": pipeline_p50_s * 1e3,
        "stamp to publication p99 (ms)": pipeline_p99_s * 1e3,
        "decisions": status.decisions,
        "failed steps": status.failures,
        "time jumps": statistics.time_jumps,
        "frames above the largest rate": statistics.rate_limited,
        "ticks skipped (inference busy)": statistics.skipped,
        "ticks left out in holes": statistics.hole_ticks,
    }


def sensor_values(statistics: AlignmentStatistics, arrivals: Mapping[Modality, Arrivals]) -> dict[str, object]:
    """Of each expected sensor: what became of its samples, and why the last one was refused."""
    values: dict[str, object] = {}
    for modality, arrived in arrivals.items():
        counters = statistics.modality[modality]
        values[f"{modality.label} received / dropped / out of order / gaps / malformed"] = (
            f"{counters.received} / {counters.dropped} / {counters.out_of_order} / {counters.gaps} "
            f"/ {arrived.malformed}"
        )
        if arrived.reason:
            values[f"{modality.label} last refusal"] = arrived.reason
    return values
