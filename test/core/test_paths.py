"""Paths as people type them: replaced, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from msstan_core.errors import InputError
from msstan_core.paths import typed_path


def test_home_is_replaced_and_nothing_need_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/welder")
    assert typed_path("~/bags") == Path("/home/welder/bags")
    assert typed_path("not/there") == Path("not/there")


@pytest.mark.parametrize("text", ["~nosuchuser/x", "x" * 300])
def test_what_is_no_path_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match="check its spelling") as refused:
        typed_path(text)
    assert text in str(refused.value)


def test_a_folder_that_may_not_be_entered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", forbidden)
    with pytest.raises(InputError, match="Permission denied"):
        typed_path("locked/model")
