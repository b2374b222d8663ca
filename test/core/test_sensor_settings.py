"""A params file says offline what it says to the live monitor: what counts mean, and how samples become ticks."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cell_params import (
    SCALING,
    SECTIONS,
    TICK_NS,
    counted_messages,
    understood_messages,
    write_messages,
    write_params,
)
from nominal_blocks import SHIPPED
from rich.console import Console
from sound_welds import CONFIG, sound_bags

from msstan_core.alignment import ticks_of
from msstan_core.alignment_config import AlignmentConfig, OffsetConfig
from msstan_core.cli import main
from msstan_core.commands.replay import COLUMNS
from msstan_core.errors import InputError
from msstan_core.messages import sample_from_message
from msstan_core.preprocessing.preprocessor import Preprocessor
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.rejections import MOST_NAMED, say_rejections
from msstan_core.resources import share_path
from msstan_core.sensor_settings import DEFAULT_SENSORS, SENSOR_SPECS, SensorSettings, read_sensors
from msstan_core.training import progress, recording_features
from msstan_core.training.recording_features import FeatureExtractor
from msstan_core.vocabulary import MODALITIES, Modality

CONFIG_FILE = Path(__file__).parents[2] / "config" / "training" / "mig_phases.yaml"
LABELS = "0.0,0.8,action,IDLE,,test\n0.8,1.6,action,MATERIAL_DEPOSITION,,test\n"


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bag of 16-bit counts, the same one in encodings that need no scaling, and the cell's params."""
    folder = tmp_path_factory.mktemp("cell")
    write_messages(folder / "counts" / "weld", counted_messages(), LABELS)
    write_messages(folder / "understood" / "weld", understood_messages(), LABELS)
    write_params(folder / "cell.yaml")
    return folder


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_shipped_file_says_what_is_the_default() -> None:
    shipped = read_sensors(share_path("config/weld_monitor.yaml"))
    assert shipped.changed == DEFAULT_SENSORS.changed == {}
    assert shipped.alignment == AlignmentConfig()


def test_a_file_sets_scaling_and_alignment_and_leaves_the_rest_to_the_node(tmp_path: Path) -> None:
    own = "threads: 99, alignment: {clock: thermal, offset_s: {camera: -1.5}}, alignment.audio_window_s: 0.2"
    sensors = read_sensors(write_params(tmp_path / "cell.yaml", f"{SECTIONS}, {own}"))
    assert sensors.scaling == SCALING
    assert sensors.alignment == AlignmentConfig(clock="thermal", offset_s=OffsetConfig(camera=-1.5), audio_window_s=0.2)
    assert sensors.changed == {
        "alignment.clock": "thermal",
        "alignment.audio_window_s": 0.2,
        "alignment.offset_s.camera": -1.5,
        "camera.bit_depth": 12,
        "thermal.celsius_per_count": 0.01,
    }


