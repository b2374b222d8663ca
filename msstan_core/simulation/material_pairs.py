"""Which metals are joined, by which process and with which filler, in randomised scenarios."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from msstan_core.errors import InputError
from msstan_core.simulation.random_sensors import Draw
from msstan_core.vocabulary import Material

#: The two members of a joint; a joint of one metal has one entry.
Pair = frozenset[Material]

#: Processes and how often each is drawn.
PROCESSES: dict[str, float] = {"gmaw": 0.76, "laser": 0.14, "fsw": 0.10}

#: material pair, filler, weight
_GMAW_PAIRS: tuple[tuple[str, str, str, float], ...] = (
    ("carbon_steel", "carbon_steel", "steel", 0.55),
    ("stainless_steel", "stainless_steel", "stainless", 0.1),
    ("aluminium", "aluminium", "aluminium_silicon", 0.1),
    ("aluminium", "carbon_steel", "aluminium_silicon", 0.1),
    ("copper", "stainless_steel", "copper_silicon", 0.05),
    ("titanium", "nickel", "nickel", 0.05),
    ("magnesium", "magnesium", "magnesium", 0.05),
)
_LASER_PAIRS = (
    ("stainless_steel", "stainless_steel"), ("carbon_steel", "carbon_steel"), ("titanium", "nickel"),
    ("copper", "stainless_steel"), ("aluminium", "aluminium"),
)  # fmt: skip
_STIR_PAIRS = (
    ("aluminium", "aluminium"),
    ("aluminium", "carbon_steel"),
    ("magnesium", "magnesium"),
    ("aluminium", "magnesium"),
)


def parse_pair(text: str) -> Pair:
    """``"aluminium+carbon_steel"`` or ``"magnesium"`` (to itself) -> pair.

    Raises:
        ValueError: naming the known materials, or the pairs that there are.
    """
    names = text.split("+")
    known = {m.name.lower(): m for m in Material if m is not Material.UNKNOWN}
    for name in names:
        if name not in known:
            raise ValueError(f"unknown material {name!r}; known: {', '.join(known)}")
    pair = frozenset(known[name] for name in names)
    if len(names) > 2 or not _processes_of(pair):
        raise ValueError(f"{text!r} is not welded here; known: {', '.join(sorted(map(pair_name, _all_pairs())))}")
    return pair


def parse_pairs(text: str) -> list[Pair]:
    """Pairs with commas between them, as on a command line; raises :class:`InputError` as :func:`parse_pair`."""
    try:
        return [parse_pair(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError("--materials", str(error), "name pairs like aluminium+carbon_steel, with commas") from None


def pair_name(pair: Pair) -> str:
    """``"aluminium+carbon_steel"``; a joint of one metal has one name."""
    return "+".join(sorted(m.name.lower() for m in pair))


class PairChoice:
    """Draws process and material pair.

    Args:
        seed: of the scenario. pairs: each of these is drawn equally often, by the processes that join it; None: all, as
            often as they are met.

    Raises:
        InputError: when ``pairs`` is empty.
    """

    def __init__(self, seed: int, pairs: Collection[Pair] | None) -> None:
        if pairs is not None and not pairs:
            raise InputError("materials", "names no pair", "give one or more, e.g. aluminium+carbon_steel")
        # A generator of its own: what else the scenario draws does not depend on how the pair was chosen.
        chooser = np.random.default_rng([seed, 0x9A12])
        ordered = sorted(pairs or (), key=pair_name)
        self._pair = ordered[int(chooser.integers(len(ordered)))] if ordered else None

    @property
    def scenario_suffix(self) -> str:
        """Tells scenarios of equal seed and different restrictions apart; empty where nothing is restricted."""
        return "" if self._pair is None else f"-{pair_name(self._pair).replace('+', '-')}"

    def process(self, draw: Draw) -> str:
        """Name of a process."""
        kinds = list(PROCESSES) if self._pair is None else _processes_of(self._pair)
        share = np.array([PROCESSES[kind] for kind in kinds])
        return str(draw.choice(kinds, p=share if self._pair is None else share / share.sum()))

    def gmaw(self, draw: Draw) -> tuple[str, str, str]:
        """(near, far, filler) for GMAW."""
        index = int(draw.choice(len(_GMAW_PAIRS), p=np.array([p[3] for p in _GMAW_PAIRS])))
        rows = [p for p in _GMAW_PAIRS if _pair_of(p) == self._pair]
        near, far, filler, _ = _GMAW_PAIRS[index] if self._pair is None else rows[0]
        return near, far, filler

    def laser(self, draw: Draw) -> tuple[str, str]:
        """(near, far) for laser welding."""
        return self._even(draw, _LASER_PAIRS)

    def friction_stir(self, draw: Draw) -> tuple[str, str]:
        """(near, far) for friction stir welding."""
        return self._even(draw, _STIR_PAIRS)

    def _even(self, draw: Draw, table: tuple[tuple[str, str], ...]) -> tuple[str, str]:
        index = int(draw.integers(len(table)))
        return table[index] if self._pair is None else next(p for p in table if _pair_of(p) == self._pair)


_TABLES: dict[str, tuple[tuple[object, ...], ...]] = {"gmaw": _GMAW_PAIRS, "laser": _LASER_PAIRS, "fsw": _STIR_PAIRS}


def _pair_of(row: tuple[object, ...]) -> Pair:
    return frozenset(Material[str(name).upper()] for name in row[:2])


def _all_pairs() -> set[Pair]:
    return {_pair_of(row) for table in _TABLES.values() for row in table}


def _processes_of(pair: Pair) -> list[str]:
    return [kind for kind, table in _TABLES.items() if pair in map(_pair_of, table)]
