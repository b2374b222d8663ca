"""A section of a page that a command writes: text between two markers, pictures in ``images/`` beside the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msstan_core.errors import InputError


@dataclass(frozen=True, slots=True)
class PageSection:
    """The text between two lines of a page."""

    begin: str
    end: str

    def check(self, page: Path) -> str:
        """The page's text; raises InputError when it lacks one of the two markers."""
        text = page.read_text(encoding="utf-8") if page.is_file() else ""
        if self.begin not in text or self.end not in text:
            raise InputError(page, "has no section for the results", f"add the lines {self.begin} and {self.end}")
        return text

    def replace(self, page: Path, written: str) -> Path:
        """Put ``written`` between the markers.

        Returns:
            The folder for pictures.

        Raises:
            InputError: when the page lacks a marker.
        """
        before, rest = self.check(page).split(self.begin, 1)
        after = rest.split(self.end, 1)[1]
        page.write_text(f"{before}{self.begin}\n{written}{self.end}{after}", encoding="utf-8")
        images = page.parent / "images"
        images.mkdir(exist_ok=True)
        return images
