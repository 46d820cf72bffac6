"""An algorithm's account without an engine: what sizing, risk and execution ask of it."""

from dataclasses import dataclass
from types import SimpleNamespace


@dataclass(frozen=True)
class Name:
    """A symbol."""

    value: str


class Portfolio(dict):
    total_portfolio_value = 0.0


class FakeAlgorithm:
    """Holdings, open orders and prices by ticker; remembers the orders it is given."""

    def __init__(self, equity, prices, held=None, on_order=None):
        self.symbols = [Name(name) for name in prices]
        held, self._on_order = held or {}, on_order or {}
        self.portfolio = Portfolio(
            {s: SimpleNamespace(quantity=held.get(s.value, 0)) for s in self.symbols}
        )
        self.portfolio.total_portfolio_value = equity
        self.securities = {s: SimpleNamespace(price=prices[s.value]) for s in self.symbols}
        self.transactions = SimpleNamespace(get_open_order_tickets=self._tickets)
        self.orders = []

    def _tickets(self, symbol):
        """Each open order as two tickets, one of them half filled."""
        total = self._on_order.get(symbol.value, 0)
        return [
            SimpleNamespace(quantity=total, quantity_filled=total / 2),
            SimpleNamespace(quantity=total / 2, quantity_filled=0),
        ]

    def market_order(self, symbol, quantity):
        self.orders.append((symbol.value, quantity))
