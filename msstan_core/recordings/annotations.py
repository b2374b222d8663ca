"""Labels of a recording: spans of time with an action or an imperfection, kept beside the bag in ``annotations.csv``.

Times are seconds from the bag's first stamp. Rows look like::

    start_s,end_s,kind,label,severity,source
    0.000,5.924,action,IDLE,,telemetry
    5.924,6.424,action,ARC_INITIATION,,telemetry
    9.100,11.300,imperfection,2011,0.4,operator
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msstan_core.errors import InputError
from msstan_core.vocabulary import ACTIONS, ISO_CODES, Action, parse_action

FILE_NAME = "annotations.csv"
COLUMNS = ("start_s", "end_s", "kind", "label", "severity", "source")

#: ``source`` of labels that a rule made of the welder's telemetry.
TELEMETRY_SOURCE = "telemetry"
#: ``source`` of labels that a rule made of a per-frame arc state.
ARC_STATE_SOURCE = "arc_on"
#: What anybody states counts before these.
RULE_SOURCES = frozenset({TELEMETRY_SOURCE, ARC_STATE_SOURCE})

#: Index of a tick's action where there is no label.
UNLABELLED = -1

#: Labels may reach this much beyond a bag, s: people are rough.
OVERSHOOT_S = 0.5

Kind = Literal["action", "imperfection"]
KINDS: tuple[Kind, ...] = ("action", "imperfection")


@dataclass(frozen=True, slots=True)
class Annotation:
    """One labelled span ``[start_s, end_s)``.

    Raises ``ValueError`` for a span that ends before it starts, an unknown kind or label, or a severity outside 0..1.
    """

    start_s: float  #: s from the bag's first stamp
    end_s: float  #: s, not included
    kind: Kind
    label: str  #: name of an Action, or an ISO 6520-1 code in digits
    severity: float = math.nan  #: 0..1; NaN when not judged
    source: str = ""  #: who says so: telemetry, simulation, operator, ...

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s)) or self.end_s < self.start_s:
            raise ValueError(f"span {self.start_s} .. {self.end_s} s is not a forward stretch of time")
        if self.kind == "action":
            if parse_action(self.label) is Action.UNKNOWN:
                raise ValueError("unknown action 'UNKNOWN' is no label; leave the span out")
        elif self.kind == "imperfection":
            if self.label not in {str(code) for code in ISO_CODES}:
                raise ValueError(f"unknown ISO 6520-1 code {self.label!r}; known: {', '.join(map(str, ISO_CODES))}")
        else:
            raise ValueError(f"unknown kind {self.kind!r}; known: {', '.join(KINDS)}")
        if not (math.isnan(self.severity) or 0.0 <= self.severity <= 1.0):
            raise ValueError(f"severity {self.severity} is outside 0..1")

    @property
    def action(self) -> Action:
        """The labelled action; ``UNKNOWN`` for an imperfection."""
        return parse_action(self.label) if self.kind == "action" else Action.UNKNOWN

    @property
    def iso_code(self) -> int:
        """The labelled ISO 6520-1 code; 0 for an action."""
        return int(self.label) if self.kind == "imperfection" else 0


@dataclass(frozen=True, slots=True)
class Extent:
    """What a bag's labels must lie in."""

    first_stamp_ns: int  #: time zero of the labels
    length_s: float  #: from the first stamp to the end of what was recorded, s

    def refuse_outside(self, where: str, annotation: Annotation) -> None:
        """Check that a span lies in the bag, but for OVERSHOOT_S.

        Raises:
            InputError: at ``where``, when it does not.
        """
        if annotation.start_s < -OVERSHOOT_S or annotation.end_s > self.length_s + OVERSHOOT_S:
            raise InputError(
                where,
                f"span {annotation.start_s:.13g} .. {annotation.end_s:.13g} s lies outside the bag, which is "
                f"{self.length_s:.1f} s long",
                f"times count in seconds from the bag's first stamp ({self.first_stamp_ns / 1e9:.3f} s)",
            )


def action_span(start_s: float, end_s: float, action: Action, source: str) -> Annotation:
    """An action label."""
    return Annotation(start_s, end_s, "action", action.name, source=source)


