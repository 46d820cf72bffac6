"""The account of a live run: what came and went, and what it needs to be deployed with again.

The broker is right about cash and holdings. What is kept here is how much of the cash is accounted
for by fills and dividends: the rest is money that came or went, and no gain or loss.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from AlgorithmImports import *

LEAST_FLOW = 0.001
"""Share of the account that must come or go before it is said to be a deposit or a withdrawal:
less are fees and interest."""


class AccountBook:
    """Follows the cash of an account and compares it with what was saved."""

    def __init__(
        self,
        algorithm: QCAlgorithm,
        symbols: Sequence[Symbol],
        guard: threading.RLock,
        tell: Callable[[str], None],
    ) -> None:
        """Build it; `open` before use.

        Args:
            algorithm: whose portfolio counts.
            symbols: what is traded.
            guard: held while what is accounted for changes.
            tell: takes one line of text.
        """
        self._algorithm = algorithm
        self._symbols = list(symbols)
        self._guard = guard
        self._tell = tell
        self._accounted: float | None = None

    def open(self, kept: Mapping[str, Any] | None) -> None:
        """Begin with the account as it is, beside what was saved of it.

        Args:
            kept: what `to_state` gave; None if nothing was saved.
        """
        self._accounted = self.cash()
        if kept is not None:
            self._reconcile(kept)

    def _reconcile(self, kept: Mapping[str, Any]) -> None:
        """Say where broker and saved state differ; the broker is right."""
        broker, state = self.holdings(), kept["holdings"]
        cash, saved = self.cash(), float(kept["cash"])
        found = []
        for name in sorted(broker.keys() | state.keys()):
            has, had = broker.get(name, (0.0, 0.0))[0], float(state.get(name, (0.0, 0.0))[0])
            if has != had:
                found.append(f"{name}: the broker holds {has:g}, the saved state has {had:g}")
        # Cash that changed without a position came or went; the first close heeds it.
        self._accounted = cash if found else saved
        if abs(cash - saved) > 0.005:
            found.append(f"cash: the broker has {cash:.2f}, the saved state {saved:.2f}")
        if not found:
            self._tell("the broker's cash and holdings are those of the saved state")
            return
        for line in found:
            self._tell(f"{line}; the broker is right")
        self._tell(
            "if this is paper trading and the account was lost with the deployment, deploy with "
            + redeploy_options(saved, state, self._ids())
        )

    def filled(self, event: OrderEvent) -> None:
        """Note a fill, whose money is accounted for."""
        with self._guard:
            if self._accounted is not None:
                paid = float(event.fill_quantity) * float(event.fill_price)
                self._accounted -= paid + float(event.order_fee.value.amount)

    def paid(self, dividends: Dividends) -> None:
        """Note dividends, which come as cash and are no deposit."""
        with self._guard:
            for symbol in self._symbols:
                dividend = dividends.get(symbol)
                if dividend is not None and self._accounted is not None:
                    held = float(self._algorithm.portfolio[symbol].quantity)
                    self._accounted += held * float(dividend.distribution)

    def outside_flow(self) -> float:
        """$ that came into the account (negative: left it) without a fill or a dividend."""
        with self._guard:
            if self._accounted is None:
                return 0.0
            came = self.cash() - self._accounted
            self._accounted = self.cash()
        if abs(came) < LEAST_FLOW * float(self._algorithm.portfolio.total_portfolio_value):
            return 0.0
        what = "deposit" if came > 0 else "withdrawal"
        self._tell(f"a {what} of {abs(came):.2f} $: no gain or loss, and no reason for a stop")
        return came

    def redeploy(self) -> str:
        """What a paper account that forgets needs to be deployed with as it is now."""
        return redeploy_options(self.cash(), self.holdings(), self._ids())

    def holdings(self) -> dict[str, tuple[float, float]]:
        """Quantity and average price by ticker, of what is held."""
        found = {}
        for symbol in self._symbols:
            held = self._algorithm.portfolio[symbol]
            if float(held.quantity) != 0.0:
                found[symbol.value] = (float(held.quantity), float(held.average_price))
        return found

    def cash(self) -> float:
        """In $."""
        return float(self._algorithm.portfolio.cash)

    def _ids(self) -> dict[str, str]:
        return {symbol.value: str(symbol.id) for symbol in self._symbols}

    def to_state(self) -> dict[str, Any]:
        """What a restart compares the account with, as JSON."""
        cash = self.cash() if self._accounted is None else self._accounted
        return {"holdings": self.holdings(), "cash": cash}


def redeploy_options(
    cash: float, holdings: Mapping[str, Sequence[float]], ids: Mapping[str, str]
) -> str:
    """Options of `lean live deploy` for a paper account with this cash and these holdings.

    Args:
        cash: in $.
        holdings: quantity and average price by ticker.
        ids: LEAN's identifiers by ticker.
    """
    parts = [
        f"{name}:{ids[name]}:{quantity:.12g}:{price:.10g}"
        for name, (quantity, price) in sorted(holdings.items())
    ]
    options = f"--live-cash-balance USD:{cash:.2f}"
    return f'{options} --live-holdings "{",".join(parts)}"' if parts else options
