"""What a part of the page of results is made of: figures with their words and aims."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from msstan_core.benchmark.aims import SpeedAim
from msstan_core.results_page.figures import number_of


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure should be."""

    value: float
    at_most: bool = False  #: the figure should be no larger; otherwise no smaller
    of: str = ""  #: which number of the figure, e.g. "upper95"; "": its mean or median

    def __str__(self) -> str:
        return f"{self.of} {'at most' if self.at_most else 'at least'} {self.value:g}".strip()

    def reached_by(self, figure: Any) -> bool:
        """Whether this figure reaches it; what is not defined does not."""
        value = number_of(figure.get(self.of) if self.of and isinstance(figure, dict) else figure)
        if math.isnan(value):
            return False
        return value <= self.value if self.at_most else value >= self.value


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a section."""

    metric: str  #: key in the result file's metrics
    words: str
    aim: Aim | SpeedAim | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One result file's part of the page."""

    name: str  #: of the file, without .json
    title: str
    about: str  #: what was measured, on what, split how
    rows: tuple[Row, ...] = ()  #: shown first, the first one is the headline; the file's other figures follow
    details: tuple[tuple[str, str], ...] = ()  #: (key in the file's details, heading) of further tables
    command: str = ""  #: how the file is made; shown while it is missing
