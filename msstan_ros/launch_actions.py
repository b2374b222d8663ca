"""The description in :mod:`msstan_ros.bringup` as actions of the ROS 2 launch system; needs launch_ros."""

from __future__ import annotations

from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from launch import LaunchContext, LaunchDescription
from msstan_ros.bringup import profile_named
from msstan_ros.node_description import PACKAGE, NodeSpec
from msstan_ros.transport import environment


def describe(profile_name: str) -> LaunchDescription:
    """Launch description of one profile, with its arguments declared."""
    profile = profile_named(profile_name)
    declared = [
        DeclareLaunchArgument(a.name, default_value=a.default, description=a.description, choices=a.choices or None)
        for a in profile.arguments
    ]

    def nodes(context: LaunchContext) -> list[Action]:
        given = {a.name: LaunchConfiguration(a.name).perform(context) for a in profile.arguments}
        return [action for spec in profile.describe(given) for action in _node_actions(spec)]

    variables, remark = environment()
    setup: list[Action] = [SetEnvironmentVariable(name, value) for name, value in variables.items()]
    if remark:
        setup.append(LogInfo(msg=remark))
    return LaunchDescription([*declared, *setup, OpaqueFunction(function=nodes)])


def _node_actions(spec: NodeSpec) -> list[Action]:
    kind = LifecycleNode if spec.lifecycle else Node
    files, parameters = spec.sources()
    node = kind(
        package=PACKAGE,
        executable=spec.executable,
        name=spec.name,
        namespace=spec.namespace,
        parameters=[*map(str, files), parameters],
        remappings=list(spec.remappings),
        arguments=["--ros-args", "--log-level", f"{spec.logger_name}:={spec.log_level}"],
        output="screen",
    )
    actions: list[Action] = []
    if spec.lifecycle and spec.autostart:
        actions += _autostart(node)
    if spec.ends_all:
        ended = Shutdown(reason=f"{spec.name} has ended")
        actions.append(RegisterEventHandler(OnProcessExit(target_action=node, on_exit=[ended])))
    return [*actions, node]


def _autostart(node: LifecycleNode) -> list[Action]:
    """Configure when the process runs; activate after that configuration, and only then.

    The start state is named so that a person who deactivates the node is not overruled.
    """

    def change(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))

    return [
        RegisterEventHandler(OnProcessStart(target_action=node, on_start=[change(Transition.TRANSITION_CONFIGURE)])),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=node,
                start_state="configuring",
                goal_state="inactive",
                entities=[change(Transition.TRANSITION_ACTIVATE)],
            )
        ),
    ]
