"""The account behind a live algorithm.

The engine's transaction manager fills orders with the algorithm's own models, in live trading as in
a backtest; a brokerage says with which cash, holdings and orders a run begins and what happens to
the account beside the orders.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import prod
from types import MappingProxyType
from typing import Any, Protocol

from engine.brokerage.settlement import ImmediateSettlementModel
from engine.common.clock import midnight
from engine.common.decimals import ONE, ZERO, divide, text
from engine.common.enums import OrderStatus, Resolution
from engine.feed.subscriptions import Sources
from engine.live.corporate import (
    EVENTS_AT,
    NOTHING,
    Filled,
    events_by_day,
    prices_follow,
    restate,
)
from engine.live.day_events import (
    DayEvent,
    EventKind,
    is_split,
    kinds_of,
    later_splits,
    to_follow,
)
from engine.live.orders import event_content, order_content, restate_for_split, restored_order
from engine.live.state import AccountStore
from engine.market.data import BaseData, Dividend
from engine.orders.orders import Order, OrderEvent

_DAY = timedelta(days=1)

DayEvents = Mapping[str, Collection[DayEvent]]
Due = Mapping[str, Collection[EventKind]]

UNSPLIT: Mapping[datetime, Decimal] = MappingProxyType({})


class Brokerage(Protocol):
    """What a live run needs of a brokerage."""

    def connect(self, algorithm: Any) -> None:
        """Bring cash, holdings and open orders into an algorithm that has been initialized.

        What it has not added itself is added, with daily bars.
        """

    def pay_dividends(
        self, dividends: Sequence[Dividend], since: Mapping[Any, Filled] = NOTHING
    ) -> None:
        """Pay the dividends of a slice, before the algorithm hears of them.

        Args:
            dividends: to be paid.
            since: by symbol, what was filled since they were due: it gets none.
        """

    def filled_since(
        self, symbol: Any, utc_time: datetime, splits: Mapping[datetime, Decimal] = UNSPLIT
    ) -> Filled:
        """What was filled of a symbol from a moment on.

        Args:
            symbol: of what.
            utc_time: the moment.
            splits: factors of splits after it that positions have followed, by the moments (UTC)
                they were due: what was filled before is counted in the shares that they made.
        """

    def began(self) -> datetime | None:
        """The day (a midnight) since which the account follows events; None for that of the run."""

    def followed(self, ticker: str) -> Collection[DayEvent]:
        """Splits and dividends that the account is known to have followed."""

    def corporate_events(
        self, utc_time: datetime, events: DayEvents
    ) -> AbstractContextManager[Due]:
        """Around what dividends and splits of a moment do to the account.

        Gives the kinds that are still to be applied, by ticker: a run that was killed in their
        moment has it again, and its account may have followed some of them already.

        Args:
            utc_time: the moment.
            events: of the moment, by ticker.
        """


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

    def pay_dividends(
        self, dividends: Sequence[Dividend], since: Mapping[Any, Filled] = NOTHING
    ) -> None:
        """Pay dividends on what is held, during warm-up too, as LEAN's does."""
        pay(self._algorithm, dividends, since)

    def filled_since(
        self, symbol: Any, utc_time: datetime, splits: Mapping[datetime, Decimal] = UNSPLIT
    ) -> Filled:
        """What this run has filled of a symbol from a moment on."""
        fills = [
            (event.utc_time_naive, event.fill_quantity_exact, event.fill_price_exact)
            for event in self._algorithm.transactions.order_events
            if event.status.is_fill and event.symbol == symbol and event.utc_time_naive >= utc_time
        ]
        return _summed(fills, splits)

    def began(self) -> datetime | None:
        """With the run."""
        return None

    def followed(self, ticker: str) -> Collection[DayEvent]:
        """None is known: what earlier runs followed is forgotten."""
        return ()

    def corporate_events(
        self, utc_time: datetime, events: DayEvents
    ) -> AbstractContextManager[Due]:
        """Nothing to keep; what was applied is forgotten too."""
        return nullcontext(_kinds(events))


