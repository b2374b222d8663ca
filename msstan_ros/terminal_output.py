"""Shows a status again and again: redrawn in place on a terminal, one line a second elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from msstan_ros.live_status import LiveStatus
from msstan_ros.terminal_view import line, screen

#: Pictures per second on a terminal.
REFRESH_HZ = 8.0
#: Time between two lines elsewhere, s.
LINE_PERIOD_S = 1.0


class TerminalOutput:
    """Use as a context manager; :meth:`show` also waits, so that a loop around it runs at the right pace."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: LiveStatus) -> None:
        """Show, then wait until the next is due."""
        if self._live is not None:
            self._live.update(screen(status), refresh=True)
            time.sleep(1 / REFRESH_HZ)
        else:
            self._console.print(line(status), soft_wrap=True)
            time.sleep(LINE_PERIOD_S)
