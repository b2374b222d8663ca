"""The only place where labels live: actions, imperfections, processes, materials, fillers, modalities.

Every enum starts with ``UNKNOWN = 0`` so that a forgotten field never reads as a statement. The numbers are
the ones on the wire (``msstan_msgs``); a test compares them with the ``.msg`` constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import SupportsInt, TypeVar

E_ = TypeVar("E_", bound=IntEnum)


class Action(IntEnum):
    """What the cell is doing. Order of a robot weld; ``UNKNOWN`` is never a model class."""

    UNKNOWN = 0
    IDLE = 1  #: no arc, nothing moves that concerns the weld
    ELECTRODE_MOVEMENT = 2  #: the torch moves, no arc
    MATERIAL_PLACEMENT = 3  #: parts are loaded or clamped
    ARC_INITIATION = 4  #: from first current until the arc is stable
    MATERIAL_DEPOSITION = 5  #: stable arc, filler (or energy) goes into the joint
    HEAT_INPUT_ADJUSTMENT = 6  #: the arc burns while its energy is being changed on purpose
    CRATER_FILL = 7  #: reduced energy at the end of the bead
    ARC_EXTINCTION = 8  #: the last moments of the arc
    COOLING = 9  #: arc out, weld metal still hot


def known(enum: type[E_], value: SupportsInt) -> E_:
    """The member with this number, or ``UNKNOWN`` for one that another version speaks of."""
    try:
        return enum(int(value))
    except ValueError:
        return enum(0)


#: Model classes in the order of the network's outputs, of ``action_probabilities`` and of the CSV columns.
ACTIONS: tuple[Action, ...] = tuple(a for a in Action if a is not Action.UNKNOWN)

#: The arc burns during these actions.
ARC_ON: frozenset[Action] = frozenset(
    {
        Action.ARC_INITIATION,
        Action.MATERIAL_DEPOSITION,
        Action.HEAT_INPUT_ADJUSTMENT,
        Action.CRATER_FILL,
        Action.ARC_EXTINCTION,
    }
)


@dataclass(frozen=True, slots=True)
class Imperfection:
    """A weld imperfection with its ISO 6520-1 reference number and term."""

    iso_code: int
    name: str


#: Model outputs in this order. Codes and terms: ISO 6520-1 (fusion welding), checked against public tables of it;
#: the source of each is named beside the constant in msstan_msgs/msg/WeldAnomaly.msg.
IMPERFECTIONS: tuple[Imperfection, ...] = (
    Imperfection(100, "crack"),
    Imperfection(104, "crater crack"),
    Imperfection(2011, "gas pore"),
    Imperfection(2017, "surface pore"),
    Imperfection(401, "lack of fusion"),
    Imperfection(402, "lack of penetration"),
    Imperfection(501, "undercut"),
    Imperfection(502, "excess weld metal"),
    Imperfection(504, "excess penetration"),
    Imperfection(506, "overlap"),
    Imperfection(510, "burn-through"),
    Imperfection(601, "stray arc"),
    Imperfection(602, "spatter"),
)

ISO_CODES: tuple[int, ...] = tuple(i.iso_code for i in IMPERFECTIONS)


class Modality(IntEnum):
    """Sensor branches, in the order of every per-modality vector (weights, validity, ages, drops)."""

    CAMERA = 0
    THERMAL = 1
    ACOUSTIC = 2
    TELEMETRY = 3

    @property
    def label(self) -> str:
        """Lower-case name used on command lines and in CSV columns."""
        return self.name.lower()


MODALITIES: tuple[Modality, ...] = tuple(Modality)
#: Of a simulated cell, in the same order: sections of a scenario, and what ``--sensors`` takes.
SENSORS = ("camera", "thermal", "microphone", "telemetry")


class Process(IntEnum):
    """Joining process."""

    UNKNOWN = 0
    GMAW = 1  #: gas metal arc welding, MIG/MAG (ISO 4063: 13)
    GTAW = 2  #: gas tungsten arc welding, TIG (ISO 4063: 141)
    LASER = 3  #: laser beam welding (ISO 4063: 52)
    FSW = 4  #: friction stir welding (ISO 4063: 43)
    SAW = 5  #: submerged arc welding (ISO 4063: 12)


#: Thermal efficiency k of EN 1011-1 for heat input k*U*I/v. NaN: the standard gives none for this process.
PROCESS_EFFICIENCY: dict[Process, float] = {
    Process.UNKNOWN: float("nan"),
    Process.GMAW: 0.8,
    Process.GTAW: 0.6,
    Process.LASER: float("nan"),
    Process.FSW: float("nan"),
    Process.SAW: 1.0,
}


class Material(IntEnum):
    """Base material of one joint member."""

    UNKNOWN = 0
    CARBON_STEEL = 1
    STAINLESS_STEEL = 2
    ALUMINIUM = 3
    COPPER = 4
    TITANIUM = 5
    NICKEL = 6
    MAGNESIUM = 7


#: Name of a joint none of whose metals is known.
UNKNOWN_PAIR = "unknown"


def material_pair(first: str, second: str) -> str:
    """``"aluminium+carbon_steel"``, in alphabetical order, because a joint has no first side.

    Args:
        first, second: names of the metals, in any case; "" and "unknown" are left out.

    Returns:
        One name for a joint of one metal; UNKNOWN_PAIR without any.
    """
    names = {first.lower(), second.lower()} - {"", UNKNOWN_PAIR}
    return "+".join(sorted(names)) or UNKNOWN_PAIR


class Filler(IntEnum):
    """Filler family. ``NONE`` is a statement (autogenous), ``UNKNOWN`` is not."""

    UNKNOWN = 0
    NONE = 1
    STEEL = 2
    STAINLESS = 3
    ALUMINIUM_SILICON = 4
    ALUMINIUM_MAGNESIUM = 5
    COPPER_SILICON = 6
    NICKEL = 7
    MAGNESIUM = 8


def parse_action(text: str) -> Action:
    """``"arc_initiation"`` -> :attr:`Action.ARC_INITIATION`; raises ``ValueError`` naming the known labels."""
    try:
        return Action[text.strip().upper()]
    except KeyError:
        known = ", ".join(a.name for a in ACTIONS)
        raise ValueError(f"unknown action {text!r}; known: {known}") from None


def parse_modalities(text: str) -> frozenset[Modality]:
    """``"camera,acoustic"`` -> modalities; raises ``ValueError`` naming the known ones."""
    out = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        try:
            out.add(Modality[part.upper()])
        except KeyError:
            known = ", ".join(m.label for m in MODALITIES)
            raise ValueError(f"unknown modality {part!r}; known: {known}") from None
    if not out:
        raise ValueError("no modality named; give at least one, e.g. camera,acoustic")
    return frozenset(out)
