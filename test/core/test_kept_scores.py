"""Kept scores are found again by the network that gave them, on welds of the same simulator, and by no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msstan_core.calibration import kept_scores
from msstan_core.calibration.kept_scores import kept_or_made, scores_folder
from msstan_core.inference.model_card import ModelCard
from msstan_core.inference.model_package import load_package
from msstan_core.simulation.material_pairs import parse_pairs

SHIPPED = Path(__file__).parents[2] / "models" / "default"


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return load_package(SHIPPED).card


def test_thresholds_share_a_folder_and_all_else_has_its_own(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = scores_folder(tmp_path, card, None)
    assert here.is_dir()
    assert scores_folder(tmp_path, card.model_copy(update={"alarm_limits": None}), None) == here
    magnesium, nickel = (parse_pairs(text) for text in ("magnesium", "titanium+nickel"))
    others = [
        scores_folder(tmp_path, card.model_copy(update={"files": {"step.onnx": "another"}}), None),
        scores_folder(tmp_path, card, magnesium),
        scores_folder(tmp_path, card, nickel),
        scores_folder(tmp_path, card, None, ["camera"]),
    ]
    assert scores_folder(tmp_path, card, [*nickel, *magnesium]) == scores_folder(tmp_path, card, [*magnesium, *nickel])
    monkeypatch.setattr(kept_scores, "simulator_sha256", lambda: "another")
    others.append(scores_folder(tmp_path, card, None))
    assert len({here, *others}) == 1 + len(others)


def test_what_is_there_is_not_made_again_and_nothing_half_made_stays(tmp_path: Path) -> None:
    path = tmp_path / "7.npz"

    def fails() -> dict[str, np.ndarray]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_or_made(path, fails)
    assert not path.exists()
    made = kept_or_made(path, lambda: {"time_s": np.arange(3.0)})
    assert made["time_s"].tolist() == [0.0, 1.0, 2.0]
    again = kept_or_made(path, fails)
    assert again["time_s"].tolist() == [0.0, 1.0, 2.0] and [p.name for p in tmp_path.iterdir()] == ["7.npz"]
