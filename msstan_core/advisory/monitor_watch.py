"""Which monitor the gate listens to, and whether it lives, by the heartbeats of ``weld/state``."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from msstan_core.advisory.process_time import Moment
from msstan_core.observation import NANOSECONDS_PER_SECOND

#: Sessions that ended; their messages may still be on the way or be played again.
REMEMBERED_SESSIONS = 64
#: A second monitor is said for this long after its last heartbeat, s.
FOREIGN_HEARD_S = 1.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One message of ``weld/state``, as far as the gate needs it."""

    stamp_ns: int  #: when it was sent, by the monitor's clock
    session_id: str
    sequence_id: int
    model_revision: int
    usable: bool  #: decisions are made that may be followed
    complaint: str = ""  #: why not


class BeatRefusal(Enum):
    """Why a heartbeat is no sign of life; the value says it in words."""

    OTHER_TIME = "stamped too far from now: held up, or another clock"
    NO_SESSION = "without a session"
    OTHER_MONITOR = "of another monitor while the first one lives"
    ENDED = "of a session that has ended"
    NOT_NEWER = "sequence number not above the last one"


class MonitorWatch:
    """Not thread-safe; holds no clock.

    Args:
        timeout_s: silence that means no monitor.
        future_tolerance_s: a stamp may lie this far ahead of the clock.
    """

    def __init__(self, timeout_s: float, future_tolerance_s: float) -> None:
        self._timeout_s, self._future_tolerance_s = timeout_s, future_tolerance_s
        self.session_id = ""  #: that is listened to; "" before the first heartbeat
        self.beat: Heartbeat | None = None  #: its newest
        self.problem = ""  #: why the newest heartbeat did not count, where that says more than silence
        self.refused: Counter[BeatRefusal] = Counter()
        self._beat_at_s = -math.inf
        self._ended: dict[str, int] = {}  #: their last sequence numbers
        self._foreign, self._foreign_at_s = "", -math.inf

    def lives(self, moment: Moment) -> bool:
        """Whether a heartbeat has come lately."""
        return 0.0 <= moment.steady_s - self._beat_at_s <= self._timeout_s

    def foreign_session(self, moment: Moment) -> str:
        """Another session that speaks at present, though it is not listened to; "": none does."""
        return self._foreign if moment.steady_s - self._foreign_at_s <= FOREIGN_HEARD_S else ""

    def hear(self, beat: Heartbeat, moment: Moment) -> str:
        """Take a heartbeat, or count why not.

        A second monitor is not listened to while the first one lives. Neither is a past one, unless nobody lives and it
        goes on counting: it had only stalled, and somebody else spoke meanwhile.

        Returns:
            Why what was advised before is void now; "": it is not.
        """
        refusal = self._refusal(beat, moment)
        if refusal is not None:
            self.refused[refusal] += 1
            return ""
        void = ""
        if beat.session_id != self.session_id:
            self._take_up(beat.session_id)
            void = "a new session of the monitor began"
        elif self.beat is not None and beat.model_revision != self.beat.model_revision:
            void = "the monitor's model changed"
        self.beat, self._beat_at_s, self.problem = beat, moment.steady_s, ""
        return void

    def _refusal(self, beat: Heartbeat, moment: Moment) -> BeatRefusal | None:
        age_s = (moment.now_ns - beat.stamp_ns) / NANOSECONDS_PER_SECOND
        if not -self._future_tolerance_s <= age_s <= self._timeout_s:
            self.problem = f"the monitor's heartbeat is stamped {age_s:+.1f} s ago: held up, or another clock"
            return BeatRefusal.OTHER_TIME
        if not beat.session_id:
            return BeatRefusal.NO_SESSION
        if beat.session_id == self.session_id:
            newer = self.beat is None or beat.sequence_id > self.beat.sequence_id
            return None if newer else BeatRefusal.NOT_NEWER
        if self.lives(moment):
            self._foreign, self._foreign_at_s = beat.session_id, moment.steady_s
            return BeatRefusal.OTHER_MONITOR
        if beat.sequence_id <= self._ended.get(beat.session_id, -1):
            return BeatRefusal.ENDED
        return None

    def _take_up(self, session_id: str) -> None:
        if self.session_id and self.beat is not None:
            self._ended[self.session_id] = self.beat.sequence_id
        self._ended.pop(session_id, None)
        while len(self._ended) > REMEMBERED_SESSIONS:
            self._ended.pop(next(iter(self._ended)))
        self.session_id = session_id
        self._foreign_at_s = -math.inf
