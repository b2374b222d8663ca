"""A table of welds, one row each: statistics of the welder's signals and of photographs of the bead."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError

NOMINAL = "good"
#: Columns that identify a row; every other column is a number.
IDENTITY = ("run_id", "label", "defect_type", "configuration")
#: Bookkeeping of the recording, no property of the weld: never a feature.
BOOKKEEPING = ("meta__n_rows", "img__n_images")
#: Telemetry rows a second.
ROWS_PER_S = 9.0
#: Channels as they are named in the table, with the level below which a value is noise, in the channel's unit.
CHANNELS = {
    "Pressure": 0.02,
    "CO2 Weld Flow": 0.2,
    "Feed": 0.01,
    "Primary Weld Current": 1.0,
    "Wire Consumed": 0.2,
    "Secondary Weld Voltage": 0.2,
}
#: (numerator, denominator, statistic): how the channels stand to each other.
RATIOS = (
    ("Secondary Weld Voltage", "Primary Weld Current", "mean"),
    ("Secondary Weld Voltage", "Primary Weld Current", "median"),
    ("Feed", "Primary Weld Current", "mean"),
    ("CO2 Weld Flow", "Pressure", "max"),
    ("Wire Consumed", "Feed", "mean"),
)


@dataclass(frozen=True, slots=True)
class Features:
    """Columns of one kind for every weld."""

    values: NDArray[np.float64]  #: [N, F]
    names: tuple[str, ...]

    @property
    def of_photographs(self) -> NDArray[np.bool_]:
        """[F] columns that need photographs of the finished bead."""
        return np.array([name.startswith("img__") for name in self.names])

    def columns(self, keep: NDArray[np.bool_]) -> Features:
        """Some of the columns."""
        return Features(self.values[:, keep], tuple(n for n, k in zip(self.names, keep, strict=True) if k))


@dataclass(frozen=True, slots=True)
class WeldTable:
    """All welds."""

    statistics: Features  #: as they stand in the table
    levels: Features  #: logarithms of each channel's level and of their ratios; photographs as they stand
    variation: Features  #: logarithms of each channel's spread against its level
    defect: NDArray[np.str_]  #: [N] NOMINAL or the kind of imperfection
    configuration: NDArray[np.str_]  #: [N] set-up: never split between training and test
    arc_hours: NDArray[np.float64]  #: [N] time with arc

    @property
    def defective(self) -> NDArray[np.bool_]:
        """[N]."""
        return np.asarray(self.defect != NOMINAL)

    @property
    def sealed(self) -> NDArray[np.bool_]:
        """[N] welds of set-ups that were never scored while the candidates were designed: three tenths, by hash."""
        return np.array([int(hashlib.sha256(c.encode()).hexdigest(), 16) % 10 < 3 for c in self.configuration])


def read_weld_table(path: Path) -> WeldTable:
    """Read the CSV.

    Raises:
        InputError: naming the file and the column or row at fault.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError:
        raise InputError(path, "no such file", "give the table of welds (runs.csv)") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not UTF-8 ({error.reason})", "save the table as UTF-8") from None
    wanted = [
        *IDENTITY,
        "phase__n_arcing_rows",
        *(f"{c}__{s}" for c in CHANNELS for s in ("max", "median", "mean", "std", "iqr")),
    ]
    if missing := [c for c in wanted if not rows or c not in rows[0]]:
        raise InputError(path, f"has no rows or no column {missing[0]!r}", "give the table of weld statistics")
    names = tuple(n for n in rows[0] if n not in IDENTITY)
    try:
        values = np.array([[float(row[n]) for n in names] for row in rows])
    except (TypeError, ValueError) as error:
        raise InputError(path, f"holds a value that is no number ({error})", "correct the table") from None
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise InputError(f"{path}:{row + 2}", f"{names[column]} is not finite", "correct the table")
    everything = Features(values, names)
    usable = everything.columns(np.array([n not in BOOKKEEPING for n in names]))
    photographs = usable.columns(usable.of_photographs)
    return WeldTable(
        statistics=usable,
        levels=joined(_levels(everything), photographs),
        variation=_variation(everything),
        defect=np.array([row["defect_type"] for row in rows]),
        configuration=np.array([row["configuration"] for row in rows]),
        arc_hours=values[:, names.index("phase__n_arcing_rows")] / ROWS_PER_S / 3600.0,
    )


def _column(features: Features, channel: str, statistic: str) -> NDArray[np.float64]:
    return features.values[:, features.names.index(f"{channel}__{statistic}")]


def _log(features: Features, channel: str, statistic: str) -> NDArray[np.float64]:
    return np.asarray(np.log(np.abs(_column(features, channel, statistic)) + CHANNELS[channel]))


def _levels(table: Features) -> Features:
    columns = {f"{c}__{s}": _log(table, c, s) for c in CHANNELS for s in ("max", "median", "mean")}
    columns |= {f"{a}/{b}__{s}": _log(table, a, s) - _log(table, b, s) for a, b, s in RATIOS}
    return Features(np.stack(list(columns.values()), axis=1), tuple(columns))


def _variation(table: Features) -> Features:
    columns = {}
    for channel, noise in CHANNELS.items():
        for statistic in ("std", "iqr"):
            spread = np.log(np.abs(_column(table, channel, statistic)) + 0.1 * noise)
            columns[f"{channel}__{statistic}/max"] = spread - _log(table, channel, "max")
    return Features(np.stack(list(columns.values()), axis=1), tuple(columns))


def joined(*parts: Features) -> Features:
    """Columns side by side."""
    return Features(np.concatenate([p.values for p in parts], axis=1), tuple(n for p in parts for n in p.names))
