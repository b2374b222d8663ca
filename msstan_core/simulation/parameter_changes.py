"""Changes of the programmed values that an advisory asks for, and how the cell takes them on."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

from msstan_core.simulation.energy import STEP_S, EnergySource, Setpoints
from msstan_core.simulation.gmaw import GmawArc
from msstan_core.simulation.scenario import ProcessSettings

#: Time constant with which robot and power source follow a change, s.
LAG_S = 0.3
#: Time until somebody has seen to the gas after being told, s.
GAS_CHECK_S = 2.0
#: A change that still has more than this share of the programmed value to go is an adjustment of the heat input.
_NOTICEABLE = 0.02


@dataclass(frozen=True, slots=True)
class ParameterDeltas:
    """Changes to the programmed values that an advisory asks for: absolute deltas, which replace the previous ones.

    A constant-voltage source sets the current by the wire feed: for GMAW ``current_a`` becomes the wire feed that draws
    it and adds to ``wire_feed_speed_m_s``; elsewhere it has no meaning and is ignored. ``stick_out_m`` moves torch,
    laser head (and with it the focus) or stirring tool away from the work.
    """

    current_a: float = 0.0
    voltage_v: float = 0.0
    wire_feed_speed_m_s: float = 0.0
    travel_speed_m_s: float = 0.0
    stick_out_m: float = 0.0
    check_gas: bool = False  #: somebody looks after the shielding gas


class ParameterChanges:
    """The deltas in force; they approach what was asked for with :data:`LAG_S`."""

    def __init__(self, process: ProcessSettings, source: EnergySource) -> None:
        self._process = process
        self._source = source
        self._asked = ParameterDeltas()
        self._gas_checked_at = math.inf
        self.now = Setpoints(0.0, 0.0, 0.0, 0.0, 0.0)  #: deltas that act at this moment

    def ask(self, deltas: ParameterDeltas, time_s: float) -> None:
        """Replace what is asked for; raises ``ValueError`` when a delta is not finite."""
        if not all(math.isfinite(value) for value in astuple(deltas)):
            raise ValueError(f"parameter deltas must be finite numbers, got {deltas}")
        if deltas.check_gas and not self._asked.check_gas:
            self._gas_checked_at = time_s + GAS_CHECK_S
        self._asked = deltas

    def gas_was_checked(self, time_s: float) -> bool:
        """True once, when somebody has seen to the gas."""
        if time_s < self._gas_checked_at:
            return False
        self._gas_checked_at = math.inf
        return True

    def advance(self) -> bool:
        """One control step; True while the deltas change noticeably."""
        asked, now, process, share = self._asked, self.now, self._process, min(STEP_S / LAG_S, 1.0)
        feed = asked.wire_feed_speed_m_s
        if asked.current_a and isinstance(self._source, GmawArc):
            nominal = self._source.current_for(process.wire_feed_speed_m_s, process.stick_out_m)
            feed += process.wire_feed_speed_m_s * asked.current_a / max(nominal, 20.0)
        changing = False
        for name, target, scale in (
            ("voltage_v", asked.voltage_v, process.voltage_v),
            ("wire_feed_speed_m_s", feed, max(process.wire_feed_speed_m_s, 0.01)),
            ("travel_speed_m_s", asked.travel_speed_m_s, process.travel_speed_m_s),
            ("stick_out_m", asked.stick_out_m, process.stick_out_m),
        ):
            value = getattr(now, name)
            changing = changing or abs(target - value) > _NOTICEABLE * scale
            setattr(now, name, value + (target - value) * share)
        return changing
