"""ROS params files: whether a file is one, before any node is given it, and what it gives a node."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    _checked(path)


def given_parameters(path: Path, node: str, namespace: str | None = None) -> dict[str, Any]:
    """What a file gives one node, by full name ("alignment.clock"); of a name given twice the later value, as in ROS.

    Args:
        path: of the file. node: its name. namespace: e.g. "/cell_1", "" for none; None: the only one that the file
            names for this node.

    Raises:
        InputError: as of :func:`check_params_file`, when the file has no section for the node, or has some for several
            namespaces of which none is chosen.
    """
    loader, root = _checked(path)
    sections = [] if root is None else [s for s in _sections(root) if s.names[-1] in (node, "*", "**")]
    if namespace is None:
        named = sorted({s.namespace for s in sections if "*" not in s.namespace})
        if len(named) > 1:
            several = ", ".join(space or "/" for space in named)
            raise InputError(
                path, f"has sections for {node} of several cells: {several}", "choose one with --namespace"
            )
        chosen = sections if not named else [s for s in sections if s.fits(f"{named[0]}/{node}")]
    else:
        chosen = [s for s in sections if s.fits(f"/{namespace.strip('/')}/{node}".replace("//", "/"))]
    if not chosen:
        where = "" if namespace is None else f" in the namespace {namespace or '/'}"
        raise InputError(path, f"has no section for {node}{where}", _REMEDY)
    try:
        return {
            name: loader.construct_object(value, deep=True)
            for section in chosen
            for name, value in _flat(section.parameters)
        }
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise _no_yaml(path, error) from None


class _Loader(yaml.SafeLoader):
    """With ROS's numbers: 1e-2 is one, which PyYAML takes for a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


@dataclass(frozen=True, slots=True)
class _Section:
    """Parameters of one node, or of all that its names with wildcards fit."""

    names: tuple[str, ...]  #: of namespaces and node, from the root; never empty
    parameters: yaml.Node

    @property
    def namespace(self) -> str:
        """E.g. "/cell_1", "" for none; with a * where it is not one alone."""
        everywhere = self.names == ("**",)
        return "/**" if everywhere else "".join(f"/{name}" for name in self.names[:-1])

    def fits(self, full_name: str) -> bool:
        """Whether ROS gives it to the node of this name, "/cell_1/weld_monitor"."""
        pattern = {"**": r"(/\w+)*", "*": r"/\w+"}
        return re.fullmatch("".join(pattern.get(n, "/" + re.escape(n)) for n in self.names), full_name) is not None


def _checked(path: Path) -> tuple[_Loader, yaml.Node | None]:
    """The file's content, None where it is empty; see :func:`check_params_file`."""
    try:
        text = path.read_text(encoding="utf-8")
        alias = next((event for event in yaml.parse(text, Loader=_Loader) if isinstance(event, yaml.AliasEvent)), None)
        if alias is not None:
            raise InputError(path, f"repeats a value by a name, *{alias.anchor}", "write it out: ROS knows no names")
        loader = _Loader(text)
        root = loader.get_single_node()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check path and rights") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise _no_yaml(path, error) from None
    if root is not None:
        _check_nodes(path, root)
    return loader, root


def _no_yaml(path: Path, error: Exception) -> InputError:
    return InputError(path, f"is no YAML ({' '.join(str(error).split())})", "correct the file")


def _sections(found: yaml.Node, names: tuple[str, ...] = ()) -> Iterator[_Section]:
    """All of a file that was checked, in its order."""
    for key, value in found.value:
        if key.value == _PARAMETERS:
            if names:
                yield _Section(names, value)
            continue
        yield from _sections(value, (*names, *(part for part in str(key.value).split("/") if part)))


def _flat(found: yaml.Node, prefix: str = "") -> Iterator[tuple[str, yaml.Node]]:
    """Full names and values of the parameters below ``found``."""
    for key, value in found.value:
        name = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


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
