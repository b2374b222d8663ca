"""``msstan study anomaly``: imperfections of set-ups never seen, and the false alarms on them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "anomaly",
        help="find imperfections on set-ups never seen, with and without labels",
        description="Nested cross-validation over a table of weld statistics, set-ups never split: detectors that "
        "learn from nominal welds only, and classifiers that learn from labels. Also whether a chosen false-alarm "
        "rate holds on unseen set-ups.",
        epilog="Needs scikit-learn (requirements/training.txt). About five minutes on one core.",
    )
    parser.add_argument("table", type=Path, help="CSV with one row a weld (runs.csv)")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--seeds", type=int, default=3, help="how often to repeat with other folds (default: 3)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the study; print a table; write the result file."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from msstan_core.errors import InputError
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.anomaly_results import (
        PROTOCOL,
        alarm_figures,
        auc_figures,
        calibration_figures,
        candidate_figures,
        choices,
    )
    from msstan_core.studies.anomaly_study import OUTER_FOLDS, SHARES, Fold, classify, detect, leave_one_out, split
    from msstan_core.studies.weld_statistics import read_weld_table

    if arguments.seeds < 1:
        raise InputError("--seeds", f"is {arguments.seeds}", "repeat at least once")
    limit_threads()
    table = read_weld_table(arguments.table)
    console = Console(stderr=True)
    everything, seeds = np.arange(len(table.defect)), range(arguments.seeds)
    folds: dict[str, list[Fold]] = {}
    outer = {seed: split(table, everything, OUTER_FOLDS, seed) for seed in seeds}
    for suffix, photographs in (("", True), ("_telemetry", False)):
        folds[f"leave_one_out{suffix}"] = list(detect(table, leave_one_out(table, 0), 0, photographs=photographs))
        console.print(f"leave one out{suffix} done", highlight=False)
        folds[f"five_fold{suffix}"] = [f for s in seeds for f in detect(table, outer[s], s, photographs=photographs)]
        console.print(f"five folds{suffix} done", highlight=False)
        folds[f"labelled{suffix}"] = [f for s in seeds for f in classify(table, outer[s], s, photographs=photographs)]
        console.print(f"labelled{suffix} done", highlight=False)
    figures = {name: auc_figures(table, found) for name, found in folds.items()}
    for name in ("labelled", "labelled_telemetry"):
        figures[name] |= calibration_figures(table, folds[name])
    alarms = {n: [alarm_figures(table, f, s) for s in SHARES] for n, f in folds.items() if f[0].alarms}
    shown = Table("on unseen configurations", *figures)
    for row in figures["leave_one_out"]:
        shown.add_row(row, *(f"{f[row]['mean']:.3f}" for f in figures.values()))
    console.print(shown)
    headline = alarms["leave_one_out"][0]
    candidates = {name: candidate_figures(found) for name, found in folds.items()}
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.seeds,
        data=f"{len(table.defect)} real robotic MIG welds of {len(set(table.configuration.tolist()))} configurations, "
        f"{int((~table.defective).sum())} nominal; one row of signal and photograph statistics each",
        metrics={
            **figures["leave_one_out"],
            "auc_labelled": figures["labelled"]["auc_within_folds"],
            "false_alarms_per_hour": {**headline["false_alarms_per_hour"], "chosen": headline["chosen_per_hour"]},
            "false_alarms_per_weld": {**headline["false_alarms_per_weld"], "chosen": headline["chosen_share"]},
            **{name: found for name, found in figures.items() if name != "leave_one_out"},
        },
        baselines={
            "mahalanobis, five folds": {"auc_within_folds": candidates["five_fold"]["mahalanobis"]},
            "nearest 5, five folds": {"auc_within_folds": candidates["five_fold"]["nearest 5"]},
            "boosting with labels, five folds": {"auc_within_folds": candidates["labelled"]["boosting"]},
        },
        details={
            "protocol": PROTOCOL,
            "candidates_within_outer_folds": candidates,
            "chosen": {name: choices(found) for name, found in folds.items()},
            "false_alarms": alarms,
        },
    )
    auc, labelled = figures["leave_one_out"]["auc"], figures["labelled"]["auc_within_folds"]
    print(f"{arguments.json}: AUC {auc['mean']:.3f} from nominal welds only, {labelled['mean']:.3f} with labels")
    return 0


def limit_threads() -> None:
    """One thread for scikit-learn and NumPy: the tables are small, and threads that wait for each other cost more.

    Raises:
        InputError: where scikit-learn is not installed.
    """
    from threadpoolctl import threadpool_limits

    from msstan_core.errors import InputError

    try:
        import sklearn  # noqa: F401  its threads can be limited once it is loaded
    except ImportError:
        raise InputError("scikit-learn", "is not installed", "pip install -r requirements/training.txt") from None
    threadpool_limits(limits=1)
