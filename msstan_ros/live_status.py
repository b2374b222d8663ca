"""What the running monitor says, collected for people: the newest of everything, and the course of a weld."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.vocabulary import Action, known
from msstan_msgs.msg import WeldAction, WeldAnomaly, WeldModelInfo, WeldMonitorState
from msstan_ros import qos
from msstan_ros.conversions import stamp_nanoseconds
from msstan_ros.health import Health
from msstan_ros.node_thread import BackgroundNode
from msstan_ros.open_events import OpenEvents

#: Rows of history held: ten minutes at 30 Hz.
MAX_ROWS = 18_000
MAX_ANOMALIES = 1_000
#: The heartbeat comes ten times a second; the lease of its publisher is a second.
LONGEST_SILENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One ``weld/action`` message."""

    stamp_s: float  #: acquisition time, s since the epoch of the stamps
    action: Action
    probability: float
    probabilities: NDArray[np.float32]  #: [9]
    weights: NDArray[np.float32]  #: [4]
    valid: tuple[bool, ...]  #: [4]
    inference_s: float
    pipeline_s: float


@dataclass(frozen=True, slots=True)
class AnomalySpan:
    """One anomaly event from its onset to now or to its end."""

    code: int
    name: str
    onset_s: float
    until_s: float
    score: float  #: highest so far
    threshold: float
    cleared: bool  #: or the monitor no longer speaks of it
    alarm_s: float = math.nan  #: since when it is an alarm; NaN: a suspicion

    @property
    def alarm(self) -> bool:
        """Whether it is more than a suspicion."""
        return not math.isnan(self.alarm_s)

    def __str__(self) -> str:
        """In words, as it is shown."""
        code = f"{self.code} " if self.code else ""
        return f"{'ALARM' if self.alarm else 'suspected'} {code}{self.name} {self.score:.2f}"


@dataclass(slots=True)
class LiveStatus:
    """The newest of everything; ``rows`` and ``anomalies`` are the course so far."""

    rows: deque[ActionRow] = field(default_factory=lambda: deque(maxlen=MAX_ROWS))
    anomalies: dict[tuple[str, int], AnomalySpan] = field(default_factory=dict)
    health: Health = Health.UNKNOWN
    message: str = ""
    tick_rate_hz: float = 0.0
    dropped: int = 0
    model: str = ""
    silence_s: float = math.nan  #: since the newest heartbeat; NaN: none has been heard

    @property
    def silent(self) -> bool:
        """Whether the monitor has fallen silent: what it said last says nothing of now."""
        return self.silence_s > LONGEST_SILENCE_S

    @property
    def newest(self) -> ActionRow | None:
        """The newest decision."""
        return self.rows[-1] if self.rows else None

    @property
    def open_anomalies(self) -> list[AnomalySpan]:
        """Those that have not cleared."""
        return [span for span in self.anomalies.values() if not span.cleared]


class LiveListener(BackgroundNode):
    """Subscribes to the monitor's outputs.

    Args:
        namespace: of the monitor; "" for none.

    Use as a context manager; :meth:`status` may be called from any thread.
    """

    def __init__(self, namespace: str = "") -> None:
        # A unique name: several people may watch one monitor.
        super().__init__(f"weld_watch_{np.random.default_rng().integers(1 << 31)}", namespace)
        self._lock = threading.Lock()
        self._status = LiveStatus()
        self._spoken_of: OpenEvents[tuple[str, int]] = OpenEvents()
        self._heard_s = math.nan  #: steady clock
        for kind, topic, profile, take in (
            (WeldAction, "weld/action", qos.RESULT_READER, self._take_action),
            (WeldAnomaly, "weld/anomaly", qos.ANOMALY, self._take_anomaly),
            (WeldMonitorState, "weld/state", qos.RESULT_READER, self._take_state),
            (WeldModelInfo, "weld/model_info", qos.MODEL_INFO, self._take_model),
        ):
            self.node.create_subscription(kind, topic, take, profile)

    def status(self) -> LiveStatus:
        """A copy that does not change."""
        with self._lock:
            return replace(
                self._status,
                rows=deque(self._status.rows, MAX_ROWS),
                anomalies=dict(self._status.anomalies),
                silence_s=time.monotonic() - self._heard_s,
            )

    def _take_action(self, message: WeldAction) -> None:
        row = ActionRow(
            stamp_s=stamp_nanoseconds(message.header.stamp) / NANOSECONDS_PER_SECOND,
            action=known(Action, message.action),
            probability=message.probability,
            probabilities=np.array(message.probabilities, np.float32),
            weights=np.array(message.modality_weights, np.float32),
            valid=tuple(bool(v) for v in message.modality_valid),
            inference_s=message.inference_latency_s,
            pipeline_s=message.pipeline_latency_s,
        )
        with self._lock:
            self._status.rows.append(row)
            for key in self._spoken_of.lost():
                if (span := self._status.anomalies.get(key)) is not None:
                    self._status.anomalies[key] = replace(span, cleared=True)

    def _take_anomaly(self, message: WeldAnomaly) -> None:
        key = (message.session_id, message.event_id)
        with self._lock:
            before = self._status.anomalies.get(key)
            if message.phase == WeldAnomaly.CLEARED:
                self._spoken_of.end(key)
            else:
                self._spoken_of.renew(key)
            self._status.anomalies[key] = AnomalySpan(
                code=message.iso_6520_1_code,
                name=message.name,
                onset_s=stamp_nanoseconds(message.onset) / NANOSECONDS_PER_SECOND,
                until_s=stamp_nanoseconds(message.header.stamp) / NANOSECONDS_PER_SECOND,
                # fmax: what is cleared without a score (NaN) keeps its highest
                score=float(np.fmax(message.score, before.score)) if before is not None else message.score,
                threshold=message.threshold,
                cleared=message.phase == WeldAnomaly.CLEARED,
                alarm_s=_alarm_since(message, before),
            )
            while len(self._status.anomalies) > MAX_ANOMALIES:
                self._status.anomalies.pop(next(iter(self._status.anomalies)))

    def _take_state(self, message: WeldMonitorState) -> None:
        with self._lock:
            self._heard_s = time.monotonic()
            self._status.health, self._status.message = known(Health, message.health), message.message
            self._status.tick_rate_hz = message.tick_rate_hz
            self._status.dropped = int(sum(message.dropped))

    def _take_model(self, message: WeldModelInfo) -> None:
        with self._lock:
            self._status.model = f"{message.name} {message.version} ({message.size}, {message.provider})"


def _alarm_since(message: WeldAnomaly, before: AnomalySpan | None) -> float:
    """Stamp of the event's first alarm, s; NaN while it is none."""
    if before is not None and before.alarm:
        return before.alarm_s
    return stamp_nanoseconds(message.header.stamp) / NANOSECONDS_PER_SECOND if message.alarm else math.nan