class PaperBrokerage:
    """A paper account that outlives the process: on disk before the algorithm hears of anything.

    An order is on disk before it is acknowledged; a fill together with the cash and the position
    that it changes; a dividend or split with its day and kind, so that it counts once. What
    happened to positions and open orders while nothing ran is made good at the next start.

    Args:
        store: the account.
        sources: map and factor files.
    """

    def __init__(self, store: AccountStore, sources: Sources) -> None:
        self._store = store
        self._sources = sources
        self._algorithm: Any = None
        self._orders: list[Order] = []

    def connect(self, algorithm: Any) -> None:
        """Bring the account back, or begin one with the cash that `initialize` has set.

        Raises:
            NotImplementedError: for accounts in which sales settle later.
        """
        self._algorithm = algorithm
        for security in algorithm.securities.values():
            if type(security.settlement_model) is not ImmediateSettlementModel:
                raise NotImplementedError(
                    "durable paper accounts with delayed settlement (cash accounts)"
                )
        now = algorithm.utc_time_naive
        with self._store.transaction():
            cash = self._store.cash
            if cash is None:
                self._save_account()
                self._store.note({"events_since": self._day(now)})
                self._note_day(now, self._known(now))
            else:
                algorithm.portfolio.set_cash(cash)
                positions = self._store.positions()
                set_positions(algorithm, {t: Position(*held) for t, held in positions.items()})
                self._restore_orders()
                self._catch_up(now)
        algorithm.transactions.continue_after(self._store.last_order_id)
        algorithm.transactions.recorder = self._record

    def _restore_orders(self) -> None:
        algorithm = self._algorithm
        for content in self._store.open_orders():
            security = _found_or_added(algorithm, content["ticker"])
            order, request = restored_order(content, security.symbol)
            order.price_adjustment_mode = security.data_normalization_mode
            algorithm.transactions.restore(order, request, ZERO)
            self._orders.append(order)

    def _record(self, order: Order, event: OrderEvent) -> None:
        """Write an event, its order and, of a fill, the account, all or nothing."""
        with self._store.transaction():
            self._store.save_order(order.id, not order.status.is_closed, order_content(order))
            self._store.add_event(order.id, event.id, event_content(event))
            if event.status.is_fill:
                self._save_account()
            elif event.status == OrderStatus.SUBMITTED:
                # A run that is killed now goes on after this moment: it must not decide again. One
                # that is killed among fills goes back, and fills the orders that still wait.
                self._store.note({"clock": event.utc_time_naive})

    def save_open_orders(self) -> None:
        """Write the open orders that have changed without an event, as a trailing stop moves."""
        kept = {content["id"]: content for content in self._store.open_orders()}
        for ticket in self._algorithm.transactions.get_open_order_tickets():
            order = self._algorithm.transactions.get_order_by_id(ticket.order_id)
            content = order_content(order)
            if order.id in kept and kept[order.id] != content:
                self._store.save_order(order.id, True, content)

    def _save_account(self) -> None:
        portfolio = self._algorithm.portfolio
        held = {
            security.symbol.value: (
                security.holdings.quantity_exact,
                security.holdings.average_price_exact,
            )
            for security in self._algorithm.securities.values()
            if security.holdings.quantity_exact
        }
        self._store.save_account(portfolio.cash_exact, held)

    # Corporate events -----------------------------------------------------------------------

    def pay_dividends(
        self, dividends: Sequence[Dividend], since: Mapping[Any, Filled] = NOTHING
    ) -> None:
        """Pay dividends on what is held; those of the warm-up were paid in their time."""
        if not self._algorithm.is_warming_up:
            pay(self._algorithm, dividends, since)

    def filled_since(
        self, symbol: Any, utc_time: datetime, splits: Mapping[datetime, Decimal] = UNSPLIT
    ) -> Filled:
        """What the account has filled of a symbol from a moment on."""
        fills = [
            (time, Decimal(event["fill_quantity"]), Decimal(event["fill_price"]))
            for event in self._store.events()
            if event["ticker"] == symbol.value
            and (time := datetime.fromisoformat(event["time"])) >= utc_time
        ]
        return _summed(fills, splits)

    def began(self) -> datetime | None:
        """The day since which events are known to have been followed, or not."""
        noted = self._store.fact("events_since")
        return None if noted is None else datetime.fromisoformat(noted)

    def followed(self, ticker: str) -> Collection[DayEvent]:
        """What the account has noted."""
        return self._followed().get(ticker, set())

    @contextmanager
    def corporate_events(self, utc_time: datetime, events: DayEvents) -> Iterator[Due]:
        """Keep what the events of a day do to account and orders with the note of them."""
        known = self._followed()
        new = {
            ticker: fresh
            for ticker, those in events.items()
            if (fresh := set(those) - known.get(ticker, set()))
        }
        if not new:
            yield {}
            return
        with self._store.transaction():
            yield _kinds(new)
            self._save_account()
            self._note_day(utc_time, new)

    def _noted_day(self) -> datetime | None:
        """The latest day whose events the account has followed; None before the first."""
        noted = self._store.fact("events_until")
        return None if noted is None else datetime.fromisoformat(noted)

    def _note_day(self, utc_time: datetime, events: DayEvents) -> None:
        """Note up to when events are followed, and those that were."""
        followed = self._followed()
        for ticker, those in events.items():
            followed.setdefault(ticker, set()).update(those)
        kept: dict[str, dict[str, list[str]]] = {}
        for ticker, those in followed.items():
            days = kept.setdefault(ticker, {})
            for day, kind in sorted(those):
                days.setdefault(day.isoformat(), []).append(kind)
        self._store.note({"events_until": self._day(utc_time), "events_followed": json.dumps(kept)})

    def _followed(self) -> dict[str, set[DayEvent]]:
        """Events that the account has followed, by ticker; of those it knows.

        Accounts of version 2 have the days alone. Which of a day's events they followed is not
        known; both count as followed, so that none does twice.
        """
        kept = json.loads(self._store.fact("events_followed") or "{}")
        found: dict[str, set[DayEvent]] = {}
        for ticker, noted in kept.items():
            days = {day: list(EventKind) for day in noted} if isinstance(noted, list) else noted
            found[ticker] = {
                DayEvent(datetime.fromisoformat(day), EventKind(kind))
                for day, kinds in days.items()
                for kind in kinds
            }
        return found

    def _day(self, utc_time: datetime) -> datetime:
        """The latest day whose events have come, in New York."""
        return midnight(self._algorithm.qc_default_hours.from_utc(utc_time) - EVENTS_AT)

    def _catch_up(self, now: datetime) -> None:
        """Apply the events that nobody had told of so far, to positions and open orders.

        They came while nothing ran, or were told then of a day on which something did: that may be
        any day of the account's, so all its events are compared with those it has followed.
        """
        noted, today = self._noted_day(), self._day(now)
        first = today if noted is None else noted
        begun = self.began() or first
        self._store.note({"events_since": begun})
        known, followed = self._followed(), dict[str, set[DayEvent]]()
        for security in self._algorithm.securities.values():
            ticker = security.symbol.value
            config, had = security.subscriptions[0], known.get(ticker, set())
            by_day = events_by_day(config, self._sources, begun - _DAY, today)
            followed[ticker] = _day_events(by_day)
            for day, points in by_day.items():
                kinds = kinds_of(points)
                if ticker in known:
                    kinds -= {event.kind for event in had if event.day == day}
                elif day <= first:
                    continue
                later = later_splits(by_day, day, had)
                for point in to_follow(points, kinds, later.values()):
                    self._apply(point, security, day, later)
                    # What history said of the price is of the scale after all of them.
                    set_last_price(self._algorithm, security)
        self._save_account()
        # A run that was killed among the events of a day goes back to before they came.
        self._note_day(now if first < today else self._moment(first), followed)

    def _known(self, now: datetime) -> DayEvents:
        """Events up to now that a new account has no part in, by ticker."""
        today = self._day(now)
        return {
            security.symbol.value: _day_events(
                events_by_day(security.subscriptions[0], self._sources, today - _DAY, today)
            )
            for security in self._algorithm.securities.values()
        }

    def _moment(self, day: datetime) -> datetime:
        """When a day's events came, UTC."""
        return self._algorithm.qc_default_hours.to_utc(day + EVENTS_AT)

    def _apply(
        self, point: Any, security: Any, day: datetime, later: Mapping[datetime, Decimal]
    ) -> None:
        """Apply an event to what was held and ordered when it came, and not to what was since.

        Args:
            point: the event.
            security: its.
            day: its day.
            later: factors of later days' splits that have been followed.
        """
        algorithm, ticker, due = self._algorithm, security.symbol.value, self._moment(day)
        splits = {self._moment(each): factor for each, factor in later.items()}
        since, ran = self.filled_since(security.symbol, due, splits), self._store.fact("done")
        told = "While nothing ran, "
        if ran is not None and due <= datetime.fromisoformat(ran):
            told = f"Told while nothing ran, of {day:%Y-%m-%d}: "
        if isinstance(point, Dividend):
            paid = pay(algorithm, [point], {point.symbol: since})
            algorithm.debug(f"{told}{ticker} paid a dividend: {text(paid)} dollars")
        elif is_split(point):
            restate(algorithm, security, point, since, due)
            until = prices_follow(security.exchange.hours, due)
            for order in self._orders:
                if order.symbol == security.symbol and order.time_naive < until:
                    restate_for_split(order, point.split_factor_exact)
                    self._store.save_order(order.id, True, order_content(order))
            held = text(security.holdings.quantity_exact)
            algorithm.debug(f"{told}{ticker} was split; holds {held} now")


