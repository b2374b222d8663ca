"""``--params``: the sensors of a recording are read as the live monitor reads them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msstan_core.sensor_settings import SensorSettings


def add_params(parser: argparse.ArgumentParser) -> None:
    """``--params``."""
    parser.add_argument(
        "--params",
        type=Path,
        metavar="FILE",
        help="params file of the live monitor: what it says of weld_monitor's camera.bit_depth, thermal.* and "
        "alignment.* holds for the bags too (default: the monitor's defaults)",
    )


def sensors_of(arguments: argparse.Namespace) -> SensorSettings:
    """What the file of ``--params`` says; what is not at its default is printed on standard error.

    It holds for the monitor in ``--namespace`` and with ``--modalities``, where the command has these.

    Raises:
        InputError: see :func:`~msstan_core.sensor_settings.read_sensors`; or when the ticks are to come from a sensor
            that is left out.
    """
    from msstan_core.sensor_settings import DEFAULT_SENSORS, read_sensors

    if arguments.params is None:
        return DEFAULT_SENSORS
    sensors = read_sensors(arguments.params, getattr(arguments, "namespace", None))
    if modalities := getattr(arguments, "modalities", None):
        sensors.check_clock(modalities)
    said = ", ".join(f"{name} {value}" for name, value in sensors.changed.items())
    print(f"{arguments.params}: {said or 'sensors as by default'}", file=sys.stderr)
    return sensors
