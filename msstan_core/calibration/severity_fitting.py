"""Which measured departures tell how bad an imperfection is: fitted on labelled severities, judged across groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.alignment import ticks_of
from msstan_core.alignment_config import AlignmentConfig
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.decision.severity import STEADY, severity_of
from msstan_core.inference.model_card import SeverityCard, SeverityTerm
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.preprocessing.preprocessor import Preprocessor
from msstan_core.preprocessing.process_quantities import QUANTITY_NAMES
from msstan_core.preprocessing.programme_departure import departures_in
from msstan_core.recordings.annotations import UNLABELLED, Annotation, action_track
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.bag_folders import DescribedBag
from msstan_core.sensor_settings import DEFAULT_SENSORS, SensorSettings
from msstan_core.vocabulary import ACTIONS, Modality

#: Fewest labelled spans, and groups that they come from.
FEWEST_SPANS, FEWEST_GROUPS = 20, 5
#: Least rank correlation between predicted and labelled severity, on groups that the terms were not fitted on.
LEAST_CORRELATION = 0.5
#: Most terms, and the rank correlation that another one must add.
MOST_TERMS, WORTH_A_TERM = 3, 0.05
#: Share of the spans in which a quantity must be known to count.
LEAST_KNOWN = 0.5
#: Parts that the groups are divided into for judging.
FOLDS = 5
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class LabelledSeverity:
    """One labelled span of an imperfection."""

    iso_code: int
    severity: float  #: 0..1
    lowest: NDArray[np.float64]  #: [QUANTITIES] least log(measured / programmed) in the span, NaN where unknown
    highest: NDArray[np.float64]  #: [QUANTITIES] greatest
    group: str


def severities_in(
    annotations: Sequence[Annotation], time_s: NDArray[np.float64], departures: NDArray[np.floating], group: str
) -> list[LabelledSeverity]:
    """The spans of a recording that have a severity and last long enough to become an event.

    Args:
        annotations: its labels; where they name an action that is not steady welding, nothing is read, as live.
        time_s: [N]. departures: [N, QUANTITIES], NaN where unknown. group: of the recording.
    """
    found = []
    actions = action_track(annotations, time_s)
    steady = np.isin(actions, [UNLABELLED, *(ACTIONS.index(action) for action in STEADY)])
    for label in annotations:
        inside = steady & (time_s >= label.start_s) & (time_s < label.end_s)
        lasts = label.end_s - label.start_s >= AnomalyConfig().onset_s
        if label.iso_code and np.isfinite(label.severity) and lasts and inside.any():
            lowest, highest = (extreme.reduce(departures[inside], axis=0) for extreme in (np.fmin, np.fmax))
            found.append(LabelledSeverity(label.iso_code, label.severity, lowest, highest, group))
    return found


def severities_of_bag(bag: Path, spec: InputSpec, sensors: SensorSettings = DEFAULT_SENSORS) -> list[LabelledSeverity]:
    """The same from a bag, by its telemetry alone.

    Args:
        bag: to read. spec: of the model. sensors: how its samples are read.

    Raises:
        InputError: when the bag cannot be read.
    """
    telemetry = frozenset({Modality.TELEMETRY})
    preprocess, times, rows = Preprocessor(spec, telemetry), [], []
    alignment: AlignmentConfig = sensors.alignment.model_copy(update={"clock": "timer"})
    with BagReader(bag, namespace=sensors.namespace, scaling=sensors.scaling) as reader:
        annotations, group = reader.annotations, DescribedBag(bag, reader.attributes).group
        if not any(label.iso_code and np.isfinite(label.severity) for label in annotations):
            return []
        for tick in ticks_of(reader.samples(telemetry), alignment):
            times.append(reader.seconds(tick.stamp_ns))
            rows.append(departures_in(preprocess(tick)[0].telemetry[spec.programme_columns]))
    if not rows:
        return []
    return severities_in(annotations, np.array(times), np.array(rows), group)


def fit_severities(spans: Sequence[LabelledSeverity]) -> dict[int, SeverityCard]:
    """ISO code -> how its severity follows from the departures, for those where it does."""
    fitted = {}
    for code in sorted({span.iso_code for span in spans}):
        card = fit_severity([span for span in spans if span.iso_code == code])
        if card is not None:
            fitted[code] = card
    return fitted


def known_spans(
    spans: Sequence[LabelledSeverity], iso_code: int, terms: Sequence[SeverityTerm]
) -> list[LabelledSeverity]:
    """Of one imperfection, the labelled spans in which what these terms read is known."""
    return _known([span for span in spans if span.iso_code == iso_code], terms)


def fit_severity(spans: Sequence[LabelledSeverity]) -> SeverityCard | None:
    """Of one imperfection: the terms that rank it best on other groups; None where these rank it badly.

    What is judged is the whole procedure: for each part of the groups, terms are chosen and fitted on the others.
    """
    folds = _folds(spans)
    predicted = np.full(len(spans), np.nan)
    for number in range(FOLDS):
        rest = [span for span, own in zip(spans, folds, strict=True) if own != number]
        card = _line(rest)
        if card is not None:
            inside = [
                severity_of(s.lowest, s.highest, card) for s, own in zip(spans, folds, strict=True) if own == number
            ]
            predicted[folds == number] = inside
    correlation = _rank_correlation(predicted, _severities(spans))
    card = _line(spans)
    if card is None or correlation < LEAST_CORRELATION:
        return None
    return card.model_copy(update={"correlation": round(correlation, 3)})


def _line(spans: Sequence[LabelledSeverity]) -> SeverityCard | None:
    """Terms by forward selection, while each adds WORTH_A_TERM across groups on the spans where it is known; None
    without any. Its ``correlation`` is that of the selection, and optimistic.
    """
    candidates = [
        term
        for name in QUANTITY_NAMES
        for term in (SeverityTerm(quantity=name, extreme="lowest"), SeverityTerm(quantity=name, extreme="highest"))
        if len(_known(spans, [term])) >= LEAST_KNOWN * len(spans)
    ]
    chosen: list[SeverityTerm] = []
    while len(chosen) < MOST_TERMS:
        gains = []
        for term in candidates:
            known = _known(spans, [*chosen, term])
            gains.append(_across_groups(known, [*chosen, term]) - _across_groups(known, chosen))
        if not gains or not max(gains) > WORTH_A_TERM:
            break
        chosen.append(candidates.pop(int(np.argmax(gains))))
    if not chosen:
        return None
    known = _known(spans, chosen)
    weights = _weights(_values(known, chosen), _severities(known))
    terms = [t.model_copy(update={"weight": round(float(w), 4)}) for t, w in zip(chosen, weights, strict=False)]
    correlation = round(_across_groups(known, chosen), 3)
    return SeverityCard(
        terms=tuple(terms), offset=round(float(weights[-1]), 4), correlation=correlation, spans=len(known)
    )


def _across_groups(known: Sequence[LabelledSeverity], terms: Sequence[SeverityTerm]) -> float:
    """Rank correlation on groups that were not fitted on; 0 without a term, or where there are too few."""
    if not terms or len({span.group for span in known}) < FEWEST_GROUPS:
        return 0.0
    values, truth, folds = _values(known, terms), _severities(known), _folds(known)
    predicted = np.empty(len(known))
    for number in range(FOLDS):
        inside = folds == number
        weights = _weights(values[~inside], truth[~inside])
        predicted[inside] = np.clip(values[inside] @ weights[:-1] + weights[-1], 0.0, 1.0)
    return _rank_correlation(predicted, truth, FEWEST_SPANS // 2)


def _folds(spans: Sequence[LabelledSeverity]) -> NDArray[np.int64]:
    """[spans] which of FOLDS parts the group of each is in."""
    names = sorted({span.group for span in spans})
    return np.array([names.index(span.group) % FOLDS for span in spans], np.int64)


def _rank_correlation(predicted: NDArray[np.float64], truth: NDArray[np.float64], fewest: int = FEWEST_SPANS) -> float:
    """Spearman's, where there is a prediction; 0 where there are too few or one side says always the same."""
    from scipy.stats import spearmanr

    there = np.isfinite(predicted)
    if there.sum() < fewest or np.ptp(predicted[there]) == 0 or np.ptp(truth[there]) == 0:
        return 0.0
    return float(spearmanr(predicted[there], truth[there]).statistic)


def _known(spans: Sequence[LabelledSeverity], terms: Sequence[SeverityTerm]) -> list[LabelledSeverity]:
    columns = [QUANTITY_NAMES.index(term.quantity) for term in terms]
    return [span for span in spans if np.isfinite(span.lowest[columns]).all()]


def _values(spans: Sequence[LabelledSeverity], terms: Sequence[SeverityTerm]) -> NDArray[np.float64]:
    """[spans, terms]."""
    columns = [(term.extreme, QUANTITY_NAMES.index(term.quantity)) for term in terms]
    return np.array([[getattr(span, extreme)[column] for extreme, column in columns] for span in spans])


def _severities(spans: Sequence[LabelledSeverity]) -> NDArray[np.float64]:
    return np.array([span.severity for span in spans])


def _weights(values: NDArray[np.float64], severities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares with a slight ridge: a weight for each term, then the offset."""
    rows = np.column_stack([values, np.ones(len(values))])
    return np.asarray(np.linalg.solve(rows.T @ rows + _RIDGE * np.eye(rows.shape[1]), rows.T @ severities))
