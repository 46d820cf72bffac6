"""A run of the live host on a small folder of daily bars and a simulated clock."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.clock import NEW_YORK, from_utc, to_utc
from engine.common.enums import Resolution
from engine.live.brokerage import LeanPaperBrokerage
from engine.live.clock import EventClock
from engine.live.host import LiveHost
from engine.live.ticks import ReplayTicks
from engine.run.runner import algorithm_run, make_context
from tests.engine.folder import write_folder

ROWS = [(100 + i, 103 + i, 99 + i, 101 + i, 1_000_000) for i in range(25)]


def local(*when):
    """New York time as UTC."""
    return to_utc(datetime(*when), NEW_YORK)


class Base(QCAlgorithm):
    """Two days of warm-up of one stock; notes what it is told."""

    def initialize(self):
        self.set_start_date(2009, 1, 1)
        self.set_cash(100_000)
        self.symbol = self.add_equity("ABC", Resolution.DAILY).symbol
        self.set_warm_up(2, Resolution.DAILY)
        self.seen = []
        self.events = []

    def on_order_event(self, event):
        self.events.append(
            (self.time, str(event.status), event.fill_quantity, event.fill_price, event.message)
        )


@dataclass
class Live:
    """Runs on a folder of January 2010, with ABC unless told otherwise."""

    root: object
    bars: dict = field(default_factory=lambda: {"ABC": ROWS})
    factors: dict = field(default_factory=dict)
    written: bool = False

    def run(self, kind, start, end=None, *, clock=None, brokerage=None):
        """Run an algorithm class from one New York time to another."""
        data = self.root / "data"
        if not self.written:
            write_folder(data, self.bars, factors=self.factors)
            self.written = True
        context = make_context(data, self.root / "store", {})
        context.live_start = local(*start)
        clock = clock or EventClock(context.live_start, local(*end))
        host = LiveHost(
            context, clock, ReplayTicks(context.sources), brokerage or LeanPaperBrokerage()
        )
        with algorithm_run(context):
            return host.run(kind)


@pytest.fixture
def live(tmp_path):
    return Live(tmp_path)


def new_york(utc):
    return from_utc(utc, NEW_YORK)


DAY = timedelta(days=1)
