"""Combinations, and what brokers and providers say to orders before they work."""

from decimal import Decimal

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.brokerage.equity_fill_model import EquityFillModel
from engine.brokerage.fill_model import ImmediateFillModel
from engine.common.enumerables import NetSet
from engine.common.enums import OrderResponseErrorCode, OrderStatus, Resolution
from engine.orders.combo_orders import Leg
from engine.run.runner import run_algorithm
from engine.statistics.order_hash import order_json
from tests.engine.folder import write_folder
from tests.engine.test_fills import QUIET, Once, fills, run

ROWS = [(100 + i, 101 + i, 99 + i, 100.5 + i, 10**6) for i in range(9)]
OTHER = [(50 + i, 51 + i, 49 + i, 50.5 + i, 10**6) for i in range(9)]


class Pair(QCAlgorithm):
    """Acts at the second close, knowing two symbols."""

    act = staticmethod(lambda algorithm, legs: None)

    def initialize(self):
        self.set_start_date(2010, 1, 5)
        self.set_end_date(2010, 1, 12)
        self.set_cash(100_000)
        self.symbols = [self.add_equity(t, Resolution.DAILY).symbol for t in ("ABC", "XYZ")]
        self.tickets = None

    def on_data(self, data):
        if self.tickets is None:
            self.tickets = type(self).act(self, self.symbols)


def run_pair(tmp_path, act):
    write_folder(tmp_path / "data", {"ABC": ROWS, "XYZ": OTHER})
    kind = type("Acting", (Pair,), {"act": staticmethod(act)})
    result = run_algorithm(kind, data_folder=tmp_path / "data", store=tmp_path / "store")
    assert not result.runtime_error
    return result


def steps(result):
    return [
        (e.order_id, e.status.name, e.utc_time_naive.day, float(e.fill_quantity), e.fill_price)
        for e in result.order_events
    ]


def legs_of(symbols, *more):
    return [Leg.create(symbols[0], 1, *more[:1]), Leg.create(symbols[1], -2, *more[1:])]


def test_a_combination_at_the_market_fills_at_once_and_together(tmp_path):
    def act(algorithm, symbols):
        return algorithm.combo_market_order(legs_of(symbols), 10, tag="pair")

    result = run_pair(tmp_path, act)
    assert steps(result) == [
        (1, "SUBMITTED", 5, 0, 0),
        (2, "SUBMITTED", 5, 0, 0),
        (1, "FILLED", 5, 10, 101.5),
        (2, "FILLED", 5, -20, 51.5),
    ]
    first = result.algorithm.transactions.get_order_by_id(1)
    written = order_json(first)
    assert written.startswith('{"type":8,"quantity":10.0,"id":1,')
    assert (
        '"isMarketable":true,"groupOrderManager":{"id":1,"quantity":10.0,"count":2,'
        '"limitPrice":0.0,"orderIds":[1,2],"direction":0},"priceAdjustmentMode":1}'
    ) in written


def test_limits_of_legs_wait_for_each_other(tmp_path):
    def act(algorithm, symbols):
        # ABC falls below 101 on the 6th no more (its low is 101); the limit of XYZ is passed then.
        return algorithm.combo_leg_limit_order(legs_of(symbols, 101.0, 51.6), 10)

    assert [step[1] for step in steps(run_pair(tmp_path, act))] == ["SUBMITTED", "SUBMITTED"]


def test_legs_whose_limits_are_passed_fill_at_them(tmp_path):
    def act(algorithm, symbols):
        return algorithm.combo_leg_limit_order(legs_of(symbols, 102.5, 52.5), 10)

    done = [step for step in steps(run_pair(tmp_path, act)) if step[1] == "FILLED"]
    # On the 6th ABC trades between 101 and 103, XYZ between 51 and 53.
    assert done == [(1, "FILLED", 6, 10, 102.5), (2, "FILLED", 6, -20, 52.5)]


def test_a_limit_of_the_whole_counts_a_hundredth_of_each_leg(tmp_path):
    def act(algorithm, symbols):
        # Lows of the 6th: 1.01 - 2 x .51 = -.01.
        return algorithm.combo_limit_order(legs_of(symbols), 10, 0.005)

    done = [step for step in steps(run_pair(tmp_path, act)) if step[1] == "FILLED"]
    assert done == [(1, "FILLED", 6, 10, 101.0), (2, "FILLED", 6, -20, 51.0)]


