"""The numbers on the wire are the vocabulary's: constants of msstan_msgs against msstan_core.vocabulary."""

import importlib
import re
from enum import IntEnum
from pathlib import Path

import pytest
from rosbags.typesys import get_types_from_msg

from msstan_core.decision.result import EventPhase
from msstan_core.observation import TELEMETRY_CHANNELS
from msstan_core.vocabulary import (
    ACTIONS,
    IMPERFECTIONS,
    MODALITIES,
    Action,
    Filler,
    Material,
    Modality,
    Process,
    known,
    material_pair,
)

MESSAGES = Path(__file__).resolve().parents[2] / "msstan_msgs"

#: (message, enum, prefix of the constants, constants of the message that belong to another enum)
ENUMS = [
    ("WeldAction", Action, "", {m.name for m in Modality}),
    ("WeldAction", Modality, "", {a.name for a in Action}),
    ("WeldContext", Process, "PROCESS_", set()),
    ("WeldContext", Material, "MATERIAL_", set()),
    ("WeldContext", Filler, "FILLER_", set()),
]


def constants_of(name: str) -> dict[str, int]:
    """Constants as the ``.msg`` text defines them."""
    type_name = f"msstan_msgs/msg/{name}"
    constants, _ = get_types_from_msg((MESSAGES / "msg" / f"{name}.msg").read_text("utf-8"), type_name)[type_name]
    return {constant: int(value) for constant, _, value in constants}


def fields_of(name: str) -> dict[str, tuple]:
    """Field descriptions of rosbags by field name."""
    type_name = f"msstan_msgs/msg/{name}"
    _, fields = get_types_from_msg((MESSAGES / "msg" / f"{name}.msg").read_text("utf-8"), type_name)[type_name]
    return dict(fields)


def array_length(name: str, field: str) -> int:
    _, (_, length) = fields_of(name)[field]
    return int(length)


@pytest.mark.parametrize(("message", "enum", "prefix", "others"), ENUMS, ids=lambda v: getattr(v, "__name__", None))
def test_message_constants_are_the_enum_members(message: str, enum: type[IntEnum], prefix: str, others: set) -> None:
    constants = {k[len(prefix) :]: v for k, v in constants_of(message).items() if k.startswith(prefix)}
    assert {k: v for k, v in constants.items() if k not in others} == {m.name: m.value for m in enum}


def test_imperfection_constants_are_the_iso_codes_in_the_order_of_the_vocabulary() -> None:
    phases = {p.name for p in EventPhase}
    found = {k: v for k, v in constants_of("WeldAnomaly").items() if k not in phases}
    expected = {"NOVELTY": 0}
    expected |= {re.sub(r"[ -]", "_", i.name).upper(): i.iso_code for i in IMPERFECTIONS}
    assert list(found.items()) == list(expected.items())


def test_anomaly_phases_are_the_event_phases() -> None:
    constants = constants_of("WeldAnomaly")
    assert {p.name: constants[p.name] for p in EventPhase} == {p.name: p.value for p in EventPhase}


@pytest.mark.parametrize(
    ("message", "field", "length"),
    [
        ("WeldAction", "probabilities", len(ACTIONS)),
        ("WeldAction", "raw_probabilities", len(ACTIONS)),
        ("WeldAction", "modality_weights", len(MODALITIES)),
        ("WeldAction", "modality_valid", len(MODALITIES)),
        ("WeldAction", "modality_age_s", len(MODALITIES)),
        ("WeldAnomaly", "imperfection_probabilities", len(IMPERFECTIONS)),
        ("WeldAnomaly", "modality_weights", len(MODALITIES)),
        ("WeldAnomaly", "image_region", 4),
        ("WeldMonitorState", "input_age_s", len(MODALITIES)),
        ("WeldMonitorState", "received", len(MODALITIES)),
        ("WeldMonitorState", "dropped", len(MODALITIES)),
    ],
)
def test_arrays_have_one_element_per_class_or_modality(message: str, field: str, length: int) -> None:
    assert array_length(message, field) == length


def test_telemetry_fields_are_the_channels() -> None:
    assert tuple(f for f in fields_of("WeldTelemetry") if f != "header") == TELEMETRY_CHANNELS


def interface_files() -> list[Path]:
    return sorted([*MESSAGES.glob("msg/*.msg"), *MESSAGES.glob("srv/*.srv")])


@pytest.mark.parametrize("file", interface_files(), ids=lambda f: f.stem)
def test_every_enum_begins_with_an_unknown_zero(file: Path) -> None:
    """The first constant above a field is 0, so that a forgotten field makes no statement."""
    previous_was_constant = False
    for line in file.read_text("utf-8").splitlines():
        constant = re.match(r"\w+ +([A-Z][A-Z0-9_]*) *= *(\d+)", line)
        if constant and not previous_was_constant and constant[1] != "CAMERA":  # CAMERA: an index, not a statement
            assert constant[2] == "0", line
            assert "UNKNOWN" in constant[1] or constant[1] == "NOVELTY", line
        previous_was_constant = bool(constant)


@pytest.mark.parametrize("file", interface_files(), ids=lambda f: f.stem)
def test_every_field_is_explained(file: Path) -> None:
    """A comment stands above each field, or above the unbroken block of fields and constants that it belongs to."""
    explained = False
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("#"):
            explained = True
        elif not line.strip() or line == "---":
            explained = False
        else:
            assert explained, f"{file.name}: no comment above: {line}"


def test_every_interface_is_compiled() -> None:
    """CMakeLists.txt names exactly the files that are there."""
    listed = re.findall(r"^ +((?:msg|srv)/\w+\.(?:msg|srv))$", (MESSAGES / "CMakeLists.txt").read_text(), re.MULTILINE)
    assert sorted(listed) == [str(f.relative_to(MESSAGES)) for f in interface_files()]


@pytest.mark.parametrize("file", sorted(MESSAGES.glob("msg/*.msg")), ids=lambda f: f.stem)
def test_compiled_classes_have_the_same_constants_and_fields(file: Path) -> None:
    module = pytest.importorskip("msstan_msgs.msg", reason="msstan_msgs is not compiled into this environment")
    compiled = getattr(module, file.stem)
    assert list(compiled.get_fields_and_field_types()) == list(fields_of(file.stem))
    for name, value in constants_of(file.stem).items():
        assert getattr(compiled, name) == value


@pytest.mark.parametrize("file", sorted(MESSAGES.glob("srv/*.srv")), ids=lambda f: f.stem)
def test_compiled_services_answer_success_and_message(file: Path) -> None:
    pytest.importorskip("msstan_msgs.srv", reason="msstan_msgs is not compiled into this environment")
    response = getattr(importlib.import_module("msstan_msgs.srv"), file.stem).Response()
    assert response.success is False
    assert response.message == ""


def test_a_number_of_another_version_is_unknown() -> None:
    assert known(Action, 5) is Action.MATERIAL_DEPOSITION
    assert known(Action, 99) is Action.UNKNOWN and known(Material, -1) is Material.UNKNOWN


def test_a_joint_has_no_first_side() -> None:
    assert material_pair("NICKEL", "titanium") == material_pair("titanium", "nickel") == "nickel+titanium"
    assert material_pair("magnesium", "MAGNESIUM") == material_pair("", "magnesium") == "magnesium"
    assert material_pair("", "") == material_pair("UNKNOWN", "unknown") == "unknown"
