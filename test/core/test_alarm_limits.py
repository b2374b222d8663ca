"""What a rate of false alarms costs, from what a network said of nominal and of faulty welds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from msstan_core.calibration import nominal_scores
from msstan_core.calibration.joint import NominalScores
from msstan_core.cli import main
from msstan_core.inference.model_package import load_package
from msstan_core.studies import watched_welds
from msstan_core.studies.alarm_limits import Setting, settings, trade_offs
from msstan_core.studies.watched_welds import Scores, WatchedWeld
from msstan_core.vocabulary import ISO_CODES

SHIPPED = Path(__file__).parents[2] / "models" / "default"
SPATTER = ISO_CODES.index(602)
TICK_S = 0.1


def nominal(blocks: int) -> list[NominalScores]:
    """Welds of 10 s with calm probabilities."""
    rng = np.random.default_rng(0)
    ticks = round(10 / TICK_S)
    return [
        NominalScores(
            np.arange(ticks) * TICK_S,
            (1 / (1 + np.exp(-rng.normal(-5, 0.7, (ticks, len(ISO_CODES)))))).astype(np.float32),
            rng.gamma(20.0, 0.05, ticks).astype(np.float32),
        )
        for _ in range(blocks)
    ]


def faulty(lasts_s: float, probability: float = 0.95) -> tuple[WatchedWeld, Scores]:
    """Ten seconds with spatter from second 4 on, told for ``lasts_s``."""
    time_s = np.arange(100) * TICK_S
    probabilities = np.full((100, len(ISO_CODES)), 0.001, np.float32)
    probabilities[40 : 40 + round(lasts_s / TICK_S), SPATTER] = probability
    weld = WatchedWeld("w", "steel", True, 10.0, 8.0, ((602, 4.0, 9.0),), ())
    return weld, Scores(time_s, probabilities, np.full(100, np.nan, np.float32), np.ones((100, 4), bool))


def test_what_is_told_for_a_moment_is_alarmed_only_where_a_moment_is_enough() -> None:
    card = load_package(SHIPPED).card
    welds = [faulty(3.0), faulty(0.6)]
    chosen = [Setting(5.0, 0.3), Setting(5.0, 0.8), Setting(0.01, 0.3)]
    found = dict(trade_offs(card, nominal(150), welds, chosen))
    quick, slow, strict = (found[setting] for setting in chosen)
    assert quick is not None and slow is not None and strict is None, "150 blocks promise no alarm in 100 hours"
    assert (quick["said"], slow["said"]) == (1.0, 0.5) and quick["upper95"] > 5.0
    assert quick["said_delay_p50_s"] == pytest.approx(0.3, abs=0.11)
    assert slow["said_delay_p50_s"] == pytest.approx(0.8, abs=0.11)


def test_settings_are_named_apart() -> None:
    names = [str(setting) for setting in settings()]
    assert len(set(names)) == len(names) and "1 an hour, 0.8 s, novelty too" in names


def test_command_writes_every_setting_that_the_nominal_welds_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "camera+thermal+acoustic+telemetry"
    monkeypatch.setattr(nominal_scores, "simulated_scores", lambda *_: ({name: w} for w in nominal(150)))
    monkeypatch.setattr(watched_welds, "faulty_scores", lambda *_: iter([faulty(3.0)]))
    out = tmp_path / "limits.json"
    assert main(["study", "alarm-limits", str(SHIPPED), "--json", str(out)]) == 0
    found = json.loads(out.read_text())["details"]["by_setting"]
    assert found and all("20 an hour" in n or "5 an hour" in n for n in found)
    assert all(figures["said"] == 1.0 for figures in found.values())
    assert main(["study", "alarm-limits", str(SHIPPED), "--json", str(out), "--faulty", "0"]) == 1


def test_too_short_a_study_is_refused_before_any_weld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def weld(*_: object) -> None:
        raise AssertionError("welds are watched before the arguments are checked")

    monkeypatch.setattr(nominal_scores, "simulated_scores", weld)
    words = ["study", "alarm-limits", str(SHIPPED), "--json", str(tmp_path / "x.json"), "--hours"]
    assert main([*words, "0.001"]) == 1
    assert "tell nothing of 20 false alarms an hour" in capsys.readouterr().err
