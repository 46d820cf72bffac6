"""The result files: every key that LEAN's report reads, and the shape of their values."""

import json
from datetime import datetime, timedelta
from decimal import Decimal as D
from types import SimpleNamespace

import pytest

from engine.common.charting import CandlestickSeries, Chart, ChartPoint, PlotCollector, Series
from engine.common.colors import Color
from engine.common.decimals import smart_rounding
from engine.common.enums import (
    InsightDirection,
    OrderStatus,
    OrderType,
    ScatterMarkerSymbol,
    SecurityType,
    SeriesType,
)
from engine.framework import Insight
from engine.market.symbols import SecurityIdentifier, Symbol
from engine.orders.creation import create_order
from engine.orders.order_properties import (
    EzeOrderProperties,
    InteractiveBrokersOrderProperties,
    TradeStationOrderProperties,
)
from engine.orders.order_requests import SubmitOrderRequest
from engine.orders.orders import (
    CashAmount,
    MarketOrder,
    OrderEvent,
    OrderFee,
    OrderSubmissionData,
    StopLimitOrder,
)
from engine.run.result_files import RunRecord, banner, summary_json, write_results
from engine.statistics import (
    BarVolume,
    CapacityEstimate,
    DailySnapshot,
    InterestRates,
    Position,
    ResultSampler,
    StatisticsInputs,
    order_list_hash,
    summarize,
)
from engine.statistics.order_hash import _properties_json, order_json

START = datetime(2013, 10, 7, 4)
DAY = timedelta(days=1)
SPY = Symbol(SecurityIdentifier.parse("SPY R735QTJ8XC9X"), "SPY")

# What `lean report` reads (Report/ in LEAN); lists stand for any element.
REPORT_KEYS = {
    "charts": {"Strategy Equity": {"series": {"Equity": {"values": [], "seriesType": 2}}},
               "Benchmark": {"series": {"Benchmark": {"values": []}}}},
    "orders": {},
    "statistics": {"Sharpe Ratio": "", "Drawdown": "", "Portfolio Turnover": ""},
    "runtimeStatistics": {},
    "rollingWindow": {},
    "profitLoss": {},
    "state": {"Status": ""},
    "serverStatistics": {},
    "algorithmConfiguration": {"parameters": {}, "startDate": "", "tradingDaysPerYear": 252},
    "totalPerformance": {
        "tradeStatistics": {"totalNumberOfTrades": 0},
        "portfolioStatistics": {"sharpeRatio": "", "drawdownRecovery": ""},
        "closedTrades": [],
    },
}  # fmt: skip


def assert_has(value, wanted, path=""):
    """Every wanted key is there with a value of the wanted kind."""
    for key, inner in wanted.items():
        assert key in value, f"{path}/{key}"
        assert type(value[key]) is type(inner), f"{path}/{key}"
        if isinstance(inner, dict):
            assert_has(value[key], inner, f"{path}/{key}")


def market_order():
    order = MarketOrder(SPY, 10, START)
    order.id, order.status, order.price_currency = 1, OrderStatus.FILLED, "USD"
    order.last_fill_time = START
    order.broker_id.append("1")
    order.set_price(D("145.5900"))
    order.order_submission_data = OrderSubmissionData(D("145.58"), D("145.60"), D("145.59"))
    return order


def record(days=5, **more):
    sampler = ResultSampler(START, START + days * DAY, D(100_000))
    for day in range(days + 1):
        value = D(100_000 + 100 * (day % 3))
        sampler.sample(START + day * DAY, DailySnapshot(value, D(100 + day), D(0)))
        sampler.step(START + day * DAY + DAY / 2, value + 50)
    inputs = StatisticsInputs(
        equity=sampler.equity(),
        performance=sampler.points("Strategy Equity", "Return"),
        benchmark=sampler.points("Benchmark", "Benchmark"),
        turnover=sampler.points("Portfolio Turnover", "Portfolio Turnover"),
        starting_capital=D(100_000),
        total_fees=D(1),
        total_orders=1,
    )
    order = market_order()
    event = OrderEvent(order, START, OrderFee(CashAmount(1, "USD")), "note")
    event.id, event.fill_price_exact, event.fill_quantity_exact = 2, D("145.59"), D(10)
    values = {
        "id": 42, "name": "Test", "start_date": START, "end_date": START + days * DAY,
        "charts": sampler.charts, "orders": [order], "order_events": [event],
        "profit_loss": {START: D("1.50")}, "statistics": summarize(inputs, InterestRates()),
        "parameters": {"seed": "7"}, "logs": ["2013-10-07 00:00:00 hello"],
    }  # fmt: skip
    return RunRecord(**(values | more))


