"""What helps against which imperfection, and why: the welding knowledge of the advisory, as a table.

Where one imperfection has several causes, what the telemetry shows decides between them. Sources: ESAB, *MIG Welding
Handbook*, section 10 (weld defects); Miller Electric, *MIG welding: setting the correct parameters*; penetration grows
with the current and falls with travel speed and voltage as (I^4 / (v U^2))^(1/3): C. E. Jackson, A. E. Shrubsall,
Welding Journal 32 (1953) 231s-241s. Changes are shares of the room between the programmed value and the procedure's
limit.
"""

from __future__ import annotations

from msstan_core.advisory.measured import Deviation
from msstan_core.advisory.parameters import Parameter
from msstan_core.advisory.remedies import CURRENT_OR_WIRE, WIRE, Change, Remedy, Rule

_P = Parameter
_WIRE_SLOW = Deviation(_P.WIRE_FEED_SPEED, -1)
_WIRE_FAST = Deviation(_P.WIRE_FEED_SPEED, +1)
_TRAVEL_SLOW = Deviation(_P.TRAVEL_SPEED, -1)
_TRAVEL_FAST = Deviation(_P.TRAVEL_SPEED, +1)
_VOLTAGE_LOW = Deviation(_P.VOLTAGE, -1)
_VOLTAGE_HIGH = Deviation(_P.VOLTAGE, +1)
_CURRENT_LOW = Deviation(_P.CURRENT, -1)

_MORE_WIRE = Remedy(
    (
        Change(
            WIRE,
            +1.0,
            "the wire runs slower than set: more of it brings the current back, and with it depth; look at feeder, "
            "liner and contact tip",
        ),
        Change(_P.STICK_OUT, -1.0, "a shorter stick-out draws more current at the same wire"),
        Change(_P.VOLTAGE, -1.0, "the arc is too long for so little wire: less voltage fits it, and digs deeper"),
        Change(_P.TRAVEL_SPEED, -0.6, "slower travel gives back the metal that does not come"),
    ),
    _WIRE_SLOW,
)
_SLOWER = Remedy(
    (Change(_P.TRAVEL_SPEED, -1.0, "the torch travels faster than set: slower puts the energy back into the seam"),),
    _TRAVEL_FAST,
)
_SHORTER_ARC = Remedy(
    (Change(_P.VOLTAGE, -1.0, "the arc is longer than set: less voltage narrows it and lets it dig deeper"),),
    _VOLTAGE_HIGH,
)
_SHORTER_STICK_OUT = Remedy(
    (
        Change(_P.STICK_OUT, -1.0, "the current is low at the wire feed set: a shorter stick-out heats the wire less"),
        Change(CURRENT_OR_WIRE, +0.7, "and more wire makes up for the rest of the current"),
        Change(_P.VOLTAGE, -0.5, "less voltage shortens the arc, which digs deeper"),
    ),
    _CURRENT_LOW,
)
_LESS_WIRE = Remedy(
    (
        Change(WIRE, -1.0, "more wire comes than set: less of it draws less current and piles up less"),
        Change(_P.VOLTAGE, +1.0, "more voltage melts what still comes, and wets it flat"),
        Change(_P.TRAVEL_SPEED, +0.7, "faster travel spreads what still comes over more seam"),
    ),
    _WIRE_FAST,
)
_PILES_UP = Remedy(
    (
        Change(_P.TRAVEL_SPEED, +1.0, "the torch travels slower than set: faster piles up less"),
        Change(WIRE, -0.6, "less wire makes up for the travel that is still missing"),
        Change(_P.VOLTAGE, +0.5, "more voltage melts what still comes, and wets it flat"),
    ),
    _TRAVEL_SLOW,
)
#: A low current is looked at before a high voltage: where the arc climbs back to the tip, both show for a moment.
_TOO_COLD = (_MORE_WIRE, _SLOWER, _SHORTER_STICK_OUT, _SHORTER_ARC)

