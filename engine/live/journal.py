"""What a live run tells: its log, and one line of JSON for every event.

Events carry the run's id, the machine's time and the run's own; parameters are never written.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOG, EVENTS = "live.log", "events.jsonl"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, message and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line)


class Journal:
    """Writes the files of one run while it goes on.

    Args:
        folder: of the run; exists.
        run: the run's id.
        clock: the run's time, UTC.
        show: receives each line of the log too.
    """

    def __init__(
        self, folder: Path, run: str, clock: Callable[[], datetime], show: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._run = run
        self._clock = clock
        self._show = show
        self.last_line = ""
        self._log = _logger(
            f"engine.live.log.{run}", folder / LOG, logging.Formatter("%(message)s")
        )
        self._events = _logger(f"engine.live.events.{run}", folder / EVENTS, JsonFormatter())

    def line(self, text: str) -> None:
        """A line of the algorithm's log, with its time."""
        self.last_line = text.splitlines()[0] if text else ""
        self._log.info(text)
        self._show(text)
        self.event("log", text=text)

    def event(self, name: str, level: int = logging.INFO, **fields: Any) -> None:
        """Something that happened."""
        known = {"run": self._run, "clock": self._clock().isoformat(), **fields}
        self._events.log(level, name, extra={"fields": known})

    def discard(self) -> None:
        """Delete the files: of a run that never began."""
        self.close()
        for name in (LOG, EVENTS):
            (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        for logger in (self._log, self._events):
            for handler in list(logger.handlers):
                logger.removeHandler(handler)
                handler.close()


def _logger(name: str, path: Path, formatter: logging.Formatter) -> logging.Logger:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(formatter)
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return logger