class TestFiles:
    def test_everything_the_report_reads_is_there(self, tmp_path):
        path = write_results(tmp_path / "run", record())
        result = json.loads(path.read_text())
        assert_has(result, REPORT_KEYS)
        candle = result["charts"]["Strategy Equity"]["series"]["Equity"]["values"][0]
        assert candle == [1381118400, 100000, 100000, 100000, 100000]
        assert result["orders"]["1"]["symbol"]["id"] == "SPY R735QTJ8XC9X"
        assert result["profitLoss"] == {"2013-10-07T04:00:00Z": 1.5}
        months = [key for key in result["rollingWindow"] if key.startswith("M1_")]
        assert months == ["M1_20131012"]

    def test_the_other_files(self, tmp_path):
        write_results(tmp_path, record())
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {
            "42.json", "42-summary.json", "42-order-events.json", "42-log.txt", "log.txt", "config",
        }  # fmt: skip
        assert json.loads((tmp_path / "config").read_text())["id"] == 42
        (event,) = json.loads((tmp_path / "42-order-events.json").read_text())
        assert (event["id"], event["status"], event["direction"]) == ("42-1-2", "filled", "buy")
        assert (event["fillQuantity"], event["orderFeeAmount"]) == (10, 1)
        assert (tmp_path / "42-log.txt").read_text() == "2013-10-07 00:00:00 hello\n"

    def test_insights_go_into_a_folder_of_their_own(self, tmp_path):
        insight = Insight.price(SPY, DAY, InsightDirection.UP, 0.1)
        insight.generated_time_utc, insight.close_time_utc = START, START + DAY
        write_results(tmp_path, record(insights=[insight]))
        (made,) = json.loads((tmp_path / "42" / "alpha-results.json").read_text())
        assert (made["direction"], made["period"], made["ticker"]) == ("up", 86400, "SPY")

    def test_a_long_curve_is_thinned_in_the_summary(self):
        run = record(days=400)
        chart = summary_json(run)["charts"]["Strategy Equity"]["series"]["Equity"]
        whole = run.charts["Strategy Equity"].series["Equity"].values
        assert len(chart["values"]) < len(whole) / 5
        assert chart["values"][-1][0] == int(
            (whole[-1].time - datetime(1970, 1, 1)).total_seconds()
        )
        assert max(candle[2] for candle in chart["values"]) == 100_250

    def test_a_folder_that_is_a_file_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ValueError, match="must be writable"):
            write_results(tmp_path / "file", record())

    def test_the_banner(self):
        portfolio = SimpleNamespace(
            total_portfolio_value_exact=D("101234.567"), total_fees_exact=D("3.4"),
            total_holdings_value_exact=D(0), total_net_profit_exact=D(-5),
            total_unrealized_profit_exact=D(0), total_sale_volume_exact=D(1000),
        )  # fmt: skip
        figures = banner(portfolio, D(100_000), {})
        assert (figures["Equity"], figures["Return"]) == ("$101,234.57", "1.23 %")


