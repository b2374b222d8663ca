"""The weld context of a WPS file: who hears it, what it tells, what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from live import Spinner, until
from rclpy.parameter import Parameter

from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.errors import InputError
from msstan_core.messages import TopicKind, sample_from_message
from msstan_core.observation import WeldContext as Context
from msstan_msgs.msg import WeldContext
from msstan_ros import qos
from msstan_ros.weld_context_node import WeldContextNode


def context_node(spinner: Spinner, **given: object) -> WeldContextNode:
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    return spinner.add(WeldContextNode(context=spinner.context, parameter_overrides=overrides))


def jobs_heard(spinner: Spinner) -> list[Context]:
    heard: list[Context] = []

    def take(message: WeldContext) -> None:
        heard.append(sample_from_message(TopicKind.CONTEXT, message))

    spinner.peer().create_subscription(WeldContext, "weld/context", take, qos.CONTEXT)
    return heard


def test_who_comes_later_hears_the_job_with_the_procedures_nominal_values(spinner: Spinner) -> None:
    context_node(spinner, wps="gmaw_steel_lap", thickness_a_m=0.004, job_id="part 12")
    heard = jobs_heard(spinner)
    assert until(lambda: len(heard) == 1)
    wps = ProcedureBook().named("gmaw_steel_lap")
    told = heard[0]
    assert (told.wps_id, told.job_id, told.filler.name) == ("gmaw_steel_lap", "part 12", "STEEL")
    assert told.thickness_a_m == pytest.approx(0.004) and math.isnan(told.thickness_b_m)
    nominal = (wps.current_a, wps.voltage_v, wps.wire_feed_speed_m_s, wps.travel_speed_m_s)
    assert told.programmed == pytest.approx([*(section.nominal for section in nominal), wps.gas_flow_l_min])
    assert told.stamp_ns > 0


def test_a_change_is_a_new_job_and_a_procedure_that_cannot_be_read_is_refused(spinner: Spinner) -> None:
    node = context_node(spinner, wps="gmaw_steel_lap")
    heard = jobs_heard(spinner)
    assert until(lambda: len(heard) == 1)
    result = node.set_parameters([Parameter("wps", value="no_such")])[0]
    assert not result.successful and "no_such" in result.reason
    assert node.set_parameters([Parameter("wps", value="gmaw_steel_butt")])[0].successful
    assert until(lambda: len(heard) == 2)
    assert [job.wps_id for job in heard] == ["gmaw_steel_lap", "gmaw_steel_butt"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "gmaw_steel_lap"),
        ({"wps": "no_such"}, "no_such"),
        ({"wps": "gmaw_steel_lap", "thickness_a_m": 0.5}, "500 mm"),
    ],
)
def test_a_job_that_cannot_be_does_not_start(spinner: Spinner, given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        WeldContextNode(
            context=spinner.context, parameter_overrides=[Parameter(name, value=value) for name, value in given.items()]
        )


def test_a_job_that_is_set_one_by_one_is_never_told_with_the_procedure_of_the_one_before(spinner: Spinner) -> None:
    node = context_node(spinner, wps="gmaw_steel_lap", thickness_a_m=0.005, job_id="part 1")
    heard = jobs_heard(spinner)
    assert until(lambda: len(heard) == 1)
    results = node.set_parameters(
        [
            Parameter("wps", value="laser_stainless_butt"),
            Parameter("thickness_a_m", value=0.002),
            Parameter("job_id", value="part 2"),
        ]
    )
    assert all(result.successful for result in results)
    assert until(lambda: heard[-1].job_id == "part 2")
    assert heard[-1].wps_id == "laser_stainless_butt" and heard[-1].thickness_a_m == pytest.approx(0.002)
    assert all(job.wps_id == "laser_stainless_butt" or job.job_id == "part 1" for job in heard)
    on_the_way = replace(heard[0], wps_id="laser_stainless_butt")
    assert ProcedureBook().in_force(on_the_way)[0] is None, "nothing is corrected while the job does not fit together"
