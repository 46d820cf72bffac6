"""A market, a broker and a desk without an engine: the few members of QCAlgorithm a desk uses.

Sessions are all weekdays from 9:30 to 16:00. History is right, at the scale of its moment. The
broker outlives the process, which may be killed anywhere.
"""

import itertools
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
from AlgorithmImports import TradeBar

from algorithm.bars import BarBook
from algorithm.live_trading.desk import KILL_SWITCH, LiveDesk
from algorithm.live_trading.state import LiveState
from algorithm.portfolio import expected_quantities, target_quantities
from algorithm.stops import StopRules, Stops
from sim.accounting import Rules

NAMES = ("AAA", "BBB")
CAPS = (0.5, 0.45)


@dataclass(frozen=True)
class Name:
    """A symbol."""

    value: str

    @property
    def id(self):
        return f"{self.value} R735QTJ8XC9X"


SYMBOLS = [Name(name) for name in NAMES]
RULES = Rules(np.array(CAPS), equity=100_000.0, gross=0.9)
FIRST = datetime(2014, 3, 3)
KNOWN = 15
"""Sessions before the run."""
DAY, FEE = timedelta(days=1), 1.0
LEARNER = SimpleNamespace(to_state=lambda: {"key": "1"}, record=lambda: {"closes": 1})
TELLS = SimpleNamespace(version=0, to_state=lambda: {"closes": 1}, restore=lambda state: None)


class Killed(BaseException):
    """The process is gone."""


class Hours:
    """Weekdays from 9:30 to 16:00."""

    def get_next_market_open(self, time, extended):
        return self._next(time, 9, 30)

    def get_next_market_close(self, time, extended):
        return self._next(time, 16, 0)

    def _next(self, time, hour, minute):
        at = time.replace(hour=hour, minute=minute, second=0, microsecond=0)
        while at <= time or at.weekday() > 4:
            at += DAY
        return at


class Memory(dict):
    """An object store."""

    contains_key = dict.__contains__
    read = dict.__getitem__

    def save(self, key, text):
        self[key] = text
        return True

    def get_file_path(self, key):
        return key


@dataclass
class Ticket:
    """An order."""

    order_id: int
    symbol: Name
    quantity: float
    quantity_filled: float = 0.0
    open: bool = True
    cancel_request: str | None = None
    firm: bool = False

    def cancel(self, tag):
        self.cancel_request, self.open = tag, self.firm and self.open


class Broker(dict):
    """Cash, positions by symbol, and orders; also LEAN's portfolio."""

    def __init__(self, securities):
        super().__init__({s: SimpleNamespace(quantity=0, average_price=0.0) for s in SYMBOLS})
        self._securities = securities
        self.cash = 100_000.0
        self.tickets = []
        self.refuses = False
        self.always_refuses, self.refused = None, 0
        self.dies = ""

    @property
    def total_portfolio_value(self):
        return self.cash + sum(
            held.quantity * self._securities[symbol].price for symbol, held in self.items()
        )

    def get_open_order_tickets(self, symbol):
        return [ticket for ticket in self.tickets if ticket.open and ticket.symbol == symbol]

    def get_order_ticket(self, order_id):
        return next(ticket for ticket in self.tickets if ticket.order_id == order_id)

    def fill(self, ticket, quantity, price):
        held = self[ticket.symbol]
        after = held.quantity + quantity
        if held.quantity * quantity >= 0 and after:
            paid = held.average_price * held.quantity + price * quantity
            held.average_price = paid / after
        elif held.quantity * after < 0:
            held.average_price = price
        held.quantity = after
        ticket.quantity_filled += quantity
        ticket.open = ticket.quantity_filled != ticket.quantity
        self.cash -= quantity * price + FEE

    def split(self, symbol, factor):
        held = self[symbol]
        held.quantity = math.trunc(held.quantity / factor)
        held.average_price *= factor
        for ticket in self.get_open_order_tickets(symbol):
            ticket.quantity = math.trunc(ticket.quantity / factor)
            ticket.quantity_filled = math.trunc(ticket.quantity_filled / factor)


class Securities(dict):
    """By symbol or by ticker."""

    def __missing__(self, name):
        return self[Name(name)]


