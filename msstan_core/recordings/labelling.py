"""Labels and attributes of bags that are there already: what a cell's own recordings need before they can teach."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.observation import ARC_CURRENT_A, TelemetrySample
from msstan_core.output_files import written_whole
from msstan_core.recordings.annotations import (
    COLUMNS,
    FILE_NAME,
    TELEMETRY_SOURCE,
    Annotation,
    write_annotations,
)
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.bag_files import METADATA_FILE, STORAGE_SUFFIXES
from msstan_core.recordings.phases import find_phases, label_phases
from msstan_core.vocabulary import Action, Material, Modality

Array = NDArray[np.float64]

_METALS = tuple(m.name.lower() for m in Material if m is not Material.UNKNOWN)
_INFORMATION, _CUSTOM = "rosbag2_bagfile_information", "custom_data"


def phases_from_current(reader: BagReader, offset_s: float = 0.0) -> list[Annotation]:
    """Weld phases by the rule of :mod:`msstan_core.recordings.phases`, from the telemetry of an open bag.

    Args:
        reader: of the bag. offset_s: of the telemetry's stamps to the common clock (``alignment.offset_s.telemetry``).

    Raises:
        InputError: when no current was recorded, or it never exceeds 20 A.
    """
    samples = [s for s in reader.samples((Modality.TELEMETRY,)) if isinstance(s, TelemetrySample)]
    measured = sorted((reader.seconds(s.stamp_ns) + offset_s, s.current_a) for s in samples if np.isfinite(s.current_a))
    by_hand = "label it by hand: --action NAME START END"
    if not measured:
        lacking = "no welding current in it" if samples else "no welder telemetry"
        raise InputError(reader.path, f"has {lacking}", by_hand)
    times, current = np.array(measured).T
    phases = find_phases(times, current)
    if phases is None:
        raise InputError(reader.path, f"never has more than 20 A (at most {current.max():.1f} A)", by_hand)
    welds = _one_by_one(times, current, phases.gaps_s)
    spans = [_labels_of(*weld, first=k == 0, last=k == len(welds) - 1) for k, weld in enumerate(welds)]
    return [span for own in spans for span in own]


def _one_by_one(times: Array, current: Array, gaps_s: Iterable[tuple[float, float]]) -> list[tuple[Array, Array]]:
    """The trace of each weld of a recording: parted where it was measured that no arc burnt for long."""
    parts = [(times, current)]
    for start, end in gaps_s:
        if ((times > start) & (times < end) & (current <= ARC_CURRENT_A)).any():
            *before, (last_times, last_current) = parts
            early, late = last_times < end, last_times > start
            parts = [*before, (last_times[early], last_current[early]), (last_times[late], last_current[late])]
    return parts


def _labels_of(times: Array, current: Array, *, first: bool, last: bool) -> list[Annotation]:
    """Of one weld, what its own telemetry saw."""
    phases = find_phases(times, current)
    assert phases is not None  # between two gaps there is an arc
    # Between two welds nothing tells cooling from idling.
    unknown = (set() if first else {Action.IDLE}) | (set() if last else {Action.COOLING})
    spans = [span for span in label_phases(phases, float(times[-1]), TELEMETRY_SOURCE) if span.action not in unknown]
    return [replace(s, start_s=max(s.start_s, float(times[0]))) for s in spans if s.end_s > times[0]]


def merged(
    before: Iterable[Annotation], added: Iterable[Annotation], replaced_sources: Iterable[str] = ()
) -> list[Annotation]:
    """Labels ``before`` without those of ``replaced_sources``, and ``added``; one that only differs in its severity
    from an added one gives way to it.
    """
    gone = set(replaced_sources)
    kept = [*(a for a in before if a.source not in gone), *added]
    return list({(a.start_s, a.end_s, a.kind, a.label, a.source): a for a in kept}.values())


def annotate(bag: Path, annotations: Iterable[Annotation]) -> None:
    """Write the labels beside a bag (its folder, or a lone ``.mcap``); whole, or as they were before.

    Raises:
        InputError: for a file that shares its folder with others, whose labels these would be, too; or where the labels
            have columns that would be lost.
    """
    folder = bag if bag.is_dir() else bag.parent
    if not bag.is_dir() and [own for own in folder.iterdir() if own.name == METADATA_FILE or _is_storage(own)] != [bag]:
        raise InputError(bag, "shares its folder, and so its labels, with others", "put it in a folder of its own")
    _refuse_more_columns(folder / FILE_NAME)
    with written_whole(folder / FILE_NAME) as partial:
        write_annotations(partial, annotations)


def _is_storage(path: Path) -> bool:
    return path.suffix in STORAGE_SUFFIXES


def _refuse_more_columns(path: Path) -> None:
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8-sig") as stream:
        header = next(csv.reader(stream), [])
    if more := [name for name in header if name not in COLUMNS]:
        raise InputError(
            path, f"has columns that would be lost: {', '.join(more)}", "edit it by hand, or take them out"
        )


#: Attributes that decide what a recording is used for; others may have any name.
READ_ATTRIBUTES = ("group", "run_id", "verdict", "imperfections_complete", "process", "material_a", "material_b")
#: So like one of these is what was meant to be it (ratio of difflib).
_MISSPELT = 0.85


def check_attributes(changes: Mapping[str, str]) -> None:
    """Raise InputError for a misspelt name, or a value that would mean nothing."""
    for name in changes:
        if name not in READ_ATTRIBUTES and (near := get_close_matches(name.lower(), READ_ATTRIBUTES, 1, _MISSPELT)):
            raise InputError(f"--set {name}", "would not be read by anything", f"did you mean {near[0]}?")
    for name in ("material_a", "material_b"):
        if (value := changes.get(name, "")) and value not in _METALS:
            raise InputError(f"--set {name}", f"is {value!r}", f"write one of {', '.join(_METALS)}")
    complete = changes.get("imperfections_complete", "")
    if complete not in ("", "true", "false"):
        raise InputError("imperfections_complete", f"is {complete!r}", "write true or false")


def refuse_lone_file(bag: Path) -> None:
    """Raise InputError where there is no metadata.yaml, which holds the attributes."""
    if not (bag / METADATA_FILE).is_file():
        raise InputError(bag / METADATA_FILE, "no such file", "attributes need the bag's folder, not a lone file in it")


def set_attributes(bag: Path, changes: Mapping[str, str]) -> None:
    """Set attributes of a bag (``custom_data`` of its metadata.yaml); an empty value takes one away.

    Raises:
        InputError: when there is no metadata.yaml that can be read, or a value means nothing.
    """
    check_attributes(changes)
    refuse_lone_file(bag)
    path = bag / METADATA_FILE
    try:
        text = path.read_text(encoding="utf-8")
        content: Any = yaml.safe_load(text)
        information = content[_INFORMATION]
        # Attributes are text, also where they look like a number or a time.
        as_written: Any = yaml.load(text, Loader=yaml.BaseLoader)
        given = as_written[_INFORMATION].get(_CUSTOM)
        custom = dict(given) if isinstance(given, dict) else {}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is no metadata of a bag ({error})", "record or import it again") from None
    custom.update(changes)
    information[_CUSTOM] = {_Quoted(key): _Quoted(value) for key, value in custom.items() if value != ""}
    with written_whole(path) as partial:
        written = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        partial.write_text(written, encoding="utf-8")


class _Quoted(str):
    """Text that any reader of YAML, of 1.1 and of 1.2, is to read as text."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)
