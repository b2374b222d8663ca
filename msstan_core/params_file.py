"""Whether a file is a ROS params file, before any node is given it."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import yaml

from msstan_core.errors import InputError

#: Nodes that a cell may run. A section for another one is somebody else's; one that is nearly named so is misspelt.
NODES = (
    "weld_monitor", "advisory_gate", "advisory_follower", "weld_overlay", "weld_context", "bag_player", "weld_cell",
    "load_source",
)  # fmt: skip
#: From this likeness on (difflib's ratio) a section's name is a misspelt node of these: rosbag_player, say, is another.
MISSPELT_NODE = 0.9
#: What stands above the parameters of a node.
_PARAMETERS = "ros__parameters"
_REMEDY = f"write 'NODE:', below it '{_PARAMETERS}:', below that 'NAME: VALUE', as in config/weld_monitor.yaml"


def check_params_file(path: Path) -> None:
    """Raise InputError where a file is no YAML, holds anything but parameters of nodes, or misspells one of NODES.
    An empty one is fine.

    ROS takes a file with a mere text in it for an empty one, and of others it says what its parser tripped over. Values
    are left to the nodes, which know their types.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check path and rights") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(path, f"is no YAML ({' '.join(str(error).split())})", "correct the file") from None
    if root is not None:
        _check_nodes(path, root)


def _check_nodes(path: Path, found: yaml.Node) -> None:
    """Nodes, perhaps below namespaces, down to the parameters of each."""
    for key, value in _entries(path, found):
        if key.value == _PARAMETERS:
            if not _is_empty(value):
                _entries(path, value)
            continue
        if isinstance(value, yaml.MappingNode) and any(inner.value == _PARAMETERS for inner, _ in value.value):
            _refuse_misspelt(path, key)
        _check_nodes(path, value)


def _is_empty(found: yaml.Node) -> bool:
    """Whether it is ``{}``."""
    return isinstance(found, yaml.MappingNode) and not found.value


def _refuse_misspelt(path: Path, key: yaml.Node) -> None:
    name = str(key.value).rstrip("/").rpartition("/")[2]
    if any(name == node or re.fullmatch(rf"{node}(\d+|_.+)", name) for node in NODES):  # the node, or one more of it
        return
    if near := difflib.get_close_matches(name, NODES, 1, MISSPELT_NODE):
        line = key.start_mark.line + 1
        raise InputError(path, f"has a section for {name}, no node (line {line})", f"did you mean {near[0]}?")


def _entries(path: Path, found: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    if isinstance(found, yaml.MappingNode) and found.value:
        return list(found.value)
    what = "a list" if isinstance(found, yaml.SequenceNode) else "a value" if found.value else "nothing"
    line = found.start_mark.line + 1
    raise InputError(path, f"is no params file (line {line}: {what} where names are expected)", _REMEDY)
