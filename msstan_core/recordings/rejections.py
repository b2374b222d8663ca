"""What was refused of bags, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

#: Topics with rejected messages that are named.
MOST_NAMED = 10


def say_rejections(console: Console, lines: Sequence[str]) -> None:
    """Print the lines of ``BagReader.rejections``; of very many the first."""
    for line in lines[:MOST_NAMED]:
        console.print(f"[yellow]{line}", highlight=False, soft_wrap=True)
    if len(lines) > MOST_NAMED:
        console.print(f"[yellow]... and {len(lines) - MOST_NAMED} more topics with rejected messages")
