"""What the agent wants at a close: observation, action values, target weights, forecast.

No LEAN here: the same object decides in backtests, in paper trading and in notebooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np

from algorithm.diagnostics import NextClose


@dataclass(frozen=True)
class Decision:
    """A decision taken at a close, for the symbols that have a bar there.

    Attributes:
        time: the close, algorithm time.
        weights: target weight by ticker, a signed fraction of portfolio value, before stops;
            NaN for no fresh target.
        magnitudes: forecast mean of the next log return, close to close.
        confidences: forecast probability that the next close lies on the decision's side of this
            one; one half for a flat decision.
        action_values: by ticker, the agent's value of each action ("short", "flat", "long").
        forecasts: by ticker, the next close.
        draws: by ticker, sorted draws of the next log return.
    """

    time: datetime
    weights: Mapping[str, float]
    magnitudes: Mapping[str, float]
    confidences: Mapping[str, float]
    action_values: Mapping[str, Mapping[str, float]]
    forecasts: Mapping[str, NextClose]
    draws: Mapping[str, np.ndarray]


class Decider(Protocol):
    """Takes the decisions of a run; the strategy asks it once after every close."""

    def catch_up(self, bars: Mapping[str, Sequence[tuple[datetime, tuple[float, ...]]]]) -> None:
        """Take in the bars that are newer than those it has seen.

        Args:
            bars: by ticker, (end time, (open, high, low, close, volume)), oldest first.
        """
        ...

    def decide(
        self, time: datetime, fresh: Iterable[str], held: Mapping[str, float]
    ) -> Decision:
        """Decide at a close.

        Args:
            time: the close, algorithm time.
            fresh: tickers that have a bar at this close.
            held: weight now held of every ticker, a signed fraction of portfolio value.
        """
        ...
