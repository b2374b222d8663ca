"""Bags on disk: where they are, and what their metadata says before anything in them is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.bag_files import METADATA_FILE, STORAGE_SUFFIXES
from msstan_core.vocabulary import material_pair

#: Of files in a bag that hold messages; the last one compressed.
_MESSAGE_SUFFIXES = (*STORAGE_SUFFIXES, ".zstd")


@dataclass(frozen=True, slots=True)
class DescribedBag:
    """A bag with what its metadata says: enough to see whether a split is possible before features are computed."""

    path: Path
    attributes: dict[str, str]

    @property
    def group(self) -> str:
        """Recordings of one group never stand on both sides of a split: configuration, else the bag itself."""
        return self.attributes.get("group") or self.attributes.get("configuration") or self.path.name

    @property
    def material_pair(self) -> str:
        """``"aluminium+carbon_steel"``, in alphabetical order; one name for a joint of one metal; "unknown" without."""
        return material_pair(self.attributes.get("material_a", ""), self.attributes.get("material_b", ""))

    @property
    def simulated(self) -> bool:
        """Whether a simulator made it."""
        return self.attributes.get("simulated", "").lower() == "true"


def find_bags(folders: Iterable[Path]) -> list[Path]:
    """All bags in these folders (each a bag or a folder of bags, or of links to such), sorted within each.

    A bag that several of them lead to comes once, under the first name: counted twice, a weld would weigh and promise
    double.

    Raises:
        InputError: when a folder is missing or holds no bag, or a bag is the copy of another.
    """
    bags: dict[Path, Path] = {}  # resolved -> as it was named
    for folder in folders:
        if folder.is_file():
            raise InputError(folder, "is a file", "give the folder of its bag, with metadata.yaml (ros2 bag reindex)")
        if not folder.is_dir():
            raise InputError(folder, "no such folder", "give a bag or a folder of bags")
        found = sorted(_bags_below(folder))
        if not found:
            lone = any(file.suffix in STORAGE_SUFFIXES for file in folder.iterdir())
            remedy = "make it: ros2 bag reindex" if lone else "import or record some first"
            raise InputError(folder, "holds no bag (no metadata.yaml below it)", remedy)
        for bag in found:
            bags.setdefault(bag.resolve(), bag)
    refuse_copies(bags.values())
    return list(bags.values())


def _bags_below(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()  # a link may lead back to where it is
    for path, below, files in os.walk(folder, followlinks=True):
        if (resolved := os.path.realpath(path)) in seen:
            below.clear()
            continue
        seen.add(resolved)
        below.sort()
        if METADATA_FILE in files:
            yield Path(path)


def refuse_copies(bags: Iterable[Path]) -> None:
    """See that no recording is there twice, under whatever name and with whatever labels.

    Only files of equal size are read and compared.

    Raises:
        InputError: naming both bags.
    """
    by_size: dict[tuple[int, ...], list[Path]] = {}
    for bag in bags:
        by_size.setdefault(tuple(file.stat().st_size for file in _messages_of(bag)), []).append(bag)
    for size, alike in by_size.items():
        if len(alike) < 2 or not any(size):  # bags without messages are told of when they are opened
            continue
        seen: dict[str, Path] = {}
        for bag in alike:
            first = seen.setdefault(_content_of(bag), bag)
            if first is not bag:
                raise InputError(bag, f"is a copy of {first}", "leave one of them out: no weld counts twice")


def _messages_of(bag: Path) -> list[Path]:
    return sorted(p for p in bag.iterdir() if p.suffix in _MESSAGE_SUFFIXES and p.is_file())


def _content_of(bag: Path) -> str:
    digest = hashlib.sha256()
    for path in _messages_of(bag):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def described_bags(folders: Iterable[Path]) -> list[DescribedBag]:
    """All bags in these folders with their attributes.

    Raises:
        InputError: as :func:`find_bags`, or when one cannot be opened.
    """

    def described(bag: Path) -> DescribedBag:
        with BagReader(bag) as reader:
            return DescribedBag(bag, reader.attributes)

    return [described(bag) for bag in find_bags(folders)]
