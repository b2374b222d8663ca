"""The documentation points at what is there: files, headings, commands and their options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from msstan_core.cli import build_parser

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_COMMAND = re.compile(r"(?:^|[\s`;])(?:\.venv/bin/)?msstan ([a-z][a-z-]*(?: [^\n`#;]*)?)")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    words = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in _HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", word).strip().replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """By name; empty for a command without."""
    actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(actions[0].choices) if actions else {}


def named_commands(page: Path) -> Iterator[str]:
    """What stands behind ``msstan`` in code: blocks and inline."""
    text = page.read_text(encoding="utf-8")
    for code in [*re.findall(r"```.*?```", text, re.DOTALL), *re.findall(r"`[^`\n]+`", text)]:
        yield from _COMMAND.findall(code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_are_known(page: Path) -> None:
    unknown = []
    for command in named_commands(page):
        words = command.split()
        parser: argparse.ArgumentParser = build_parser()
        while words and words[0] in (below := subcommands(parser)):
            parser = below[words.pop(0)]
        if subcommands(parser) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
            unknown.append(command)
        options = {option for action in parser._actions for option in action.option_strings}
        unknown += [f"{command}: {w}" for w in words if w.startswith("--") and w.rstrip(",.)") not in options]
    assert not unknown
