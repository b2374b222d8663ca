"""Paths as people type them."""

from __future__ import annotations

from pathlib import Path

from msstan_core.errors import InputError


def typed_path(text: str) -> Path:
    """A path with ``~`` and ``~user`` replaced; it need not lead anywhere.

    Raises:
        InputError: where the user is unknown, the name is too long, or a folder on the way may not be entered.
    """
    try:
        path = Path(text).expanduser()
        path.exists()
    except (RuntimeError, ValueError) as error:
        raise InputError(repr(text), f"is no path ({error})", "check its spelling") from None
    except OSError as error:
        raise InputError(repr(text), f"cannot be used ({error.strerror})", "check its spelling and rights") from None
    return path
