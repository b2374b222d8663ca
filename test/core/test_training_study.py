"""What studies of many trainings share on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from msstan_core.commands import study_ablation, study_transfer
from msstan_core.commands.training_study import TimeLimit, kept_beside, print_state, runs_of, study_config
from msstan_core.errors import InputError


@pytest.mark.parametrize(
    ("study", "own"),
    [
        (study_ablation, ["ablation", "--data", "bags"]),
        (study_transfer, ["transfer", "--source", "a", "--target", "b"]),
    ],
)
def test_studies_take_the_same_arguments(study: object, own: list[str]) -> None:
    parser = argparse.ArgumentParser()
    study.register(parser.add_subparsers())  # type: ignore[attr-defined]
    given = parser.parse_args([*own, "--json", "x.json", "--steps", "7", "--minutes", "1.5"])
    assert (given.json, given.minutes, given.cache) == (Path("x.json"), 1.5, Path("out/features"))
    config = study_config(given)
    given.steps = None
    assert config.steps == 7 != study_config(given).steps
    assert config == study_config(given).model_copy(update={"steps": 7})
    given.config = Path("nowhere.yaml")
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        study_config(given)


def test_runs_are_kept_beside_the_result_and_what_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "ablation.json"
    kept = kept_beside(result, {"steps": 2})
    kept.add(("full", 0), {"f1": 0.5})
    assert (tmp_path / "ablation.json.runs.jsonl").is_file()
    planned = [("full", 0), ("full", 1)]
    assert runs_of(planned, kept) == {"runs_missing": ["full/1"], "runs": {"full/0": {"f1": 0.5}}}
    print_state(result, planned, kept, "trainings")
    print_state(result, planned[:1], kept, "trainings")
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("ablation.json: 1 of 2 trainings; 1 to go, give the same command again")
    assert second.endswith("ablation.json: 1 of 1 trainings")


def test_a_study_without_minutes_never_stops() -> None:
    assert not TimeLimit(None).over
    assert not TimeLimit(60.0).over
    assert TimeLimit(-1.0).over
