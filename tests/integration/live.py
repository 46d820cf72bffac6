"""Live runs of the whole algorithm with scripted decisions, in event time."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

from engine.common.clock import NEW_YORK, to_utc
from engine.live.brokerage import LeanPaperBrokerage, Position
from engine.live.clock import EventClock
from engine.live.host import LiveHost
from engine.live.session import sources_as_of
from engine.live.ticks import ReplayTicks
from engine.run.runner import loaded_algorithm, make_context, run_backtest
from tests.engine.folder import business_days, write_folder
from tests.integration.scripted import ScriptedDecider

SYMBOLS = ("AAA", "BBB", "CCC")
FIRST = date(2009, 1, 5)
PARAMETERS = {
    "symbols": ",".join(SYMBOLS),
    "start_date": "2010-03-01",
    "end_date": "2010-04-16",
    "warm_up_years": "1",
    "cash": "100000",
    "seed": "3",
    "stop_loss": "0.04",
    "daily_stop": "0.03",
    "cooldown_bars": "3",
    # In LEAN slippage is a share of the newest price: a bar of a day here, of a minute there.
    "slippage": "0",
}


def rows(seed, count=400, price=50.0):
    """Bars of a random walk in cents, opens and closes apart."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        opened = price * np.exp(rng.normal(0, 0.008))
        close = opened * np.exp(rng.normal(0.0003, 0.016))
        high, low = max(opened, close) * 1.004, min(opened, close) * 0.996
        made.append((*(round(x, 2) for x in (opened, high, low, close)),
                     int(rng.integers(500_000, 2_000_000))))  # fmt: skip
        price = close
    return made


class LiveScript:
    """A learner whose script a restart goes on with."""

    def __init__(self, seed):
        self._seed, self._told = seed, None

    def decider(self, histories, rules, now):
        if self._told is not None:
            return None
        self._told = True
        return self.again(histories, rules)

    def again(self, histories, rules):
        self.histories = histories
        return ScriptedDecider([history.symbol for history in histories], rules.caps, self._seed)

    def to_state(self):
        return None if self._told is None else {"seed": self._seed}

    def record(self):
        return None

    def restore(self, state, record, now):
        assert state == {"seed": self._seed}
        self._told = True


MAIN = '''
from algorithm.strategy import MirageStrategy
from tests.integration.live import LiveScript


class Scripted(MirageStrategy):
    """The strategy with a script in place of the learned models, remembering its fills."""

    def initialize(self):
        self.fills = []
        super().initialize()

    def create_learner(self, options):
        self.learner = LiveScript(options.run.seed)
        return self.learner

    def on_order_event(self, event):
        super().on_order_event(event)
        if event.fill_quantity != 0:
            self.fills.append(
                (self.time, event.symbol.value, event.fill_quantity, event.fill_price)
            )
'''


@dataclass
class Market:
    """A data folder, an object store, and an account that outlives its runs."""

    root: Path
    parameters: dict = field(default_factory=lambda: dict(PARAMETERS))
    cash: Decimal | None = None
    holdings: dict = field(default_factory=dict)
    log: list = field(default_factory=list)

    main: str = MAIN

    def __post_init__(self):
        self.data = self.root / "data"
        self.bars = {name: rows(i) for i, name in enumerate(SYMBOLS)}
        self.days = business_days(FIRST, 400)

    def write(self, **options):
        write_folder(self.data, self.bars, start=FIRST, **options)
        (self.root / "main.py").write_text(self.main, encoding="utf-8")
        return self

    def halve(self, name, day):
        """Quote a symbol as after a split two for one that comes after the close of a day.

        Returns:
            Lines of a factor file that tell of the split.
        """
        at = self.days.index(day) + 1
        self.bars[name] = [
            row if i < at else (*(round(x / 2, 4) for x in row[:4]), 2 * row[4])
            for i, row in enumerate(self.bars[name])
        ]
        return f"{FIRST:%Y%m%d},1,0.5,50\n{day:%Y%m%d},1,0.5,30\n20501231,1,1,0\n"

    def rewrite(self, old, new):
        """Change the algorithm's file."""
        path = self.root / "main.py"
        text = path.read_text(encoding="utf-8")
        assert old in text
        header = "from AlgorithmImports import *\n"
        path.write_text(header + text.replace(old, new), encoding="utf-8")

    def backtest(self, **changes):
        """Day, ticker, quantity and price of every fill."""
        result = run_backtest(
            self.root, data_folder=self.data, store=self.root / "backtest",
            parameters=self.parameters | changes,
        )  # fmt: skip
        assert not result.runtime_error, result.runtime_error
        return summed(result.algorithm.fills)

    def live(self, start, end, **changes):
        """Run from one New York time to another; the account is kept for the next run."""
        begin, stop = (to_utc(datetime(*when), NEW_YORK) for when in (start, end))
        context = make_context(self.data, self.root / "store", self.parameters | changes)
        context.live_start = begin
        context.on_message = self.log.append
        clock = EventClock(begin, stop)
        bars = context.sources.bars
        context.sources, events = sources_as_of(bars, self.data, clock)
        brokerage = LeanPaperBrokerage(self.cash, self.holdings)
        host = LiveHost(context, clock, ReplayTicks(context.sources), brokerage, events)
        with loaded_algorithm(self.root, context) as kind:
            found = host.run(kind)
        if found.error is not None:
            raise found.error
        self.cash = found.algorithm.portfolio.cash_book["USD"].amount_exact
        self.holdings = {
            security.symbol.value: Position(
                security.holdings.quantity_exact, security.holdings.average_price_exact
            )
            for security in found.algorithm.securities.values()
            if security.holdings.invested
        }
        return found


def summed(fills):
    """Fills by day, ticker, side and price."""
    return sorted(
        (time.date(), name, float(quantity), float(price)) for time, name, quantity, price in fills
    )
