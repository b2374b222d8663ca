"""``/diagnostics``: the monitor's state in the form that ROS tools and robot dashboards collect."""

from __future__ import annotations

from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from msstan_ros.health import Health

_LEVEL = {
    Health.UNKNOWN: DiagnosticStatus.STALE,
    Health.OK: DiagnosticStatus.OK,
    Health.DEGRADED: DiagnosticStatus.WARN,
    Health.STALE: DiagnosticStatus.STALE,
    Health.ERROR: DiagnosticStatus.ERROR,
}


def diagnostics_message(
    name: str, health: Health, message: str, values: Mapping[str, object], stamp: Time, hardware_id: str = ""
) -> DiagnosticArray:
    """One status in an array.

    Args:
        name: fully qualified node name with the task, e.g. ``/cell1/weld_monitor: inference``.
        health: becomes the level.
        message: the reason in one line; "OK" when empty.
        values: shown as key and value; floats with four significant digits.
        stamp: time of the statement.
        hardware_id: what it is about, e.g. the model's name.
    """
    status = DiagnosticStatus(level=_LEVEL[health], name=name, message=message or health.name, hardware_id=hardware_id)
    status.values = [
        KeyValue(key=key, value=f"{value:.4g}" if isinstance(value, float) else str(value))
        for key, value in values.items()
    ]
    array = DiagnosticArray()
    array.header.stamp = stamp
    array.status = [status]
    return array
