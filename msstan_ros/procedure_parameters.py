"""The parameters by which nodes are told their welding procedure."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node

from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.parameters import ParameterSpec
from msstan_core.paths import typed_path
from msstan_ros.parameters import folder_or_empty, value_of

WPS_FOLDER_SPEC = ParameterSpec(
    "wps_folder", "", "folder of the WPS files ID.yaml; empty: the installed examples", check=folder_or_empty
)
PROCEDURE_SPECS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "wps", "", "WPS of the cell: a file, or an id; jobs that name another get none; empty: the one of weld/context"
    ),
    WPS_FOLDER_SPEC,
)


def read_folder(node: Node) -> Path | None:
    """Where a node's WPS files are; None: the installed examples."""
    folder = value_of(node, "wps_folder")
    return typed_path(folder) if folder else None


def read_procedures(node: Node) -> ProcedureBook:
    """The procedures of a node; raises InputError when the folder or the fixed WPS cannot be read."""
    return ProcedureBook(value_of(node, "wps"), read_folder(node))
