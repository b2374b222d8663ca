"""A model card tells of the recordings that the model was made of, not of those of the configuration's author."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recording_examples import CONFIG, recording

from msstan_core.errors import InputError
from msstan_core.inference.model_package import load_package
from msstan_core.resources import default_model_dir, share_path
from msstan_core.training.configuration import load_training_config
from msstan_core.training.provenance import (
    beginning_statements,
    data_statements,
    imperfections_learnt,
    labelled_imperfections,
    limit_statements,
    refuse_unshown,
)
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import ISO_CODES


def weld(group: str, *codes: int, simulated: bool = False, labelled: bool = True, **attributes: str) -> Recording:
    made = recording(group, simulated=simulated)
    imperfection = np.full((200, len(ISO_CODES)), 0.0 if labelled else np.nan, np.float32)
    for code in codes:
        imperfection[50:60, ISO_CODES.index(code)] = 1
    return replace(
        made,
        attributes={**made.attributes, **attributes},
        features=replace(made.features, imperfection=imperfection),
    )


def test_imperfections_are_learnt_where_seven_recordings_show_them() -> None:
    bags = [weld(f"g{n}", 602, *([2011] if n < 6 else [])) for n in range(7)] + [weld("blind", labelled=False)]
    assert labelled_imperfections(bags) == (602,)
    asked = CONFIG.model_copy(update={"trained_imperfections": "labelled"})
    assert imperfections_learnt(asked, bags) == (602,)
    assert imperfections_learnt(CONFIG, bags) == (602,)
    with pytest.raises(InputError, match="401: occurs in no recording"):
        refuse_unshown(CONFIG.model_copy(update={"trained_imperfections": (602, 401)}), bags)


def test_what_is_lost_of_the_model_that_training_began_with_is_said() -> None:
    shipped = load_package(default_model_dir()).card
    assert beginning_statements(shipped, shipped) == []
    fewer = shipped.model_copy(update={"trained_actions": shipped.trained_actions[1:], "trained_imperfections": (602,)})
    (said,) = beginning_statements(fewer, shipped)
    assert said.startswith(f"Answered by the model it began with, and no more: {shipped.trained_actions[0]}, 104, ")
    unknown = shipped.model_copy(update={"trained_groups": None})
    assert "do not say which recordings taught them" in beginning_statements(shipped, unknown)[0]
    assert beginning_statements(shipped.model_copy(update={"held_out_groups": ()}), unknown) == []


def test_card_counts_what_there_is() -> None:
    steel = {"material_a": "carbon_steel", "material_b": "carbon_steel"}
    training = [
        weld("a", **steel),
        weld("a", **steel),
        weld("b", simulated=True, material_a="copper", material_b="nickel"),
    ]
    said = data_statements(training, [weld("c")])
    assert said[0] == "trained on 2 real recordings (0.00 h, 1 groups) and 1 simulated recordings (0.00 h, 1 groups)"
    assert said[1] == "metals of the recordings trained on: carbon_steel 2, copper+nickel 1"
    assert "fitted on 1 real recordings" in said[2]
    assert "too confident" in data_statements([weld("a")], [])[-1]


def test_card_says_what_only_the_simulation_has_taught() -> None:
    simulated, real = weld("s", 602, simulated=True), weld("r")
    telemetry_less = real.features.valid.copy()
    telemetry_less[:, 3] = 0
    real = replace(real, features=replace(real.features, valid=telemetry_less, action=np.full(200, -1)))
    limits = limit_statements(CONFIG, [simulated, real], (602,))
    assert any(line.startswith("Actions learnt on simulation only: COOLING") for line in limits)
    assert "Imperfections learnt on simulation only: 602." in limits
    assert "Sensors learnt on simulation only: telemetry." in limits
    assert limit_statements(CONFIG, [weld("r", 602)], (602,)) == []
    assert "Everything was learnt on simulation" in limit_statements(CONFIG, [simulated], (602,))[0]
    assert limit_statements(CONFIG, [weld("r")], ()) == ["No imperfection was learnt: the configuration names none."]
    asked = CONFIG.model_copy(update={"trained_imperfections": "labelled"})
    assert "fewer than 7 recordings show any" in limit_statements(asked, [weld("r")], ())[0]


def test_configuration_for_own_welds_speaks_of_no_other_data() -> None:
    own = load_training_config(share_path("config/training/own_welds.yaml"))
    shipped = load_training_config(share_path("config/training/default.yaml"))
    assert not own.data_description and not own.limits and not own.withhold and own.name != shipped.name
    assert own.trained_imperfections == "labelled"
    same = {"clips_per_step", "clip_ticks", "learning_rate", "imperfection_weight", "augmentation"}
    assert own.steps < shipped.steps, "as its file says"
    assert own.model_dump(include=same) == shipped.model_dump(include=same)
