"""Orders on daily bars made by hand: when they fill, at what price, and what they cost."""

from decimal import Decimal

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.enums import (
    DataNormalizationMode,
    OrderField,
    OrderStatus,
    OrderType,
    Resolution,
)
from engine.common.net_exceptions import InvalidCastException
from engine.run.runner import run_algorithm
from tests.engine.folder import flat, write_folder

# Day 0 gives the first close; orders go in at the close of day 1 and can fill from day 2 on.
QUIET = [(100, 101, 99, 100, 1_000_000)] * 2


class Once(QCAlgorithm):
    """Calls `act` at the close of the second bar."""

    act = staticmethod(lambda algorithm: None)

    def initialize(self):
        self.set_start_date(2010, 1, 5)
        self.set_end_date(2010, 1, 15)
        self.set_cash(100_000)
        self.symbol = self.add_equity("ABC", Resolution.DAILY).symbol
        self.tickets = []
        self.done = False

    def on_data(self, data):
        if not self.done:
            self.done = True
            ticket = type(self).act(self)
            if ticket is not None:
                self.tickets.append(ticket)


def run(tmp_path, rows, act, kind=Once):
    write_folder(tmp_path / "data", {"ABC": rows})
    algorithm = type("Acting", (kind,), {"act": staticmethod(act)})
    result = run_algorithm(algorithm, data_folder=tmp_path / "data", store=tmp_path / "store")
    assert not result.runtime_error
    return result


def fills(result):
    return [
        (event.utc_time.day, event.fill_price_exact, event.fill_quantity_exact)
        for event in result.order_events
        if event.status == OrderStatus.FILLED
    ]


NEXT = (102, 110, 90, 105, 1_000_000)


@pytest.mark.parametrize(
    ("call", "arguments", "price"),
    [
        # A daily market order after the close becomes market-on-open.
        ("market_order", (10,), "102"),
        ("market_on_open_order", (10,), "102"),
        ("market_on_close_order", (10,), "105"),
        ("limit_order", (10, 95.0), "95"),
        ("limit_order", (10, 104.0), "102"),
        ("limit_order", (10, 90.0), None),
        ("limit_order", (-10, 108.0), "108"),
        ("limit_order", (-10, 101.0), "102"),
        ("limit_order", (-10, 110.0), None),
        ("stop_market_order", (10, 108.0), "108"),
        ("stop_market_order", (10, 101.0), "102"),
        ("stop_market_order", (-10, 90.0), "90"),
        ("stop_market_order", (-10, 103.0), "102"),
        ("stop_market_order", (-10, 89.0), None),
        ("stop_limit_order", (10, 108.0, 106.0), "106"),
        ("stop_limit_order", (10, 108.0, 104.0), None),
        ("limit_if_touched_order", (10, 91.0, 106.0), "105"),
        ("limit_if_touched_order", (10, 89.0, 106.0), None),
    ],
)
def test_fill_prices(tmp_path, call, arguments, price):
    rows = [*QUIET, NEXT]
    result = run(tmp_path, rows, lambda a: getattr(a, call)(a.symbol, *arguments))
    expected = [(6, Decimal(price), Decimal(arguments[0]))] if price else []
    assert [fill for fill in fills(result) if fill[0] == 6] == expected


def test_a_trailing_stop_follows_the_highs(tmp_path):
    rows = [*QUIET, (110, 120, 109, 118, 10**6), (118, 119, 107, 110, 10**6)]
    result = run(tmp_path, rows, lambda a: a.trailing_stop_order(a.symbol, -10, 0.1, True))
    # 10 % below the high of 120 is 108, first touched on the 7th.
    assert fills(result) == [(7, Decimal("108"), Decimal(-10))]
    (ticket,) = result.algorithm.tickets
    assert ticket.get[bool](OrderField.TRAILING_AS_PERCENTAGE) is True
    assert ticket.get(OrderField.STOP_PRICE) == ticket.Get[Decimal](OrderField.STOP_PRICE) == 108
    with pytest.raises(InvalidCastException, match=r"'System.Boolean' to type 'System.Decimal'"):
        ticket.get(OrderField.TRAILING_AS_PERCENTAGE)
    with pytest.raises(InvalidCastException, match=r"'System.Decimal' to type 'System.Double'"):
        ticket.get[float](OrderField.STOP_PRICE)


def test_fees_are_interactive_brokers(tmp_path):
    def act(algorithm):
        algorithm.market_order(algorithm.symbol, 100)
        algorithm.market_order(algorithm.symbol, 800)

    result = run(tmp_path, flat(100, 6), act)
    fees = [e.order_fee.value.amount for e in result.order_events if e.order_fee.value.amount]
    assert fees == [1.0, 4.0]
    assert result.statistics["Total Fees"] == "$5.00"
    assert result.statistics["End Equity"] == "99995"


