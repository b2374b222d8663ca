"""``--params``, ``--namespace``: the sensors of a recording are read as the live monitor reads them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msstan_core.sensor_settings import SensorSettings


def add_sensors(parser: argparse.ArgumentParser) -> None:
    """``--params`` and ``--namespace``, for :func:`sensors_of`."""
    parser.add_argument("--namespace", help="cell to read where bags hold several, e.g. /cell_2")
    parser.add_argument(
        "--params",
        type=Path,
        metavar="FILE",
        help="params file of the live monitor: what it says of weld_monitor's camera.bit_depth, thermal.* and "
        "alignment.* holds for the bags too (default: the monitor's defaults)",
    )


def sensors_of(arguments: argparse.Namespace) -> SensorSettings:
    """The cell of ``--namespace`` as the file of ``--params`` has it; what is not at its default is printed on standard
    error.

    The file holds for the monitor in that namespace, and with ``--modalities`` where the command has these.

    Raises:
        InputError: see :func:`~msstan_core.sensor_settings.read_sensors`; or when the ticks are to come from a sensor
            that is left out.
    """
    from msstan_core.sensor_settings import SensorSettings, read_sensors

    if arguments.params is None:
        return SensorSettings(namespace=arguments.namespace)
    sensors = read_sensors(arguments.params, arguments.namespace)
    if modalities := getattr(arguments, "modalities", None):
        sensors.check_clock(modalities)
    said = ", ".join(f"{name} {value}" for name, value in sensors.changed.items())
    print(f"{arguments.params}: {said or 'sensors as by default'}", file=sys.stderr)
    return sensors
