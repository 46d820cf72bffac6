"""Direct orders: the trade mode without LEAN's framework.

Insights are executed by LEAN's `ImmediateExecutionModel`; `send_orders` is its counterpart for
the mode `orders`. Both send one market order per symbol for what is missing to the target, so
both end up with the same positions. After the close LEAN turns it into a market-on-open order.
"""

from __future__ import annotations

from collections.abc import Mapping

from AlgorithmImports import *

from algorithm.portfolio import expected_quantities


def send_orders(algorithm: QCAlgorithm, quantities: Mapping[Symbol, float]) -> None:
    """Order the difference between target quantities and what is held or on order.

    Reductions go first, so that what they free is there for the rest.

    Args:
        algorithm: places the orders.
        quantities: target quantity in shares by symbol, signed.
    """
    orders = []
    expected = expected_quantities(algorithm, list(quantities))
    for symbol, target in quantities.items():
        change = target - expected[symbol]
        if change != 0:
            grows = abs(target) > abs(float(algorithm.portfolio[symbol].quantity))
            orders.append((grows, symbol, change))
    for _, symbol, change in sorted(orders, key=lambda order: order[0]):
        algorithm.market_order(symbol, change)
