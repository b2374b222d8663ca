"""What became of the samples: every one that makes no tick is counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from msstan_core.vocabulary import MODALITIES, Modality


@dataclass(slots=True)
class ModalityStatistics:
    """Counters of one modality since the aligner was made (a reset keeps them)."""

    received: int = 0
    dropped: int = 0  #: superseded before a tick could use them, or pushed out of a full buffer
    out_of_order: int = 0  #: stamped before the newest, and time was not reset; not used
    gaps: int = 0  #: acoustic: samples missing between two chunks
    newest_stamp_ns: int | None = None


@dataclass(slots=True)
class AlignmentStatistics:
    """Counters of the whole aligner."""

    modality: dict[Modality, ModalityStatistics] = field(
        default_factory=lambda: {m: ModalityStatistics() for m in MODALITIES}
    )
    ticks: int = 0
    rate_limited: int = 0  #: frames that came faster than max_tick_rate_hz: left out on purpose
    skipped: int = 0  #: ticks that nobody polled in time
    hole_ticks: int = 0  #: timer ticks left out where all streams had a hole
    time_jumps: int = 0  #: back, by which the ticks began anew
