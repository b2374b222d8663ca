"""The welding parameters that advice is about, and values in their order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import IntEnum


class Parameter(IntEnum):
    """Adjustable parameters, in the order of every vector of five and of ``WeldParameterAdvisory``."""

    CURRENT = 0  #: welding current
    VOLTAGE = 1  #: arc voltage
    WIRE_FEED_SPEED = 2  #: filler wire speed
    TRAVEL_SPEED = 3  #: speed along the seam
    STICK_OUT = 4  #: contact tip to work distance

    @property
    def field(self) -> str:
        """Name with its unit, as in WPS files: ``travel_speed_m_s``."""
        return _FIELDS[self]

    @property
    def unit(self) -> str:
        """SI unit: ``m/s``."""
        return _UNITS[self]

    @property
    def words(self) -> str:
        """For people: ``travel speed``."""
        return self.name.lower().replace("_", " ").replace("stick out", "stick-out")


PARAMETERS: tuple[Parameter, ...] = tuple(Parameter)
_FIELDS = ("current_a", "voltage_v", "wire_feed_speed_m_s", "travel_speed_m_s", "stick_out_m")
_UNITS = ("A", "V", "m/s", "m/s", "m")

#: One number per parameter, SI units, in the order of :data:`PARAMETERS`.
Values = tuple[float, float, float, float, float]

#: Weld as programmed.
ZERO: Values = (0.0, 0.0, 0.0, 0.0, 0.0)
#: No advice, or no limit known.
UNKNOWN: Values = (math.nan, math.nan, math.nan, math.nan, math.nan)


def values(numbers: Iterable[float]) -> Values:
    """Five numbers as :data:`Values`; raises ``ValueError`` for any other count."""
    a, b, c, d, e = numbers
    return float(a), float(b), float(c), float(d), float(e)
