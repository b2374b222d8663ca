"""Tells the monitor what is welded: the weld context of a WPS file, for cells whose controller does not send it.

Parameters may change at any time; each change is a new job and is sent at once.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.errors import InputError
from msstan_core.messages import TopicKind, topic_of
from msstan_core.observation import WeldContext
from msstan_core.parameters import ParameterSpec
from msstan_core.recordings.serialization import message_from_sample, serialize
from msstan_ros.node_process import run_node
from msstan_ros.parameters import declare, value_of
from msstan_ros.procedure_parameters import WPS_FOLDER_SPEC, read_folder
from msstan_ros.sensor_sources import sensor_publisher

SPECS: tuple[ParameterSpec, ...] = (
    ParameterSpec("wps", "", "WPS of the job: a file, or the id of one in wps_folder", while_active=True),
    replace(WPS_FOLDER_SPEC, read_only=True),
    ParameterSpec("thickness_a_m", 0.0, "thickness of part a, m; 0: unknown", 0.0, 1.0, while_active=True),
    ParameterSpec("thickness_b_m", 0.0, "thickness of part b, m; 0: unknown", 0.0, 1.0, while_active=True),
    ParameterSpec("job_id", "", "number of the job or the part, free text", while_active=True),
)
#: Parameters that make up the job.
_JOB = ("wps", "thickness_a_m", "thickness_b_m", "job_id")


class WeldContextNode(Node):
    """Publishes ``weld/context`` once and after every change; who comes later gets the newest.

    A job of several parameters is set one by one. What does not fit together on the way is published too: monitor and
    gate say so, and nothing is corrected until it does. Refused, the next parameter would be about the job before.

    Raises:
        InputError: when no WPS is given, it cannot be read, or the parts are not what it is made for.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__("weld_context", **arguments)
        declare(self, SPECS)
        self._folder = read_folder(self)
        job = {name: value_of(self, name) for name in _JOB}
        if not job["wps"]:
            known = ", ".join(ProcedureBook(folder=self._folder).ids) or "none"
            raise InputError("parameter wps", "is empty", f"give a WPS file, or the id of one in the folder: {known}")
        self._job, problem = self._described(job)
        if problem:
            raise InputError(f"WPS {self._job.wps_id}", problem, "correct the thickness, or take another WPS")
        self._out = sensor_publisher(self, topic_of(TopicKind.CONTEXT))
        self.add_on_set_parameters_callback(self._refuse)
        self.add_post_set_parameters_callback(self._changed)
        self._tell()

    def _described(self, job: dict[str, Any]) -> tuple[WeldContext, str]:
        """The job as it is told, and what in it does not fit together; "": nothing."""
        wps = ProcedureBook(folder=self._folder).named(job["wps"])
        a, b = (job[name] if job[name] > 0 else math.nan for name in ("thickness_a_m", "thickness_b_m"))
        context = wps.job(self.get_clock().now().nanoseconds, a, b, job["job_id"])
        problem = wps.contradiction(context)
        return context, f"does not fit: {problem}" if problem else ""

    def _refuse(self, parameters: list[Parameter]) -> SetParametersResult:
        """A procedure that cannot be read is not taken; the one before stays in force."""
        changed = {p.name: p.value for p in parameters if p.name in _JOB}
        if not changed:
            return SetParametersResult(successful=True)
        try:
            self._job, problem = self._described({name: value_of(self, name) for name in _JOB} | changed)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if problem:
            self.get_logger().warning(f"WPS {self._job.wps_id} {problem}; nothing is corrected until it does")
        return SetParametersResult(successful=True)

    def _changed(self, parameters: list[Parameter]) -> None:
        if any(p.name in _JOB for p in parameters):
            self._tell()

    def _tell(self) -> None:
        context = self._job
        self._out.publish(bytes(serialize(*message_from_sample(context))))
        self.get_logger().info(f"job {context.job_id or '(no number)'} by WPS {context.wps_id}")


def main() -> None:
    """Entry point of the executable ``weld_context_node``."""
    sys.exit(run_node(WeldContextNode))


if __name__ == "__main__":
    main()
