"""The page: every result file as a section, with its command, revision, machine and seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from msstan_core.errors import InputError
from msstan_core.output_files import written_whole
from msstan_core.results_page.figures import ABSENT, cell, is_figure, table, text_of, words
from msstan_core.results_page.section import Section
from msstan_core.results_page.sections import SECTIONS

_HEAD = """\
# Results

Written by `msstan results` from the files in [results/](results/); not edited by hand. Scores are fractions, spreads
are standard deviations over seeds, with one seed over recordings (none where a file has neither). What is not measured
yet is listed at the end.
"""
#: Of a command, in characters: more of it is in the file alone.
LONGEST_COMMAND = 400
#: Heading of the list of what has no file.
_MISSING = "Missing"
_FIELDS = ("command", "revision", "machine", "seeds", "data", "metrics", "baselines")


def write_page(folder: Path, page: Path) -> tuple[int, list[str]]:
    """Write the page from all result files of a folder.

    Args:
        folder: with ``NAME.json`` files (msstan_core/results.py). page: Markdown file to write.

    Returns:
        (how many files are in it, names of the sections that are not measured yet).

    Raises:
        InputError: when the folder is missing or a file in it is no result file.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "give the folder of the result files, e.g. docs/results")
    found = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    known = {section.name for section in SECTIONS}
    further = tuple(Section(name, words(name).capitalize(), "") for name in found if name not in known)
    sections = (*SECTIONS, *further)
    lines = [_HEAD, *_overview(sections, found), ""]
    for section in sections:
        if section.name in found:
            lines += _section(section, found[section.name])
    lines += _missing([section for section in sections if section.name not in found])
    with written_whole(page) as partial:
        partial.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return len(found), [section.name for section in sections if section.name not in found]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            path, f"is no JSON ({' '.join(str(error).split())})", "write it again by its command"
        ) from None
    missing = [f for f in _FIELDS if f not in content] if isinstance(content, dict) else list(_FIELDS)
    if missing:
        raise InputError(path, f"has no {missing[0]}", "result files are written by msstan commands")
    for field in ("metrics", "baselines"):
        if not isinstance(content[field], dict):
            raise InputError(path, f"{field} is no mapping", "result files are written by msstan commands")
    return content  # type: ignore[no-any-return]


def _overview(sections: tuple[Section, ...], found: Mapping[str, dict[str, Any]]) -> list[str]:
    """Every figure with an aim, and whether it is reached."""
    lines = ["| | figure | result | aim | reached |", "|---|---|---|---|---|"]
    for section in sections:
        for row in section.rows:
            if row.aim is None:
                continue
            value = found.get(section.name, {}).get("metrics", {}).get(row.metric)
            reached = ABSENT if value is None else "yes" if row.aim.reached_by(value) else "no"
            shown = "missing" if value is None else text_of(value)
            target = anchor(section.title if section.name in found else _MISSING)
            lines.append(f"| [{section.title}](#{target}) | {row.words} | {shown} | {row.aim} | {reached} |")
    return lines


def _missing(sections: list[Section]) -> list[str]:
    """One line for each file that does not exist, with what it would hold and its command where one is known."""
    if not sections:
        return []
    lines = [f"## {_MISSING}", ""]
    for section in sections:
        how = f" Command: `{section.command}`." if section.command else ""
        lines.append(f"- {section.title}: {section.about}{how}")
    return [*lines, ""]


def anchor(title: str) -> str:
    """The heading's link target, as renderers of Markdown make it."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")


def _section(section: Section, content: dict[str, Any]) -> list[str]:
    lines = [f"## {section.title}", ""]
    if section.about:
        lines += [section.about, ""]
    lines += _figures(section, content["metrics"], content["baselines"])
    for key, heading in section.details:
        own = (content.get("details") or {}).get(key)
        if isinstance(own, Mapping) and own:
            lines += [f"### {heading}", "", *_group(own), ""]
        elif isinstance(own, list) and own:
            lines += [f"### {heading}", "", *(f"- {cell(str(item))}" for item in own), ""]
    if notes := content.get("notes"):
        lines += ["### Notes", "", *(f"- {cell(str(note))}" for note in notes), ""]
    return [*lines, *_provenance(section.name, content), ""]


def _figures(section: Section, metrics: Mapping[str, Any], baselines: Mapping[str, Any]) -> list[str]:
    """Single figures with baselines beside them, then a table for each group of figures."""
    named = {row.metric: row for row in section.rows}
    single = [*named, *(name for name, value in metrics.items() if name not in named and is_figure(value))]
    beside = {name: own for name, own in baselines.items() if isinstance(own, Mapping)}
    compared = [name for name, own in beside.items() if any(metric in single for metric in own)]
    rows: dict[str, dict[str, Any]] = {}
    for metric in single:
        own: dict[str, Any] = {"msstan": metrics.get(metric)}
        own |= {name: beside[name][metric] for name in compared if metric in beside[name]}
        if any(row.aim for row in section.rows):
            aim = named[metric].aim if metric in named else None
            own["aim"] = str(aim) if aim else ""
        rows[named[metric].words if metric in named else metric] = own
    lines = [*table(rows, "figure"), ""] if rows else []
    groups = {name: value for name, value in metrics.items() if isinstance(value, Mapping) and not is_figure(value)}
    flat = {n: v for n, v in groups.items() if v and all(is_figure(x) for x in v.values())}
    if flat:
        lines += [*table(flat, ""), ""]
    for name, value in groups.items():
        if name not in flat and value:
            lines += [f"### {words(name).capitalize()}", "", *_group(value), ""]
    apart = {name: own for name, own in beside.items() if name not in compared and own}
    if apart:
        lines += ["### Baselines", "", *_group(apart), ""]
    return lines


def _group(group: Mapping[str, Any]) -> list[str]:
    """A table of named rows; deeper levels are joined to the rows' names."""
    rows: dict[str, Mapping[str, Any]] = {}

    def collect(prefix: str, value: Mapping[str, Any]) -> None:
        if any(is_figure(v) for v in value.values()):
            rows[prefix] = value
        for name, inner in value.items():
            if isinstance(inner, Mapping) and not is_figure(inner):
                collect(f"{prefix}, {name}" if prefix else name, inner)

    collect("", group)
    if "" in rows:
        rows = {"all": rows.pop(""), **rows}
    return table(rows, "")


def _provenance(name: str, content: Mapping[str, Any]) -> list[str]:
    seeds = content["seeds"]
    command = shorten(content["command"], LONGEST_COMMAND, placeholder=" ...")
    data = f" Data: {cell(str(content['data']))}." if content["data"] else ""
    return [
        f"`{command}`, revision {content['revision']}, {seeds} seed{'' if seeds == 1 else 's'}, "
        f"{content['machine']}.{data} All figures: [results/{name}.json](results/{name}.json).",
    ]
