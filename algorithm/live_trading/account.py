"""The account of a live run: what came and went, and what it needs to be deployed with again.

The broker is right about cash and holdings. What is kept here is how much of the cash is accounted
for by fills and dividends: the rest is money that came or went, and no gain or loss.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from AlgorithmImports import *

from algorithm.live_trading.live_bars import Away
from algorithm.live_trading.mending import SCALE_ERROR, SPLIT_HOUR, is_large

LEAST_FLOW = 0.001
"""Share of the account that must come or go before it is said to be a deposit or a withdrawal:
less are fees and interest."""

LATE_DIVIDEND = timedelta(days=30)
"""For so long what was filled is remembered, should a dividend of a day before it be told of."""

LOOSE_SPLIT = 0.05
"""Relative error within which shares have followed the scale of prices: dividends come on top, and
shares are whole."""

LOOSE = 0.1
"""Relative error of a price at which something was bought or sold, where no bar tells of it."""


@dataclass(frozen=True)
class Change:
    """A position that is another than was saved.

    Attributes:
        name: ticker.
        had: shares that were saved.
        has: shares that there are.
        away: what happened to the symbol meanwhile; None if nothing is known.
        ordered: shares that were to be held by an order of ours; None without one.
    """

    name: str
    had: float
    has: float
    away: Away | None
    ordered: float | None

    @property
    def split(self) -> float:
        """Price factor of the splits that came, 1 without one.

        History tells of several as of one, which may be of no common ratio: then it is they that
        came if the broker's shares are as many more, or fewer, as its prices are lower, or higher.
        """
        if self.away is None or self.away.split != 1.0 or not self.had:
            return 1.0 if self.away is None else self.away.split
        made = self.has / self.had
        followed = abs(made * self.away.scale - 1.0) <= LOOSE_SPLIT
        if not (followed and self.has_new_scale):
            return 1.0
        # A bit less, since what was held, divided by it, is cut to whole shares.
        return math.nextafter(self.had / self.has, 0.0)

    @property
    def has_new_scale(self) -> bool:
        """Whether prices are of another scale, by more than dividends make it."""
        return self.away is not None and is_large(self.away.scale)

    @property
    def is_unfollowed(self) -> bool:
        """Whether the broker holds what was held before a split."""
        return self.has == self.had != 0.0 and self.has_new_scale and not self.ours

    @property
    def bought(self) -> float:
        """Shares that were bought (negative: sold), beyond what a split made of those there."""
        return self.has - math.trunc(self.had / self.split)

    @property
    def ours(self) -> bool:
        """Whether an order of ours, filled meanwhile, explains it."""
        if self.ordered is None:
            return False
        start = self.has - self.bought
        return min(start, self.ordered) <= self.has <= max(start, self.ordered)

    @property
    def guessed_by(self) -> str:
        """What the price of somebody else's trade is guessed by."""
        if self.away is None or self.away.opened is None:
            return "the price of now, since there is no bar of the time"
        return f"the bars that nobody saw, {self.away.low:g} to {self.away.high:g} $ a share"

    def money(self, price: float) -> tuple[float, float]:
        """$ that were paid for it (negative: came in), and how wrong that may be.

        Args:
            price: $ a share now.
        """
        away = self.away
        if away is None or away.opened is None:
            each, error = price, LOOSE * price
        elif self.ours:
            each, error = away.opened, away.high - away.low
        else:
            each, error = (away.low + away.high) / 2.0, (away.high - away.low) / 2.0
        return self.bought * each, abs(self.bought) * error

    def __str__(self) -> str:
        """In a line."""
        if self.bought == 0.0:
            return f"{self.name}: a split made {self.has:g} shares of {self.had:g}"
        verb = "bought" if self.bought > 0.0 else "sold"
        by = "by our order" if self.ours else "without an order of ours"
        return f"{self.name}: {abs(self.bought):g} shares were {verb} {by} while nothing ran"


