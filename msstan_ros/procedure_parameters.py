"""The parameters by which monitor and gate are told their welding procedure."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node

from msstan_core.advisory.wps_files import ProcedureBook
from msstan_ros.parameters import ParameterSpec, folder_or_empty, value_of

PROCEDURE_SPECS: tuple[ParameterSpec, ...] = (
    ParameterSpec("wps", "", "WPS in force for every job: a file, or an id; empty: the one that weld/context names"),
    ParameterSpec(
        "wps_folder", "", "folder of the WPS files ID.yaml; empty: the installed examples", check=folder_or_empty
    ),
)


def read_procedures(node: Node) -> ProcedureBook:
    """The procedures of a node; raises InputError when the folder or the fixed WPS cannot be read."""
    folder = value_of(node, "wps_folder")
    return ProcedureBook(value_of(node, "wps"), Path(folder).expanduser() if folder else None)
