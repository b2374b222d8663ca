"""What time it is by the streams themselves: which go on, and which of those agree."""

from __future__ import annotations

from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.vocabulary import MODALITIES, Modality

#: No stream is taken to have missed more than this, ns: a stamp from the future must not make it so for long.
_MOST_MISSED_NS = 10 * NANOSECONDS_PER_SECOND
#: Samples that a stream may miss without having leapt.
_STEPS_MISSED = 4


class StreamTimes:
    """The newest stamp of each modality, and which of them to believe.

    A stream counts as silent once another has gone on for ``timeout_ns`` by its own stamps since. That holds whatever
    offset there is between their clocks, live and in recordings alike. One step counts for half the timeout at most, as
    it may be a hole in all streams or a stamp from the future; and a stream that comes back must first make up for what
    it missed, as it may deliver in a moment what it had queued for seconds.

    Args:
        timeout_ns: silence, and disagreement, from which a stream does not tell the time.
    """

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._newest: dict[Modality, int] = {}
        self._step: dict[Modality, int] = {}  #: from the newest stamp but one to the newest, ns
        self._gone_on = dict.fromkeys(MODALITIES, 0)  #: by own stamps, ns; long steps count less
        self._travelled = dict.fromkeys(MODALITIES, 0)  #: the same with long steps as they are
        self._behind = dict.fromkeys(MODALITIES, 0)  #: what is left to make up for, ns
        #: how far each had gone on, and travelled, at one's newest sample
        self._then: dict[Modality, tuple[dict[Modality, int], dict[Modality, int]]] = {}

    def newest(self, modality: Modality) -> int | None:
        """Newest stamp, ns; None: nothing yet."""
        return self._newest.get(modality)

    def seen(self, modality: Modality, stamp_ns: int) -> None:
        """A sample has come, newer than those of its stream before it."""
        step = max(stamp_ns - self._newest.get(modality, stamp_ns), 0)
        self._step[modality] = step
        missed = self._passed(modality, self._travelled, 1)
        behind = self._behind[modality] + (missed if missed > self._timeout_ns else 0)
        behind = min(behind, _MOST_MISSED_NS)
        self._behind[modality] = max(behind - step, 0)
        counted = max(step - behind, 0)
        self._gone_on[modality] += min(counted, self._timeout_ns // 2)
        self._travelled[modality] += min(counted, _MOST_MISSED_NS)
        self._newest[modality] = stamp_ns
        self._then[modality] = dict(self._gone_on), dict(self._travelled)

    def goes_on(self, modality: Modality, begin_ns: int, end_ns: int, most_ns: int) -> bool:
        """Whether a sample is later than the newest of its stream, which must have one, and not by a leap.

        Args:
            begin_ns, end_ns: stamps of its beginning and its end; equal but for sound.
            most_ns: no leap, however fast the stream. A slow one may go on by some of its own steps.
        """
        newest = self._newest[modality]
        return end_ns > newest and begin_ns - newest <= max(most_ns, _STEPS_MISSED * self._step.get(modality, 0))

    def forget(self, modality: Modality) -> None:
        """Its time was set; the next sample tells it anew."""
        self._newest.pop(modality, None)
        self._then.pop(modality, None)
        self._behind[modality] = 0

    def agreed(self) -> dict[Modality, int]:
        """Newest stamps of the largest part of the streams that go on and lie within the timeout of one another.

        Of equal parts the later one: a late sensor is commoner than one that is ahead of time.
        """
        alive = {m: t for m, t in self._newest.items() if self._passed(m, self._gone_on, 0) <= self._timeout_ns}
        parts = [
            {m: stamp for m, stamp in alive.items() if 0 <= newest - stamp <= self._timeout_ns}
            for newest in alive.values()
        ]
        return max(parts, key=lambda part: (len(part), max(part.values())), default={})

    def _passed(self, modality: Modality, now: dict[Modality, int], which: int) -> int:
        """How far the stream that went furthest has gone since this one's newest sample, ns."""
        if modality not in self._then:
            return 0
        then = self._then[modality][which]
        return max(now[other] - then[other] for other in MODALITIES)
