"""How long work says how far it is: through an object that is passed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Reporter(Protocol):
    """Told how one stage goes; a progress bar, say."""

    def update(self, step: int, **metrics: float) -> None:
        """Take note of the metrics after `step` epochs or updates."""
        ...


class Progress(Protocol):
    """Told which stages long work goes through; a stopwatch with progress bars, say."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Reporter]:
        """A stage, from entering the context to leaving it; stages are not nested.

        Args:
            name: of the stage; the same name may come again.
            total: steps it will report, if it reports any.
        """
        ...


class Silent:
    """Ignores every report: the reporter and the progress of those who do not care."""

    def update(self, step: int, **metrics: float) -> None:
        """Ignore the metrics."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Silent]:
        """Ignore the stage."""
        yield self
