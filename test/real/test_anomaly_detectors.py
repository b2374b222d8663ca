"""Detectors of the anomaly study on the real table of welds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from msstan_core.studies.anomaly_study import auc, leave_one_out
from msstan_core.studies.weld_detectors import Nominal, heavy_tailed, mahalanobis
from msstan_core.studies.weld_statistics import read_weld_table

TABLE = Path(os.environ.get("MSSTAN_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
TABLE = TABLE / "mig_run_features" / "runs.csv"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not TABLE.is_file(), reason="the real weld statistics are not at hand (MSSTAN_REAL_DATA)"),
]


def test_heavy_tailed_distance_beats_mahalanobis_on_set_ups_never_seen() -> None:
    table = read_weld_table(TABLE)
    rows = np.arange(len(table.defect))
    found = {}
    for name, features, fit in (
        ("mahalanobis", table.statistics, mahalanobis(0.05)),
        ("heavy-tailed", table.levels, heavy_tailed),
    ):
        score = np.empty(len(rows))
        for test in leave_one_out(table, 0):
            training = np.setdiff1d(rows, test)
            nominal = training[~table.defective[training]]
            sample = Nominal(table.configuration[nominal], features.of_photographs)
            score[test] = fit(features.values[nominal], sample)(features.values[test])
        found[name] = auc(table, rows, score)
    assert found["heavy-tailed"] > 0.85
    assert found["heavy-tailed"] > found["mahalanobis"] + 0.05
