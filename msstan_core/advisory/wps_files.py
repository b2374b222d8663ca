"""Reading WPS files, with errors that name file, field, unit and range; and which procedure is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from msstan_core.advisory.wps import Wps
from msstan_core.errors import InputError
from msstan_core.observation import WeldContext
from msstan_core.paths import typed_path
from msstan_core.resources import share_path

WPS_FOLDER = "config/wps"
SUFFIX = ".yaml"


def load_wps(path: Path) -> Wps:
    """Read one WPS file.

    Raises:
        InputError: naming the file, the field, its unit and its range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(path, "no such WPS file", f"give a {SUFFIX} file; {WPS_FOLDER} has examples") from None
    except OSError as error:
        raise InputError(
            path, f"cannot be read ({error.strerror})", "make it a readable file of this node's user; check its medium"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no text, or a date that does not exist
        raise InputError(path, f"not valid YAML ({' '.join(str(error).split())})", "correct the file") from None
    if not isinstance(content, dict):
        raise InputError(path, "holds no mapping of fields", f"see the examples in {WPS_FOLDER}")
    wps = parse_wps(content, path)
    if wps.id != path.stem:
        raise InputError(path, f"field id is {wps.id!r}", f"a WPS is found by its id: name the file {wps.id}{SUFFIX}")
    return wps


def parse_wps(content: dict[str, Any], where: object = "WPS") -> Wps:
    """Validate a mapping; raises :class:`InputError` about its first fault."""
    try:
        return Wps.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        value = fault["input"]
        shown = f" ({value!r})" if isinstance(value, int | float | str | bool) else ""
        message = fault["msg"].removeprefix("Value error, ")
        place = f"field {field}{shown}: " if field else ""
        raise InputError(where, f"{place}{message}", _remedy(fault["loc"])) from None


def _remedy(location: tuple[int | str, ...]) -> str:
    """What to write instead, with unit and range of the field that ``location`` leads to."""
    top = Wps.model_fields.get(str(location[0])) if location else None
    if not location:
        return f"correct the fields named; see the examples in {WPS_FOLDER}"
    if top is None:
        return f"remove it or use one of: {', '.join(Wps.model_fields)}"
    extra = top.json_schema_extra if isinstance(top.json_schema_extra, dict) else {}
    if len(location) > 1 and isinstance(location[1], str):
        section = next((t for t in _models_in(top.annotation) if issubclass(t, BaseModel)), None)
        if section is not None and location[1] not in section.model_fields:
            return f"remove it or use one of: {', '.join(section.model_fields)}"
    if "low" in extra and location[-1] == "max_rate_per_s":
        return f"give a number above 0 {extra['unit']} per second"
    if "low" in extra:
        return f"give numbers from {extra['low']:g} to {extra['high']:g} {extra['unit']}"
    unit = f" in {extra['unit']}" if "unit" in extra else ""
    return f"needed: {top.description}{unit}" if top.description else "correct it"


def _models_in(annotation: Any) -> tuple[type[BaseModel], ...]:
    found = (annotation, *getattr(annotation, "__args__", ()))
    return tuple(t for t in found if isinstance(t, type) and issubclass(t, BaseModel))


class ProcedureBook:
    """Finds the procedure that is in force. Files are read once; a changed file counts after the next configure.

    Args:
        fixed: a WPS file, or the id of one in ``folder``: it holds whatever the weld context names, unless they
            contradict each other. "": the weld context's ``wps_id`` decides.
        folder: where procedures are kept as ``ID.yaml``; None: the installed examples.

    Raises:
        InputError: when the folder does not exist or ``fixed`` cannot be read.
    """

    def __init__(self, fixed: str = "", folder: Path | None = None) -> None:
        self._folder = folder if folder is not None else share_path(WPS_FOLDER)
        if not self._folder.is_dir():
            raise InputError(self._folder, "no such folder of WPS files", "give an existing folder")
        self._known: dict[str, Wps | str] = {}
        self._fixed = self.named(fixed) if fixed else None

    @property
    def ids(self) -> tuple[str, ...]:
        """Procedures in the folder."""
        return tuple(sorted(path.stem for path in self._folder.glob(f"*{SUFFIX}")))

    def in_force(self, context: WeldContext | None) -> tuple[Wps | None, str]:
        """The procedure for this job, or None and the reason in one line.

        Args:
            context: newest weld context; None: none has been heard.
        """
        wps: Wps | str
        if self._fixed is not None:
            wps = self._fixed
            if context is not None and context.wps_id not in ("", wps.id):
                return None, f"the weld context names WPS {context.wps_id}, this cell is set to {wps.id}"
        elif context is None or not context.wps_id:
            return None, "no WPS is named, neither by parameter nor by weld/context"
        else:
            wps = self._listed(context.wps_id)
            if isinstance(wps, str):
                return None, wps
        if context is not None and (problem := wps.contradiction(context)):
            return None, f"WPS {wps.id} does not fit the job: {problem}"
        return wps, ""

    def named(self, text: str) -> Wps:
        """A procedure by its file, or by its id in the folder; raises :class:`InputError`."""
        path = typed_path(text)
        if path.suffix.lower() == SUFFIX or path.is_file():
            return load_wps(path)
        if text not in self.ids:
            known = ", ".join(self.ids) or "none"
            raise InputError(f"WPS {text}", f"not in {self._folder}", f"give a {SUFFIX} file or one of: {known}")
        return load_wps(self._folder / f"{text}{SUFFIX}")

    def _listed(self, wps_id: str) -> Wps | str:
        """A procedure by a name from outside: only what is listed in the folder is opened."""
        if wps_id not in self._known:  # asked at every tick: the folder is looked into once for a name
            try:
                if wps_id in self.ids:
                    self._known[wps_id] = load_wps(self._folder / f"{wps_id}{SUFFIX}")
                else:
                    self._known[wps_id] = f"WPS {wps_id!r} is not in {self._folder}: add it, and configure again"
            except InputError as error:
                self._known[wps_id] = str(error)
            except OSError as error:
                self._known[wps_id] = f"{self._folder} cannot be read ({error.strerror}): configure again"
        return self._known[wps_id]
