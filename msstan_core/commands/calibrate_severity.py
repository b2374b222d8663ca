"""``msstan calibrate --severities``: how bad an imperfection is, from welds that were labelled with it."""

from __future__ import annotations

import argparse
from collections import Counter

from msstan_core.commands.sensor_arguments import sensors_of
from msstan_core.errors import InputError


def run(arguments: argparse.Namespace) -> int:
    """Fit severities on labelled bags, write the model folder."""
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from msstan_core.calibration.recalibration import check_destination, save_recalibrated, with_groups
    from msstan_core.calibration.severity_fitting import FEWEST_SPANS, fit_severities, known_spans, severities_of_bag
    from msstan_core.inference.card_text import severity_statement
    from msstan_core.inference.model_package import load_package
    from msstan_core.recordings.bag_folders import described_bags

    package = load_package(arguments.model_dir)
    check_destination(package, arguments.out)
    spec, sensors = package.card.config.inputs, sensors_of(arguments)
    if spec.programme_columns.start == spec.programme_columns.stop:
        raise InputError(
            arguments.model_dir, "does not compare with the programme", "train it with telemetry_programme"
        )
    console = Console(stderr=True)
    described = described_bags(arguments.severities)
    bags = [bag.path for bag in described]
    shown = track(bags, "labelled welds", console=console, transient=True, disable=not console.is_terminal)
    spans = [span for bag in shown for span in severities_of_bag(bag, spec, sensors)]
    fitted = fit_severities(spans)
    if not spans:
        raise InputError("--severities", "no imperfection of these bags has a severity", "msstan label --severity")
    counts = Counter(span.iso_code for span in spans)
    told = {code: len(known_spans(spans, code, own.terms)) for code, own in package.card.severity.items()}
    refuted = [code for code, count in told.items() if count >= FEWEST_SPANS and code not in fitted]
    if not fitted and not refuted:
        raise InputError(
            "--severities",
            "the telemetry of these welds tells no severity",
            f"label {FEWEST_SPANS} spans of a kind or more",
        )
    kept = {code: own for code, own in package.card.severity.items() if code not in refuted}
    card = package.card.model_copy(update={"severity": dict(sorted({**kept, **fitted}.items()))})
    card = with_groups(card, {bag.group for bag in described})
    save_recalibrated(package, card, arguments.out, arguments.model_version)
    table = Table("kind", "labelled spans", "severity")
    for code, count in sorted(counts.items()):
        line = severity_statement(fitted[code]) if code in fitted else "not told by the telemetry, or too few spans"
        line += ": the model's own is taken away" if code in refuted else ""
        table.add_row(str(code), str(count), line)
    console.print(table)
    print(f"{arguments.out}: severity of {', '.join(map(str, card.severity)) or 'none'}, from {len(bags)} bags")
    return 0