class TestCharts:
    def test_constructors_of_lean(self):
        series = Series("Cap", SeriesType.SCATTER, "%", Color.RED, ScatterMarkerSymbol.TRIANGLE)
        made = series.as_json()
        assert (made["unit"], made["color"]) == ("%", "#FF0000")
        assert made["scatterMarkerSymbol"] == "triangle"
        assert Series("x", SeriesType.BAR, 2).index == 2
        assert CandlestickSeries("x", "%").unit == "%"

    def test_updates_are_appended_once(self):
        own = Chart("Mine")
        own.add_series(Series("a"))
        own.series["a"].add_point(START, 1.23456789)
        charts = {}
        collector = PlotCollector(print)
        collector.add(charts, [own.get_updates()])
        collector.add(charts, [own.get_updates()])
        (point,) = charts["Mine"].series["a"].values
        assert point == ChartPoint(START, D("1.234568"))
        with pytest.raises(ValueError, match="Chart series name already exists"):
            own.add_series(Series("a"))

    def test_gaps_are_null(self):
        assert ChartPoint.of(START, float("nan")).as_json()[1] is None


class TestSampler:
    def sampler(self):
        return ResultSampler(START, START + 5 * DAY, D(100))

    def test_equity_is_sampled_after_the_period(self):
        sampler = self.sampler()
        minute = timedelta(minutes=1)
        taken = [sampler.step(START + i * minute, D(100 + i % 3)) for i in range(10)]
        assert [i for i, sampled in enumerate(taken) if sampled] == [0, 5]
        _, second = sampler.charts["Strategy Equity"].series["Equity"].values
        assert (second.open, second.high, second.low, second.close) == (101, 102, 100, 102)

    def test_long_runs_have_about_four_thousand_samples(self):
        sampler = ResultSampler(START, START + 4000 * DAY, D(1))
        assert sampler.resample_period == DAY

    def test_turnover_of_a_repeated_midnight_covers_the_day_again(self):
        sampler = self.sampler()
        for day, volume in ((0, 0), (1, 10), (2, 30), (2, 50)):
            sampler.sample(START + day * DAY, DailySnapshot(D(100), D(1), D(volume)))
        turnover = sampler.points("Portfolio Turnover", "Portfolio Turnover")
        assert [float(value) for _, value in turnover] == [0.1, 0.4]

    def test_nothing_is_sampled_during_warm_up(self):
        sampler = self.sampler()
        sampler.sample(START, DailySnapshot(D(100), D(1), D(0)), warming_up=True)
        sampler.on_warmup_finished(D(120))
        assert sampler.equity() == []
        assert sampler.starting_value == 120


class TestCapacity:
    def estimate(self, bars, value=D(1000)):
        return CapacityEstimate(
            datetime(2013, 10, 7), datetime(2013, 10, 12), lambda _: bars[0],
            lambda _: Position(value, True), lambda: D(1000),
        )  # fmt: skip

    def test_a_fifth_of_the_minutes_after_the_fill(self):
        minute = timedelta(minutes=1)
        bars = [BarVolume(D(10), D(1_000_000), minute)]
        estimate = self.estimate(bars)
        estimate.on_fill(SPY, START, D(10), D(100))
        estimate.update(START)  # within the window of one minute
        estimate.update(START + 5 * minute)  # beyond it
        assert estimate.capacity == 0
        estimate.update(START + 6 * minute, force=True)
        # 10 million dollars traded, of which a fifth could be ours, all of the portfolio.
        assert estimate.capacity == 2_000_000
        assert estimate.lowest_capacity_asset == "SPY R735QTJ8XC9X"

    def test_snapshots_are_blended(self):
        bars = [BarVolume(D(10), D(1_000_000), timedelta(minutes=1))]
        estimate = self.estimate(bars, value=D(500))
        for day in range(2):
            time = START + day * DAY
            estimate.on_fill(SPY, time, D(10), D(100))
            estimate.update(time, force=True)
        assert estimate.capacity == round(D("0.33") * 2_000_000 + D("0.66") * 2_000_000, -3)