def read_annotations(path: Path, extent: Extent | None = None) -> list[Annotation]:
    """Read an ``annotations.csv``, sorted by start. A missing file is a recording without labels: ``[]``.

    Args:
        path: of the file. extent: of its bag, which no span may leave; None: not checked.

    Raises:
        InputError: naming file, line and column of the first bad entry.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:  # spreadsheets begin UTF-8 with a byte order mark
            reader = csv.DictReader(stream)
            missing = [c for c in COLUMNS[:4] if c not in (reader.fieldnames or ())]
            if missing:
                raise InputError(path, f"column {missing[0]} is missing", f"the header must be {','.join(COLUMNS)}")
            spans = []
            for row in reader:
                if None in row:
                    raise InputError(
                        f"{path}:{reader.line_num}",
                        "has more cells than the header",
                        "write numbers with a point (0.4), and a comma only between cells",
                    )
                span = _parse_row(path, reader.line_num, row)
                if extent is not None:
                    extent.refuse_outside(f"{path}:{reader.line_num}", span)
                spans.append(span)
    except FileNotFoundError:
        return []
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            path, f"not a CSV text file ({error})", f"write it as UTF-8 CSV: {','.join(COLUMNS)}"
        ) from None
    return sorted(spans, key=lambda a: (a.start_s, a.end_s))


def _parse_row(path: Path, line: int, row: dict[str, str | None]) -> Annotation:
    def number(column: str, default: float | None = None) -> float:
        text = (row.get(column) or "").strip()
        if not text and default is not None:
            return default
        try:
            return float(text)
        except ValueError:
            raise InputError(
                f"{path}:{line}", f"{column} is {text!r}, not a number", "write seconds as 12.345"
            ) from None

    severity = number("severity", math.nan)
    if math.isnan(severity) and (row.get("severity") or "").strip():
        raise InputError(f"{path}:{line}", "severity is no number", "write 0 to 1, or nothing where it was not judged")
    kind = (row.get("kind") or "").strip()
    label = (row.get("label") or "").strip()
    try:
        return Annotation(
            start_s=number("start_s"),
            end_s=number("end_s"),
            kind=cast(Kind, kind),
            label=label.upper(),
            severity=severity,
            source=(row.get("source") or "").strip(),
        )
    except ValueError as error:
        raise InputError(f"{path}:{line}", str(error), "correct this line") from None


def write_annotations(path: Path, annotations: Iterable[Annotation]) -> None:
    """Write an ``annotations.csv``, sorted by start, times to a tenth of a millisecond.

    Raises:
        InputError: when the file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            for a in sorted(annotations, key=lambda a: (a.start_s, a.end_s)):
                severity = "" if math.isnan(a.severity) else f"{a.severity:g}"
                writer.writerow((f"{a.start_s:.4f}", f"{a.end_s:.4f}", a.kind, a.label, severity, a.source))
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})", "check its folder and the disk") from None


def action_track(annotations: Sequence[Annotation], times_s: ArrayLike) -> NDArray[np.int64]:
    """Action at each time: [N] indices into ``ACTIONS``, UNLABELLED where nothing is labelled.

    Where spans overlap, what anybody states counts before what a rule says (:data:`RULE_SOURCES`), and then the span
    that starts later, of two that start together the shorter one: it is more specific (extinction inside deposition).
    """
    times = np.asarray(times_s, np.float64)
    track = np.full(times.shape, UNLABELLED, np.int64)

    def weight(a: Annotation) -> tuple[bool, float, float]:
        return a.source not in RULE_SOURCES, a.start_s, -a.end_s

    for a in sorted((a for a in annotations if a.kind == "action"), key=weight):
        track[(times >= a.start_s) & (times < a.end_s)] = (
            UNLABELLED if a.action is Action.UNKNOWN else ACTIONS.index(a.action)
        )
    return track


def imperfections_complete(attributes: Mapping[str, str]) -> bool:
    """Whether a bag's labels claim every imperfection, so that its absence elsewhere is known; simulated ones do."""
    return attributes.get("imperfections_complete", attributes.get("simulated", "")).lower() == "true"


def imperfection_track(
    annotations: Sequence[Annotation], times_s: ArrayLike, *, complete: bool = True
) -> NDArray[np.float32]:
    """Presence of each imperfection at each time: [N, 13] of 0 or 1 in ``vocabulary.IMPERFECTIONS`` order.

    Args:
        annotations: of the recording. times_s: [N]. complete: whether the labels claim every imperfection, see
            :func:`imperfections_complete`; what is not labelled is absent then, else nothing is known: all NaN.
    """
    times = np.asarray(times_s, np.float64)
    if not complete:
        return np.full((*times.shape, len(ISO_CODES)), np.nan, np.float32)
    track = np.zeros((*times.shape, len(ISO_CODES)), np.float32)
    for a in annotations:
        if a.kind == "imperfection":
            track[(times >= a.start_s) & (times < a.end_s), ISO_CODES.index(a.iso_code)] = 1.0
    return track


def seconds_by_action(annotations: Sequence[Annotation]) -> dict[Action, float]:
    """Labelled seconds of each action that occurs, in vocabulary order."""
    spans = [a for a in annotations if a.kind == "action"]
    return {
        action: total
        for action in ACTIONS
        if (total := sum(a.end_s - a.start_s for a in spans if a.action is action)) > 0
    }


def labelled_s(annotations: Sequence[Annotation]) -> float:
    """Time with an action label, s; where labels overlap it counts once."""
    total, reached = 0.0, -math.inf
    for start, end in sorted((a.start_s, a.end_s) for a in annotations if a.kind == "action"):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
