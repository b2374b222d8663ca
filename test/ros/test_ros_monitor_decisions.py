"""The heartbeat says OK only while decisions are made, whatever arrives."""

import time
from collections.abc import Callable
from pathlib import Path

from live import Spinner, until
from monitor_cell import PERIOD_NS, Cell
from rclpy.parameter import Parameter

from msstan_core.vocabulary import Action
from msstan_msgs.msg import WeldMonitorState


def heard_while(send: Callable[[], object], cell: Cell, condition: Callable[[WeldMonitorState], bool]) -> bool:
    """Whether a heartbeat fits while ``send`` goes on and on."""

    def fits() -> bool:
        send()
        return condition(cell.states[-1])

    return until(fits)


def test_a_camera_whose_stamps_stand_still_is_stale_and_no_action_is_held(spinner: Spinner, tmp_path: Path) -> None:
    cell = Cell(spinner, tmp_path, Parameter("modalities", value=["camera"]), Parameter("state_rate_hz", value=50.0))
    cell.sound.get_subscription_count = lambda: 1  # type: ignore[method-assign]  # not subscribed: nothing to wait for
    cell.activate()
    cell.send_images(1)

    def frozen() -> None:
        cell.next_stamp_ns -= PERIOD_NS
        cell.send_image()

    assert heard_while(frozen, cell, lambda s: s.health == WeldMonitorState.STALE and s.received[0] > 20)
    state = cell.states[-1]
    assert "stamps have stood still" in state.message
    assert state.action == Action.UNKNOWN
    assert not state.input_valid[0]
    cell.next_stamp_ns = time.time_ns()
    assert heard_while(cell.send_image, cell, lambda s: s.health == WeldMonitorState.OK)


def test_a_camera_that_is_never_stamped_is_refused_and_counted(spinner: Spinner, tmp_path: Path) -> None:
    cell = Cell(spinner, tmp_path)
    cell.activate()
    cell.next_stamp_ns = 0

    def unstamped() -> None:
        cell.next_stamp_ns = 0
        cell.send_image()

    assert heard_while(unstamped, cell, lambda s: s.dropped[0] > 5)
    assert cell.states[-1].health == WeldMonitorState.STALE
    assert "camera: no sample yet, malformed messages refused" in cell.states[-1].message
    assert not cell.actions


def test_sound_goes_on_but_the_camera_that_must_be_the_clock_died(spinner: Spinner, tmp_path: Path) -> None:
    cell = Cell(spinner, tmp_path, Parameter("alignment.clock", value="camera"))
    cell.activate()
    cell.send_images(2)

    def sound() -> None:
        cell.next_stamp_ns += 100_000_000
        cell.send_sound()

    assert heard_while(sound, cell, lambda s: s.health == WeldMonitorState.STALE and bool(s.input_valid[2]))
    assert "make no tick" in cell.states[-1].message
    assert "camera: silent" in cell.states[-1].message
    assert cell.states[-1].action == Action.UNKNOWN
