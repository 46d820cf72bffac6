"""The account behind a live algorithm.

The engine's transaction manager fills orders with the algorithm's own models, in live trading as in
a backtest; a brokerage says with which cash, holdings and orders a run begins and what happens to
the account beside the orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from engine.common.decimals import ZERO
from engine.market.data import Dividend


class Brokerage(Protocol):
    """What a live run needs of a brokerage."""

    def connect(self, algorithm: Any) -> None:
        """Bring cash, holdings and open orders into an algorithm that has been initialized.

        Raises:
            NotImplementedError: for a holding of a symbol that the algorithm has not added.
        """

    def pay_dividends(self, dividends: Sequence[Dividend]) -> None:
        """Pay the dividends of a slice, before the algorithm hears of them."""


@dataclass(frozen=True)
class Position:
    """Signed number of shares and their average price in dollars."""

    quantity: Decimal
    average_price: Decimal


@dataclass
class LeanPaperBrokerage:
    """LEAN's paper brokerage: knows what it is told at the start and forgets at the end.

    Attributes:
        cash: dollars; None keeps what the algorithm sets in `initialize`.
        holdings: positions by ticker.
    """

    cash: Decimal | None = None
    holdings: Mapping[str, Position] = field(default_factory=dict)

    def connect(self, algorithm: Any) -> None:
        """Give the account to the algorithm; open orders of an earlier run are gone."""
        self._algorithm = algorithm
        if self.cash is not None:
            algorithm.portfolio.set_cash(self.cash)
        set_positions(algorithm, self.holdings)

    def pay_dividends(self, dividends: Sequence[Dividend]) -> None:
        """Pay dividends on what is held, during warm-up too, as LEAN's does."""
        pay(self._algorithm, dividends)


def set_positions(algorithm: Any, positions: Mapping[str, Position]) -> None:
    """Put positions into an algorithm's portfolio.

    Raises:
        NotImplementedError: for a symbol that the algorithm has not added.
    """
    for ticker, position in positions.items():
        security = algorithm.securities.find(ticker)
        if security is None:
            raise NotImplementedError(
                f"live holdings of {ticker}, which the algorithm has not added"
            )
        security.holdings.set_holdings(position.average_price, position.quantity)
    algorithm.portfolio.invalidate_total_portfolio_value()


def pay(algorithm: Any, dividends: Sequence[Dividend]) -> Decimal:
    """Add the dividends of positions to the cash (take them from shorts).

    Returns:
        Dollars paid.
    """
    total = ZERO
    for dividend in dividends:
        security = algorithm.securities.find(dividend.symbol)
        if security is not None:
            total += security.holdings.quantity_exact * dividend.distribution_exact
    if total:
        algorithm.portfolio.add_cash(total)
    return total
