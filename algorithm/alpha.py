"""Insights: the agent's decision at a close, said in LEAN's words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

from AlgorithmImports import *

from algorithm.decision import Decision

INSIGHT_PERIOD = timedelta(days=1)
"""A decision is good until the next close, where it is taken anew."""


class AgentAlphaModel(AlphaModel):
    """Emits one insight per symbol with a target for every decision that is offered to it."""

    def __init__(self, symbols: Sequence[Symbol]) -> None:
        """Build the model for the symbols that are traded."""
        super().__init__()
        self.name = "Mirage"
        self._symbols = list(symbols)
        self._offered: list[tuple[Decision, Mapping[str, float]]] = []

    def offer(self, decision: Decision, weights: Mapping[str, float]) -> None:
        """Give it a decision to emit at the next update, which comes in the same time step.

        Args:
            decision: what the agent wants and why.
            weights: target weight by ticker after the stops; NaN for no fresh target.
        """
        self._offered.append((decision, weights))

    def update(self, algorithm: QCAlgorithm, data: Slice) -> List[Insight]:
        """The decision of this close as insights; nothing at other times."""
        offered, self._offered = self._offered, []
        return [
            self._insight(decision, symbol, weights[symbol.value])
            for decision, weights in offered
            for symbol in self._symbols
            if not math.isnan(weights[symbol.value])
        ]

    def _insight(self, decision: Decision, symbol: Symbol, weight: float) -> Insight:
        name = symbol.value
        direction = (
            InsightDirection.UP
            if weight > 0
            else InsightDirection.DOWN
            if weight < 0
            else InsightDirection.FLAT
        )
        # A stop is no forecast: nobody has said how likely it is to be right.
        stopped = weight != decision.weights.get(name)
        return Insight.price(
            symbol,
            INSIGHT_PERIOD,
            direction,
            decision.magnitudes.get(name),
            None if stopped else decision.confidences.get(name),
            self.name,
            abs(weight),
        )
