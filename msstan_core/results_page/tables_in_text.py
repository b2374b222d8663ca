"""Tables of result files in a page that is otherwise written by hand: the numbers in it are never typed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msstan_core.errors import InputError
from msstan_core.output_files import written_whole
from msstan_core.results_page.figures import ABSENT, table

#: ``<!-- table FILE PATH PREFIX COLUMN... -->`` ... ``<!-- end of table -->``
_MARK = re.compile(r"<!-- table (?P<what>.+?) -->\n.*?<!-- end of table -->", re.DOTALL)


def refresh_tables(page: Path, results: Path) -> int:
    """Make the tables of a page anew.

    A table stands between ``<!-- table FILE PATH PREFIX COLUMN... -->`` and ``<!-- end of table -->``: rows are the
    entries below PATH (keys with ``/`` between them, "" for the file itself) whose names begin with PREFIX (quoted, may
    be empty) and that have any of the columns; entries of a list are numbered. A file that is not there gives the line
    "Not measured yet."

    Args:
        page: Markdown file, rewritten in place. results: folder of ``FILE.json``.

    Returns:
        How many tables there are.

    Raises:
        InputError: when a mark is malformed.
    """
    text = page.read_text(encoding="utf-8")
    count = 0

    def made(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        what = found["what"]
        try:
            name, path, prefix, *columns = shlex.split(what)
        except ValueError:
            raise InputError(page, f"table mark {what!r}", "write FILE PATH PREFIX COLUMN...") from None
        lines = "\n".join(_table(results / f"{name}.json", path.split("/"), prefix, columns))
        return f"<!-- table {what} -->\n\n{lines}\n\n<!-- end of table -->"

    changed = _MARK.sub(made, text)
    if changed != text:
        with written_whole(page) as partial:
            partial.write_text(changed, encoding="utf-8")
    return count


def _table(file: Path, path: list[str], prefix: str, columns: list[str]) -> list[str]:
    if not file.is_file():
        return ["Not measured yet."]
    content: Any = json.loads(file.read_text(encoding="utf-8"))
    for key in filter(None, path):
        content = content.get(key, {}) if isinstance(content, Mapping) else {}
    if isinstance(content, list):
        content = {str(number): own for number, own in enumerate(content, 1)}
    rows = {
        name.removeprefix(prefix): {c: own.get(c, ABSENT) for c in columns}
        for name, own in content.items()
        if name.startswith(prefix) and isinstance(own, Mapping) and any(c in own for c in columns)
    }
    return table(rows, "") or ["Not measured yet."]
