"""The monitor on a recording: bag:=FOLDER. What runs is described in msstan_ros/bringup.py."""

from launch import LaunchDescription
from msstan_ros.launch_actions import describe


def generate_launch_description() -> LaunchDescription:
    """Called by ``ros2 launch``."""
    return describe("replay")