def set_positions(algorithm: Any, positions: Mapping[str, Position]) -> None:
    """Put positions into an algorithm's portfolio, at their last known prices."""
    for ticker, position in positions.items():
        security = _found_or_added(algorithm, ticker)
        security.holdings.set_holdings(position.average_price, position.quantity)
        if security.price_exact == ZERO:
            set_last_price(algorithm, security)
    algorithm.portfolio.invalidate_total_portfolio_value()


def set_last_price(algorithm: Any, security: Any) -> None:
    """Set a security's price to the last that is known."""
    known = algorithm.get_last_known_price(security)
    if known is not None:
        security.set_market_price(known)
        algorithm.portfolio.invalidate_total_portfolio_value()


def _found_or_added(algorithm: Any, ticker: str) -> Any:
    """The security of a holding or an order, added if the algorithm did not.

    LEAN adds it with the universe settings; of another resolution than Daily, which is all that
    live runs serve, it is told.
    """
    security = algorithm.securities.find(ticker)
    if security is not None:
        return security
    settings = algorithm.universe_settings
    wanted = Resolution(settings.resolution)
    instead = f"; LEAN would take the universe settings' {wanted.net_name}"
    algorithm.debug(
        f"{ticker} is held or ordered and initialize does not add it: it is added with daily bars"
        + (instead if wanted != Resolution.DAILY else "")
    )
    return algorithm.add_equity(
        ticker,
        Resolution.DAILY,
        fill_forward=settings.fill_forward,
        leverage=settings.leverage,
        extended_market_hours=settings.extended_market_hours,
    )


