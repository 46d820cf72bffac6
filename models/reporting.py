"""How long work says how far it is: through an object that is passed in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Reporter(Protocol):
    """Told how training goes; a progress bar, say."""

    def update(self, step: int, **metrics: float) -> None:
        """Take note of the metrics after `step` epochs or updates."""
        ...


class StagedReporter(Reporter, Protocol):
    """A reporter that also hears what kind of work is being done; it may time each kind."""

    def stage(self, name: str, total: int) -> AbstractContextManager[object]:
        """A context that the work of one stage is done in.

        Args:
            name: kind of work, such as ``"simulation"``; kinds come again.
            total: how much of it there is, in the kind's own unit.
        """
        ...


class Silent:
    """Ignores every report."""

    def update(self, step: int, **metrics: float) -> None:
        """Ignore the metrics."""

    def stage(self, name: str, total: int) -> AbstractContextManager[object]:
        """Ignore the stage."""
        return nullcontext()