class World:
    """Market, broker, disk, and the algorithm that the desk sees.

    Attributes:
        desk: of the process that runs; None while none does.
        said: what it has said.
        came: $ that came from outside since the last decision.
        guessed: whether a part of that must be guessed, since nobody saw what else changed.
    """

    def __init__(self):
        self.object_store, self.said = Memory(), []
        self.came, self.guessed = 0.0, False
        self.time = FIRST
        self.hours = Hours()
        self.bars = {symbol: [] for symbol in SYMBOLS}
        self._splits = {symbol: [] for symbol in SYMBOLS}
        self.securities = Securities(
            (s, SimpleNamespace(price=0.0, exchange=SimpleNamespace(hours=self.hours)))
            for s in SYMBOLS
        )
        for security in self.securities.values():
            security.set_market_price = lambda bar, it=security: setattr(it, "price", bar.close)
        self.portfolio = self.transactions = Broker(self.securities)
        self.history = {TradeBar: self._history}
        self.lends = True
        self.desk = self.stops = None
        self._ids = itertools.count(1)
        for i in range(KNOWN):
            self.next_session()
            self.trade({s: (40.0 + i % 3 + 10 * n, 0.01) for n, s in enumerate(SYMBOLS)})
        self.time += timedelta(hours=2)

    # What the desk asks of an algorithm.

    def log(self, line):
        self.said.append(line)

    error = log

    def set_runtime_statistic(self, name, value):
        pass

    def shortable(self, symbol, quantity):
        return self.lends

    def market_order(self, symbol, quantity):
        broker = self.portfolio
        if broker.dies == "before":
            broker.dies = ""
            raise Killed
        ticket = Ticket(next(self._ids), symbol, quantity)
        if broker.refuses or symbol == broker.always_refuses:
            ticket.open = False
            broker.refuses = False
            broker.refused += 1
            self.desk.orders.refused(event(ticket))
        else:
            broker.tickets.append(ticket)
        if broker.dies == "after":
            broker.dies = ""
            raise Killed
        return ticket

    def _history(self, symbol, since, until, resolution):
        """Bars at the scale of now."""
        found = []
        for bar in self.bars[symbol]:
            if since < bar.end_time <= until:
                factor = math.prod(f for at, f in self._splits[symbol] if bar.end_time < at)
                found.append(made_bar(bar, factor))
        return found

    # The market.

    def next_session(self):
        """Go to eight o'clock of the next session."""
        opens = self.hours.get_next_market_open(self.time, False)
        self.time = opens.replace(hour=8, minute=0)

    def trade(self, prices):
        """A session, to its close: open and move of every symbol; not yet told of."""
        day = self.time.replace(hour=0, minute=0)
        for symbol, (opened, move) in prices.items():
            close = opened * (1.0 + move)
            high, low = max(opened, close) * 1.01, min(opened, close) * 0.99
            self.bars[symbol].append(
                SimpleNamespace(
                    open=opened, high=high, low=low, close=close, volume=1e6,
                    end_time=day + timedelta(hours=16), period=timedelta(hours=6.5),
                    is_fill_forward=False,
                )
            )  # fmt: skip
            self.securities[symbol].price = close
        self.time = day + timedelta(hours=16)

    def split(self, symbol, factor):
        """A split, this morning: the broker follows, and tells a process that runs."""
        self._splits[symbol].append((self.time, factor))
        self.portfolio.split(symbol, factor)
        self.securities[symbol].price *= factor
        if self.desk is not None:
            self.desk.split(symbol.value, factor, self.time.date())

    def scale(self, symbol, factor):
        """History's prices before this morning are of another scale, as after a dividend."""
        self._splits[symbol].append((self.time, factor))

    def pay(self, symbol, each):
        """A dividend; the desk hears of it as LEAN's `on_dividends` does, after the cash came."""
        self.portfolio.cash += self.portfolio[symbol].quantity * each
        self.guessed |= self.desk is None
        if self.desk is not None:
            self.hear_paid(symbol, each)

    def hear_paid(self, symbol, each, of=None):
        """The desk hears of this morning's dividend, for the first time or again, or of a day's."""
        self.desk.paid({symbol: SimpleNamespace(distribution=each, time=of or self.time)}, {})

    def deposit(self, amount):
        """Money that comes (negative: goes); nobody is told."""
        self.portfolio.cash += amount
        self.came += amount

    def whole(self, symbol):
        """All of history at the scale of now."""
        return self._history(symbol, datetime.min, self.time, None)

    def refuse_late(self, symbol, firm):
        """Minutes before the open the broker drops what is on order of a symbol.

        Args:
            symbol: whose orders go.
            firm: whether it takes no cancellations any more.
        """
        broker = self.portfolio
        for ticket in broker.tickets:
            ticket.firm = firm
        for ticket in broker.get_open_order_tickets(symbol):
            ticket.open = False
            if self.desk is not None:
                self.desk.orders.cancelled(event(ticket))

    def open(self, opens, part):
        """Fill what is on order at the open, whole or a part of it."""
        self.time = self.time.replace(hour=9, minute=30)
        for symbol, price in opens.items():
            self.securities[symbol].price = price
        self._fill(opens, part)

    def settle(self):
        """What `MirageStrategy._settle` does, and its market orders are filled."""
        self.time = self.time.replace(hour=9, minute=35)
        if self.desk is not None:
            count = len(self.portfolio.tickets)
            self.desk.settle()
            prices = {symbol: security.price for symbol, security in self.securities.items()}
            self._fill(prices, 1.0, self.portfolio.tickets[count:])

    def _fill(self, opens, part, tickets=None):
        for ticket in [t for t in tickets or self.portfolio.tickets if t.open]:
            left = ticket.quantity - ticket.quantity_filled
            quantity = left if part == 1.0 else math.trunc(left * part)
            if not quantity:
                continue
            self.portfolio.fill(ticket, quantity, opens[ticket.symbol])
            self.guessed |= self.desk is None
            if self.desk is not None:
                self.desk.filled(event(ticket, quantity, opens[ticket.symbol]))

    # The process.

    def start(self, weights):
        """As `MirageStrategy.on_warmup_finished` does it; `weights` are those of a late close."""
        self.desk, self.stops = self.fresh(self.object_store)
        self.desk.begin()
        self.desk.ready()
        close = self.desk.undecided()
        if close is not None:
            self.decide(close, weights)
        if self.desk.missed_sending():
            self.send()

    def kill(self):
        """Nothing is left but the disk and the broker."""
        self.desk = self.stops = None

    def fresh(self, store):
        """A desk that has not begun, with its stops."""
        stops = Stops(StopRules(stop_loss=0.06, daily_stop=0.04, cooldown_bars=2))
        book = BarBook(NAMES, keep=500)
        kept = LiveState(store, "mirage-live/test", self.log)
        warm_up = timedelta(days=60)
        broker = self.portfolio
        return LiveDesk(
            self, SYMBOLS, book, stops, kept, warm_up, LEARNER, TELLS, RULES,
            lambda: broker.total_portfolio_value,
        ), stops  # fmt: skip

    def close(self, bars, weights):
        """A slice comes: what `MirageStrategy._trade_live` does with it. The tickers taken."""
        taken = self.desk.bars.take(SimpleNamespace(bars=bars))
        if taken:
            self.decide(max(time for time, _ in taken.values()), weights)
        return taken

    def decide(self, close, weights):
        """A decision: under stops and caps, noted for the morning."""
        desk = self.desk
        desk.pass_closes(close)
        desk.cancel_stale()
        came = desk.account.outside_flow()
        assert self.guessed or abs(came - self.came) < 1e-4
        self.came, self.guessed = 0.0, False
        self.stops.move_cash(came)
        if desk.stopped():
            desk.record(close, dict.fromkeys(NAMES, 0.0))
            return
        profits = {
            s.value: math.copysign(1.0, held.quantity)
            * (self.securities[s].price / held.average_price - 1.0)
            for s, held in self.portfolio.items()
            if held.quantity
        }
        self.stops.update(close, profits, self.portfolio.total_portfolio_value)
        wanted = self.stops.apply(dict(zip(NAMES, np.multiply(weights, CAPS), strict=True)))
        targets = target_quantities(self, SYMBOLS, wanted, RULES)
        desk.record(close, {symbol.value: quantity for symbol, quantity in targets.items()})

    def send(self):
        """What `MirageStrategy._send` does; what was due."""
        desk = self.desk
        desk.stopped()
        return desk.send()

    def expected(self):
        """Shares held and on order, by symbol."""
        return expected_quantities(self, SYMBOLS)

    def throw_switch(self, on):
        """The kill switch."""
        self.object_store[KILL_SWITCH] = "on" if on else "off"


def event(ticket, quantity=0.0, price=0.0):
    """What a broker says of an order."""
    return SimpleNamespace(
        symbol=ticket.symbol, order_id=ticket.order_id, quantity=ticket.quantity,
        fill_quantity=quantity, fill_price=price,
        order_fee=SimpleNamespace(value=SimpleNamespace(amount=FEE)),
        message=f"order {ticket.order_id}: not today",
    )  # fmt: skip


def made_bar(bar, factor):
    """The same bar at another scale."""
    prices = {name: getattr(bar, name) * factor for name in ("open", "high", "low", "close")}
    return SimpleNamespace(**vars(bar) | prices | {"volume": bar.volume / factor})
