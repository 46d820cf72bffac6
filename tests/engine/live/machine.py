"""A machine whose time passes only while somebody sleeps, and a project to run on it."""

from datetime import timedelta

from engine.common.clock import NEW_YORK, to_utc

BUYING = '''
from AlgorithmImports import *


class Buying(QCAlgorithm):
    """Buys a share at every close."""

    def initialize(self):
        self.set_cash(100000)
        self.add_equity("ABC", Resolution.DAILY)
        self.set_benchmark(lambda time: 1)
        self.set_warm_up(3, Resolution.DAILY)

    def on_data(self, data):
        bar = data.bars.get("ABC")
        if bar is None or self.is_warming_up:
            return
        self.log(f"bar {bar.end_time:%d %H:%M} {bar.open:g} {bar.high:g} {bar.low:g} {bar.close:g}")
        self.market_order("ABC", 1)

    def on_order_event(self, event):
        if event.fill_quantity:
            self.log(f"fill {event.order_id} {event.fill_quantity:g} at {event.fill_price:g}")
        self.object_store.save("held", str(self.portfolio["ABC"].quantity))
'''


class SimulatedMachine:
    """Stands for `engine.live.clock.Machine`.

    Args:
        start: New York time.
        events: (New York time, what happens then) in order.
        stride: seconds that a sleep takes unless something happens before.
    """

    def __init__(self, start, events=(), stride=50):
        self.now = to_utc(start, NEW_YORK)
        self.ticked = 0.0
        self._events = [(to_utc(when, NEW_YORK), what) for when, what in events]
        self._awake = False
        self._stride = stride

    def time(self):
        return self.now

    def ticking(self):
        return self.ticked

    def sleep(self, seconds):
        if self._awake:
            return
        span = timedelta(seconds=max(seconds, self._stride))
        if self._events:
            span = min(span, max(self._events[0][0] - self.now, timedelta(seconds=seconds)))
        self.pass_(span)
        while self._events and self._events[0][0] <= self.now:
            self._events.pop(0)[1]()

    def pass_(self, span):
        """Let time pass."""
        self.now += span
        self.ticked += span.total_seconds()

    def suspend(self, span):
        """Let time pass that the machine does not feel."""
        self.now += span

    def wake(self):
        self._awake = True
