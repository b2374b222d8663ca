"""The simulated cell's robot: it follows gated advice as a real one should."""

from __future__ import annotations

import math

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.follower import AdvisoryFollower
from msstan_core.advisory.parameters import UNKNOWN, Values
from msstan_core.advisory.process_time import Moment
from msstan_core.simulation import ParameterDeltas, WeldCell
from msstan_core.simulation.procedure import Step


class CellRobot:
    """Adds the deltas of gated advice to the programme of one cell. The weld's time is the cell's.

    Args:
        cell: whose programme is followed.
    """

    def __init__(self, cell: WeldCell) -> None:
        self._cell = cell
        self._follower = AdvisoryFollower(simulated_time=True)

    def take(self, advice: Advice, moment: Moment) -> str:
        """A message of the gate; returns why it is not followed, or ""."""
        return self._follower.take(advice, moment)

    def move(self, moment: Moment) -> Values:
        """One control cycle; returns the deltas applied now. Without a gate they return by themselves."""
        deltas = self._follower.follow(self.programmed, moment)
        self._cell.apply(
            ParameterDeltas(
                voltage_v=deltas[1],
                wire_feed_speed_m_s=deltas[2],
                travel_speed_m_s=deltas[3],
                stick_out_m=deltas[4],
                check_gas=self._follower.check_gas,
            )
        )
        return deltas

    @property
    def programmed(self) -> Values:
        """Setpoints that may be added to: the programme's while it welds, none (NaN) while it starts, fills the crater
        or is done. The current is never one of them, it follows the wire feed.
        """
        if self._cell.state.step is not Step.WELD:
            return UNKNOWN
        process = self._cell.scenario.process
        return (math.nan, process.voltage_v, process.wire_feed_speed_m_s, process.travel_speed_m_s, process.stick_out_m)
