"""Quality of service of every topic, and what to tell a person when two ends do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)

#: Lease after which a monitor that publishes no heartbeat counts as dead, s (ten heartbeats).
LIVELINESS_LEASE_S = 1.0


def _profile(depth: int, *, reliable: bool, latched: bool = False, **more: Any) -> QoSProfile:
    more.setdefault("liveliness", LivelinessPolicy.AUTOMATIC)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        **more,
    )


#: Images and telemetry as the monitor reads them: newest wins, any publisher fits.
SENSOR = _profile(5, reliable=False)
#: Sound must not have holes, so more of it may wait.
SOUND = _profile(50, reliable=False)
#: As the simulated cell and the bag player publish: reliable, so that reliable and best-effort readers both fit.
SENSOR_SOURCE = _profile(10, reliable=True)
SOUND_SOURCE = _profile(50, reliable=True)
#: Sent once per job, held for who comes later.
CONTEXT = _profile(1, reliable=True, latched=True)
MODEL_INFO = _profile(1, reliable=True, latched=True)
ANOMALY = _profile(50, reliable=True)
STATE = _profile(
    1,
    reliable=True,
    liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
    liveliness_lease_duration=Duration(seconds=LIVELINESS_LEASE_S),
)
ADVISORY = _profile(1, reliable=True)
#: Longest gap that the gate promises between two messages, s; a reader may ask for this or more.
GATED_DEADLINE_S = 0.1
#: Lease after which a gate that says nothing counts as dead, s.
GATED_LEASE_S = 0.3
#: ``weld/advisory_gated``, as the gate offers it and as a robot should ask for it.
ADVISORY_GATED = _profile(
    1,
    reliable=True,
    deadline=Duration(seconds=GATED_DEADLINE_S),
    liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
    liveliness_lease_duration=Duration(seconds=GATED_LEASE_S),
)
#: Pictures for people: the newest one only.
OVERLAY = _profile(1, reliable=True)
DIAGNOSTICS = _profile(10, reliable=True)
#: As in rclpy's time source: only the newest time counts.
CLOCK = _profile(1, reliable=True)
#: A reader of results that must miss nothing; fits the depth-1 reliable publishers above.
RESULT_READER = _profile(50, reliable=True)


def action(deadline_s: float) -> QoSProfile:
    """``weld/action``: reliable, newest only, with the promise of one message per ``deadline_s`` while inputs flow."""
    return _profile(1, reliable=True, deadline=Duration(seconds=deadline_s))


_REMEDY = {
    QoSPolicyKind.RELIABILITY: "the publisher is best effort and the subscriber asks for reliable: "
    "make the publisher reliable or the subscriber best effort",
    QoSPolicyKind.DURABILITY: "the subscriber asks for transient local and the publisher is volatile: "
    "make the publisher transient local or the subscriber volatile",
    QoSPolicyKind.DEADLINE: "the subscriber asks for a shorter deadline than the publisher offers: "
    "lengthen the subscriber's or shorten the publisher's (parameter action_deadline_s for weld/action)",
    QoSPolicyKind.LIVELINESS: "the subscriber asks for a stricter liveliness or a shorter lease than is offered: "
    "relax the subscriber's",
}


def incompatibility_text(topic: str, policy: QoSPolicyKind, total: int) -> str:
    """One line about a QoS mismatch on ``topic``: which policy, what it means, what to change.

    Args:
        topic: resolved topic name.
        policy: the policy that does not fit (the middleware names the last one only).
        total: how many ends have been refused so far.
    """
    name = policy.name.lower().replace("_", " ")
    remedy = _REMEDY.get(policy, "make the two ends' settings equal")
    return f"{topic}: no data flows to or from {total} peer(s), incompatible {name}; {remedy}"


def incompatibility_reporter(topic: str, say: Callable[[str], object]) -> Callable[[Any], None]:
    """An ``incompatible_qos`` event callback that passes :func:`incompatibility_text` to ``say``."""

    def report(event: Any) -> None:
        say(incompatibility_text(topic, QoSPolicyKind(event.last_policy_kind), event.total_count))

    return report
