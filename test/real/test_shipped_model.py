"""The shipped model on real recordings, through the command line. It was trained on the MIG runs: this shows that the
chain from file to action works, not how well the model generalises (docs/results/phases.json does).
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from msstan_core.cli import main
from msstan_core.recordings.annotations import action_track
from msstan_core.recordings.bag import BagReader
from msstan_core.training.metrics import shifted_phase_macro_f1
from msstan_core.vocabulary import Action

DATA = Path(os.environ.get("MSSTAN_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real recordings at {DATA} (set MSSTAN_REAL_DATA)"),
]
#: The weld's order of things.
COURSE = (Action.IDLE, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.COOLING)


def replayed(bag: Path, out: Path, modalities: str) -> tuple[np.ndarray, list[Action]]:
    assert main(["replay", str(bag), "--csv", str(out), "--modalities", modalities]) == 0
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return np.array([float(r["time_s"]) for r in rows]), [Action[r["action"]] for r in rows]


@pytest.mark.parametrize(
    ("run", "modalities"),
    [("03-22-23-0001-06", "acoustic,camera"), ("03-22-23-0001-06", "acoustic"), ("10-16-22-0021-07", "acoustic")],
)
def test_phases_of_a_real_weld_are_found(tmp_path: Path, run: str, modalities: str) -> None:
    bag = tmp_path / "bag"
    assert main(["import", "mig", str(DATA / "robotic_mig" / "runs" / run), str(bag)]) == 0
    time_s, actions = replayed(bag, tmp_path / "out.csv", modalities)
    with BagReader(bag) as reader:
        labels = action_track(reader.annotations, time_s)
    score, shift_s = shifted_phase_macro_f1(time_s, labels, np.array([int(a) - 1 for a in actions]))
    assert score > 0.85
    assert abs(shift_s) <= 0.6
    firsts = [actions.index(action) for action in COURSE]
    assert firsts == sorted(firsts)
