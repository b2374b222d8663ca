"""``msstan results``: the page of all results, from the stored result files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "results",
        help="write the page of results from the stored result files",
        description="Make docs/results.md from every result file: figures beside their baselines and aims, with "
        "command, revision, machine and seeds. What has no file is said to be not measured yet.",
        epilog="The commands with --json docs/results/NAME.json write the files; nothing on the page is typed by hand.",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("docs/results"), help="folder of the files (default: docs/results)"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"), help="page (default: docs/results.md)")
    parser.add_argument(
        "--decisions", type=Path, help="page whose tables are made anew (default: decisions.md beside the page)"
    )
    parser.set_defaults(run=run, output_files=("out",))


def run(arguments: argparse.Namespace) -> int:
    """Write the page; say what is missing."""
    from msstan_core.errors import InputError
    from msstan_core.output_files import check_output_file
    from msstan_core.results_page.page import write_page
    from msstan_core.results_page.tables_in_text import refresh_tables

    if arguments.decisions is not None:
        if not arguments.decisions.is_file():
            raise InputError(arguments.decisions, "no such page", "give one with marked tables, e.g. docs/decisions.md")
        check_output_file(arguments.decisions)
    files, missing = write_page(arguments.results, arguments.out)
    print(f"{arguments.out}: {files} result files" + (f"; not measured yet: {', '.join(missing)}" if missing else ""))
    decisions = arguments.decisions or arguments.out.with_name("decisions.md")
    if decisions.is_file():
        print(f"{decisions}: {refresh_tables(decisions, arguments.results)} tables")
    return 0
