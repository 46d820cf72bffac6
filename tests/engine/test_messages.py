"""Messages: the order of LEAN's log file, and what a run that fails leaves of them."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from engine.api.algorithm import QCAlgorithm
from engine.api.messages import DEBUG, ERROR, LOG, Messages
from engine.common.enums import AlgorithmStatus, OrderStatus, Resolution
from engine.run.runner import run_algorithm
from tests.engine.folder import write_folder

NOW = datetime(2013, 10, 1)


def said(messages):
    return [line.removeprefix("2013-10-01 00:00:00 ") for line in messages.lines]


def test_debug_comes_before_error_before_log_and_repeats_are_dropped():
    messages = Messages(lambda line: None)
    for kind, text in [
        (LOG, "one"), (LOG, "one"), (LOG, ""), (DEBUG, "seen"), (DEBUG, "seen"), (ERROR, "bad"),
    ]:  # fmt: skip
        messages.add(kind, NOW, text)
    assert messages.lines == []
    messages.collect()
    assert said(messages) == ["seen", "bad", "one", "one"]
    assert messages.as_they_came[-1] == "2013-10-01 00:00:00 Error: bad"


def test_live_messages_are_there_at_once():
    messages = Messages(lambda line: None)
    messages.live = True
    for kind in (LOG, DEBUG, DEBUG):
        messages.add(kind, NOW, "x")
    assert said(messages) == ["x", "x", "x"]


class Failing(QCAlgorithm):
    """Buys on Monday; the subclasses fail on Wednesday."""

    def initialize(self):
        self.set_start_date(2010, 1, 11)
        self.set_end_date(2010, 1, 15)
        self.symbol = self.add_equity("ABC", Resolution.DAILY).symbol

    def on_data(self, data):
        self.log(f"day {self.time.day}")
        if not self.portfolio.invested:
            self.market_order(self.symbol, 10)
        if self.time.day == 13:
            self.on_wednesday()

    def on_wednesday(self):
        pass

    def on_end_of_algorithm(self):
        self.log("the end")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages")
    write_folder(folder / "data", {"ABC": [(100, 101, 99, 100, 1000)] * 20})
    return folder


def run(folder, kind):
    return run_algorithm(kind, data_folder=folder / "data", store=folder / "store")


def without_warnings(lines):
    """The lines but LEAN's own warning of orders at a closed market."""
    return [line[20:] for line in lines if "Warning: market orders" not in line]


def test_what_is_said_in_the_step_that_fails_is_not_in_leans_log(folder):
    class InOnData(Failing):
        def on_wednesday(self):
            raise KeyError("on purpose")

    result = run(folder, InOnData)
    assert result.status == AlgorithmStatus.RUNTIME_ERROR
    assert [line[:6] for line in without_warnings(result.log)] == ["day 11", "day 12", "Runtim"]
    told = without_warnings(result.algorithm.qc_messages.as_they_came)
    assert told[:3] == ["day 11", "day 12", "day 13"]
    # One sample of the equity more, where it ended, but none of the day.
    assert result.equity[-1][0] == datetime(2010, 1, 13, 21)
    assert result.charts["Strategy Equity"].series["Return"].values[-1].time.day == 13


def test_a_handler_of_order_events_that_fails_stops_the_run_at_the_next_moment(folder):
    class InOrderEvent(Failing):
        def on_wednesday(self):
            self.limit_order(self.symbol, 10, 1)
            self.log("after the order")

        def on_order_event(self, event):
            if event.status == OrderStatus.SUBMITTED and self.time.day == 13:
                raise ValueError("in the handler")

    result = run(folder, InOrderEvent)
    assert "ValueError: in the handler" in result.runtime_error
    said = without_warnings(result.log)
    assert said[:4] == ["day 11", "day 12", "day 13", "after the order"]
    assert said[4].startswith("Runtime Error")
    assert result.equity[-1][0] == datetime(2010, 1, 14, 21)


def test_a_scheduled_event_that_fails_ends_the_run(folder):
    class Scheduled(Failing):
        def initialize(self):
            super().initialize()
            self.schedule.on(self.date_rules.on(2010, 1, 13), self.time_rules.at(10, 0), self.fail)

        def fail(self):
            raise ValueError("in an event")

    result = run(folder, Scheduled)
    assert result.status == AlgorithmStatus.RUNTIME_ERROR
    assert [line[:6] for line in without_warnings(result.log)] == ["day 11", "day 12", "Runtim"]


def test_figures_of_ones_own_are_in_the_table(folder):
    class Custom(Failing):
        def on_wednesday(self):
            self.set_summary_statistic("Mine", 12.5)

    result = run(folder, Custom)
    assert result.summary.summary["Mine"] == result.statistics["Mine"] == "12.5"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("text", "text"),
        (5.0, "5"),
        (1e17, "1E+17"),
        (7, "7"),
        (True, "1"),
        (float("nan"), "NaN"),
        (np.float64(5.0), "5.0"),
        (Decimal("1.50"), "1.50"),
        (None, "None"),
        ([1.0], "[1.0]"),
        (Resolution.DAILY, "\nDaily"),
        (pd.Series([1, 2]), "\n0    1\n1    2"),
    ],
)
def test_what_is_no_text_is_written_as_net_writes_it(message, said):
    assert QCAlgorithm._qc_said(message) == said
