"""How bad: severity of an event from how far the measured process has been from the job's programme while it lasted.

A probability says how sure the network is that an imperfection is there, not how large it is. How far current, voltage,
wire feed, travel, gas or heat input are off does say it for many imperfections; which, and how much, is fitted on welds
whose imperfections were labelled with a severity (calibration/severity_fitting.py). Without telemetry, or where nobody
told the programme, the severity is unknown.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from msstan_core.inference.model_card import SeverityCard
from msstan_core.preprocessing.process_quantities import QUANTITY_NAMES


def severity_of(departures: NDArray[np.floating], card: SeverityCard) -> float:
    """Severity, 0..1, after a mean departure [QUANTITIES] from the programme; NaN where a term's is unknown.

    Args:
        departures: log(measured / programmed), see preprocessing/programme_departure.py; NaN where unknown.
        card: which of them tell it.
    """
    value = card.offset
    for term in card.terms:
        departure = float(departures[QUANTITY_NAMES.index(term.quantity)])
        value += term.weight * (abs(departure) if term.either_way else departure)
    return math.nan if math.isnan(value) else min(max(value, 0.0), 1.0)


class SeverityEstimate:
    """Severity of one event so far.

    Args:
        card: which departures tell it.
    """

    def __init__(self, card: SeverityCard) -> None:
        self._card = card
        self.forget()

    def forget(self) -> None:
        """Another event begins."""
        self._sum = np.zeros(len(QUANTITY_NAMES))
        self._ticks = np.zeros(len(QUANTITY_NAMES), np.int64)

    def add(self, departures: NDArray[np.floating]) -> None:
        """One tick of the event, departures as in :func:`severity_of`."""
        known = np.isfinite(departures)
        self._sum[known] += departures[known]
        self._ticks += known

    @property
    def value(self) -> float:
        """Of the mean departure so far; NaN before there is one."""
        with np.errstate(invalid="ignore"):
            return severity_of(np.where(self._ticks > 0, self._sum / np.maximum(self._ticks, 1), np.nan), self._card)
