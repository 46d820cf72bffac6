# ruff: noqa: F403, F405
from AlgorithmImports import *


class MarginCall(QCAlgorithm):
    """GOOG bought with 86-fold leverage: warned, then sold by margin calls in market hours."""

    def initialize(self):
        self.set_start_date(2015, 12, 23)
        self.set_end_date(2015, 12, 30)
        self.set_cash(100_000)
        equity = self.add_equity("GOOG")
        equity.set_leverage(100)
        self.goog = equity.symbol
        self.warned = self.called = False

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings(self.goog, 86)

    def on_margin_call(self, requests):
        self.called = True
        for request in requests:
            if not self.securities[request.symbol].exchange.exchange_open:
                raise AssertionError("a margin call outside market hours")
        return requests

    def on_margin_call_warning(self):
        self.warned = True

    def on_end_of_algorithm(self):
        if not (self.warned and self.called):
            raise AssertionError("no warning or no margin call came")
        if self.portfolio.margin_remaining < 0:
            raise AssertionError("the margin calls left too little margin")
