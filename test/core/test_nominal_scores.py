"""What a model says of nominal welds: of bags, of simulated ones, and with fewer sensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from nominal_blocks import ALL_SENSORS, SHIPPED

from msstan_core.alignment import ticks_of
from msstan_core.alignment_config import AlignmentConfig
from msstan_core.calibration.nominal_scores import (
    NominalWelds,
    any_counts,
    monitors_of,
    scores_of,
    scores_of_bag,
    simulated_scores,
)
from msstan_core.cli import main
from msstan_core.errors import InputError
from msstan_core.observation import AudioChunk, Sample, Tick
from msstan_core.recordings.bag import BagReader, BagWriter
from msstan_core.vocabulary import ISO_CODES, MODALITIES, Modality

SMALL_WELD = """
seed: 3
procedure: {idle_s: 0.5, placement_s: 0.0, cooling_s: 1.0, crater_fill_s: 0.0}
joint: {kind: bead, seam_length_m: 0.02}
process: {kind: gmaw, travel_speed_m_s: 0.01}
"""


@pytest.fixture(scope="module")
def small_weld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short weld with all sensors, as a bag."""
    scenario = tmp_path_factory.mktemp("weld") / "weld.yaml"
    scenario.write_text(SMALL_WELD, encoding="utf-8")
    assert main(["simulate", str(scenario), str(scenario.with_suffix(""))]) == 0
    return scenario.with_suffix("")


@pytest.mark.parametrize("verdict", ["", "good", "OK"])
def test_a_verdict_that_is_not_good_leaves_nothing_nominal_and_that_is_said(
    tmp_path: Path, small_weld: Path, verdict: str
) -> None:
    from msstan_core.decision.pipeline import Monitor

    judged = tmp_path / "judged"
    with BagReader(small_weld) as reader, BagWriter(judged, {"verdict": verdict} if verdict else {}) as writer:
        for sample in reader.samples():
            writer.write(sample)
    said: list[str] = []
    found = scores_of_bag(monitors_of(Monitor.load(SHIPPED), False), judged, complain=said.append)
    assert any_counts(found) == (verdict != "OK")
    assert [line.partition(": ")[2] for line in said] == (
        ["its verdict is 'OK', not 'good': none of it counts as nominal"] if verdict == "OK" else []
    )


def test_bags_that_lack_a_sensor_are_no_calibration_of_all(tmp_path: Path, small_weld: Path) -> None:
    from msstan_core.calibration import nominal_scores
    from msstan_core.decision.pipeline import Monitor

    whole = monitors_of(Monitor.load(SHIPPED), False)
    found = scores_of_bag(whole, small_weld)[ALL_SENSORS]
    assert np.isfinite(found.probabilities).any()

    def deaf(samples: Iterable[Sample], config: AlignmentConfig) -> Iterator[Tick]:
        return ticks_of((sample for sample in samples if not isinstance(sample, AudioChunk)), config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nominal_scores, "ticks_of", deaf)
        with pytest.raises(InputError, match=r"most ticks have no acoustic.*--modalities camera,thermal,telemetry"):
            scores_of_bag(whole, small_weld)
        few = monitors_of(Monitor.load(SHIPPED, modalities=frozenset(MODALITIES) - {Modality.ACOUSTIC}), False)
        assert list(scores_of_bag(few, small_weld)) == ["camera+thermal+telemetry"]


def test_simulated_welds_are_kept_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from msstan_core.calibration import nominal_scores

    monkeypatch.setattr(nominal_scores, "SENSORS", ("telemetry",))  # cheap: no images to draw
    chosen = NominalWelds(seed=7, subsets=False)
    first = list(simulated_scores(SHIPPED, chosen, 0.005, tmp_path / "work"))
    assert first and all(list(weld) == [ALL_SENSORS] for weld in first)
    assert first[0][ALL_SENSORS].probabilities.shape == (len(first[0][ALL_SENSORS].time_s), len(ISO_CODES))
    kept = len(list((tmp_path / "work").rglob("*.npz")))
    monkeypatch.setattr(nominal_scores, "scores_of", None)
    again = list(simulated_scores(SHIPPED, chosen, 0.005, tmp_path / "work"))
    np.testing.assert_array_equal(again[0][ALL_SENSORS].time_s, first[0][ALL_SENSORS].time_s)
    assert len(list((tmp_path / "work").rglob("*.npz"))) == kept


def test_siblings_answer_as_monitors_of_their_own_do() -> None:
    from msstan_core.decision.pipeline import Monitor
    from msstan_core.simulation import WeldCell
    from msstan_core.simulation.randomisation import randomised
    from msstan_core.simulation.watching import START_NS, ticks_of_cell

    ticks = list(islice(ticks_of_cell(WeldCell(randomised(5), START_NS)), 150))
    whole = Monitor.load(SHIPPED)
    with pytest.raises(ValueError, match="not answered a tick"):
        whole.sibling(frozenset(Modality)).step_after(whole, ticks[0])
    found = scores_of(monitors_of(whole, True), ticks, START_NS)
    assert len(found) == 15 and next(iter(found)) == ALL_SENSORS
    for name in (ALL_SENSORS, "camera+acoustic+telemetry", "thermal+telemetry", "acoustic"):
        alone = Monitor.load(SHIPPED, modalities=frozenset(m for m in Modality if m.label in name.split("+")))
        own = scores_of({name: alone}, ticks, START_NS)[name]
        np.testing.assert_allclose(found[name].probabilities, own.probabilities, atol=1e-5)
        np.testing.assert_allclose(found[name].novelty, own.novelty, atol=1e-4)
