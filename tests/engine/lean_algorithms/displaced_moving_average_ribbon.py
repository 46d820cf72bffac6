# ruff: noqa: F403, F405
from itertools import pairwise

from AlgorithmImports import *


class Ribbon(QCAlgorithm):
    """Long SPY when six copies of an average, each more delayed, all rise; flat when all fall."""

    def initialize(self):
        self.set_start_date(2009, 1, 1)
        self.set_end_date(2015, 1, 1)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        average = SimpleMovingAverage(15)
        self.ribbon = []
        for delay in range(5, 35, 5):
            strand = IndicatorExtensions.of(Delay(delay), average)
            # The bars feed the delay directly, too: the average never receives any, which is
            # what LEAN's algorithm does.
            self.register_indicator(self.spy, strand, Resolution.DAILY)
            self.plot_indicator("Ribbon", strand)
            self.ribbon.append(strand)
        self.last_day = None

    def on_data(self, data):
        if not data[self.spy] or not all(strand.is_ready for strand in self.ribbon):
            return
        if self.last_day == self.time.date():
            return
        self.last_day = self.time.date()
        self.plot("Ribbon", "Price", data[self.spy].price)
        values = [strand.current.value for strand in self.ribbon]
        held = self.portfolio[self.spy].quantity
        if held <= 0 and all(newer >= older for newer, older in pairwise(values)):
            self.set_holdings(self.spy, 1.0)
        elif held > 0 and all(newer <= older for newer, older in pairwise(values)):
            self.liquidate(self.spy)
