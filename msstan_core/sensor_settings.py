"""How the sensors of a cell are read: what their counts mean, and how their samples become ticks.

The same parameters live and offline: of the monitor node, or of the params file that it is started with.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydantic

from msstan_core.alignment_config import AlignmentConfig
from msstan_core.errors import InputError
from msstan_core.image_encodings import SensorScaling
from msstan_core.parameters import ParameterSpec, Value, misspelt
from msstan_core.params_file import given_parameters
from msstan_core.vocabulary import MODALITIES, Modality

MONITOR_NODE = "weld_monitor"

_ALIGNMENT = AlignmentConfig()
_SECTION = "alignment."

SCALING_SPECS = (
    ParameterSpec("camera.bit_depth", 16, "significant bits of a mono16 camera image", 8, 16),
    ParameterSpec(
        "thermal.celsius_per_count",
        0.0,
        "16-bit thermal images: degC per count; 0: unknown, such images are refused",
        0,
        100,
    ),
    ParameterSpec("thermal.celsius_at_zero", -273.15, "16-bit thermal images: degC of count 0", -300, 1000),
)

ALIGNMENT_SPECS = (
    ParameterSpec(
        "alignment.clock",
        _ALIGNMENT.clock,
        "what makes a tick: the camera's frames, the thermal camera's, a timer, or auto (the first that flows)",
        choices=("auto", "camera", "thermal", "timer"),
    ),
    ParameterSpec("alignment.tick_rate_hz", _ALIGNMENT.tick_rate_hz, "rate of the timer clock, Hz", 1, 1000),
    ParameterSpec(
        "alignment.max_tick_rate_hz", _ALIGNMENT.max_tick_rate_hz, "frames faster than this make no tick, Hz", 1, 1000
    ),
    ParameterSpec(
        "alignment.clock_timeout_s",
        _ALIGNMENT.clock_timeout_s,
        "auto: a clock silent for this long is replaced; streams further apart do not agree about the time, s",
        0.01,
        10,
    ),
    ParameterSpec(
        "alignment.time_jump_s",
        _ALIGNMENT.time_jump_s,
        "stamps this far back or ahead count once a second one follows, s",
        0.01,
        60,
    ),
    ParameterSpec("alignment.audio_window_s", _ALIGNMENT.audio_window_s, "sound per tick, s", 0.05, 10),
    ParameterSpec("alignment.telemetry_window_s", _ALIGNMENT.telemetry_window_s, "telemetry per tick, s", 0.05, 60),
    *(
        ParameterSpec(
            f"alignment.staleness_s.{m.label}",
            getattr(_ALIGNMENT.staleness_s, m.label),
            f"age from which a {m.label} sample no longer counts, s",
            0.001,
            10,
        )
        for m in MODALITIES
    ),
    *(
        ParameterSpec(
            f"alignment.offset_s.{m.label}",
            getattr(_ALIGNMENT.offset_s, m.label),
            f"added to the stamps of {m.label} when its clock differs from the others', s",
            -60,
            60,
        )
        for m in MODALITIES
    ),
)

SENSOR_SPECS = (*ALIGNMENT_SPECS, *SCALING_SPECS)


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """How a cell's sensors are read: what the parameters say of them, and which cell it is.

    Args:
        given: values that fit SENSOR_SPECS, by name; what is left out has its default.
        namespace: of the cell, where bags hold several, e.g. "/cell_2"; None: the only one there is.
    """

    given: Mapping[str, Value] = field(default_factory=dict)
    namespace: str | None = None

    @property
    def scaling(self) -> SensorScaling:
        """Meaning of 16-bit images."""
        values = self._values()
        return SensorScaling(
            camera_bit_depth=values["camera.bit_depth"],
            thermal_celsius_per_count=values["thermal.celsius_per_count"] or math.nan,
            thermal_celsius_at_zero=values["thermal.celsius_at_zero"],
        )

    def no_tick_remedy(self, otherwise: str) -> str:
        """What to do about a recording that gives no tick: the clock may be a sensor that it lacks."""
        clock = self._values()["alignment.clock"]
        if clock in ("camera", "thermal"):
            return f"alignment.clock is {clock}: set it to auto where there are no such images"
        return otherwise

    @property
    def alignment(self) -> AlignmentConfig:
        """How samples become ticks.

        Raises:
            InputError: when the values do not make sense together.
        """
        tree: dict[str, Any] = {"staleness_s": {}, "offset_s": {}}
        values = self._values()
        for spec in ALIGNMENT_SPECS:
            section, _, name = spec.name.removeprefix(_SECTION).rpartition(".")
            (tree[section] if section else tree)[name] = values[spec.name]
        try:
            return AlignmentConfig.model_validate(tree)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = _SECTION + ".".join(str(part) for part in first["loc"])
            raise InputError(f"parameter {where}", first["msg"], "correct it in the params file") from error

    @property
    def changed(self) -> dict[str, Value]:
        """What is not at its default, by name."""
        values = self._values()
        return {spec.name: values[spec.name] for spec in SENSOR_SPECS if values[spec.name] != spec.default}

    def check_clock(self, modalities: Collection[Modality]) -> None:
        """Raise InputError where the ticks are to come from a sensor that is not among ``modalities``."""
        clock = self.alignment.clock
        if clock in ("camera", "thermal") and Modality[clock.upper()] not in modalities:
            raise InputError(
                "parameter alignment.clock",
                f"the clock is {clock}, which is not among the modalities",
                "add it to modalities or set alignment.clock to auto",
            )

    def _values(self) -> dict[str, Any]:
        return {spec.name: self.given.get(spec.name, spec.default) for spec in SENSOR_SPECS}


#: As the monitor runs without a params file.
DEFAULT_SENSORS = SensorSettings()


def read_sensors(path: Path, namespace: str | None = None) -> SensorSettings:
    """What a params file says of the monitor's sensors; its other parameters are left to the node.

    Args:
        path: as given to ``msstan up monitor``. namespace: of the monitor, e.g. "/cell_1"; None: the only one there is.

    Raises:
        InputError: when it is no params file, has no section for the monitor, or a value does not fit or is misspelt.
    """
    by_name = {spec.name: spec for spec in SENSOR_SPECS}
    found = given_parameters(path, MONITOR_NODE, namespace)
    for name, value in found.items():
        where = f"{path}: parameter {name}"
        if spec := by_name.get(name):
            if problem := spec.problem(value):
                raise InputError(where, problem, f"give {spec.expected()}")
        elif meant := misspelt(name, by_name):
            raise InputError(where, f"is unknown to {MONITOR_NODE}", f"did you mean {meant}?")
    return SensorSettings({name: value for name, value in found.items() if name in by_name}, namespace)
