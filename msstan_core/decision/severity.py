"""How bad: severity of an event from how far the measured process was from the job's programme at the worst.

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
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.preprocessing.preprocessor import NetworkInput
from msstan_core.preprocessing.process_quantities import QUANTITY_NAMES
from msstan_core.preprocessing.programme_departure import departures_in
from msstan_core.vocabulary import Action, Modality

#: The programmed values of a job are those of steady welding.
STEADY = (Action.MATERIAL_DEPOSITION, Action.HEAT_INPUT_ADJUSTMENT)


def steady_departures(network_input: NetworkInput, spec: InputSpec, action: Action) -> NDArray[np.float64] | None:
    """[QUANTITIES] log(measured / programmed) of a tick, NaN where unknown; None without telemetry, and where the arc
    begins or ends.
    """
    if not network_input.valid[Modality.TELEMETRY] or action not in STEADY:
        return None
    return departures_in(network_input.telemetry[spec.programme_columns])


def severity_of(lowest: NDArray[np.floating], highest: NDArray[np.floating], card: SeverityCard) -> float:
    """Severity, 0..1; NaN where a departure that tells it is unknown.

    Args:
        lowest, highest: [QUANTITIES] least and greatest log(measured / programmed) while the event lasted, see
            preprocessing/programme_departure.py; NaN where unknown.
        card: which of them tell it.
    """
    value = card.offset
    for term in card.terms:
        departures = lowest if term.extreme == "lowest" else highest
        value += term.weight * float(departures[QUANTITY_NAMES.index(term.quantity)])
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
        self._lowest = np.full(len(QUANTITY_NAMES), np.nan)
        self._highest = self._lowest.copy()

    def add(self, departures: NDArray[np.floating]) -> None:
        """One tick of the event: [QUANTITIES] log(measured / programmed), NaN where unknown."""
        np.fmin(self._lowest, departures, out=self._lowest)
        np.fmax(self._highest, departures, out=self._highest)

    @property
    def value(self) -> float:
        """Of the extremes so far; NaN before there are any."""
        return severity_of(self._lowest, self._highest, self._card)
