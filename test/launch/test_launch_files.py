"""The launch files under the real launch system: what test_wire_replay.py tests through ``msstan up``."""

import threading
import time
from pathlib import Path

import pytest

# `launch` alone would find this repository's launch folder.
launch_pytest = pytest.importorskip("launch_pytest", reason="the ROS 2 launch system is not installed here")
pytest.importorskip("launch_ros", reason="the ROS 2 launch system is not installed here")

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from live import Spinner, log_folder, model_dir, until  # noqa: F401  the fixtures are used by name
from std_srvs.srv import Trigger
from wire import stamps_of, write_small_weld

from launch import LaunchContext, LaunchDescription
from msstan_core.resources import share_path
from msstan_core.vocabulary import Modality
from msstan_msgs.msg import WeldAction, WeldMonitorState
from msstan_ros import qos
from msstan_ros.bringup import PROFILES
from msstan_ros.conversions import stamp_nanoseconds

#: The launch system leaves event loops and sockets open; that is not ours to fail on.
pytestmark = pytest.mark.filterwarnings("default")

FILES = {"monitor": "weld_monitor", "replay": "replay", "simulated_cell": "simulated_cell"}


def source(profile: str) -> PythonLaunchDescriptionSource:
    return PythonLaunchDescriptionSource(str(share_path(f"launch/{FILES[profile]}.launch.py")))


@pytest.fixture(scope="module")
def small_weld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_weld(tmp_path_factory.mktemp("bags") / "small")


class Ear:
    """Hears weld/action and can ask the lifecycle state."""

    def __init__(self) -> None:
        self.spinner = Spinner()
        self.actions: list[WeldAction] = []
        self.peer = self.spinner.peer("launch_ear")
        self.states: list[WeldMonitorState] = []
        self.peer.create_subscription(WeldAction, "weld/action", self.actions.append, qos.RESULT_READER)
        self.peer.create_subscription(WeldMonitorState, "weld/state", self.states.append, qos.RESULT_READER)

    def call(self, kind: type, name: str, **fields: object) -> object:
        client = self.peer.create_client(kind, f"weld_monitor/{name}")
        assert client.wait_for_service(30)
        future = client.call_async(kind.Request(**fields))
        assert until(future.done, 30)
        return future.result()

    def state(self) -> int:
        return self.call(GetState, "get_state").current_state.id


@pytest.fixture(scope="module")
def ear():
    ear = Ear()
    yield ear
    ear.spinner.close()


@pytest.mark.parametrize("profile", FILES)
def test_a_launch_file_offers_exactly_the_arguments_of_its_profile(profile: str) -> None:
    description = source(profile).get_launch_description(LaunchContext())
    declared = {a.name for a in description.entities if isinstance(a, DeclareLaunchArgument)}
    assert declared == {a.name for a in PROFILES[profile].arguments}


def launched(profile: str, **arguments: object) -> LaunchDescription:
    given = [(name, str(value)) for name, value in arguments.items()]
    include = IncludeLaunchDescription(source(profile), launch_arguments=given)
    return LaunchDescription([include, launch_pytest.actions.ReadyToTest()])


@launch_pytest.fixture(scope="module")
def replay(small_weld: Path, model_dir: Path, ear: Ear) -> LaunchDescription:  # noqa: F811
    return launched("replay", bag=small_weld, model=model_dir, at_end="idle", rate=0.5, paused="true")


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.launch(fixture=replay)
def test_a_recording_is_answered_and_a_deactivated_monitor_stays_so(ear: Ear, small_weld: Path) -> None:
    camera = stamps_of(small_weld, Modality.CAMERA)
    assert until(lambda: ear.states, 90)  # heard before it plays: no action is missed
    resume = ear.peer.create_client(Trigger, "bag_player/resume")
    assert resume.wait_for_service(30)
    assert until(resume.call_async(Trigger.Request()).done, 30)
    nearly_all = camera[-5]  # the last frames may be skipped on a busy machine
    assert until(lambda: ear.actions and stamp_nanoseconds(ear.actions[-1].header.stamp) >= nearly_all, 90)
    assert [m.sequence_id for m in ear.actions] == list(range(len(ear.actions)))
    assert {stamp_nanoseconds(m.header.stamp) for m in ear.actions} <= set(camera)
    assert len(ear.actions) >= 0.8 * len(camera)
    assert ear.state() == State.PRIMARY_STATE_ACTIVE
    deactivate = Transition(id=Transition.TRANSITION_DEACTIVATE)
    assert ear.call(ChangeState, "change_state", transition=deactivate).success
    end = time.monotonic() + 3
    while time.monotonic() < end:  # the launch file must not overrule the operator
        assert ear.state() == State.PRIMARY_STATE_INACTIVE
        threading.Event().wait(0.2)
