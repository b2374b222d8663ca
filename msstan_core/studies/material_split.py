"""Recordings by the metals that are joined: a material that is left out is in no training recording."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msstan_core.errors import InputError
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import Material


def parse_materials(text: str) -> frozenset[str]:
    """``"copper,magnesium"`` -> names.

    Raises:
        ValueError: naming the known ones.
    """
    known = [m.name.lower() for m in Material if m is not Material.UNKNOWN]
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in known:
            raise ValueError(f"unknown material {name!r}; known: {', '.join(known)}")
    if not names:
        raise ValueError("no material named")
    return frozenset(names)


def leave_materials_out(
    recordings: Sequence[Recording], unseen: Collection[str]
) -> tuple[list[Recording], list[Recording]]:
    """(training, test): every joint with one of the unseen metals is in the test set, and no other.

    Raises:
        InputError: when one side is empty.
    """
    training: list[Recording] = []
    test: list[Recording] = []
    for recording in recordings:
        (test if set(recording.material_pair.split("+")) & set(unseen) else training).append(recording)
    for side, name in ((training, "training"), (test, "test")):
        if not side:
            pairs = ", ".join(sorted({r.material_pair for r in recordings}))
            raise InputError("--unseen", f"leaves no recording for {name}", f"the data has {pairs}")
    return training, test
