"""``msstan simulate``: which welds it draws, and what it refuses."""

from pathlib import Path

import pytest

from msstan_core.cli import main
from msstan_core.closed_loop.tasks import FIRST_SEED
from msstan_core.closed_loop.welds import FAULTS, study_weld
from msstan_core.observation import TelemetrySample
from msstan_core.recordings.bag import BagReader, BagWriter
from msstan_core.simulation import recording
from msstan_core.simulation.randomisation import randomised
from msstan_core.vocabulary import MODALITIES


@pytest.fixture
def welded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the scenarios that would be simulated, instead of simulating them."""
    names: list[str] = []

    def record(scenario, bag: Path, raw_images: bool) -> tuple[float, list[object]]:
        names.append(scenario.name)
        bag.mkdir(parents=True)
        return 1.0, []

    monkeypatch.setattr(recording, "record", record)
    return names


def test_faults_are_drawn_for_every_imperfection_of_the_study(tmp_path: Path, welded: list[str]) -> None:
    assert main(["simulate", "--faults", "2", "--out-dir", str(tmp_path)]) == 0
    assert welded == [study_weld(code, seed).name for seed in (0, 1) for code in FAULTS]


def test_existing_bags_are_kept(tmp_path: Path, welded: list[str]) -> None:
    with BagWriter(tmp_path / "random-000003", recording.attributes(randomised(3))) as writer:
        writer.write(TelemetrySample(1))
    assert main(["simulate", "--random", "2", "--seed", "3", "--out-dir", str(tmp_path)]) == 0
    assert welded == ["random-4"]
    (tmp_path / "random-000005").mkdir()  # what an interrupted run left
    assert main(["simulate", "--random", "1", "--seed", "5", "--out-dir", str(tmp_path)]) == 1


def test_no_weld_of_the_study_can_be_drawn_for_training(
    tmp_path: Path, welded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--faults", "2", "--seed", str(FIRST_SEED - 1), "--out-dir", str(tmp_path)]) != 0
    assert f"seed {FIRST_SEED} is one of the study's" in capsys.readouterr().err
    assert welded == []


def test_only_the_sensors_asked_for_are_simulated(tmp_path: Path) -> None:
    scenario = tmp_path / "short.yaml"
    scenario.write_text("joint: {seam_length_m: 0.01}\nprocedure: {idle_s: 0.3, placement_s: 0.0, cooling_s: 0.5}\n")
    topics = []
    for name, sensors in (("two", ["--sensors", "telemetry", "microphone"]), ("all", [])):
        assert main(["simulate", str(scenario), str(tmp_path / name), *sensors]) == 0
        with BagReader(tmp_path / name) as bag:
            topics.append({type(sample).__name__ for sample in bag.samples(frozenset(MODALITIES))})
    assert topics[1] - topics[0] == {"CameraFrame", "ThermalFrame"}
    assert {"AudioChunk", "TelemetrySample"} <= topics[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--random", "1"], "add --out-dir"),
        (["--random", "0", "--out-dir", "x"], "give a number from 1"),
        (["--faults", "1", "--random", "1", "--out-dir", "x"], "not together"),
        (["gmaw_steel_lap", "--faults", "1", "--out-dir", "x"], "leave out SCENARIO"),
        ([], "SCENARIO and OUT_BAG are needed"),
        (["gmaw_steel_lap", "bag", "--out-dir", "x"], "--out-dir: is for the bags of --random and --faults"),
        (["gmaw_steel_lap", "bag", "--seeds", "3"], "--seeds: counts the recordings of --compare"),
        (["gmaw_steel_lap", "bag", "--json", "q.json"], "--json: holds the distances of --compare"),
        (["gmaw_steel_lap", "bag", "--materials", "magnesium"], "--materials: restricts randomised welds only"),
        (["--faults", "1", "--out-dir", "x", "--materials", "magnesium"], "--materials: restricts randomised"),
        (["gmaw_steel_lap", "bag", "--pictures", "x"], "--pictures: chooses its own scenarios"),
        (["--pictures", "x", "--json", "q.json"], "--json: holds the distances"),
        (["--compare", "x", "--seed", "0"], "--seed: goes not together with --compare"),
        (["--compare", "x", "--sensors", "telemetry"], "--sensors: goes not together with --compare"),
        (["--compare", "x", "--random", "0"], "--random: goes not together with --compare"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    arguments: list[str],
    said: str,
    welded: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *arguments]) != 0
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert welded == [] and list(tmp_path.iterdir()) == []


def test_a_recorded_weld_says_how_it_was_made(tmp_path: Path) -> None:
    scenario = tmp_path / "short.yaml"
    scenario.write_text(
        "name: short\njoint: {seam_length_m: 0.02}\n"
        "procedure: {idle_s: 0.2, placement_s: 0, approach_s: 0.5, cooling_s: 0.5}\n"
        "camera: {enabled: false}\nthermal: {enabled: false}\n",
        encoding="utf-8",
    )
    assert main(["simulate", str(scenario), str(tmp_path / "bag")]) == 0
    with BagReader(tmp_path / "bag") as reader:
        assert reader.attributes["simulated"] == "true"
        assert reader.attributes["group"] == "short"
        assert reader.annotations


def test_bags_that_are_there_are_kept_and_said_and_those_of_other_options_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = ["simulate", "--random", "1", "--seed", "3", "--out-dir", str(tmp_path), "--sensors"]
    assert main([*draw, "telemetry"]) == 0
    (bag,) = tmp_path.iterdir()
    before = (bag / "metadata.yaml").read_bytes()
    assert main([*draw, "telemetry"]) == 0
    assert "1 bags were there already" in capsys.readouterr().out
    assert main([*draw, "telemetry", "microphone"]) == 1
    assert "is there, with another scenario" in capsys.readouterr().err
    assert (bag / "metadata.yaml").read_bytes() == before