def test_an_order_beyond_the_buying_power_is_invalid(tmp_path):
    result = run(tmp_path, flat(100, 6), lambda a: a.market_order(a.symbol, 3000))
    assert [order.status for order in result.orders] == [OrderStatus.INVALID]
    assert "Insufficient buying power" in result.order_events[-1].message


def test_orders_can_be_changed_and_cancelled(tmp_path):
    class Changing(Once):
        def on_data(self, data):
            super().on_data(data)
            if self.time.day == 6:
                self.tickets[0].update_limit_price(97.0, "lower")
            if self.time.day == 7:
                self.tickets[0].cancel("enough")

    rows = [*QUIET, *flat(100, 4)]
    result = run(tmp_path, rows, lambda a: a.limit_order(a.symbol, 10, 98.0), Changing)
    (order,) = result.orders
    assert (order.status, order.limit_price_exact) == (OrderStatus.CANCELED, Decimal("97"))
    statuses = [event.status for event in result.order_events]
    assert statuses == [
        OrderStatus.SUBMITTED,
        OrderStatus.UPDATE_SUBMITTED,
        OrderStatus.CANCEL_PENDING,
        OrderStatus.CANCELED,
    ]


def test_set_holdings_leaves_the_free_portfolio_share(tmp_path):
    result = run(tmp_path, flat(100, 6), lambda a: a.set_holdings(a.symbol, 1.0) and None)
    ((_, price, quantity),) = fills(result)
    # 100 000 less 0.25 % and the fee of 4.975, whole shares.
    assert (price, quantity) == (Decimal(100), Decimal(997))


def test_liquidate_closes_the_position_and_cancels_orders(tmp_path):
    class Closing(Once):
        def on_data(self, data):
            super().on_data(data)
            if self.time.day == 7:
                self.liquidate(tag="out")

    def act(algorithm):
        algorithm.market_order(algorithm.symbol, 10)
        algorithm.limit_order(algorithm.symbol, -10, 150.0)

    result = run(tmp_path, flat(100, 8), act, Closing)
    (limit,) = [order for order in result.orders if order.type == OrderType.LIMIT]
    assert limit.status == OrderStatus.CANCELED
    assert fills(result)[-1] == (8, Decimal(100), Decimal(-10))
    assert not result.algorithm.portfolio.invested


def test_prices_of_orders_are_rounded_but_where_prices_are_adjusted(tmp_path):
    class Own(Once):
        """Places odd limits under several modes."""

        def act(self):
            security, prices = self.securities[self.symbol], []
            for mode in ("ADJUSTED", "SPLIT_ADJUSTED", "RAW"):
                security.set_data_normalization_mode(DataNormalizationMode[mode])
                for price in (10.123456, 0.123456):
                    ticket = self.limit_order(self.symbol, 1, price)
                    prices.append(ticket.get(OrderField.LIMIT_PRICE))
            self.prices = prices, type(security.price_variation_model).__name__

    result = run(tmp_path, QUIET, Own.act, Own)
    odd, rounded = [10.123456, 0.123456], [10.12, 0.1235]
    assert result.algorithm.prices == (odd + rounded * 2, "EquityPriceVariationModel")


def test_a_split_keeps_the_value(tmp_path):
    rows = [*flat(100, 4), *flat(50, 4)]
    factors = "20100104,1,0.5,1\n20100107,1,0.5,100\n20501231,1,1,0\n"
    write_folder(tmp_path / "data", {"ABC": rows}, factors={"ABC": factors})

    class Raw(Once):
        def initialize(self):
            super().initialize()
            self.securities[self.symbol].set_data_normalization_mode(DataNormalizationMode.RAW)

        act = staticmethod(lambda algorithm: algorithm.market_order(algorithm.symbol, 10))

    result = run_algorithm(Raw, data_folder=tmp_path / "data", store=tmp_path / "store")
    holding = result.algorithm.portfolio[result.algorithm.symbol]
    assert (holding.quantity, holding.average_price) == (20.0, 50.0)
    assert result.statistics["End Equity"] == "99999"


def test_a_dividend_is_paid_in_cash(tmp_path):
    rows = flat(100, 8)
    factors = "20100104,0.98,1,1\n20100107,0.98,1,100\n20501231,1,1,0\n"
    write_folder(tmp_path / "data", {"ABC": rows}, factors={"ABC": factors})

    class Raw(Once):
        def initialize(self):
            super().initialize()
            self.paid = []
            self.securities[self.symbol].set_data_normalization_mode(DataNormalizationMode.RAW)

        def on_dividends(self, dividends):
            self.paid += [item.value.distribution for item in dividends]

        act = staticmethod(lambda algorithm: algorithm.market_order(algorithm.symbol, 10))

    result = run_algorithm(Raw, data_folder=tmp_path / "data", store=tmp_path / "store")
    assert result.algorithm.paid == [2.0]
    assert result.statistics["End Equity"] == "100019"
