"""``msstan study``: measure what a part of the monitor is worth."""

from __future__ import annotations

from typing import Any

from msstan_core.commands import (
    study_ablation,
    study_adaptation,
    study_alarm_limits,
    study_anomaly,
    study_failures,
    study_false_alarms,
    study_peers,
    study_sampling,
    study_smoothing,
    study_transfer,
    study_ut_interaction,
)


def register(subparsers: Any) -> None:
    """Add the command and its studies."""
    parser = subparsers.add_parser(
        "study",
        help="measure what a part of the monitor is worth",
        description="The protocols behind the figures of docs/. Each writes one result file.",
    )
    studies = parser.add_subparsers(dest="study", metavar="STUDY", required=True)
    study_ablation.register(studies)
    study_adaptation.register(studies)
    study_anomaly.register(studies)
    study_failures.register(studies)
    study_false_alarms.register(studies)
    study_alarm_limits.register(studies)
    study_peers.register(studies)
    study_sampling.register(studies)
    study_smoothing.register(studies)
    study_transfer.register(studies)
    study_ut_interaction.register(studies)
