"""What a command was asked for is checked before the work, and what is wrong is said in one line."""

from __future__ import annotations

import argparse
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from nominal_blocks import SHIPPED
from sound_welds import sound_bags

from msstan_core.cli import build_parser, main
from msstan_core.errors import InputError
from msstan_core.evaluation import model_figures
from msstan_core.resources import share_path
from msstan_core.training import progress

CONFIG = Path(__file__).parents[2] / "config" / "training" / "mig_phases.yaml"


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four welds of the groups cell0 and cell1, none simulated."""
    return sound_bags(tmp_path_factory)


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extracting the features of a bag is work that a bad argument must not cost."""

    def read(*_: object) -> None:
        raise AssertionError("features are extracted before the arguments are checked")

    monkeypatch.setattr(progress, "FeatureExtractor", read)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command refuses these arguments with."""
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1, said
    return said.err


def test_a_model_named_twice_is_no_spread_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = tmp_path / "link"
    again.symlink_to(SHIPPED)
    command = ["evaluate", str(SHIPPED), str(again), "--data", str(tmp_path), "--json", str(tmp_path / "x.json")]
    assert f"{again}: is named twice" in refused(command, capsys)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--withhold", "telemetry", "foo"], "--withhold: 'foo' is no modality; choose from camera thermal acoustic"),
        (["--seeds", "0"], "--seeds: is 0; give 1 or more"),
        (["--seeds", "-2"], "--seeds: is -2; give 1 or more"),
        (["--groups", "cell0", "cell7"], "--groups: no real recording is of 'cell7'; there are cell0, cell1"),
        (["--regime", "simulated"], "--data: holds no simulated recording for --regime simulated"),
    ],
)
def test_cross_validation_says_which_option_asks_for_what_is_not_there(
    options: list[str], says: str, bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["cross-validate", str(CONFIG), "--data", str(bags), "--json", str(tmp_path / "x.json"), *options]
    assert says in refused(command, capsys)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--from", "nope"], "nope: is not a model folder"),
        (["--calibration", "nope"], "nope: no such folder"),
        (["--leave-out", "unobtainium"], "--leave-out: knows no metal 'unobtainium'"),
        ([], "validation_share: 0.15: holds out nothing of 2 groups"),
    ],
)
def test_training_is_refused_before_features_are_extracted(
    options: list[str], says: str, bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(CONFIG), "--data", str(bags), "--out", str(tmp_path / "model"), *options]
    assert says in refused(command, capsys)


@pytest.mark.usefixtures("nothing_is_read")
def test_a_second_opinion_is_taught_to_a_model(bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = share_path("config/training/measured.yaml")
    command = ["train", str(config), "--data", str(bags), "--out", str(tmp_path / "model")]
    assert "trained_part: measured: teaches a model that is there already; give it: --from" in refused(command, capsys)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize(
    "options",
    [
        ["smoothing", str(CONFIG), "--folds", "BAGS", "--simulated", "nowhere"],
        ["smoothing", str(CONFIG), "--folds", "BAGS", "--simulated", "BAGS", "--model", "nowhere"],
        ["transfer", "--source", "BAGS", "--target", "nowhere"],
        ["peers", str(CONFIG), "--data", "BAGS", "--phases", "nowhere"],
    ],
)
def test_a_study_is_refused_before_half_of_it_is_done(
    options: list[str], bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(bags) if option == "BAGS" else option for option in options]
    assert "nowhere: " in refused(["study", *given, "--json", str(tmp_path / "x.json")], capsys)


@pytest.mark.parametrize("wrong", ["label", "model"])
def test_evaluation_sees_all_labels_and_models_before_the_first_replay(
    wrong: str, bags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def replayed(*_: object) -> None:
        raise AssertionError("a bag is replayed before the arguments are checked")

    monkeypatch.setattr(model_figures, "replay_bag", replayed)
    models = [str(SHIPPED)]
    shutil.copytree(bags, tmp_path / "bags")
    if wrong == "label":
        with (tmp_path / "bags" / "weld3" / "annotations.csv").open("a") as stream:
            stream.write("1704067200,1704067201,action,COOLING,,me\n")
    else:
        models.append("nowhere")
    where = ["--data", str(tmp_path / "bags"), "--json", str(tmp_path / "x.json")]
    says = {"label": "weld3/annotations.csv:5: span", "model": "nowhere: is not a model folder"}[wrong]
    assert says in refused(["evaluate", *models, *where], capsys)


def test_a_replay_that_breaks_off_leaves_no_half_file(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = shutil.copytree(bags / "weld0", tmp_path / "weld0")
    data = bytearray((bag / "weld0.mcap").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    (bag / "weld0.mcap").write_bytes(data)
    assert "damaged or cut bag" in refused(["replay", str(bag), "--csv", str(tmp_path / "out.csv")], capsys)
    assert list(tmp_path.iterdir()) == [bag]


def test_a_page_that_is_named_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    results = ["results", "--results", "results", "--out", "results.md", "--decisions", "nope.md"]
    assert "nope.md: no such page" in refused(results, capsys)
    assert "nope.md: has no section" in refused(["closed-loop", "--json", "x.json", "--page", "nope.md"], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("number", ["nan", "-1"])
@pytest.mark.parametrize(
    "command",
    [
        ["bench", "--live"],
        ["bench", "--soak-minutes"],
        ["study", "ablation", "--data", "x", "--minutes"],
        ["study", "peers", "x.yaml", "--data", "x", "--budget"],
    ],
    ids=lambda command: command[-1],
)
def test_seconds_and_minutes_are_numbers(
    command: list[str], number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{command[-1]}: is {number}" in refused([*command, number, "--json", str(tmp_path / "x.json")], capsys)


def test_what_is_refused_in_another_process_is_said_in_this_one() -> None:
    error = pickle.loads(pickle.dumps(InputError("bag", "is damaged", "record it again")))
    assert str(error) == "bag: is damaged; record it again" and error.remedy == "record it again"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("replay", "msstan replay: bag, --csv: must be given; see msstan replay --help"),
        ("replay bag --csv", "msstan replay: --csv: expected one argument; see msstan replay --help"),
        ("replay bag --csv x.csv --fast 1", "msstan replay: --fast 1: not known here; see msstan replay --help"),
        (
            "train x.yaml --data x --out y --steps abc",
            "msstan train: --steps: 'abc' is no whole number; see msstan train --help",
        ),
        ("import mig a b --fps x", "msstan import mig: --fps: 'x' is no number; see msstan import mig --help"),
        (
            "cross-validate x.yaml --data x --json y --baseline boosting=nan",
            "msstan cross-validate: --baseline: 'boosting=nan' is not NAME=F1, e.g. boosting=0.937; "
            "see msstan cross-validate --help",
        ),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(arguments: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err == line + "\n"


@pytest.mark.parametrize("arguments", [[], ["dance"], ["--nope"], ["study"], ["study", "dance"], ["calibrate", "m"]])
def test_no_usage_is_printed_for_an_unknown_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and len(said.splitlines()) == 1 and said.endswith(" --help\n")


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """This parser and those of all its commands, formats and studies."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for own in action.choices.values():
                yield from parsers(own)


def test_no_help_shows_how_it_was_written() -> None:
    """A % stands doubled in an option's help, where argparse fills in values, and single in all other texts."""
    helps = [parser.format_help() for parser in parsers(build_parser())]
    assert len(helps) > 20
    for text in helps:
        assert "%%" not in text and "%(" not in text, text
