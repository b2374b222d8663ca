"""How steadily, how rightly and how late each way of smoothing says the action, on streams of unseen recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.filter_fitting import EMISSION_POWERS
from msstan_core.decision.action_smoothing import Method, SmoothingConfig
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.studies.fold_streams import Stream, said
from msstan_core.training.metrics import macro_f1, shifted_phase_macro_f1, switches
from msstan_core.vocabulary import ACTIONS, Action

#: A switch is looked for this long before its label, s: labels from another sensor's clock are this uncertain.
EARLIEST_S = 1.0
#: ... and this long after, s.
LATEST_S = 3.0
#: What the monitor does by default: the filter or none, with the power, as the held-out groups of the training chose.
CARD_FAMILY = "as the card says"
#: What that is where the card keeps the filter, and where not; its lead is that of SmoothingConfig.
DEFAULT_FAMILY, UNFILTERED_FAMILY = "duration filter with lead", "raw with lead"
#: Points of macro-F1 that one switch too many per true one, and a second of delay, cost when a setting is chosen.
SWITCH_COST, DELAY_COST_PER_S = 0.05, 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way of smoothing with one setting."""

    family: str
    setting: float  #: what the family is tuned by: time constant, least duration (s), or emission power
    config: SmoothingConfig
    emission_power: float | None = None  #: of the filters; None: the fold's own


def candidates() -> list[Candidate]:
    """Every family with its settings; "raw" is what the others are compared with."""
    lead, powers = SmoothingConfig().lead, EMISSION_POWERS
    found = [
        Candidate("raw", 0.0, SmoothingConfig(method="none", lead=0.0)),
        Candidate(UNFILTERED_FAMILY, 0.0, SmoothingConfig(method="none", lead=lead)),
        Candidate(CARD_FAMILY, 0.0, SmoothingConfig()),
    ]
    for window_s in (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0):
        for family, ahead in (("window (49)", 0.0), ("window (49) with lead", lead)):
            config = SmoothingConfig(method="window", window_s=window_s, lead=ahead)
            found.append(Candidate(family, window_s, config))
    for hold_s in (0.1, 0.2, 0.3, 0.5, 0.8):
        found.append(Candidate("debounce", hold_s, SmoothingConfig(method="none", lead=0.0, hold_s=hold_s)))
    families: tuple[tuple[str, Method, float, float], ...] = (
        ("markov filter", "markov", 0.0, 0.0),
        ("markov filter with lead", "markov", lead, 0.0),
        ("duration filter", "duration", 0.0, 0.0),
        (DEFAULT_FAMILY, "duration", lead, 0.0),
        ("duration filter with lead and hold", "duration", lead, 0.1),
    )
    for family, method, ahead, hold_s in families:
        config = SmoothingConfig(method=method, lead=ahead, hold_s=hold_s)
        found += [Candidate(family, power, config, power) for power in powers]
    return found


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one way of smoothing made of one stream."""

    accuracy: float  #: of ticks, at the best common shift of the labels on real streams
    macro_f1: float  #: over the phases of real labels (as accuracy); over all actions on simulated streams
    switches: int  #: in labelled time
    true_switches: int
    delays_s: tuple[float, ...]  #: of each true switch that was found, against the label
    added_delays_s: tuple[float, ...]  #: the same against where the unsmoothed answers change over
    missed: int  #: true switches whose new action was never said in time

    @property
    def score(self) -> float:
        """What settings are chosen by: right first, then steady and prompt."""
        excess = max(self.switches / max(self.true_switches, 1) - 1.0, 0.0)
        late = float(np.median(self.added_delays_s)) if self.added_delays_s else 1.0
        return self.macro_f1 - SWITCH_COST * min(excess, 2.0) - DELAY_COST_PER_S * max(late, 0.0)


def judge(stream: Stream, actions: NDArray[np.int64], raw: NDArray[np.int64]) -> Judgement:
    """Compare the actions said with labels and with the unsmoothed answers; all [N]."""
    labels, known = stream.labels, stream.labels != UNLABELLED
    shift_s = 0.0
    if stream.simulated:
        f1 = macro_f1(labels[known], actions[known], len(ACTIONS))
    else:
        f1, shift_s = shifted_phase_macro_f1(stream.time_s, labels, actions)
        labels, actions, raw = (_without_extinction(a) for a in (labels, actions, raw))
    source = np.clip(np.searchsorted(stream.time_s, stream.time_s - shift_s), 0, len(known) - 1)
    shifted = labels[source]
    here = shifted != UNLABELLED
    delays, added, missed = [], [], 0
    true = _switches(labels)
    for row in true:
        time_s, before, after = float(stream.time_s[row]), int(labels[row - 1]), int(labels[row])
        window = _window(stream.time_s[true], time_s)
        found = crossing(stream.time_s, actions, window, before, after)
        unsmoothed = crossing(stream.time_s, raw, window, before, after)
        if found is None:
            missed += 1
            continue
        delays.append(found - time_s)
        if unsmoothed is not None:
            added.append(found - unsmoothed)
    return Judgement(
        accuracy=float((actions == shifted)[here].mean()),
        macro_f1=f1,
        switches=switches(actions[known]),
        true_switches=len(true),
        delays_s=tuple(delays),
        added_delays_s=tuple(added),
        missed=missed,
    )


def crossing(
    time_s: NDArray[np.float64], actions: NDArray[np.int64], window: tuple[float, float], before: int, after: int
) -> float | None:
    """Where answers change over from one action to the next: the point that leaves the fewest ticks on the wrong side.

    Args:
        time_s, actions: [N]. window: from and to, s. before, after: the actions on either side.

    Returns:
        Time of the first tick of the new action; None when it is never said in the window. For answers that flicker
        this is their best single change, which is what a steady answer is compared with.
    """
    inside = (time_s >= window[0]) & (time_s <= window[1])
    t, a = time_s[inside], actions[inside]
    if not (a == after).any():
        return None
    # Ticks before the point should not say the new action, those from it on should not say anything else.
    wrong_before = np.concatenate([[0], np.cumsum(a == after)])
    wrong_after = np.concatenate([np.cumsum((a != after)[::-1])[::-1], [0]])
    wrong = wrong_before + wrong_after
    point = int(np.flatnonzero(wrong == wrong.min())[0])
    return float(t[point]) if point < len(t) else None


def _switches(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows where a new labelled action begins."""
    rows = np.flatnonzero(np.diff(labels) != 0) + 1
    return np.asarray(rows[(labels[rows] != UNLABELLED) & (labels[rows - 1] != UNLABELLED)])


