"""``msstan label``: labels and attributes of a cell's own bags, so that they can teach and judge."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.commands.sensor_arguments import add_sensors, sensors_of
from msstan_core.errors import InputError

if TYPE_CHECKING:
    from msstan_core.recordings.annotations import Annotation
    from msstan_core.recordings.bag import BagReader

_EPILOG = """\
Times are seconds from the bag's first stamp, as msstan replay and msstan report show them. Labels stand in
annotations.csv beside the bag and may be edited there, too. Attributes that matter: group (recordings that never stand
on both sides of a split: a weld, a batch), imperfections_complete=true (every imperfection is labelled, so that its
absence elsewhere is known), verdict (good: may be a nominal weld), material_a and material_b. docs/recordings.md
explains them.

  msstan label bags/                                              what is labelled so far
  msstan label bags/ --phases-from-current                        weld phases, from the welder's telemetry
  msstan label bags/weld_7 --imperfection 2011 9.1 11.3 --severity 0.4 --source inspection
  msstan label bags/weld_7 --action CRATER_FILL 14.2 15.0         counts before the phases from the current
  msstan label bags/weld_7 --set group=job_17 --set imperfections_complete=true
"""


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "label",
        help="label weld phases and imperfections of recorded bags",
        description="Show, add and remove the labels and attributes of recorded bags: what msstan train learns from "
        "and msstan evaluate judges by. Weld phases follow from the welding current where the welder's telemetry was "
        "recorded; imperfections are stated by who has inspected the weld.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="bags, or folders of bags")
    parser.add_argument(
        "--phases-from-current",
        action="store_true",
        help="idle, arc initiation, deposition, extinction and cooling from the current; replaces earlier ones of the "
        "same source (telemetry)",
    )
    parser.add_argument(
        "--action", nargs=3, action="append", default=[], metavar=("NAME", "START", "END"), help="label a stretch, s"
    )
    parser.add_argument(
        "--imperfection",
        nargs=3,
        action="append",
        default=[],
        metavar=("ISO_CODE", "START", "END"),
        help="label an imperfection by its ISO 6520-1 number, s",
    )
    parser.add_argument("--severity", type=float, metavar="0..1", help="of these imperfections")
    parser.add_argument("--source", default="operator", help="who says so (default: operator)")
    parser.add_argument(
        "--remove", action="append", default=[], metavar="SOURCE", help="take away the labels of this source first"
    )
    parser.add_argument(
        "--set",
        dest="attributes",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set an attribute; KEY= takes it away",
    )
    add_sensors(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Change what is asked for, bag by bag, and show what is there then."""
    from msstan_core.recordings.bag_folders import find_bags
    from msstan_core.recordings.labelling import check_attributes

    bags = [own for path in arguments.bags for own in ([path] if path.is_file() else find_bags([path]))]
    spans, attributes = _spans(arguments), _attributes(arguments.attributes)
    check_attributes(attributes)
    if spans and len(bags) > 1:
        raise InputError("--action, --imperfection", f"{len(bags)} bags are named", "label one bag at a time")
    sensors = sensors_of(arguments)
    shown: list[_Labelled] = []
    refused: list[str] = []
    for bag in bags:
        try:
            shown.append(_label(arguments, bag, spans, attributes, sensors))
        except (InputError, OSError) as error:  # the others are labelled nevertheless
            refused.append(str(error))
    _show(shown)
    for line in refused:
        print(f"msstan label: {line}", file=sys.stderr)
    if arguments.phases_from_current and shown:
        print(
            "These labels are a rule on the current: a model that reads the telemetry learns the rule. Judge it by the "
            "other sensors: msstan evaluate MODEL --modalities camera,thermal,acoustic --data ..."
        )
    if any(a.kind == "imperfection" for own in shown if not own.complete for a in own.labels):
        print(
            "No network is trained or judged by the imperfections of bags that do not claim to be complete. Once all "
            "of a weld's are labelled: msstan label BAG --set imperfections_complete=true"
        )
    return 1 if refused else 0


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A bag as it is after the command."""

    bag: Path
    length_s: float
    labels: list[Annotation]
    attributes: dict[str, str]

    @property
    def complete(self) -> bool:
        """Whether every imperfection is labelled."""
        from msstan_core.recordings.annotations import imperfections_complete

        return imperfections_complete(self.attributes)


def _label(
    arguments: argparse.Namespace,
    bag: Path,
    spans: list[Annotation],
    attributes: dict[str, str],
    sensors: Any,
) -> _Labelled:
    """Label one bag."""
    from msstan_core.recordings.annotations import TELEMETRY_SOURCE
    from msstan_core.recordings.bag import BagReader
    from msstan_core.recordings.labelling import (
        annotate,
        merged,
        phases_from_current,
        refuse_lone_file,
        set_attributes,
    )

    if attributes:
        refuse_lone_file(bag)  # before anything is written
    with BagReader(bag, namespace=sensors.namespace, scaling=sensors.scaling) as reader:
        labels = reader.annotations
        added, replaced = list(spans), list(arguments.remove)
        _refuse_outside(reader, spans)
        if arguments.phases_from_current:
            added += phases_from_current(reader, sensors.alignment.offset_s.telemetry)
            replaced.append(TELEMETRY_SOURCE)
        if missing := sorted(set(arguments.remove) - {label.source for label in labels}):
            raise InputError(bag, f"has no labels of {', '.join(missing)}", _sources(labels))
        if added or replaced:
            labels = merged(labels, added, replaced)
            annotate(bag, labels)
        length_s, known = reader.duration_s, reader.attributes
    if attributes:
        set_attributes(bag, attributes)
        known = {key: value for key, value in {**known, **attributes}.items() if value != ""}
    return _Labelled(bag, length_s, sorted(labels, key=lambda a: (a.start_s, a.end_s)), known)


def _sources(labels: list[Annotation]) -> str:
    there = sorted({label.source for label in labels})
    return f"its sources: {', '.join(there)}" if there else "it has none at all"


def _refuse_outside(reader: BagReader, spans: list[Annotation]) -> None:
    extent = reader.extent(max((span.end_s for span in spans), default=0.0))
    for span in spans:
        extent.refuse_outside("--action" if span.kind == "action" else "--imperfection", span)


def _spans(arguments: argparse.Namespace) -> list[Annotation]:
    from msstan_core.recordings.annotations import KINDS, Annotation

    if arguments.severity is not None and not arguments.imperfection:
        raise InputError("--severity", "belongs to no imperfection", "name one: --imperfection CODE START END")
    if arguments.severity is not None and not 0 <= arguments.severity <= 1:
        raise InputError("--severity", f"{arguments.severity:g} is outside 0..1", "0 is just there, 1 worst")
    severity = math.nan if arguments.severity is None else arguments.severity
    out = []
    for kind in KINDS:
        how_bad = severity if kind == "imperfection" else math.nan
        for label, start, end in getattr(arguments, kind):
            try:
                out.append(Annotation(float(start), float(end), kind, label.upper(), how_bad, arguments.source))
            except ValueError as error:
                raise InputError(f"--{kind} {label} {start} {end}", str(error), "correct it") from None
    return out


def _attributes(given: list[str]) -> dict[str, str]:
    out = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {text}", "is no KEY=VALUE", "write for example --set group=job_17")
        out[key.strip()] = value.strip()
    return out


def _show(labelled: list[_Labelled]) -> None:
    """The labels of one bag, or a line for each of several."""
    from rich.console import Console
    from rich.table import Table

    from msstan_core.recordings.annotations import labelled_s

    console = Console()
    if len(labelled) == 1:
        (one,) = labelled
        title = f"{one.bag.name}, {one.length_s:.1f} s"
        table = Table("from s", "to s", "kind", "label", "severity", "source", title=title)
        for a in one.labels:
            severity = "" if math.isnan(a.severity) else f"{a.severity:g}"
            table.add_row(f"{a.start_s:.2f}", f"{a.end_s:.2f}", a.kind, a.label, severity, a.source)
        console.print(table if one.labels else f"{title}: no labels yet")
        console.print(", ".join(f"{k}={v}" for k, v in one.attributes.items() if k != "scenario"), highlight=False)
        return
    table = Table("bag", "length s", "labelled s", "imperfections", "group", "complete")
    for own in labelled:
        codes = sorted({a.label for a in own.labels if a.kind == "imperfection"})
        seconds = labelled_s(own.labels)
        group, complete = own.attributes.get("group", ""), "yes" if own.complete else "no"
        table.add_row(own.bag.name, f"{own.length_s:.1f}", f"{seconds:.1f}", " ".join(codes), group, complete)
    if labelled:
        console.print(table)
