"""A bag that holds several cells: training, evaluation and calibration read the one that is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bag_examples import write_foreign
from sound_welds import CONFIG

from msstan_core.calibration.nominal_scores import monitors_of, scores_of_bag
from msstan_core.cli import main
from msstan_core.decision.pipeline import Monitor
from msstan_core.errors import InputError
from msstan_core.observation import TelemetrySample
from msstan_core.recordings.annotations import FILE_NAME, Annotation, write_annotations
from msstan_core.resources import default_model_dir
from msstan_core.sensor_settings import SensorSettings
from msstan_core.training.recording_features import FeatureExtractor
from msstan_core.vocabulary import ACTIONS, Action, Modality

SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND
#: Stamps of the second cell begin this much later.
LATER_S = 3
SHIPPED = default_model_dir()


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one bag: the first cell idles, the second one welds from 3 to 7 s after it began."""
    folder = tmp_path_factory.mktemp("cells")
    messages = []
    for k in range(500):
        stamp = BEGIN + k * SECOND // 50
        messages.append(("/cell_1/welder/telemetry", TelemetrySample(stamp, current_a=0.0, voltage_v=0.0), stamp))
        if k >= 50 * LATER_S:
            time_s = k / 50 - LATER_S
            current, voltage = (180.0, 22.0) if 3 <= time_s < 7 else (0.0, 0.0)
            sample = TelemetrySample(stamp, current_a=current, voltage_v=voltage)
            messages.append(("/cell_2/welder/telemetry", sample, stamp))
    write_foreign(folder / "weld", messages)
    labels = [(0.0, 3.0, Action.IDLE), (3.0, 6.9, Action.MATERIAL_DEPOSITION)]
    spans = [Annotation(begin, end, "action", action.name, 1.0) for begin, end, action in labels]
    write_annotations(folder / "weld" / FILE_NAME, spans)
    return folder


def test_features_and_labels_are_those_of_the_cell_that_is_named(bags: Path, tmp_path: Path) -> None:
    config = CONFIG.model_config_of_size()
    second = FeatureExtractor(config, tmp_path, SensorSettings(namespace="/cell_2"))(bags / "weld").features
    first = FeatureExtractor(config, tmp_path, SensorSettings(namespace="cell_1"))(bags / "weld").features
    assert len(first.time_s) > len(second.time_s) and first.time_s[0] == pytest.approx(second.time_s[0], abs=0.1)
    welding = second.action == ACTIONS.index(Action.MATERIAL_DEPOSITION)
    current = second.telemetry[:, 0]
    assert current[welding].min() > current[~welding][:50].max(), "labels count from the named cell's first stamp"
    assert len(list(tmp_path.glob("*.npz"))) == 2
    with pytest.raises(InputError, match="holds several cells: /cell_1, /cell_2"):
        FeatureExtractor(config, tmp_path)(bags / "weld")


def test_evaluate_reads_the_cell_that_is_named(bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(SHIPPED), "--data", str(bags), "--modalities", "telemetry"]
    right = {}
    for name in ("/cell_1", "/cell_2"):
        out = tmp_path / f"{name[1:]}.json"
        assert main([*words, "--json", str(out), "--namespace", name]) == 0
        right[name] = json.loads(out.read_text(encoding="utf-8"))["metrics"]["arc_accuracy"]["mean"]
    assert right["/cell_2"] > 0.9 > right["/cell_1"], "the first cell never welded"
    capsys.readouterr()
    assert main([*words, "--json", str(tmp_path / "x.json")]) == 1
    assert "holds several cells: /cell_1, /cell_2; choose one" in capsys.readouterr().err.replace("\n", " ")


def test_nominal_welds_are_scored_in_the_cell_that_is_named(bags: Path) -> None:
    monitors = monitors_of(Monitor.load(SHIPPED, modalities=frozenset({Modality.TELEMETRY})), False)
    (idle,) = scores_of_bag(monitors, bags / "weld", SensorSettings(namespace="/cell_1")).values()
    (weld,) = scores_of_bag(monitors, bags / "weld", SensorSettings(namespace="/cell_2")).values()
    assert np.isfinite(weld.novelty).any() and not np.isfinite(idle.novelty).any(), (
        "novelty is asked while the arc burns"
    )
    with pytest.raises(InputError, match="holds several cells"):
        scores_of_bag(monitors, bags / "weld")
