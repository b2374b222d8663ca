"""Whether the monitor can be believed right now, as a pure function of what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from msstan_core.alignment_config import AlignmentConfig
from msstan_core.observation import STALE
from msstan_core.vocabulary import Modality

#: A step that runs this long is hung, s.
HUNG_STEP_S = 2.0
#: Share of ticks that were skipped because inference was busy from which "does not keep up" is said.
OVERLOAD_SHARE = 0.1
#: Samples may arrive for this long without a decision about any, s; longer where ticks are rarer.
LEAST_UNDECIDED_S = 1.0
#: Ticks may be this many of their periods apart before decisions count as missing.
TICKS_MISSED = 2.5


class Health(IntEnum):
    """Numbers as in ``WeldMonitorState``."""

    UNKNOWN = 0
    OK = 1
    DEGRADED = 2
    STALE = 3
    ERROR = 4


@dataclass(frozen=True, slots=True)
class InputHealth:
    """One expected modality.

    Args:
        modality: which.
        silent_s: time since its last sample arrived, by the steady clock; None: none has arrived yet.
        limit_s: silence from which it counts as missing.
        malformed_recently: whether a message of it was refused within the last seconds.
        stamp_unmoved_s: time since a sample came with a new stamp.
        late_s: how old its newest sample was when it arrived, as far as stamps and node have one clock.
        unused: how its samples lie to the ticks where most decisions rest on none of them; "": they are used.
    """

    modality: Modality
    silent_s: float | None
    limit_s: float
    malformed_recently: bool = False
    stamp_unmoved_s: float = 0.0
    unused: str = ""
    late_s: float = 0.0

    @property
    def arrives(self) -> bool:
        """Samples arrive, whatever their stamps."""
        return self.silent_s is not None and self.silent_s <= self.limit_s

    @property
    def flows(self) -> bool:
        """Samples arrive, and their stamps move."""
        return self.arrives and self.stamp_unmoved_s <= self.limit_s

    @property
    def enters(self) -> bool:
        """It flows, and decisions rest on it."""
        return self.flows and not self.malformed_recently and not self.unused

    def complaint(self) -> str:
        """What is wrong with it in words, or ""."""
        if self.silent_s is None:
            refused = ", malformed messages refused" if self.malformed_recently else ""
            return f"{self.modality.label}: no sample yet{refused}"
        if not self.arrives:
            return f"{self.modality.label}: silent for {self.silent_s:.1f} s"
        if not self.flows:
            return f"{self.modality.label}: stamps have stood still for {self.stamp_unmoved_s:.1f} s"
        if self.malformed_recently:
            return f"{self.modality.label}: malformed messages refused"
        if self.unused:
            return (
                f"{self.modality.label}: enters few decisions, its samples: {self.unused} (check the driver's clock, "
                f"alignment.offset_s.{self.modality.label} and alignment.staleness_s.{self.modality.label})"
            )
        if self.late_s > self.limit_s:
            return f"{self.modality.label}: samples are {self.late_s:.1f} s old when they arrive (queues, network)"
        return ""


def undecided_limit_s(alignment: AlignmentConfig) -> float:
    """How long samples may arrive without a decision about any, s."""
    slowest_hz = min(alignment.tick_rate_hz, alignment.max_tick_rate_hz)
    return max(LEAST_UNDECIDED_S, alignment.clock_timeout_s, TICKS_MISSED / slowest_hz)


def assess(
    inputs: Sequence[InputHealth],
    *,
    failure: str = "",
    thread_ended: bool = False,
    step_running_s: float = 0.0,
    undecided_s: float = 0.0,
    undecided_limit_s: float = LEAST_UNDECIDED_S,
    skipped_share: float = 0.0,
    degraded: Sequence[str] = (),
) -> tuple[Health, str]:
    """Health and the reason for it in one line ("" when OK).

    Args:
        inputs: the modalities that the node was told to expect.
        failure: why the last inference step failed; "": it did not.
        thread_ended: nothing infers any more.
        step_running_s: how long the running inference step has taken so far.
        undecided_s: how long samples have been arriving without a decision about any.
        undecided_limit_s: from this on nothing counts as decided.
        skipped_share: part of the recent ticks that inference was too slow for.
        degraded: what the newest decision says has fallen silent or could not be used.
    """
    if thread_ended:
        return Health.ERROR, f"the inference thread has ended ({failure or 'see the log'}); restart the node"
    if failure:
        return Health.ERROR, f"inference fails ({failure}); see the log, then call ~/reset or ~/reload_model"
    if step_running_s > HUNG_STEP_S:
        return Health.ERROR, f"inference has not answered for {step_running_s:.1f} s; restart the node"
    # Samples that come in time and say nothing, as telemetry without a value, are told by the decision.
    told = [text for text in degraded if not text.endswith(STALE)]
    empty = {text.split(":")[0]: text for text in told}
    complaints = [
        empty.get(entry.modality.label, text) if entry.unused and entry.flows else text
        for entry in inputs
        if (text := entry.complaint())
    ]
    if not any(entry.flows for entry in inputs):
        return Health.STALE, "; ".join(complaints) + "; check the sensors' drivers and topic names"
    if undecided_s > undecided_limit_s:
        cause = (
            f"inference has not answered for {step_running_s:.1f} s"
            if step_running_s > undecided_limit_s
            else f"samples arrive but make no tick for {undecided_s:.1f} s: stamps stand still or are unset, "
            "or alignment.clock waits for a sensor that is silent"
        )
        return Health.STALE, "; ".join([*complaints, cause])
    if skipped_share > OVERLOAD_SHARE:
        complaints.append(f"inference does not keep up, {skipped_share:.0%} of the ticks skipped")
    said = {text.split(":")[0] for text in complaints}
    # How long a sensor may be silent is judged by the inputs themselves: one tick without it is no complaint.
    complaints += [text for text in told if text.split(":")[0] not in said]
    return (Health.DEGRADED, "; ".join(complaints)) if complaints else (Health.OK, "")
