"""A folder of revisions belongs to one process at a time, and the package's map names its files."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path

import pytest
from adaptation_cell import Cell

import msstan_core.adaptation
from msstan_core.adaptation.folder_lock import LOCK_FILE
from msstan_core.adaptation.revisions import RevisionStore
from msstan_core.errors import InputError

HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def _free(folder: Path) -> bool:
    """Whether another process would get the folder."""
    probe = [sys.executable, "-S", "-c", HOLDER.replace("LOCK_EX", "LOCK_EX | fcntl.LOCK_NB"), folder / LOCK_FILE]
    return subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def test_a_folder_that_another_process_uses_is_refused_until_that_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-c", HOLDER, str(tmp_path / LOCK_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=r"another process.*adaptation\.folder") as refused:
            Cell(tmp_path)
        assert refused.value.where == str(tmp_path)
        other.kill()
    RevisionStore(tmp_path)


def test_the_same_process_opens_it_again_and_lets_go_with_the_last_user(tmp_path: Path) -> None:
    first, second = RevisionStore(tmp_path), RevisionStore(tmp_path)
    del first
    gc.collect()
    assert not _free(tmp_path)
    del second
    gc.collect()
    assert _free(tmp_path)


def test_a_store_that_is_closed_lets_go_though_somebody_still_holds_it(tmp_path: Path) -> None:
    first, second = RevisionStore(tmp_path), RevisionStore(tmp_path)
    first.close()
    assert not _free(tmp_path)
    second.close()
    assert _free(tmp_path)


def test_the_map_of_the_package_names_its_files_and_no_others() -> None:
    text = msstan_core.adaptation.__doc__ or ""
    files = {path.stem for path in Path(msstan_core.adaptation.__file__).parent.glob("*.py")} - {"__init__"}
    named = re.findall(r"^- (\w+):", text, re.MULTILINE)
    assert sorted(named) == sorted(files)