class TestOrderHash:
    def test_a_market_orders_text(self):
        expected = (
            '{"type":0,"id":1,"contingentId":0,"brokerId":["1"],"symbol":{"value":"SPY",'
            '"id":"SPY R735QTJ8XC9X","permtick":"SPY"},"price":145.59,"priceCurrency":"USD",'
            '"time":"2013-10-07T04:00:00Z","createdTime":"2013-10-07T04:00:00Z",'
            '"lastFillTime":"2013-10-07T04:00:00Z","quantity":10.0,"status":3,"tag":"",'
            '"properties":{"timeInForce":{}},"securityType":1,"direction":0,"value":1455.90,'
            '"orderSubmissionData":{"bidPrice":145.58,"askPrice":145.60,"lastPrice":145.59},'
            '"isMarketable":true,"priceAdjustmentMode":0}'
        )
        assert order_json(market_order()) == expected

    def test_a_time_that_a_request_gave_without_a_zone_has_none(self):
        """As in LEAN's FillOutsideHours algorithms, whose hashes are met by it."""
        request = SubmitOrderRequest(
            OrderType.MARKET, SecurityType.EQUITY, SPY, 1, 0, 0, START, "", None
        )
        request.has_zoneless_time = not request.was_given_zone
        order = create_order(request)
        assert '"time":"2013-10-07T04:00:00","createdTime":"2013-10-07T04:00:00",' in order_json(
            order
        )
        assert order.time.tzinfo is None

    def test_a_rounded_price_has_no_trailing_zeros(self):
        """As in LEAN, where an order's price sheds them whenever it is set."""
        order = market_order()
        order.price_exact = D("1798.10000000026")
        assert '"price":1798.1,' in order_json(order, smart_rounding)
        order.price_exact = D("145.5900")
        assert '"price":145.59,' in order_json(order)

    def test_a_kinds_own_fields_come_first(self):
        order = StopLimitOrder(SPY, -5, D("101.10"), D("100.00"), START)
        assert order_json(order, smart_rounding).startswith(
            '{"stopPrice":101.1,"stopTriggered":false,"limitPrice":100.0,"type":3,"id":0,'
        )
        assert '"value":0.0,' in order_json(order)

    def test_the_sequence_of_ids_counts_not_that_of_the_list(self):
        first, second = market_order(), market_order()
        second.id = 2
        assert order_list_hash([first, second]) == order_list_hash([second, first])
        assert len(order_list_hash([])) == 32


def test_margin_is_charted_by_position_with_a_gap_where_one_is_closed():
    sampler = ResultSampler(START, START + 9 * DAY, D(1000))
    for day, held in enumerate([{"A": "250", "B": "100"}, {"A": "500"}, {"A": "333.3333"}]):
        margins = [(ticker, D(margin)) for ticker, margin in held.items()]
        sampler.sample(START + day * DAY, DailySnapshot(D(1000), D(1), D(0), margins=margins))
    chart = sampler.charts["Portfolio Margin"]
    assert chart.legend_disabled
    values = {name: [point.y_exact for point in one.values] for name, one in chart.series.items()}
    assert values == {"A": [25, 50, D("33.33")], "B": [10, None]}
    assert chart.series["A"].as_json()["tooltip"] == "{SERIES_NAME}: {VALUE}%"


def test_interactive_brokers_order_properties_are_written_as_lean_writes_them():
    plain, advised = InteractiveBrokersOrderProperties(), InteractiveBrokersOrderProperties()
    advised.fa_group, advised.fa_percentage = "G", 50
    advised.outside_regular_trading_hours = True
    assert _properties_json(plain) == (
        '{"account":null,"faGroup":null,"faMethod":null,"faPercentage":0,"faProfile":null,'
        '"outsideRegularTradingHours":false,"timeInForce":{}}'
    )
    assert '"faGroup":"G","faMethod":null,"faPercentage":50' in _properties_json(advised)
    assert '"outsideRegularTradingHours":true' in _properties_json(advised)


def test_other_brokers_order_properties_are_written_too():
    assert _properties_json(TradeStationOrderProperties()) == (
        '{"allOrNone":false,"outsideRegularTradingHours":false,"postOnly":false,"timeInForce":{}}'
    )
    assert _properties_json(EzeOrderProperties(route="R")) == (
        '{"route":"R","account":null,"notes":null,"accountType":null,"timeInForce":{}}'
    )
