import pytest
from live import Spinner, until
from rclpy.duration import Duration
from rclpy.qos import QoSCompatibility, QoSPolicyKind, QoSProfile, ReliabilityPolicy, qos_check_compatible
from std_msgs.msg import String

from msstan_ros import qos


@pytest.mark.parametrize(
    "published",
    [qos.SENSOR_SOURCE, QoSProfile(depth=1), QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)],
)
@pytest.mark.parametrize("read", [qos.SENSOR, qos.SOUND])
def test_sensor_subscriptions_fit_every_kind_of_publisher(published: QoSProfile, read: QoSProfile) -> None:
    assert qos_check_compatible(published, read)[0] != QoSCompatibility.ERROR


@pytest.mark.parametrize(
    ("published", "read"),
    [
        (qos.action(0.5), qos.RESULT_READER),
        (qos.STATE, qos.RESULT_READER),
        (qos.STATE, QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)),
        (qos.ANOMALY, qos.RESULT_READER),
        (qos.MODEL_INFO, qos.MODEL_INFO),
        (qos.MODEL_INFO, QoSProfile(depth=1)),
        (qos.CONTEXT, qos.CONTEXT),
    ],
)
def test_ordinary_readers_fit_what_the_monitor_offers(published: QoSProfile, read: QoSProfile) -> None:
    assert qos_check_compatible(published, read)[0] != QoSCompatibility.ERROR


def test_a_stricter_deadline_than_offered_does_not_fit() -> None:
    strict = QoSProfile(depth=1, deadline=Duration(seconds=0.05))
    assert qos_check_compatible(qos.action(0.5), strict)[0] == QoSCompatibility.ERROR


@pytest.mark.parametrize(
    "policy",
    [
        QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
        QoSPolicyKind.DEADLINE,
        QoSPolicyKind.LIVELINESS,
        QoSPolicyKind.HISTORY,
    ],
)
def test_a_mismatch_names_topic_policy_and_remedy_in_one_line(policy: QoSPolicyKind) -> None:
    text = qos.incompatibility_text("/weld/action", policy, 2)
    assert text.startswith("/weld/action")
    assert policy.name.lower() in text
    assert "make" in text or "lengthen" in text or "relax" in text
    assert "\n" not in text


def test_a_mismatch_on_the_wire_is_reported(spinner: Spinner) -> None:
    from rclpy.event_handler import SubscriptionEventCallbacks

    said: list[str] = []
    node = spinner.peer()
    node.create_publisher(String, "thing", qos.SENSOR)
    events = SubscriptionEventCallbacks(incompatible_qos=qos.incompatibility_reporter("/thing", said.append))
    node.create_subscription(String, "thing", lambda _: None, qos.RESULT_READER, event_callbacks=events)
    assert until(lambda: said)
    assert "reliability" in said[0]
