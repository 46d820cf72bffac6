"""From target weights to target quantities, for both trade modes.

`plan_quantities` is the only place where the algorithm sizes a position; it calls the same pure
function (`models.limits.plan_orders`) as the training environment's accounting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from AlgorithmImports import *

from models.limits import Caps, plan_orders


def quantity_on_order(algorithm: QCAlgorithm, symbol: Symbol) -> float:
    """Signed shares of a symbol that are ordered and not yet filled."""
    return sum(
        float(ticket.quantity) - float(ticket.quantity_filled)
        for ticket in algorithm.transactions.get_open_order_tickets(symbol)
    )


def plan_quantities(
    algorithm: QCAlgorithm, symbols: Sequence[Symbol], weights: Mapping[str, float], caps: Caps
) -> dict[Symbol, float]:
    """Quantities to hold so that the portfolio meets its target weights under its caps.

    Args:
        algorithm: whose portfolio, prices and open orders count.
        symbols: all traded symbols; caps apply to every one, with or without a fresh target.
        weights: target weight by ticker, a signed fraction of portfolio value; NaN means no
            fresh target (the holding stays, but is trimmed if it is above its cap).
        caps: the capital caps.

    Returns:
        Target quantity of every symbol, in shares, signed; what is on order counts as held.
    """
    names = [symbol.value for symbol in symbols]
    holdings = np.array([float(algorithm.portfolio[symbol].quantity) for symbol in symbols])
    on_order = np.array([quantity_on_order(algorithm, symbol) for symbol in symbols])
    prices = np.array([float(algorithm.securities[symbol].price) for symbol in symbols])
    lots = np.array(
        [float(algorithm.securities[symbol].symbol_properties.lot_size) for symbol in symbols]
    )
    orders = plan_orders(
        np.array([weights.get(name, np.nan) for name in names]),
        holdings,
        on_order,
        prices,
        float(algorithm.portfolio.total_portfolio_value),
        caps.for_symbols(names),
        gross=caps.gross,
        buffer=caps.buffer,
        band=caps.band,
        lot_size=np.where(lots < 1, 0.0, lots),  # below one share: fractional
    )
    return dict(zip(symbols, (holdings + on_order + orders).tolist(), strict=True))


class CappedPortfolioConstructionModel(PortfolioConstructionModel):
    """Turns each close's insights into quantities, every symbol under its cap.

    The weight of an insight is the share of portfolio value; a symbol without an insight at this
    close keeps its holding, trimmed if it is above its cap.
    """

    def __init__(self, symbols: Sequence[Symbol], caps: Caps, decided: Callable[[], bool]) -> None:
        """Build the model.

        Args:
            symbols: what is traded.
            caps: the capital caps.
            decided: whether a decision was taken at this time step; caps apply then even if it
                asks for nothing new.
        """
        super().__init__()
        self._decided = decided
        self._symbols = list(symbols)
        self._caps = caps

    def create_targets(
        self, algorithm: QCAlgorithm, insights: List[Insight]
    ) -> List[PortfolioTarget]:
        """One target per symbol whenever there was a decision; nothing otherwise."""
        if not self._decided():
            return []
        weights = {
            insight.symbol.value: int(insight.direction) * float(insight.weight or 0.0)
            for insight in insights
        }
        quantities = plan_quantities(algorithm, self._symbols, weights, self._caps)
        return [PortfolioTarget(symbol, quantity) for symbol, quantity in quantities.items()]
