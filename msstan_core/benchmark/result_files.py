"""The result files that ``docs/performance.md`` is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msstan_core.errors import InputError

#: What writes each kind.
_COMMANDS = {
    "bench": "msstan bench",
    "peers": "msstan study peers",
    "sampling": "msstan study sampling",
    "soak": "msstan bench --soak-minutes",
}
#: What the page cannot do without; levels between slashes.
_NEEDED = {
    "bench": (
        "command",
        "machine",
        "revision",
        "metrics/tick_ms/p50",
        "baselines",
        "details/threads/peers",
        "details/parts_ms",
    ),
    "peers": ("seeds", "metrics", "baselines"),
    "sampling": (
        "data",
        "metrics/time_saved",
        "metrics/f1_loss",
        "details/curves",
        "details/share_curves",
        "details/own_share",
    ),
    "soak": (
        "metrics/minutes",
        "metrics/actions",
        "metrics/lost",
        "metrics/end_to_end_ms",
        "metrics/growth_mb_per_hour",
        "metrics/latency_drift_ms",
        "details/course",
    ),
}


def read_result(path: Path, kind: str = "bench") -> dict[str, Any]:
    """A result file that has what the page needs of its kind.

    Args:
        path: of the file. kind: bench, peers, sampling or soak.

    Raises:
        InputError: when it is missing, broken, or another command's.
    """
    command = _COMMANDS[kind]
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such result file", f"write it: {command} --json {path}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is no JSON ({error})", f"write it again: {command} --json {path}") from None
    for needed in _NEEDED[kind]:
        part = found
        for level in needed.split("/"):
            part = part.get(level) if isinstance(part, dict) else None
        if part is None:
            writer = found.get("command") if isinstance(found, dict) else None
            by = f", and was written by {' '.join(str(writer).split())}" if writer else ""
            raise InputError(path, f"is no result of {command} (it has no {needed}{by})", "name one that is")
    return found  # type: ignore[no-any-return]
