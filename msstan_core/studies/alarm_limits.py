"""What a rate of false alarms costs in imperfections, by rate and by how long a score must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msstan_core.calibration.joint import JointThresholds, NominalScores, calibrate_jointly
from msstan_core.calibration.recalibration import alarm_limits
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.inference.model_card import ModelCard, subset_name
from msstan_core.studies.false_alarms import delays
from msstan_core.studies.watched_welds import Scores, WatchedWeld, events_of

#: False alarms an hour.
RATES = (0.5, 1.0, 2.0, 5.0, 20.0)
#: Seconds that a score must hold at its limit.
ONSETS_S = (0.3, 0.5, 0.8, 1.2)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to set the limits of alarms."""

    rate_per_hour: float
    onset_s: float
    novelty: bool = False  #: whether novelty raises alarms too

    def __str__(self) -> str:
        """As a row of a table is named."""
        return f"{self.rate_per_hour:g} an hour, {self.onset_s:g} s{', novelty too' if self.novelty else ''}"


def settings() -> list[Setting]:
    """Every rate with every time; with novelty at the default time only."""
    plain = [Setting(rate, onset_s) for rate in RATES for onset_s in ONSETS_S]
    return plain + [Setting(rate, AnomalyConfig().alarm_onset_s, novelty=True) for rate in RATES]


def trade_offs(
    card: ModelCard,
    nominal: Sequence[NominalScores],
    faulty: Sequence[tuple[WatchedWeld, Scores]],
    chosen: Sequence[Setting],
) -> Iterator[tuple[Setting, dict[str, float] | None]]:
    """For each setting, limits from the nominal welds and what they make of the faulty ones.

    Args:
        card: of the model. nominal: what it said of nominal welds, with all sensors. faulty: the same of faulty ones.
        chosen: settings.

    Yields:
        The setting, and ``upper95`` of the rate, ``named`` and ``said`` shares of the imperfections with an alarm and
        median delays of these in s (see :func:`msstan_core.studies.false_alarms.delays`); None where the nominal welds
        are too few for the rate.
    """
    for setting in chosen:
        config = AnomalyConfig(alarm_onset_s=setting.onset_s)
        joint = calibrate_jointly(
            nominal,
            card.suspected_with(subset_name(card.modalities)),
            rate_per_hour=setting.rate_per_hour,
            novelty=setting.novelty,
            config=config,
        )
        if not isinstance(joint, JointThresholds):
            yield setting, None
            continue
        limited = card.model_copy(update={"alarm_limits": alarm_limits(joint, "")})
        watched = [replace(weld, events=events_of(scores, limited, config)) for weld, scores in faulty]
        figures = delays(watched, "alarm").get("all", {})
        wanted = ("named", "named_delay_p50_s", "said", "said_delay_p50_s")
        yield setting, {"upper95": joint.upper95_per_hour} | {key: figures[key] for key in wanted if key in figures}
