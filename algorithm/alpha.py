"""Insights: the agent's decision at a close, said in LEAN's words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta

from AlgorithmImports import *

from algorithm.decision import Decision

INSIGHT_PERIOD = timedelta(days=1)
"""A decision is good until the next close, where it is taken anew."""


class AgentAlphaModel(AlphaModel):
    """Emits one insight per symbol for every decision."""

    def __init__(
        self, symbols: Sequence[Symbol], take_decision: Callable[[], Decision | None]
    ) -> None:
        """Build the model.

        Args:
            symbols: what is traded.
            take_decision: gives the decision of this time step and forgets it, or None.
        """
        super().__init__()
        self.name = "Mirage"
        self._symbols = list(symbols)
        self._take_decision = take_decision

    def update(self, algorithm: QCAlgorithm, data: Slice) -> List[Insight]:
        """The decision of this close as insights; nothing at other times."""
        decision = self._take_decision()
        if decision is None:
            return []
        return [
            self._insight(decision, symbol)
            for symbol in self._symbols
            if not math.isnan(decision.weights.get(symbol.value, math.nan))
        ]

    def _insight(self, decision: Decision, symbol: Symbol) -> Insight:
        name = symbol.value
        weight = decision.weights[name]
        direction = (
            InsightDirection.UP
            if weight > 0
            else InsightDirection.DOWN
            if weight < 0
            else InsightDirection.FLAT
        )
        return Insight.price(
            symbol,
            INSIGHT_PERIOD,
            direction,
            decision.magnitudes.get(name),
            decision.confidences.get(name),
            self.name,
            abs(weight),
        )
