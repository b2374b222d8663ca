"""Labels and attributes of bags that are there already: what a cell's own recordings need before they can teach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from msstan_core.errors import InputError
from msstan_core.observation import TelemetrySample
from msstan_core.output_files import written_whole
from msstan_core.recordings.annotations import FILE_NAME, Annotation, write_annotations
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.phases import find_phases, label_phases
from msstan_core.vocabulary import Modality

#: ``source`` of labels that follow from the welder's telemetry.
TELEMETRY_SOURCE = "telemetry"
_METADATA, _INFORMATION, _CUSTOM = "metadata.yaml", "rosbag2_bagfile_information", "custom_data"


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
    return label_phases(phases, reader.duration_s, TELEMETRY_SOURCE)


def merged(
    before: Iterable[Annotation], added: Iterable[Annotation], replaced_sources: Iterable[str] = ()
) -> list[Annotation]:
    """Labels ``before`` without those of ``replaced_sources``, and ``added``; what is in both is there once."""
    gone = set(replaced_sources)
    return list(dict.fromkeys([*(a for a in before if a.source not in gone), *added]))


def annotate(bag: Path, annotations: Iterable[Annotation]) -> None:
    """Write the labels beside a bag (its folder, or a lone ``.mcap``); whole, or as they were before."""
    folder = bag if bag.is_dir() else bag.parent
    with written_whole(folder / FILE_NAME) as partial:
        write_annotations(partial, annotations)


def set_attributes(bag: Path, changes: Mapping[str, str]) -> None:
    """Set attributes of a bag (``custom_data`` of its metadata.yaml); an empty value takes one away.

    Raises:
        InputError: when there is no metadata.yaml that can be read.
    """
    path = bag / _METADATA
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        information = content[_INFORMATION]
        custom = {str(k): v for k, v in (information.get(_CUSTOM) or {}).items()}
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(path, "no such file", "attributes need the bag's folder, not a lone file in it") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is no metadata of a bag ({error})", "record or import it again") from None
    custom.update(changes)
    information[_CUSTOM] = {key: value for key, value in custom.items() if value != ""}
    with written_whole(path) as partial:
        partial.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