class AccountBook:
    """Follows the cash of an account and compares it with what was saved."""

    def __init__(
        self,
        algorithm: QCAlgorithm,
        symbols: Sequence[Symbol],
        guard: threading.RLock,
        tell: Callable[[str], None],
        splits_since: Callable[[str, datetime], float],
    ) -> None:
        """Build it; `open` before use.

        Args:
            algorithm: whose portfolio counts.
            symbols: what is traded.
            guard: held while what is accounted for changes.
            tell: takes one line of text.
            splits_since: price factor of a ticker's splits since a moment, 1 without one.
        """
        self._algorithm = algorithm
        self._symbols = list(symbols)
        self._guard = guard
        self._tell = tell
        self._splits_since = splits_since
        self._accounted: float | None = None
        self._flow = 0.0
        self._paid: dict[str, str] = {}
        self._fills: dict[str, list[tuple[datetime, float]]] = {}

    def open(
        self,
        kept: Mapping[str, Any] | None,
        away: Mapping[str, Away],
        ordered: Mapping[str, float],
    ) -> Mapping[str, float]:
        """Begin with the account as it is, beside what was saved of it.

        Args:
            kept: what `to_state` gave; None if nothing was saved.
            away: what happened to the symbols while nothing ran.
            ordered: shares that were to be held, by ticker, where that has been ordered.

        Returns:
            By ticker, the price factor of the splits that came (1 for none), where holdings or cash
            show that it is another than history's new scale looks like.
        """
        self._accounted = self.cash()
        if kept is None:
            return {}
        self._flow = float(kept["flow"])
        self._paid = dict(kept["paid"])
        self._fills = {
            name: [(datetime.fromisoformat(time), quantity) for time, quantity in fills]
            for name, fills in kept["fills"].items()
        }
        return self._reconcile(kept, away, ordered)

    def _reconcile(
        self, kept: Mapping[str, Any], away: Mapping[str, Away], ordered: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Say where broker and saved state differ, and why; the broker is right. See `open`.

        What changed of the holdings was bought or sold at some price of the days nobody saw, and
        what a dividend paid is known from history; what is left of the cash came or went.
        """
        broker, state = self.holdings(), kept["holdings"]
        cash, saved = self.cash(), float(kept["cash"])
        changes = {}
        paid_out = {name: each.dividend_beside(each.split) for name, each in away.items()}
        came: dict[str, float] = {}
        unfollowed = set()
        for name in sorted(broker.keys() | state.keys()):
            has, had = broker.get(name, (0.0, 0.0))[0], float(state.get(name, (0.0, 0.0))[0])
            change = Change(name, had, has, away.get(name), ordered.get(name))
            if name in away and change.split != away[name].split:
                came[name] = change.split
                paid_out[name] = away[name].dividend_beside(change.split)
            elif change.is_unfollowed:
                unfollowed.add(name)
                paid_out[name] = away[name].dividend_beside(1.0)
                self._tell(
                    f"{name}: prices are {away[name].scale:g} times those of before, and the "
                    f"broker holds {has:g} shares as before: unless that was a dividend, it has "
                    "not followed a split; compare the position with the broker's statement, and "
                    "stop this run before the next open if it is wrong"
                )
            if has != had:
                self._tell(
                    f"{name}: the broker holds {has:g}, the saved state has {had:g}; the broker is "
                    "right"
                )
                changes[name] = change
        left = cash - saved
        if abs(left) > 0.005:
            self._tell(
                f"cash: the broker has {cash:.2f}, the saved state {saved:.2f}; the broker is right"
            )
        elif not changes:
            self._tell("the broker's cash and holdings are those of the saved state")
            return came
        unsure = LEAST_FLOW * float(self._algorithm.portfolio.total_portfolio_value)
        for change in changes.values():
            price = float(self._algorithm.securities[change.name].price)
            paid, error = change.money(price)
            if not paid:
                self._tell(str(change))
            elif change.ours:
                self._tell(f"{change}, for about {abs(paid):.2f} $")
            else:
                self._tell(
                    f"{change}, for about {abs(paid):.2f} $: guessed within {error:.2f} $ by "
                    f"{change.guessed_by}, so money that came or went within that is not told apart"
                )
            left, unsure = left + paid, unsure + error
        alone = dict.fromkeys(unfollowed, unsure)
        left, paid_by = self._less_dividends(left, broker, paid_out, alone)
        came |= dict.fromkeys(unfollowed & paid_by, 1.0)
        if abs(left) > unsure:
            self._flow += left
            self._tell(f"{_flow(left)}, while nothing ran")
        if changes:
            self._tell(
                "if this is paper trading and the account was lost with the deployment, deploy "
                "with " + redeploy_options(saved, _after_splits(state, away, came), self._ids())
            )
        return came

    def _less_dividends(
        self,
        left: float,
        held: Mapping[str, Sequence[float]],
        paid_out: Mapping[str, float],
        alone: Mapping[str, float],
    ) -> tuple[float, set[str]]:
        """$ that dividends do not explain, and the tickers of those that explain the rest.

        History may follow a dividend days after it was paid, so one counts if the cash shows it.
        Should it be this morning's and be told of again, it has been counted.

        Args:
            left: $ to be explained.
            held: quantity and average price by ticker.
            paid_out: what may have been paid on a share by ticker, $.
            alone: by ticker, within how many $ the cash must show it, where history's new scale
                may as well be of a split that the broker has not followed.
        """
        paid_by = set()
        today = self._algorithm.time.date().isoformat()
        paid = {name: held[name][0] * paid_out[name] for name in held if name in paid_out}
        for name, amount in sorted(paid.items(), key=lambda item: -abs(item[1])):
            shows = _explains(amount, left)
            if name in alone:
                shows = abs(left - amount) <= alone[name] + SCALE_ERROR * abs(amount)
            if abs(amount) > 0.005 and shows:
                self._tell(
                    f"{name}: a dividend of about {paid_out[name]:.4g} $ a share came while "
                    f"nothing ran, {amount:.2f} $"
                )
                left -= amount
                self._paid[name] = today
                paid_by.add(name)
        return left, paid_by

    def filled(self, event: OrderEvent) -> None:
        """Note a fill, whose money is accounted for."""
        with self._guard:
            if self._accounted is not None:
                paid = float(event.fill_quantity) * float(event.fill_price)
                self._accounted -= paid + float(event.order_fee.value.amount)
            name, now = event.symbol.value, self._algorithm.time
            known = [one for one in self._fills.get(name, ()) if now - one[0] <= LATE_DIVIDEND]
            self._fills[name] = [*known, (now, float(event.fill_quantity))]

    def paid(self, dividends: Dividends, splits: Splits) -> None:
        """Note dividends, which come as cash and are no deposit.

        A process that was killed in the moment of a dividend leaves one that is told of it again,
        when the cash is there from the start.

        Args:
            dividends: of a slice.
            splits: of the same slice; LEAN pays on the shares of before.
        """
        with self._guard:
            for symbol in self._symbols:
                dividend, split = dividends.get(symbol), splits.get(symbol)
                if dividend is None or self._accounted is None:
                    continue
                day = dividend.time.date().isoformat()
                if self._paid.get(symbol.value) == day:
                    continue
                self._paid[symbol.value] = day
                held = float(self._algorithm.portfolio[symbol].quantity)
                held -= self._filled_since(symbol.value, dividend.time)
                if split is not None and split.type == SplitType.SPLIT_OCCURRED:
                    held *= float(split.split_factor)
                amount = held * float(dividend.distribution)
                if not self._was_there(symbol.value, amount):
                    self._accounted += amount

    def _filled_since(self, name: str, day: datetime) -> float:
        """Shares bought (negative: sold) since a day's dividend was due, which have no part in it.

        They are counted in what later splits have made of them. None, unless it is told of late.
        """
        due = day.replace(hour=SPLIT_HOUR, minute=0, second=0, microsecond=0)
        return sum(
            quantity / self._splits_since(name, time)
            for time, quantity in self._fills.get(name, ())
            if time >= due
        )

    def _was_there(self, name: str, amount: float) -> bool:
        """Whether a dividend's $ had come by the start, where they were taken for a deposit."""
        came, flow = self.cash() - (self._accounted or 0.0), self._flow
        if not _explains(amount, flow) or _explains(amount, came):
            return False
        self._flow -= amount
        self._tell(
            f"{name}: {amount:.2f} $ of what came while nothing ran are a dividend, and no deposit"
        )
        return True

    def outside_flow(self) -> float:
        """$ that came into the account (negative: left it) without a fill or a dividend.

        Since the last call; with what came while nothing ran, which was told of at the start.
        """
        with self._guard:
            if self._accounted is None:
                return 0.0
            came = self.cash() - self._accounted
            self._accounted = self.cash()
        flow, self._flow = self._flow, 0.0
        if abs(came) < LEAST_FLOW * float(self._algorithm.portfolio.total_portfolio_value):
            return flow
        self._tell(_flow(came))
        return flow + came

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
        return {
            "holdings": self.holdings(),
            "cash": cash,
            "flow": self._flow,
            "paid": dict(self._paid),
            "fills": {
                name: [(time.isoformat(), quantity) for time, quantity in fills]
                for name, fills in self._fills.items()
            },
        }


def _explains(amount: float, cash: float) -> bool:
    """Whether cash that came shows an amount: it is nearer to it than to nothing."""
    return abs(cash - amount) < abs(cash)


def _flow(amount: float) -> str:
    """Money that came or went, in words."""
    what = "deposit" if amount > 0 else "withdrawal"
    return f"a {what} of {abs(amount):.2f} $: no gain or loss, and no reason for a stop"


def _after_splits(
    holdings: Mapping[str, Sequence[float]], away: Mapping[str, Away], came: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Saved quantities and prices as splits that came since have made them."""
    found = {}
    for name, (quantity, price) in holdings.items():
        split = came.get(name, away[name].split if name in away else 1.0)
        found[name] = float(math.trunc(quantity / split)), price * split
    return found


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
