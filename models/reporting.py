"""How long work says how far it is: through an object that is passed in."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Told how training goes; a progress bar, say."""

    def update(self, step: int, **metrics: float) -> None:
        """Take note of the metrics after `step` epochs or updates."""
        ...


class Silent:
    """Ignores every report."""

    def update(self, step: int, **metrics: float) -> None:
        """Ignore the metrics."""