@pytest.mark.parametrize("spec", SENSOR_SPECS, ids=lambda spec: spec.name)
def test_every_parameter_has_an_effect_and_its_limits_fit_the_settings(spec: Any) -> None:
    plain = (repr(DEFAULT_SENSORS.scaling), DEFAULT_SENSORS.alignment)
    for value in spec.choices[1:] if spec.choices else (spec.minimum, spec.maximum):
        value = value if spec.choices else type(spec.default)(value)
        assert spec.problem(value) == ""
        if value != spec.default:
            changed = SensorSettings({spec.name: value})
            assert (repr(changed.scaling), changed.alignment) != plain and changed.changed == {spec.name: value}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("camera: {bit_dept: 12}", "camera.bit_dept: is unknown to weld_monitor; did you mean camera.bit_depth?"),
        ("thermal: {celcius_per_count: 0.01}", "did you mean thermal.celsius_per_count?"),
        ("alignment: {offset_s: {camra: 0.1}}", "did you mean alignment.offset_s.camera?"),
        ("camera: {bit_depth: 17}", "camera.bit_depth = 17 is outside 8 to 16; give an integer from 8 to 16"),
        ("camera: {bit_depth: 12.0}", "camera.bit_depth must be an integer, not 12.0"),
        ("camera: {bit_depth: true}", "camera.bit_depth must be an integer, not True"),
        ("thermal: {celsius_per_count: 1}", "give a number (with a decimal point) from 0 to 100"),
        ("thermal: {celsius_per_count: .nan}", "thermal.celsius_per_count must be a finite number, not nan"),
        ("alignment: {offset_s: {camera: 61.0}}", "alignment.offset_s.camera = 61 is outside -60 to 60"),
        ("alignment: {clock: sundial}", "alignment.clock = 'sundial' is unknown; one of: auto, camera, thermal, timer"),
        ("alignment: {clock: []}", "alignment.clock = [] is unknown"),
        ("alignment: {clock: 2024-13-45}", "is no YAML"),
        ("camera: {bit_depth: !count 12}", "is no YAML"),
        ("camera: &own {bit_depth: 12, more: *own}", "repeats a value by a name, *own"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    parameters: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_params(tmp_path / "cell.yaml", parameters)
    where = ["--csv", str(tmp_path / "out.csv"), "--params", str(file)]
    assert main(["replay", str(tmp_path / "no_bag"), *where]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"msstan replay: {file}: ") and said in line


@pytest.mark.parametrize(
    ("content", "namespace", "depth"),
    [
        ("{weld_monitor: {P: {D: 12}}}", None, 12),
        ("{weld_monitor: {P: {D: 12}}}", "/", 12),
        ("{/cell_1/weld_monitor: {P: {D: 12}}}", None, 12),
        ("{cell_1: {weld_monitor: {P: {D: 12}}}}", "cell_1/", 12),
        ("{/cell_1/weld_monitor: {P: {D: 12}}, /cell_2/weld_monitor: {P: {D: 10}}}", "/cell_2", 10),
        ("{/**: {P: {D: 12}}}", "/cell_1", 12),
        ("{/**: {P: {D: 12}}, weld_monitor: {P: {D: 10}}}", None, 10),
        ("{/**/weld_monitor: {P: {D: 12}}, /cell_1/weld_monitor: {P: {D: 10}}}", "/cell_2", 12),
        ("{/*/weld_monitor: {P: {D: 12}}, weld_monitor: {P: {D: 10}}}", None, 10),
        ("{/cell_1/**: {P: {D: 12}}, weld_overlay: {P: {D: 10}}}", None, 12),
    ],
)
def test_the_sections_for_the_monitor_count_as_in_ros(
    content: str, namespace: str | None, depth: int, tmp_path: Path
) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(content.replace("P:", "ros__parameters:").replace("D:", "camera.bit_depth:"), encoding="utf-8")
    assert read_sensors(file, namespace).scaling.camera_bit_depth == depth


@pytest.mark.parametrize(
    ("content", "namespace", "said"),
    [
        ("", None, "has no section for weld_monitor; write"),
        ("{weld_overlay: {ros__parameters: {}}}", None, "has no section for weld_monitor; write"),
        ("{/cell_1/weld_monitor: {ros__parameters: {}}}", "/cell_2", "weld_monitor in the namespace /cell_2"),
        ("{a: {weld_monitor: {ros__parameters: {}}}, weld_monitor: {ros__parameters: {}}}", None, "cells: /, /a;"),
        ("3", None, "is no params file"),
    ],
)
def test_a_file_that_says_nothing_of_this_monitor_is_refused(
    content: str, namespace: str | None, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_sensors(file, namespace)
    assert str(file) in str(error.value) and said in str(error.value) and "\n" not in str(error.value)


# -- bags read with it ------------------------------------------------------------------------------------------------


@pytest.fixture
def pixels_as_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the backbone's, which take long to make: the pixels that it would be given."""
    monkeypatch.setattr(recording_features, "BackboneFeatures", lambda _: lambda images: np.stack(images))


@pytest.mark.usefixtures("pixels_as_features")
def test_features_are_the_numbers_that_the_live_conversion_gives(cell: Path) -> None:
    config = CONFIG.model_config_of_size()
    features = FeatureExtractor(config, sensors=read_sensors(cell / "cell.yaml"))(cell / "counts" / "weld").features
    preprocess = Preprocessor(config.inputs, frozenset(MODALITIES))
    samples = [sample_from_message(topic.kind, message, SCALING) for topic, message, _ in counted_messages()]
    live = [preprocess(tick)[0] for tick in ticks_of(samples)]
    assert len(live) == len(features.time_s) == 40
    assert features.thermal_row.tolist() == list(range(-1, 39)), "the first frame comes before anything thermal"
    np.testing.assert_array_equal(features.camera, np.stack([i.camera for i in live]))
    np.testing.assert_array_equal(features.thermal, np.stack([i.thermal for i in live[1:]]).astype(np.float16))
    np.testing.assert_array_equal(features.thermal_statistics, np.stack([i.thermal_statistics for i in live]))
    assert features.thermal[0].min() == pytest.approx(25, abs=1)


def replayed(bag: Path, out: Path, *options: str) -> list[dict[str, str]]:
    """Rows of the CSV without the time that the ticks took."""
    assert main(["replay", str(bag), "--csv", str(out), *options]) == 0
    with out.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    return [{name: value for name, value in row.items() if name != "latency_ms"} for row in rows]


def test_replay_of_counts_is_that_of_what_they_mean(
    cell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = replayed(cell / "understood" / "weld", tmp_path / "out.csv")
    params = ("--params", str(cell / "cell.yaml"))
    assert replayed(cell / "counts" / "weld", tmp_path / "out.csv", *params) == expected
    assert "cell.yaml: camera.bit_depth 12, thermal.celsius_per_count 0.01\n" in capsys.readouterr().err
    assert replayed(cell / "counts" / "weld", tmp_path / "out.csv") != expected
    said = " ".join(capsys.readouterr().err.split())
    assert "thermal/image_raw: 40 messages rejected" in said and "set thermal.celsius_per_count" in said


def test_the_report_and_the_figures_read_counts_too(
    cell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages, figures = [], []
    for folder, options in (("counts", ["--params", str(cell / "cell.yaml")]), ("understood", [])):
        assert main(["report", str(cell / folder / "weld"), "--out", str(tmp_path / "out.html"), *options]) == 0
        pages.append((tmp_path / "out.html").read_text(encoding="utf-8"))
        assert "rejected" not in pages[-1]
        data = ["--data", str(cell / folder), "--json", str(tmp_path / "out.json")]
        assert main(["evaluate", str(SHIPPED), *data, *options]) == 0
        measured = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["metrics"]
        figures.append({name: value for name, value in measured.items() if "tick_ms" not in name})
    assert pages[0] == pages[1]
    assert figures[0] == figures[1]
    assert "rejected" not in capsys.readouterr().err
    bare = ["evaluate", str(SHIPPED), "--data", str(cell / "counts"), "--json", str(tmp_path / "out.json")]
    assert main(bare) == 0
    said = capsys.readouterr().err
    assert "counts/weld: /thermal/image_raw: 40 messages rejected" in said.replace("\n", "")
    assert "set thermal.celsius_per_count" in said.replace("\n", "")


def test_an_offset_shifts_its_sensor_against_the_others(cell: Path, tmp_path: Path) -> None:
    file = write_params(tmp_path / "late.yaml", f"{SECTIONS}, alignment: {{offset_s: {{thermal: 0.12}}}}")
    sensors = read_sensors(file)
    with BagReader(cell / "counts" / "weld", scaling=sensors.scaling) as reader:
        ticks = list(ticks_of(reader.samples(), sensors.alignment))
    for tick in ticks[3:]:
        assert tick.camera is not None and tick.thermal is not None
        assert tick.camera.stamp_ns - tick.thermal.stamp_ns == 3 * TICK_NS
        assert tick.age_s[Modality.THERMAL] == 0


def test_a_nominal_weld_is_scored_as_its_counts_mean(cell: Path) -> None:
    from msstan_core.calibration.nominal_scores import monitors_of, scores_of_bag
    from msstan_core.decision.pipeline import Monitor

    modalities = frozenset({Modality.CAMERA, Modality.THERMAL})
    monitors = monitors_of(Monitor.load(SHIPPED, modalities=modalities), False)
    (counted,) = scores_of_bag(monitors, cell / "counts" / "weld", read_sensors(cell / "cell.yaml")).values()
    (understood,) = scores_of_bag(monitors, cell / "understood" / "weld").values()
    np.testing.assert_array_equal(counted.novelty, understood.novelty)
    with pytest.raises(InputError, match=r"most ticks have no thermal; .*40 messages rejected; .*celsius_per_count"):
        scores_of_bag(monitors, cell / "counts" / "weld")
    said: list[str] = []
    seeing = monitors_of(Monitor.load(SHIPPED, modalities=frozenset({Modality.CAMERA})), False)
    scores_of_bag(seeing, cell / "counts" / "weld", complain=said.append)
    assert len(said) == 1 and "counts/weld: /thermal/image_raw: 40 messages rejected" in said[0]


@pytest.mark.usefixtures("pixels_as_features")
def test_cached_features_of_other_settings_are_not_taken(cell: Path, tmp_path: Path) -> None:
    config, bag = CONFIG.model_config_of_size(), cell / "counts" / "weld"
    late = SensorSettings({"alignment.offset_s.thermal": 0.12, **read_sensors(cell / "cell.yaml").given})
    settings = [DEFAULT_SENSORS, read_sensors(cell / "cell.yaml"), late]
    first = [FeatureExtractor(config, tmp_path, sensors)(bag).features for sensors in settings]
    assert len(list(tmp_path.glob("*.npz"))) == 3
    again = [FeatureExtractor(config, tmp_path, sensors)(bag).features for sensors in settings]
    for mine, cached in zip(first, again, strict=True):
        np.testing.assert_array_equal(mine.camera, cached.camera)
        np.testing.assert_array_equal(mine.thermal_row, cached.thermal_row)
    assert [int(f.valid[:, Modality.THERMAL].sum()) for f in again] == [0, 39, 37]
    assert again[0].camera.mean() < again[1].camera.mean() / 10
    FeatureExtractor(config, tmp_path, read_sensors(share_path("config/weld_monitor.yaml")))(bag)
    assert len(list(tmp_path.glob("*.npz"))) == 3, "what only repeats the defaults makes no features of its own"


@pytest.mark.usefixtures("pixels_as_features")
def test_what_training_cannot_read_of_a_bag_is_said_also_when_it_comes_from_the_cache(
    cell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(stderr=True)
    for _ in range(2):
        progress.load_recordings(console, CONFIG, [cell / "counts"], tmp_path)
        said = capsys.readouterr().err.replace("\n", "")
        assert said.count("counts/weld: /thermal/image_raw: 40 messages rejected") == 1
    progress.load_recordings(console, CONFIG, [cell / "counts"], tmp_path, read_sensors(cell / "cell.yaml"))
    assert "rejected" not in capsys.readouterr().err


def test_of_very_many_rejections_the_first_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    say_rejections(Console(stderr=True), [f"topic {k}" for k in range(MOST_NAMED + 3)])
    said = capsys.readouterr().err
    assert f"topic {MOST_NAMED - 1}" in said and f"topic {MOST_NAMED}\n" not in said
    assert "and 3 more such lines" in said


@pytest.mark.parametrize("command", ["train", "cross-validate"])
def test_training_reads_bags_with_the_cells_params(
    command: str,
    cell: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def read(_config: object, _cache: object, sensors: SensorSettings) -> None:
        raise InputError("bags", f"are read with {sensors.scaling}", "stop here")

    monkeypatch.setattr(progress, "FeatureExtractor", read)
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json")), encoding="utf-8")
    target = "--out" if command == "train" else "--json"
    words = [command, str(config), "--data", str(sound_bags(tmp_path_factory)), target, str(tmp_path / "out")]
    assert main([*words, "--cache", str(tmp_path / "cache"), "--params", str(cell / "cell.yaml")]) == 1
    assert f"are read with {SCALING}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "BAG", "--csv", "OUT", "--modalities", "thermal"], "the clock is camera, which is not among"),
        (["evaluate", "MODEL", "--data", "BAG", "--json", "OUT", "--modalities", "thermal"], "the clock is camera"),
        (["calibrate", "MODEL", "--simulate-hours", "2", "--out", "OUT"], "--params: has no part in --simulate-hours"),
    ],
)
def test_params_that_do_not_go_with_the_other_options_are_refused(
    words: list[str], said: str, cell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"BAG": str(cell / "counts" / "weld"), "OUT": str(tmp_path / "out"), "MODEL": str(SHIPPED)}
    file = write_params(tmp_path / "cell.yaml", "alignment: {clock: camera}")
    assert main([*(names.get(word, word) for word in words), "--params", str(file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_simulated_welds_have_no_namespace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["calibrate", str(SHIPPED), "--simulate-hours", "2", "--out", str(tmp_path / "out")]
    assert main([*words, "--namespace", "/cell_1"]) == 1
    assert "--namespace: has no part in --simulate-hours" in capsys.readouterr().err