def test_canceling_one_leg_cancels_all(tmp_path):
    def act(algorithm, symbols):
        tickets = algorithm.combo_limit_order(legs_of(symbols), 10, -5.0)
        tickets[1].cancel("no more")
        return tickets

    result = run_pair(tmp_path, act)
    ends = [step for step in steps(result) if step[1] == "CANCELED"]
    assert [step[0] for step in ends] == [1, 2]


def test_sizes_must_be_in_lowest_terms(tmp_path):
    def act(algorithm, symbols):
        legs = [Leg.create(symbols[0], 2), Leg.create(symbols[1], -4)]
        with pytest.raises(ValueError, match="should be reduced from 10x"):
            algorithm.combo_market_order(legs, 10)
        with pytest.raises(ValueError, match="limit price for each leg"):
            algorithm.combo_leg_limit_order(legs_of(symbols), 10)
        return []

    run_pair(tmp_path, act)


def test_a_failing_fill_model_leaves_the_order_open_and_says_so(tmp_path):
    class Failing(EquityFillModel):
        """Cannot fill at the market."""

        def market_on_open_fill(self, asset, order):
            raise ZeroDivisionError("too clever")

    class Own(Once):
        """Has it."""

        def initialize(self):
            super().initialize()
            self.securities[self.symbol].set_fill_model(Failing())

    result = run(tmp_path, [*QUIET, ROWS[0]], lambda a: a.market_order(a.symbol, 1), Own)
    assert [event.status for event in result.order_events] == [OrderStatus.SUBMITTED]
    expected = (
        "Transaction model failed to fill for order type: MarketOnOpen with error: too clever"
    )
    assert any(expected in line for line in result.algorithm.qc_log_lines)


def test_the_base_model_fills_a_stop_beyond_it_only(tmp_path):
    class Own(Once):
        """Has LEAN's base model."""

        def initialize(self):
            super().initialize()
            self.securities[self.symbol].set_fill_model(ImmediateFillModel())

    rows = [*QUIET, (102, 110, 90, 105, 10**6)]
    at = run(tmp_path / "a", rows, lambda a: a.stop_market_order(a.symbol, 10, 110.0), Own)
    assert fills(at) == []
    # Beyond its stop it fills at the worse of stop and close, not at the open.
    beyond = run(tmp_path / "b", rows, lambda a: a.stop_market_order(a.symbol, 10, 101.0), Own)
    assert fills(beyond) == [(6, Decimal(105), Decimal(10))]


def test_sales_beyond_what_may_be_sold_short_are_invalid(tmp_path):
    folder = tmp_path / "data" / "equity" / "usa" / "shortable" / "mine" / "symbols"

    class Own(Once):
        """May sell 30 short."""

        def initialize(self):
            from engine.brokerage.shortable import LocalDiskShortableProvider

            super().initialize()
            folder.mkdir(parents=True)
            (folder / "abc.csv").write_text("# shares\n20100105,30,5.07,0.25\n")
            security = self.securities[self.symbol]
            security.set_shortable_provider(LocalDiskShortableProvider("Mine"))

        def on_end_of_algorithm(self):
            provider, now = self.securities[self.symbol].shortable_provider, self.start_date
            self.seen = (provider.fee_rate(self.symbol, now), self.shortable_quantity(self.symbol))

    def act(algorithm):
        assert algorithm.shortable(algorithm.symbol, 30)
        algorithm.market_order(algorithm.symbol, -20)
        ticket = algorithm.market_order(algorithm.symbol, -20)
        code = ticket.submit_request.response.error_code
        assert code == OrderResponseErrorCode.EXCEEDS_SHORTABLE_QUANTITY

    result = run(tmp_path, [*QUIET, *ROWS[:2]], act, Own)
    first, second = result.order_events[:2]
    assert (first.status, second.status) == (OrderStatus.SUBMITTED, OrderStatus.INVALID)
    message = "Order exceeds shortable quantity 30 for Symbol ABC requested -20)"
    assert second.message == message
    assert result.algorithm.seen == (0.0025, 0)


def test_numbers_of_a_combination_stand_in_the_order_of_their_coming():
    numbers = NetSet([9, 7])
    assert (numbers.add(8), numbers.add(9), numbers.count) == (True, False, 3)
    assert (numbers.remove(9), numbers.remove(9), list(numbers)) == (True, False, [7, 8])