RULES: tuple[Rule, ...] = (
    Rule(
        510,  # burn-through
        urgency=100,
        at_once=True,
        remedies=(
            Remedy(
                (
                    Change(_P.TRAVEL_SPEED, +1.0, "faster travel leaves less energy in each millimetre of the seam"),
                    Change(CURRENT_OR_WIRE, -0.1, "less current presses the pool down less"),
                    Change(_P.VOLTAGE, -1.0, "less voltage takes arc power away and costs no depth"),
                    Change(_P.STICK_OUT, +1.0, "a longer stick-out draws less current and bridges a gap"),
                )
            ),
        ),
    ),
    Rule(2017, urgency=90, check_gas=True),  # surface pore: air reaches the pool, and no parameter keeps it away
    Rule(2011, urgency=89, check_gas=True),  # gas pore
    Rule(
        504,  # excess penetration
        urgency=80,
        remedies=(
            Remedy(
                (
                    Change(
                        _P.TRAVEL_SPEED, +1.0, "the torch travels slower than set: faster takes the surplus energy away"
                    ),
                    Change(CURRENT_OR_WIRE, -0.45, "less current digs less deep, and less metal piles up"),
                    Change(_P.STICK_OUT, +1.0, "a longer stick-out draws less current"),
                ),
                _TRAVEL_SLOW,
            ),
            _LESS_WIRE,
            Remedy(
                (
                    Change(_P.TRAVEL_SPEED, +1.0, "faster travel leaves less energy in each millimetre of the seam"),
                    Change(CURRENT_OR_WIRE, -0.1, "less current digs less deep"),
                    Change(_P.VOLTAGE, -1.0, "less voltage takes arc power away, and spares the edges' fusion"),
                    Change(_P.STICK_OUT, +1.0, "a longer stick-out draws less current and bridges a gap"),
                )
            ),
        ),
    ),
    Rule(
        100,  # crack (hot)
        urgency=75,
        remedies=(
            Remedy(
                (
                    Change(CURRENT_OR_WIRE, -1.0, "less heat input makes a smaller pool with less shrinkage"),
                    Change(_P.VOLTAGE, -0.5, "less voltage, less heat input"),
                )
            ),
        ),
    ),
    Rule(
        501,  # undercut
        urgency=60,
        remedies=(
            Remedy(
                (
                    Change(
                        _P.TRAVEL_SPEED, -1.0, "the torch travels faster than set: slower lets the metal fill the edges"
                    ),
                    Change(
                        _P.VOLTAGE,
                        -1.0,
                        "a shorter arc melts less of the edges, and leaves heat input for slower travel",
                    ),
                ),
                _TRAVEL_FAST,
            ),
            _SHORTER_ARC,
            Remedy(
                (
                    Change(_P.TRAVEL_SPEED, -1.0, "slower travel lets the metal fill the molten edges"),
                    Change(_P.VOLTAGE, -1.0, "a shorter arc melts less of the edges"),
                )
            ),
        ),
    ),
    Rule(
        402,  # lack of penetration
        urgency=55,
        remedies=(
            *_TOO_COLD,
            Remedy(
                (
                    Change(CURRENT_OR_WIRE, +1.0, "penetration grows with the current"),
                    Change(_P.STICK_OUT, -0.5, "a shorter stick-out leaves more of the current's heat to the arc"),
                    Change(_P.TRAVEL_SPEED, -0.5, "slower travel gives the arc time to dig in"),
                )
            ),
        ),
    ),
    # Lack of fusion without any deviation of the parameters is a matter of aim or preparation: no rule of thumb helps.
    Rule(401, urgency=54, remedies=_TOO_COLD),
    Rule(
        506,  # overlap
        urgency=50,
        remedies=(
            Remedy(
                (
                    Change(_P.VOLTAGE, +1.0, "the arc is shorter than set: more voltage widens it, and the metal wets"),
                    Change(WIRE, -1.0, "less wire fits the voltage that comes, and piles up less"),
                ),
                _VOLTAGE_LOW,
            ),
            _LESS_WIRE,
            _PILES_UP,
            Remedy(
                (
                    Change(_P.VOLTAGE, +0.7, "a wider arc melts the edges that the metal rolls over"),
                    Change(_P.TRAVEL_SPEED, +0.5, "faster travel piles up less"),
                )
            ),
        ),
    ),
    Rule(
        502,  # excess weld metal
        urgency=45,
        remedies=(
            _LESS_WIRE,
            _PILES_UP,
            Remedy(
                (
                    Change(_P.TRAVEL_SPEED, +0.7, "faster travel spreads the metal over more seam"),
                    Change(WIRE, -0.5, "less wire, less metal"),
                )
            ),
        ),
    ),
    # Spatter means that voltage and wire feed do not fit each other; which way is only said by the telemetry.
    Rule(
        602,
        urgency=30,
        remedies=(
            Remedy(
                (
                    Change(
                        _P.VOLTAGE,
                        +1.0,
                        "the voltage is below its setpoint, short circuits burst: more of it calms them",
                    ),
                    Change(WIRE, -1.0, "less wire fits the voltage that comes"),
                ),
                _VOLTAGE_LOW,
            ),
            Remedy(
                (
                    Change(
                        _P.VOLTAGE,
                        -1.0,
                        "the voltage is above its setpoint: large drops fly off; less voltage shortens the arc",
                    ),
                ),
                _VOLTAGE_HIGH,
            ),
            Remedy(
                (
                    Change(WIRE, -1.0, "more wire comes than set, and than the voltage melts: less of it"),
                    Change(_P.VOLTAGE, +1.0, "more voltage melts what still comes without short circuits that burst"),
                ),
                _WIRE_FAST,
            ),
            Remedy((Change(WIRE, +1.0, "less wire comes than fits the voltage: more of it"),), _WIRE_SLOW),
        ),
    ),
)

#: Imperfections that no parameter helps against, with the reason; novelty is unlike anything that a rule knows.
NO_RULE: dict[int, str] = {
    104: "a crater crack forms when the arc is already out: the programme's crater fill prevents it",
    601: "a stray arc is a matter of the path: the robot's programme or the earth clamp",
    0: "novelty names no cause",
}


def rule_for(iso_code: int) -> Rule | None:
    """The rule about an imperfection; None where no parameter helps (see :data:`NO_RULE`)."""
    return next((rule for rule in RULES if rule.iso_code == iso_code), None)