def _without_extinction(actions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Extinction as deposition: real labels call the last half second before the arc goes out so, whatever it is."""
    extinction, deposition = (ACTIONS.index(a) for a in (Action.ARC_EXTINCTION, Action.MATERIAL_DEPOSITION))
    return np.where(actions == extinction, deposition, actions)


def _window(times: NDArray[np.float64], time_s: float) -> tuple[float, float]:
    """Around one of the true switches at ``times``, up to the next and half-way back to the one before it."""
    earlier, later = times[times < time_s], times[times > time_s]
    begin = time_s - EARLIEST_S if not len(earlier) else max(time_s - EARLIEST_S, (time_s + earlier[-1]) / 2)
    end = time_s + LATEST_S if not len(later) else min(time_s + LATEST_S, max(later[0], time_s + EARLIEST_S))
    return float(begin), float(end)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One family's answer for one stream, with the setting that the streams of other groups chose."""

    stream: Stream
    setting: float
    judgement: Judgement


def judge_all(stream: Stream) -> list[Judgement]:
    """Every candidate, in the order of :func:`candidates`, on one stream."""
    options = candidates()
    actions = [said(stream, option.config, emission_power=option.emission_power) for option in options]
    return [judge(stream, own, actions[0]) for own in actions]


def compare(streams: Sequence[Stream], table: Sequence[list[Judgement]]) -> dict[str, list[Chosen]]:
    """Each family on every stream; its setting is chosen on the streams of the other groups, never on the stream's own.

    Args:
        streams: of recordings that their networks have not seen; of one kind. table: :func:`judge_all` of each.
    """
    options = candidates()
    out: dict[str, list[Chosen]] = {}
    for family in dict.fromkeys(option.family for option in options):
        members = [i for i, option in enumerate(options) if option.family == family]
        out[family] = []
        for stream, judgements in zip(streams, table, strict=True):
            others = [row for s, row in zip(streams, table, strict=True) if s.group != stream.group]
            best = max(members, key=lambda i: float(np.nanmean([row[i].score for row in others or [judgements]])))
            out[family].append(Chosen(stream, options[best].setting, judgements[best]))
    return out


def by_setting(streams: Sequence[Stream], table: Sequence[list[Judgement]], family: str) -> dict[str, dict[str, Any]]:
    """One family with every setting on every stream, for the choice of a default."""
    columns = [(i, option.setting) for i, option in enumerate(candidates()) if option.family == family]
    return {
        f"{setting:g}": figures([Chosen(s, setting, row[i]) for s, row in zip(streams, table, strict=True)])
        for i, setting in columns
    }


def figures(chosen: Sequence[Chosen]) -> dict[str, Any]:
    """Pooled over the streams of a seed, then mean and spread over seeds; delays over all true switches."""
    seeds = sorted({c.stream.seed for c in chosen})
    own = [[c.judgement for c in chosen if c.stream.seed == seed] for seed in seeds]

    def over_seeds(figure: Callable[[list[Judgement]], float]) -> dict[str, float]:
        values = [figure(judgements) for judgements in own]
        return {"mean": round(float(np.mean(values)), 4), "std": round(float(np.std(values)), 4)}

    everything = [c.judgement for c in chosen]
    return {
        "switches_per_true": over_seeds(
            lambda js: sum(j.switches for j in js) / max(sum(j.true_switches for j in js), 1)
        ),
        "accuracy": over_seeds(lambda js: float(np.mean([j.accuracy for j in js]))),
        "macro_f1": over_seeds(lambda js: float(np.nanmean([j.macro_f1 for j in js]))),
        "added_delay_ms": _milliseconds([d for j in everything for d in j.added_delays_s]),
        "delay_to_label_ms": _milliseconds([d for j in everything for d in j.delays_s]),
        "missed_share": over_seeds(lambda js: sum(j.missed for j in js) / max(sum(j.true_switches for j in js), 1)),
        "settings": sorted({c.setting for c in chosen}),
    }


def _milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    p50, p95 = np.percentile(1e3 * np.asarray(seconds), [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}
