"""The log of a run: a CSV row per step, and TensorBoard where it is asked for and installed."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from msstan_core.errors import InputError

LOG_FILE = "training_log.csv"
LOG_COLUMNS = ("step", "loss", "action_loss", "imperfection_loss", "measured_loss", "learning_rate", "held_out_loss")


class TrainingLog:
    """Rows are on disk before the checkpoint that follows them; rows after a checkpoint are dropped on resuming.

    Args:
        directory: of the run; None: no log. tensorboard: write scalars for TensorBoard too.

    Raises:
        InputError: when TensorBoard is asked for and not installed.
    """

    def __init__(self, directory: Path | None, *, tensorboard: bool = False) -> None:
        self._path = None if directory is None else directory / LOG_FILE
        self._rows: list[tuple[str, ...]] = []
        self._board: Any = None
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        if tensorboard and directory is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise InputError(
                    "tensorboard: true", "needs TensorBoard, which is not installed", "pip install tensorboard"
                ) from None
            self._board = SummaryWriter(directory / "tensorboard")

    def resume(self, step: int) -> None:
        """Keep the rows up to ``step``; 0: begin anew."""
        if self._path is None:
            return
        lines = self._path.read_text(encoding="utf-8").splitlines() if step and self._path.is_file() else []
        kept = [line for line in lines[1:] if line.split(",")[0].isdigit() and int(line.split(",")[0]) <= step]
        self._path.write_text("\n".join([",".join(LOG_COLUMNS), *kept]) + "\n", encoding="utf-8")

    def add(self, step: int, figures: dict[str, float]) -> None:
        """One step's figures, by the names of LOG_COLUMNS; one that is missing or NaN leaves its field empty."""
        if self._path is None:
            return
        values = [figures.get(name, math.nan) for name in LOG_COLUMNS[1:]]
        self._rows.append((str(step), *("" if math.isnan(v) else f"{v:.6g}" for v in values)))
        if self._board is not None:
            for name, value in zip(LOG_COLUMNS[1:], values, strict=True):
                if not math.isnan(value):
                    self._board.add_scalar(name, value, step)

    def write(self) -> None:
        """Put what was added on disk."""
        if self._path is None or not self._rows:
            return
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows(self._rows)
        self._rows.clear()
        if self._board is not None:
            self._board.flush()
