"""What an algorithm says: as it comes, and in the order of LEAN's log file.

In a backtest LEAN gathers messages and moves them to its log when it samples the equity: first all
of `debug`, then all of `error`, then all of `log`. What is gathered after the last sample of a run
that ends in an error never gets there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

ERROR_MARK = "Error: "
"""Begins an error's text, after its time, in what is shown as it comes."""
ENGINE_MARK = "Note: "
"""Begins what the engine itself tells on the console; it is in no log."""
DEBUG, ERROR, LOG = range(3)


class Messages:
    """Messages of one algorithm.

    Args:
        on_message: receives each line as it comes, errors marked.

    Attributes:
        lines: LEAN's log file.
        as_they_came: all lines, errors marked.
        live: every message reaches the log at once, repeated and empty ones too.
    """

    def __init__(self, on_message: Callable[[str], None]) -> None:
        self.on_message = on_message
        self.lines: list[str] = []
        self.as_they_came: list[str] = []
        self.live = False
        self._gathered: tuple[list[str], list[str], list[str]] = ([], [], [])
        self._last: list[Any] = [None, None, None]

    def add(self, kind: int, time: datetime, message: Any) -> None:
        """Take a message; a backtest drops empty ones, and a `debug` or `error` said again.

        Args:
            kind: DEBUG, ERROR or LOG.
            time: in the algorithm's time zone.
            message: anything that can be made to text.
        """
        said = str(message)
        if not self.live:
            if not said or (kind != LOG and said == self._last[kind]):
                return
            self._last[kind] = said
        line = f"{time:%Y-%m-%d %H:%M:%S} {said}"
        shown = line if kind != ERROR else f"{time:%Y-%m-%d %H:%M:%S} {ERROR_MARK}{said}"
        self.as_they_came.append(shown)
        (self.lines if self.live else self._gathered[kind]).append(line)
        self.on_message(shown)

    def collect(self) -> None:
        """Move what was gathered to the log."""
        for gathered in self._gathered:
            if gathered:
                self.lines += gathered
                gathered.clear()