def pay(
    algorithm: Any, dividends: Sequence[Dividend], since: Mapping[Any, Filled] = NOTHING
) -> Decimal:
    """Add the dividends of positions to the cash (take them from shorts).

    Args:
        algorithm: whose positions.
        dividends: to be paid.
        since: see `Brokerage.pay_dividends`.

    Returns:
        Dollars paid.
    """
    total = ZERO
    for dividend in dividends:
        security = algorithm.securities.find(dividend.symbol)
        if security is not None:
            held = security.holdings.quantity_exact
            held -= since.get(dividend.symbol, Filled()).quantity
            total += held * dividend.distribution_exact
    if total:
        algorithm.portfolio.add_cash(total)
    return total


def _day_events(by_day: Mapping[datetime, Collection[BaseData]]) -> set[DayEvent]:
    """Splits and dividends among the points of days."""
    return {DayEvent(day, kind) for day, points in by_day.items() for kind in kinds_of(points)}


def _kinds(events: DayEvents) -> Due:
    """The kinds among events, by ticker."""
    return {ticker: {event.kind for event in those} for ticker, those in events.items()}


def _summed(
    fills: Sequence[tuple[datetime, Decimal, Decimal]], splits: Mapping[datetime, Decimal]
) -> Filled:
    """Times (UTC), quantities and prices of fills, together; see `Brokerage.filled_since`."""
    quantity = ZERO
    for time, filled, _ in fills:
        quantity += divide(filled, prod((f for due, f in splits.items() if time < due), start=ONE))
    if splits:
        # Shares are whole, and factors have few digits.
        quantity = quantity.to_integral_value()
    return Filled(quantity, sum((filled * price for _, filled, price in fills), ZERO))
