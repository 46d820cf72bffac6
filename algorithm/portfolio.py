"""From target weights to target quantities, for both trade modes.

`plan_from` is the only place where the algorithm sizes a position; it calls the same pure function
(`models.limits.plan_orders`) as the training environment's accounting, with the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from AlgorithmImports import *

from algorithm.stages import Failed, contained
from models.limits import plan_orders
from sim.accounting import Rules


def quantity_on_order(algorithm: QCAlgorithm, symbol: Symbol) -> float:
    """Signed shares of a symbol that are ordered and not yet filled."""
    return sum(
        float(ticket.quantity) - float(ticket.quantity_filled)
        for ticket in algorithm.transactions.get_open_order_tickets(symbol)
    )


def equity_of(algorithm: QCAlgorithm, share: float = 1.0) -> float:
    """What may be traded with in $: our share of all that the account is worth.

    Args:
        algorithm: whose portfolio counts, positions that are none of its own included.
        share: in (0, 1].
    """
    return share * float(algorithm.portfolio.total_portfolio_value)


def target_quantities(
    algorithm: QCAlgorithm,
    symbols: Sequence[Symbol],
    weights: Mapping[str, float],
    rules: Rules,
    share: float = 1.0,
) -> dict[Symbol, float]:
    """Quantities to hold of the symbols that have a fresh target, sized under the caps.

    Args:
        algorithm: whose portfolio, prices and open orders count.
        symbols: all traded symbols, in the order of `rules.caps`; what is held of every one
            leaves the others less room.
        weights: target weight by ticker, a signed fraction of portfolio value; absent or NaN
            means no fresh target.
        rules: caps and lots.
        share: of the account's value that is ours (`equity_of`).

    Returns:
        Target quantity in shares, signed, of the symbols with a fresh target; what is on order
        counts as held.
    """
    expected = expected_quantities(algorithm, symbols)
    planned = plan_from(algorithm, expected, weights, rules, share)
    return {
        symbol: quantity
        for symbol, quantity in planned.items()
        if not math.isnan(weights.get(symbol.value, math.nan))
    }


def expected_quantities(algorithm: QCAlgorithm, symbols: Sequence[Symbol]) -> dict[Symbol, float]:
    """Signed shares that will be held when all orders are filled."""
    return {
        symbol: float(algorithm.portfolio[symbol].quantity) + quantity_on_order(algorithm, symbol)
        for symbol in symbols
    }


def plan_from(
    algorithm: QCAlgorithm,
    expected: Mapping[Symbol, float],
    weights: Mapping[str, float],
    rules: Rules,
    share: float = 1.0,
) -> dict[Symbol, float]:
    """Quantities that the caps allow, planned from expected ones (`models.limits.plan_orders`).

    Args:
        algorithm: whose prices and portfolio value count.
        expected: signed shares of every traded symbol, in the order of `rules.caps`.
        weights: target weight by ticker; absent or NaN keeps the expected quantity, trimmed if it
            is above its cap.
        rules: caps and lots.
        share: of the account's value that is ours (`equity_of`).
    """
    symbols = list(expected)
    holdings = np.array([expected[symbol] for symbol in symbols])
    orders = plan_orders(
        np.array([weights.get(symbol.value, math.nan) for symbol in symbols]),
        holdings,
        0.0,  # what is on order is expected already
        np.array([float(algorithm.securities[symbol].price) for symbol in symbols]),
        equity_of(algorithm, share),
        rules.caps,
        gross=rules.gross,
        buffer=rules.buffer,
        band=rules.band,
        lot_size=rules.lot_size,
    )
    return dict(zip(symbols, (holdings + orders).tolist(), strict=True))


class CappedPortfolioConstructionModel(PortfolioConstructionModel):
    """Turns a close's insights into quantities, every symbol sized under its cap.

    The weight of an insight is the share of portfolio value.
    """

    def __init__(
        self,
        symbols: Sequence[Symbol],
        rules: Rules,
        share: float = 1.0,
        failed: Failed | None = None,
    ) -> None:
        """Build the model.

        Args:
            symbols: what is traded, in the order of `rules.caps`.
            rules: caps and lots.
            share: of the account's value that is ours (`equity_of`).
            failed: hears of an exception, which then costs the targets; None lets it pass.
        """
        super().__init__()
        self._symbols = list(symbols)
        self._rules = rules
        self._share = share
        self._failed = failed

    def create_targets(
        self, algorithm: QCAlgorithm, insights: List[Insight]
    ) -> List[PortfolioTarget]:
        """One target for each insight's symbol."""
        weights = {
            insight.symbol.value: int(insight.direction) * float(insight.weight or 0.0)
            for insight in insights
        }
        if not weights:
            return []
        nothing: dict[Symbol, float] = {}
        quantities = contained(
            lambda: target_quantities(algorithm, self._symbols, weights, self._rules, self._share),
            nothing,
            self._failed,
        )
        return [PortfolioTarget(symbol, quantity) for symbol, quantity in quantities.items()]
