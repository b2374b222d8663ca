"""Where along the seam: travel speed integrated from the arc's start, for as long as nothing of it is missing."""

from __future__ import annotations

import math

from msstan_core.observation import ARC_CURRENT_A, NANOSECONDS_PER_SECOND, TELEMETRY_CHANNELS, TelemetryWindow

_CURRENT = TELEMETRY_CHANNELS.index("current_a")
_SPEED = TELEMETRY_CHANNELS.index("travel_speed_m_s")

#: An arc that is out for less than this is the same weld (burn-through breaks the arc many times), s.
LONGEST_BREAK_S = 2.0
#: Longest time over which a speed is taken to hold, s.
LONGEST_STEP_S = 0.5
#: Longer than any break.
_LONG_NS = 60 * NANOSECONDS_PER_SECOND


class SeamPosition:
    """Metres from where the arc was lit.

    A position is a statement about every metre before it: without telemetry, after a hole in the travel speed, or when
    the monitor joins in mid-weld, it is NaN until the arc is lit anew.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the weld; the position is unknown until an arc is seen to start."""
        self._torch_m = math.nan  # travelled since the arc was lit, also while it is out for a moment
        self._arc_m = math.nan  # the same where the arc last burnt
        self._burning: bool | None = None  # None: unknown
        self._dark_since_ns = 0
        self._last_ns = -1
        self._speed_m_s = math.nan

    def update(self, stamp_ns: int, telemetry: TelemetryWindow | None) -> float:
        """One tick.

        Args:
            stamp_ns: of the tick. telemetry: the newest rows; None when missing or stale.

        Returns:
            Position at the tick in metres, NaN when unknown. It stands still where the arc ended.
        """
        if telemetry is not None:
            new = telemetry.stamps_ns > self._last_ns
            for row_ns, row in zip(telemetry.stamps_ns[new], telemetry.values[new], strict=True):
                self._row(int(row_ns), float(row[_CURRENT]), float(row[_SPEED]))
        if not self._burning:
            return self._arc_m
        return self._arc_m + self._travelled_since(stamp_ns)

    def _row(self, row_ns: int, current_a: float, speed_m_s: float) -> None:
        self._torch_m += self._travelled_since(row_ns)
        burning = None if math.isnan(current_a) else current_a > ARC_CURRENT_A
        if burning and self._burning is False and self._dark_s(row_ns) > LONGEST_BREAK_S:
            self._torch_m = 0.0  # a new weld
        elif burning is None or (burning and self._burning is None):
            self._torch_m = math.nan
        if burning is False and self._burning is not False:
            # What was dark before the first row may have been so for long.
            self._dark_since_ns = row_ns if self._burning else row_ns - _LONG_NS
        if burning is not False:
            self._arc_m = self._torch_m
        self._burning, self._last_ns, self._speed_m_s = burning, row_ns, speed_m_s

    def _dark_s(self, row_ns: int) -> float:
        return (row_ns - self._dark_since_ns) / NANOSECONDS_PER_SECOND

    def _travelled_since(self, stamp_ns: int) -> float:
        """Metres since the newest row; NaN when that is too long ago to trust its speed."""
        elapsed_s = (stamp_ns - self._last_ns) / NANOSECONDS_PER_SECOND
        if elapsed_s <= 0:
            return 0.0
        return self._speed_m_s * elapsed_s if elapsed_s <= LONGEST_STEP_S else math.nan
