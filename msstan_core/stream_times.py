"""What time it is by the streams themselves: which go on, and which of those agree."""

from __future__ import annotations

from msstan_core.vocabulary import MODALITIES, Modality


class StreamTimes:
    """The newest stamp of each modality, and which of them to believe.

    A stream counts as silent once another has gone on for ``timeout_ns`` by its own stamps since. That holds whatever
    offset there is between their clocks, live and in recordings alike; one step counts for half the timeout at most, as
    it may be a hole in all streams or a stamp from the future.

    Args:
        timeout_ns: silence, and disagreement, from which a stream does not tell the time.
    """

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._newest: dict[Modality, int] = {}
        self._gone_on = dict.fromkeys(MODALITIES, 0)  #: by own stamps, ns
        self._others_then: dict[Modality, dict[Modality, int]] = {}  #: how far each had gone on at one's newest sample

    def newest(self, modality: Modality) -> int | None:
        """Newest stamp, ns; None: nothing yet."""
        return self._newest.get(modality)

    def seen(self, modality: Modality, stamp_ns: int) -> None:
        """A sample has come, newer than those of its stream before it."""
        step = max(stamp_ns - self._newest.get(modality, stamp_ns), 0)
        self._gone_on[modality] += min(step, self._timeout_ns // 2)
        self._newest[modality] = stamp_ns
        self._others_then[modality] = dict(self._gone_on)

    def forget(self, modality: Modality) -> None:
        """Its time was set; the next sample tells it anew."""
        self._newest.pop(modality, None)
        self._others_then.pop(modality, None)

    def agreed(self) -> dict[Modality, int]:
        """Newest stamps of the largest part of the streams that go on and lie within the timeout of one another.

        Of equal parts the later one: a late sensor is commoner than one that is ahead of time.
        """
        alive = {m: stamp for m, stamp in self._newest.items() if self._silent_ns(m) <= self._timeout_ns}
        parts = [
            {m: stamp for m, stamp in alive.items() if 0 <= newest - stamp <= self._timeout_ns}
            for newest in alive.values()
        ]
        return max(parts, key=lambda part: (len(part), max(part.values())), default={})

    def _silent_ns(self, modality: Modality) -> int:
        then = self._others_then[modality]
        return max(self._gone_on[other] - then[other] for other in MODALITIES)
