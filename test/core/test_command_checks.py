"""What a command was asked for is checked before the work, and what is wrong is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from nominal_blocks import SHIPPED
from sound_welds import sound_bags

from msstan_core.cli import main
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
        ([], "validation_share: 0.15: holds out nothing of 2 groups"),
    ],
)
def test_training_is_refused_before_features_are_extracted(
    options: list[str], says: str, bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(CONFIG), "--data", str(bags), "--out", str(tmp_path / "model"), *options]
    assert says in refused(command, capsys)
