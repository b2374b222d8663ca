"""Which events a reader of ``weld/anomaly`` may still take for open, although a message can be lost.

The monitor speaks of every open event at every decision. One that it no longer speaks of has ended: its clearing
message was lost, or it was a session's that is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

#: Decisions come for this long without a word of an event: it is not open any more, s.
LOST_S = 1.0


class OpenEvents(Generic[Key]):
    """Told of every message; not thread-safe.

    Args:
        clock: seconds that do not jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._missed_since: dict[Key, float | None] = {}  #: first decision after the last word of it

    def renew(self, key: Key) -> None:
        """A message says that the event is open."""
        self._missed_since[key] = None

    def end(self, key: Key) -> None:
        """A message says that it is not."""
        self._missed_since.pop(key, None)

    def lost(self) -> list[Key]:
        """To be called at every decision: events that ended unheard. Each is told once.

        A pause without decisions ends no event: what counts is the time for which decisions leave it out.
        """
        now = self._clock()
        lost = [key for key, since in self._missed_since.items() if since is not None and now - since > LOST_S]
        for key in lost:
            del self._missed_since[key]
        for key, since in self._missed_since.items():
            self._missed_since[key] = now if since is None else since
        return lost
