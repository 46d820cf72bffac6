"""Orders: directly, without LEAN's framework, or noted for the morning by its execution stage.

Insights are executed by LEAN's `ImmediateExecutionModel`; `send_orders` is its counterpart for
the mode `orders`. Both send one market order per symbol for what is missing to the target, so
both end up with the same positions. After the close LEAN turns it into a market-on-open order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from AlgorithmImports import *

from algorithm.portfolio import expected_quantities
from algorithm.stages import Failed, contained


def send_orders(algorithm: QCAlgorithm, quantities: Mapping[Symbol, float]) -> list[OrderTicket]:
    """Order the difference between target quantities and what is held or on order.

    Reductions go first, so that what they free is there for the rest.

    Args:
        algorithm: places the orders.
        quantities: target quantity in shares by symbol, signed.

    Returns:
        A ticket for every order.
    """
    orders = []
    expected = expected_quantities(algorithm, list(quantities))
    for symbol, target in quantities.items():
        change = target - expected[symbol]
        if change != 0:
            grows = abs(target) > abs(float(algorithm.portfolio[symbol].quantity))
            orders.append((grows, symbol, change))
    return [
        algorithm.market_order(symbol, change)
        for _, symbol, change in sorted(orders, key=lambda order: order[0])
    ]


class RecordingExecutionModel(ExecutionModel):
    """LEAN's execution stage in live trading: orders nothing, passes on what is to be held."""

    def __init__(self, record: Callable[[Mapping[Symbol, float]], None], failed: Failed) -> None:
        """Build the model.

        Args:
            record: takes target quantities in shares by symbol, signed.
            failed: hears of an exception.
        """
        super().__init__()
        self._record = record
        self._failed = failed

    def execute(self, algorithm: QCAlgorithm, targets: List[IPortfolioTarget]) -> None:
        """Pass on the targets of a close; there are none between closes."""
        found = {target.symbol: float(target.quantity) for target in targets}
        if found:
            contained(lambda: self._record(found), None, self._failed)
