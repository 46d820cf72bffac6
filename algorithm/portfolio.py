"""From target weights to target quantities, for both trade modes.

`plan_quantities` is the only place where the algorithm sizes a position; it calls the same pure
function (`models.limits.plan_orders`) as the training environment's accounting, with the same
rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from AlgorithmImports import *

from models.limits import plan_orders
from sim.accounting import Rules


def quantity_on_order(algorithm: QCAlgorithm, symbol: Symbol) -> float:
    """Signed shares of a symbol that are ordered and not yet filled."""
    return sum(
        float(ticket.quantity) - float(ticket.quantity_filled)
        for ticket in algorithm.transactions.get_open_order_tickets(symbol)
    )


def quantity_held_or_on_order(algorithm: QCAlgorithm, symbol: Symbol) -> float:
    """Signed shares of a symbol that will be held when all orders are filled."""
    return float(algorithm.portfolio[symbol].quantity) + quantity_on_order(algorithm, symbol)


def plan_quantities(
    algorithm: QCAlgorithm,
    symbols: Sequence[Symbol],
    weights: Mapping[str, float],
    rules: Rules,
    expected: Mapping[Symbol, float] | None = None,
) -> dict[Symbol, float]:
    """Quantities to hold so that the portfolio meets its target weights under its caps.

    Args:
        algorithm: whose portfolio, prices and open orders count.
        symbols: all traded symbols, in the order of `rules.caps`; caps apply to every one, with
            or without a fresh target.
        weights: target weight by ticker, a signed fraction of portfolio value; absent or NaN
            means no fresh target (the holding stays, but is trimmed if it is above its cap).
        rules: caps and lots.
        expected: quantities to plan from; what is held and on order by default.

    Returns:
        Target quantity of every symbol, in shares, signed; what is on order counts as held.
    """
    if expected is None:
        expected = {symbol: quantity_held_or_on_order(algorithm, symbol) for symbol in symbols}
    holdings = np.array([expected[symbol] for symbol in symbols])
    orders = plan_orders(
        np.array([weights.get(symbol.value, np.nan) for symbol in symbols]),
        holdings,
        np.zeros(len(symbols)),
        np.array([float(algorithm.securities[symbol].price) for symbol in symbols]),
        float(algorithm.portfolio.total_portfolio_value),
        rules.caps,
        gross=rules.gross,
        buffer=rules.buffer,
        band=rules.band,
        lot_size=rules.lot_size,
    )
    return dict(zip(symbols, (holdings + orders).tolist(), strict=True))


class CappedPortfolioConstructionModel(PortfolioConstructionModel):
    """Turns a close's insights into quantities, every symbol sized under its cap.

    The weight of an insight is the share of portfolio value; a symbol without an insight at this
    close keeps its holding, trimmed if it is above its cap.
    """

    def __init__(self, symbols: Sequence[Symbol], rules: Rules) -> None:
        """Build the model.

        Args:
            symbols: what is traded, in the order of `rules.caps`.
            rules: caps and lots.
        """
        super().__init__()
        self._symbols = list(symbols)
        self._rules = rules

    def create_targets(
        self, algorithm: QCAlgorithm, insights: List[Insight]
    ) -> List[PortfolioTarget]:
        """One target per symbol whenever there are insights; nothing otherwise."""
        weights = {
            insight.symbol.value: int(insight.direction) * float(insight.weight or 0.0)
            for insight in insights
        }
        if not weights:
            return []
        quantities = plan_quantities(algorithm, self._symbols, weights, self._rules)
        return [PortfolioTarget(symbol, quantity) for symbol, quantity in quantities.items()]
