"""Reading scenarios: built-in ones by name, YAML files by path, with errors that name the field, its unit and its
range.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from msstan_core.errors import InputError
from msstan_core.resources import share_path
from msstan_core.simulation.fault_settings import DISTURBANCES
from msstan_core.simulation.scenario import Scenario

SCENARIO_FOLDER = "config/scenarios"


def builtin_scenarios() -> tuple[str, ...]:
    """Names of the shipped scenarios."""
    return tuple(sorted(p.stem for p in share_path(SCENARIO_FOLDER).glob("*.yaml")))


def load_scenario(name_or_path: str | Path, seed: int | None = None) -> Scenario:
    """A built-in scenario by name, or a YAML file by path.

    Raises:
        InputError: naming the file, the field, its unit and its range.
    """
    path = Path(name_or_path)
    if path.suffix.lower() not in {".yaml", ".yml"} and not path.is_file():
        builtin = builtin_scenarios()
        if str(name_or_path) not in builtin:
            raise InputError(name_or_path, "no such scenario", f"give a .yaml file or one of: {', '.join(builtin)}")
        path = share_path(f"{SCENARIO_FOLDER}/{name_or_path}.yaml")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)
    except FileNotFoundError:
        raise InputError(
            path, "no such scenario file", f"built-in scenarios: {', '.join(builtin_scenarios())}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"not valid YAML ({' '.join(str(error).split())})", "correct the file") from None
    if content is None:
        raise InputError(path, "is empty", "write 'section:' lines, see config/scenarios")
    if not isinstance(content, dict):
        raise InputError(
            path, f"holds a {type(content).__name__}, not a mapping", "write 'section:' lines, see config/scenarios"
        )
    content.setdefault("name", path.stem)
    scenario = parse_scenario(content, path)
    return scenario if seed is None else scenario.with_seed(seed)


def parse_scenario(content: dict[str, Any], where: object = "scenario") -> Scenario:
    """Validate a mapping; raises :class:`InputError` about its first fault."""
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        location = fault["loc"]
        field = ".".join(str(part) for part in location)
        value = fault["input"]
        shown = f" ({value!r})" if isinstance(value, (int, float, str, bool)) else ""
        problem = fault["msg"].removeprefix("Value error, ")
        raise InputError(where, f"field {field}{shown}: {problem}", _remedy(location, fault["type"], content)) from None


def _remedy(location: tuple[int | str, ...], kind: str, content: dict[str, Any]) -> str:
    if kind == "tuple_type":
        return "write a list: an entry beginning with '-' for each"
    if location[:1] == ("disturbances",) and location[-1] == "magnitude":
        return _magnitude_remedy(content["disturbances"][location[1]])
    model: Any = Scenario
    info = None
    for part in location:
        if isinstance(part, int):
            continue
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            known = ", ".join(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else ""
            return f"remove it or use one of: {known}" if known else "correct it"
        info = model.model_fields[str(part)]
        model = next(iter(_sections_in(info.annotation)), None)
    if info is None:
        return "correct it"
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    low = next((m.ge for m in info.metadata if hasattr(m, "ge")), None)
    high = next((m.le for m in info.metadata if hasattr(m, "le")), None)
    if low is not None and high is not None:
        return f"give a value from {low:g} to {high:g} {extra.get('unit', '')}".rstrip()
    return f"needed: {info.description}" if info.description else "correct it"


def _magnitude_remedy(disturbance: dict[str, Any]) -> str:
    known = DISTURBANCES.get(str(disturbance.get("kind")))
    if known is None:
        return f"give a kind, one of: {', '.join(DISTURBANCES)}"
    unit, low, high = known
    return f"give a value from {low:g} to {high:g} {unit}"


class _EachKeyOnce(yaml.SafeLoader):
    """YAML in which no key stands twice: the second would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"field {key} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)
