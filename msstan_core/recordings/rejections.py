"""What was refused of bags, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msstan_core.recordings.annotations import Annotation

if TYPE_CHECKING:
    from rich.console import Console

#: Topics with rejected messages that are named.
MOST_NAMED = 10


def unused_imperfections(annotations: Sequence[Annotation], complete: bool) -> list[str]:
    """A line where imperfections are labelled that cannot count, since their absence elsewhere is not known."""
    spans = sum(a.kind == "imperfection" for a in annotations)
    if complete or not spans:
        return []
    remedy = "set the bag's attribute imperfections_complete to true if every one is labelled"
    return [f"{spans} labelled imperfections are not used: the labels do not claim to be complete; {remedy}"]


def say_rejections(console: Console, lines: Sequence[str]) -> None:
    """Print what was left out of bags, a line for each topic of a bag; of very many the first."""
    for line in lines[:MOST_NAMED]:
        console.print(f"[yellow]{line}", highlight=False, soft_wrap=True)
    if len(lines) > MOST_NAMED:
        console.print(f"[yellow]... and {len(lines) - MOST_NAMED} more such lines")
