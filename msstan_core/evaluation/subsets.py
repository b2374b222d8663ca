"""Which sensors there are: everything, each alone, each missing."""

from __future__ import annotations

from msstan_core.vocabulary import MODALITIES, Modality

ALL = "all"


def modality_subsets(available: frozenset[Modality]) -> dict[str, frozenset[Modality]]:
    """Name -> modalities: ``all``, ``camera only`` and so on, ``without camera`` and so on.

    Args:
        available: what ``all`` is. With two, alone and missing are the same; with one there is nothing to take away.
    """
    subsets = {ALL: available}
    if len(available) > 1:
        subsets |= {f"{m.label} only": frozenset({m}) for m in MODALITIES if m in available}
    if len(available) > 2:
        subsets |= {f"without {m.label}": available - {m} for m in MODALITIES if m in available}
    return subsets
