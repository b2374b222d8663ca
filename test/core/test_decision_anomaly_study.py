"""The anomaly study: no set-up on both sides, honest thresholds, and figures that follow from planted truth."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

from msstan_core.cli import main
from msstan_core.commands.study_anomaly import limit_threads
from msstan_core.errors import InputError
from msstan_core.studies.anomaly_results import alarm_figures, auc_figures
from msstan_core.studies.anomaly_study import Fold, classify, detect, leave_one_out, split
from msstan_core.studies.weld_classifiers import balanced_weights
from msstan_core.studies.weld_detectors import DETECTORS, Nominal, heavy_tailed, within_configuration
from msstan_core.studies.weld_statistics import CHANNELS, IDENTITY, WeldTable, read_weld_table

STATISTICS = ("max", "median", "mean", "std", "iqr")


def write_table(path: Path, nominal: int = 12, defective: int = 10, welds: int = 6) -> Path:
    """Set-ups with a level of their own; defective ones burn with another voltage and leave another bead."""
    rng = np.random.default_rng(0)
    columns = [f"{c}__{s}" for c in CHANNELS for s in STATISTICS]
    header = [*IDENTITY, *columns, "phase__n_arcing_rows", "meta__n_rows", "img__brightness", "img__edges"]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for set_up in range(nominal + defective):
            bad = set_up >= nominal
            kind = ("burnthrough", "overlap")[set_up % 2] if bad else "good"
            level = rng.uniform(90, 110, len(CHANNELS))
            level[-1] *= 0.7 if bad else 1.0
            for weld in range(welds):
                values = [
                    abs(level[c] * (1.0 if s in ("max", "median", "mean") else 0.1) + rng.normal())
                    for c in range(len(CHANNELS))
                    for s in STATISTICS
                ]
                photographs = [rng.normal(2.0 if bad else 0.0), rng.normal()]
                identity = [f"{set_up}-{weld}", int(bad), kind, f"set-up {set_up}"]
                writer.writerow([*identity, *values, 234, 333, *photographs])
    return path


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    limit_threads()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> WeldTable:
    return read_weld_table(write_table(tmp_path_factory.mktemp("table") / "runs.csv"))


def test_bookkeeping_is_no_feature_and_photographs_are_known(table: WeldTable) -> None:
    assert "meta__n_rows" not in table.statistics.names
    assert table.levels.of_photographs.sum() == 2 and not table.variation.of_photographs.any()
    assert table.arc_hours[0] == pytest.approx(234 / 9 / 3600)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace("defect_type", "kind"), "no column 'defect_type'"),
        (lambda text: text.replace(",234,", ",many,", 1), "no number"),
        (lambda text: text.replace(",234,", ",nan,", 1), "runs.csv:2: phase__n_arcing_rows is not finite"),
        (lambda text: text.split("\n")[0] + "\n", "has no rows"),
        (lambda text: text.replace("__iqr", "__spread"), "no column '.*__iqr'"),
    ],
)
def test_bad_table_is_refused_by_name(tmp_path: Path, damage: object, said: str) -> None:
    path = write_table(tmp_path / "runs.csv", 2, 2, 2)
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    with pytest.raises(InputError, match=said):
        read_weld_table(path)


def test_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "runs.csv", 2, 2, 2)
    path.write_bytes(path.read_bytes() + "Zündung".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8"):
        read_weld_table(path)


def test_missing_table_is_one_line_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "anomaly", str(tmp_path / "none.csv"), "--json", str(tmp_path / "x.json")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_no_set_up_stands_on_both_sides(table: WeldTable) -> None:
    rows = np.arange(len(table.defect))
    for tests in (split(table, rows, 5, 0), leave_one_out(table, 0)):
        assert np.array_equal(np.sort(np.concatenate(tests)), rows)
        for test in tests:
            training = np.setdiff1d(rows, test)
            assert not set(table.configuration[test]) & set(table.configuration[training])


def test_leaving_one_out_leaves_one_nominal_set_up_out(table: WeldTable) -> None:
    for test in leave_one_out(table, 3):
        assert len(set(table.configuration[test[~table.defective[test]]])) == 1


def test_detectors_never_learn_from_defective_welds(table: WeldTable, monkeypatch: pytest.MonkeyPatch) -> None:
    nominal = {tuple(row) for row in table.levels.values[~table.defective]}
    seen = []

    def spy(rows: np.ndarray, sample: Nominal):  # type: ignore[no-untyped-def]
        seen.append(all(tuple(row) in nominal for row in rows))
        return lambda x: x[:, 0]

    spied = type(DETECTORS[0])("spy", lambda t: t.levels, spy)
    monkeypatch.setattr("msstan_core.studies.anomaly_study.DETECTORS", (spied,))
    list(detect(table, leave_one_out(table, 0)[:2], 0, photographs=True))
    assert seen and all(seen)


def test_planted_imperfections_are_found_with_and_without_labels(table: WeldTable) -> None:
    tests = split(table, np.arange(len(table.defect)), 3, 0)[:1]
    for study in (detect, classify):
        figures = auc_figures(table, list(study(table, tests, 0, photographs=True)))
        assert figures["auc"]["mean"] > 0.9
        assert figures["auc"]["lower95"] <= figures["auc"]["mean"] <= figures["auc"]["upper95"]


def test_one_odd_column_weighs_less_than_many() -> None:
    rng = np.random.default_rng(0)
    nominal = rng.normal(size=(200, 10))
    sample = Nominal(np.repeat(np.array([f"g{i}" for i in range(10)]), 20), np.zeros(10, bool))
    score = heavy_tailed(nominal, sample)
    one, many = np.zeros((1, 10)), np.full((1, 10), 3.0)
    one[0, 0] = 9.0
    assert score(many)[0] > 2 * score(one)[0]


def test_normalising_each_set_up_by_itself_removes_what_makes_it_differ(table: WeldTable) -> None:
    rows = within_configuration(table.levels.values, table.configuration)
    for name in np.unique(table.configuration):
        np.testing.assert_allclose(rows[table.configuration == name].mean(axis=0), 0, atol=1e-9)


def test_weights_balance_labels_and_set_ups(table: WeldTable) -> None:
    weights = balanced_weights(table.defective, table.configuration)
    assert weights[table.defective].sum() == pytest.approx(weights[~table.defective].sum())


def test_interval_of_the_alarm_rate_is_over_set_ups(table: WeldTable) -> None:
    """All welds of one set-up alarm: 6 of 72 welds, but one of twelve set-ups."""
    rows = np.arange(len(table.defect))
    alarmed = (table.configuration == "set-up 0") | table.defective
    fold = Fold(0, rows, alarmed.astype(float), "x", {}, {0.1: alarmed})
    found = alarm_figures(table, [fold], 0.1)
    assert found["false_alarms_per_weld"]["mean"] == pytest.approx(1 / 12, abs=1e-3)
    assert found["false_alarms_per_weld"]["lower95"] == 0.0
    assert found["false_alarms_per_weld"]["upper95"] > 0.2
    assert found["detected"] == 1.0
    assert found["chosen_per_hour"] == pytest.approx(0.1 / (234 / 9 / 3600), rel=1e-3)


@pytest.mark.slow
def test_command_writes_the_figures_of_the_results_contract(tmp_path: Path) -> None:
    path = write_table(tmp_path / "runs.csv", 5, 4, 4)
    out = tmp_path / "anomaly.json"
    assert main(["study", "anomaly", str(path), "--json", str(out), "--seeds", "1"]) == 0
    result = json.loads(out.read_text())
    assert {"mean", "lower95", "upper95"} <= set(result["metrics"]["auc"])
    assert {"mean", "upper95", "chosen"} <= set(result["metrics"]["false_alarms_per_hour"])
    assert "never split" in result["details"]["protocol"]
    assert set(result["details"]["chosen"]) >= {"leave_one_out", "five_fold", "labelled"}


def test_command_without_scikit_learn_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert main(["study", "anomaly", "runs.csv", "--json", str(tmp_path / "x.json")]) == 1
    assert "requirements/training.txt" in capsys.readouterr().err
