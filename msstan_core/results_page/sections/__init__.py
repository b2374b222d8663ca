"""What the page of results shows, in which order: one section a result file."""

from __future__ import annotations

from msstan_core.results_page.section import Section
from msstan_core.results_page.sections.cell import CELL
from msstan_core.results_page.sections.decisions import DECISIONS
from msstan_core.results_page.sections.recognition import RECOGNITION

SECTIONS: tuple[Section, ...] = (*RECOGNITION, *DECISIONS, *CELL)
