"""Known answers, closed forms and slow twins of the statistics."""

import math
from datetime import date, datetime, timedelta
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.common.decimals import double_text
from engine.common.enums import FillGroupingMethod, FillMatchingMethod, TradeDirection
from engine.common.expiry import Expiry
from engine.common.spans import time_span
from engine.statistics import (
    InterestRates,
    StatisticsInputs,
    Trade,
    TradeBuilder,
    TradeStatistics,
    moments,
    summarize,
)
from engine.statistics.drawdown import drawdown_and_recovery
from engine.statistics.formatting import (
    percent,
    rounded_double,
    rounded_significant_text,
)

START = datetime(2013, 10, 7, 4)
RETURNS = st.lists(st.floats(-0.2, 0.2).map(lambda x: round(x, 6)), min_size=5, max_size=40)


class Symbol:
    id, value = "SPY R735QTJ8XC9X", "SPY"


def days(values, start=START):
    return [(start + timedelta(days=i), D(str(v))) for i, v in enumerate(values)]


class TestText:
    """The summary is compared as text, so .NET's writing matters."""

    def test_scale_of_decimals_shows(self):
        assert percent(D("0.008"), 3) == "0.800%"
        assert percent(D(0), 3) == "0%"
        assert percent(D("4.24375123"), 3) == "424.375%"
        assert percent(D("0.000000004"), 3) == "0.000%"
        assert percent(D("0.5"), 0) == "50%"

    def test_doubles_are_short(self):
        assert rounded_double(D("-19.0001"), 3) == "-19"
        assert rounded_double(D("1.97049"), 3) == "1.97"
        assert rounded_double(D("0.0005"), 3) == "0"  # half to even
        assert double_text(11835996770264000.0) == "11835996770264000"
        assert double_text(1e17) == "1E+17"

    def test_capacity_shows_the_cents_of_its_scale(self):
        assert rounded_significant_text(D("1234567000.00"), 2) == "1200000000.00"
        assert rounded_significant_text(D("56000000.00"), 2) == "56000000.00"
        assert rounded_significant_text(D(0), 2) == "0"


class TestMoments:
    @given(RETURNS)
    def test_variance_is_numpys(self, values):
        assert moments.variance(values) == pytest.approx(np.var(values, ddof=1), abs=1e-14)

    @given(RETURNS, RETURNS)
    def test_covariance_is_numpys(self, first, second):
        size = min(len(first), len(second))
        first, second = first[:size], second[:size]
        expected = np.cov(first, second, ddof=1)[0, 1]
        assert moments.covariance(first, second) == pytest.approx(expected, abs=1e-14)

    def test_shape_is_scipys_unbiased_estimate(self):
        values = list(np.random.default_rng(0).standard_t(5, size=50))
        expected = stats.skew(values, bias=False), stats.kurtosis(values, bias=False)
        ours = moments.skewness(values), moments.excess_kurtosis(values)
        assert ours == pytest.approx(expected, rel=1e-10)

    def test_too_few_values_have_no_moments(self):
        assert math.isnan(moments.variance([1.0]))
        assert math.isnan(moments.skewness([1.0, 2.0]))
        assert math.isnan(moments.excess_kurtosis([1.0, 2.0, 4.0]))

    def test_normal_quantile_inverts_the_distribution(self):
        assert moments.normal_cdf(moments.normal_quantile(0, 1, 0.05)) == pytest.approx(0.05)


class TestDrawdown:
    def test_fall_and_recovery(self):
        equity = dict(days([100, 110, 99, 105, 110, 121, 60.5]))
        fall, recovery = drawdown_and_recovery(equity, 3)
        assert str(fall) == "0.5"
        # From the peak of day 1 until it is reached again on day 4; the last fall stays open.
        assert recovery == 3

    @given(st.lists(st.integers(1, 1000), min_size=2, max_size=30))
    def test_fall_is_the_slow_twins(self, values):
        slow = max(1 - values[j] / max(values[: j + 1]) for j in range(len(values)))
        assert float(drawdown_and_recovery(dict(days(values)), 12)[0]) == pytest.approx(slow)

    def test_one_sample_has_no_drawdown(self):
        assert drawdown_and_recovery(dict(days([5])), 3) == (0, 0)


class TestInterestRates:
    def test_days_between_announcements_take_the_earlier_rate(self):
        rates = InterestRates({date(2003, 1, 9): D("0.0225"), date(2003, 6, 26): D("0.02")})
        assert rates.rate(date(2003, 3, 1)) == D("0.0225")
        assert rates.rate(date(2010, 1, 1)) == D("0.02")
        assert rates.rate(date(1999, 1, 1)) == D("0.0225")
        assert rates.average([date(2003, 3, 1), date(2003, 7, 1)]) == D("0.02125")

    def test_without_a_file_the_rate_is_one_per_cent(self, tmp_path):
        assert InterestRates.load(tmp_path).rate(date(2020, 1, 1)) == D("0.01")

    def test_a_malformed_row_is_named(self, tmp_path):
        path = tmp_path / "alternative" / "interest-rate" / "usa" / "interest-rate.csv"
        path.parent.mkdir(parents=True)
        path.write_text("date,rate\n2003-01-09,2.25\nyesterday,2\n")
        with pytest.raises(ValueError, match="line 3 must read"):
            InterestRates.load(tmp_path)


class TestTradeBuilder:
    def fill(self, builder, order, hours, price, quantity, fee="1"):
        time = START + timedelta(hours=hours)
        return builder.take_fill(Symbol, order, time, D(price), D(quantity), D(fee))

    def test_first_in_first_out(self):
        builder = TradeBuilder()
        assert self.fill(builder, 1, 0, "10", "100") == []
        assert self.fill(builder, 2, 1, "12", "100") == []
        builder.set_market_price(Symbol, D("9"))
        builder.set_market_price(Symbol, D("16"))
        first, second = self.fill(builder, 3, 5, "15", "-150")
        assert (first.entry_price, first.quantity, first.profit_loss) == (10, 100, 500)
        assert (second.entry_price, second.quantity, second.profit_loss) == (12, 50, 150)
        # A fee counts once per order: the closing one with the first trade it closes.
        assert (first.total_fees, second.total_fees) == (2, 1)
        assert (first.mae, first.mfe) == (-100, 600)
        assert first.duration == timedelta(hours=5)
        assert builder.has_open_position(Symbol)

    def test_a_fill_through_zero_reverses_the_position(self):
        builder = TradeBuilder()
        self.fill(builder, 1, 0, "10", "100")
        (closed,) = self.fill(builder, 2, 1, "11", "-300")
        assert (closed.direction, closed.profit_loss) == (TradeDirection.LONG, 100)
        (short,) = self.fill(builder, 3, 2, "9", "200")
        assert (short.direction, short.entry_price, short.profit_loss) == (
            TradeDirection.SHORT,
            11,
            400,
        )
        assert not builder.has_open_position(Symbol)

    @pytest.mark.parametrize(
        ("grouping", "matching", "expected"),
        [
            # entry price, quantity, exit price, profit and fees of each closed trade
            ("FILL_TO_FILL", "LIFO", "12 50 14 100 2, 12 50 15 150 1, 10 70 15 350 1"),
            ("FLAT_TO_FLAT", "FIFO", ""),
            ("FLAT_TO_REDUCED", "FIFO", "10 50 14 200 3, 11.1666666666666 120 15 460 1"),
            ("FLAT_TO_REDUCED", "LIFO", "12 50 14 100 3, 10.8333333333333 120 15 500 1"),
        ],
    )
    def test_grouping_and_matching(self, grouping, matching, expected):
        builder = TradeBuilder(FillGroupingMethod[grouping], FillMatchingMethod[matching])
        for order, (price, quantity) in enumerate(
            [("10", "100"), ("12", "100"), ("14", "-50"), ("15", "-120")], start=1
        ):
            self.fill(builder, order, order, price, quantity)
        got = [
            (t.entry_price, t.quantity, t.exit_price, t.profit_loss, t.total_fees)
            for t in builder.closed_trades
        ]
        rows = [[float(x) for x in row.split()] for row in expected.split(", ") if row]
        assert got == [pytest.approx(row) for row in rows]

    def test_flat_to_flat_is_one_trade_with_mean_prices(self):
        builder = TradeBuilder(FillGroupingMethod.FLAT_TO_FLAT, FillMatchingMethod.FIFO)
        for order, (price, quantity) in enumerate(
            [("10", "100"), ("12", "100"), ("14", "-50"), ("15", "-200")], start=1
        ):
            self.fill(builder, order, order, price, quantity)
        (trade,) = builder.closed_trades
        assert (trade.entry_price, trade.exit_price, trade.quantity) == (11.0, 14.8, 200.0)
        assert (trade.profit_loss, trade.total_fees, trade.mae) == (760.0, 4.0, 0.0)
        assert trade.entry_time.tzinfo is not None
        assert (trade.direction, trade.order_ids) == (TradeDirection.LONG, [1, 2, 3, 4])
        assert builder.has_open_position(Symbol)

    def test_orders_of_a_trade_stand_as_they_were_matched(self):
        builder = TradeBuilder(FillGroupingMethod.FLAT_TO_FLAT, FillMatchingMethod.LIFO)
        for order, quantity in enumerate(("10", "20", "-30"), start=1):
            self.fill(builder, order, order, "5", quantity)
        assert builder.closed_trades[0].order_ids == [3, 2, 1]

    def test_a_split_restates_open_trades(self):
        builder = TradeBuilder()
        self.fill(builder, 1, 0, "700", "10")
        builder.apply_split(Symbol, D(1) / 7)
        (closed,) = self.fill(builder, 2, 1, "101", "-70")
        assert closed.profit_loss == 70

    @given(st.lists(st.integers(-50, 50).filter(bool), min_size=1, max_size=20))
    def test_profits_add_up_to_the_cash_flow(self, quantities):
        builder = TradeBuilder()
        cash, position = D(0), 0
        for order, quantity in enumerate([*quantities, -sum(quantities)], start=1):
            price = D(100 + order)
            if quantity:
                self.fill(builder, order, order, price, quantity)
                cash -= price * quantity
                position += quantity
        assert position == 0
        assert sum(trade.profit_loss for trade in builder.trades) == cash


def trade(profit, hours=1, **more):
    values = {
        "symbol": Symbol, "entry_time": START, "entry_price": D(1),
        "direction": TradeDirection.LONG, "quantity": D(1),
        "exit_time": START + timedelta(hours=hours),
        "exit_price": D(1), "profit_loss": D(profit), "total_fees": D(1), "mae": D(-1),
        "mfe": D(2), "end_trade_drawdown": D(0), "is_win": profit > 0,
    }  # fmt: skip
    return Trade(**(values | more))


class TestExpiry:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("ONE_MONTH", datetime(2012, 2, 29, 10)),
            ("ONE_QUARTER", datetime(2012, 4, 30, 10)),
            ("ONE_YEAR", datetime(2013, 1, 31, 10)),
            ("END_OF_DAY", datetime(2012, 2, 1)),
            ("END_OF_WEEK", datetime(2012, 2, 6)),
            ("END_OF_MONTH", datetime(2012, 2, 1)),
            ("END_OF_QUARTER", datetime(2012, 4, 1)),
            ("END_OF_YEAR", datetime(2013, 1, 1)),
        ],
    )
    def test_known_answers(self, name, expected):
        assert getattr(Expiry, name)(datetime(2012, 1, 31, 10)) == expected

    def test_a_sunday_ends_its_week(self):
        assert Expiry.END_OF_WEEK(datetime(2012, 2, 5)) == datetime(2012, 2, 6)


class TestTradeStatistics:
    def test_known_answers(self):
        figures = TradeStatistics.of([trade(10, 1), trade(-4, 2), trade(6, 3), trade(-12, 6)])
        assert figures.total_profit_loss == 0
        assert (figures.average_profit, figures.average_loss) == (8, -8)
        assert (figures.win_rate, figures.profit_loss_ratio) == (D("0.5"), 1)
        assert figures.median_trade_duration == timedelta(hours=3)
        assert figures.maximum_closed_trade_drawdown == -12
        assert figures.as_json()["averageMAE"] == "-1"

    def test_no_trades_are_zeros(self):
        assert TradeStatistics.of([]).as_json()["totalNumberOfTrades"] == 0

    def test_time_spans_are_dotnets(self):
        assert time_span(timedelta(days=2, hours=3, seconds=4)) == "2.03:00:04"


def inputs(returns, benchmark, **more):
    equity, value = [], D(100_000)
    for change in returns:
        value *= 1 + D(str(change))
        equity.append(value)
    values = {
        "equity": days(equity),
        "performance": days([100 * D(str(change)) for change in returns]),
        "benchmark": days(benchmark),
        "turnover": days([0.1] * len(returns)),
        "starting_capital": D(100_000),
        "total_fees": D("3.444"),
        "total_orders": 1,
    }
    return StatisticsInputs(**(values | more))


class TestSummary:
    RETURNS = (0.0, 0.01, 0.02, -0.01, 0.005, 0.01, -0.002)
    BENCHMARK = (100, 101, 103, 102, 102.5, 103, 103.2)

    def test_ratios_are_the_formulas(self):
        result = summarize(inputs(self.RETURNS, self.BENCHMARK), InterestRates())
        used = np.array(self.RETURNS[2:])
        base = np.diff(self.BENCHMARK) / np.array(self.BENCHMARK[:-1])
        base = base[1:]
        annual = (1 + used.mean()) ** 252 - 1
        deviation = used.std(ddof=1) * math.sqrt(252)
        beta = np.cov(used, base, ddof=1)[0, 1] / base.var(ddof=1)
        figures = result.total_performance.portfolio_statistics
        assert float(figures.sharpe_ratio) == pytest.approx((annual - 0.01) / deviation)
        assert float(figures.beta) == pytest.approx(beta)
        assert float(figures.treynor_ratio) == pytest.approx((annual - 0.01) / beta)
        tracking = (used - base).std(ddof=1) * math.sqrt(252)
        assert float(figures.tracking_error) == pytest.approx(tracking)
        expected = (annual - ((1 + base.mean()) ** 252 - 1)) / tracking
        assert float(figures.information_ratio) == pytest.approx(expected)

    def test_probabilistic_sharpe_is_bailey_and_lopez_de_prado(self):
        figures = summarize(inputs(self.RETURNS, self.BENCHMARK), InterestRates()).total_performance
        used = np.array(self.RETURNS[2:])
        sharpe = (used.mean() - 0.01 / 252) / used.std(ddof=1)
        shape = 1 - stats.skew(used, bias=False) * sharpe
        shape += (stats.kurtosis(used, bias=False) - 1) / 4 * sharpe**2
        value = (sharpe - 1 / math.sqrt(252)) / math.sqrt(shape / (len(used) - 1))
        ours = float(figures.portfolio_statistics.probabilistic_sharpe_ratio)
        assert ours == pytest.approx(stats.norm.cdf(value))

    def test_too_short_a_run_has_only_equities(self):
        summary = summarize(inputs([0.0, 0.01], [1, 2]), InterestRates()).summary
        assert summary["End Equity"] == "101000.00"
        assert (summary["Net Profit"], summary["Sharpe Ratio"]) == ("0%", "0")
        assert summary["Total Fees"] == "$3.44"

    def test_a_flat_run_divides_by_nothing(self):
        summary = summarize(inputs([0.0] * 8, [100] * 8), InterestRates()).summary
        assert {summary[key] for key in ("Sharpe Ratio", "Beta", "Tracking Error")} == {"0"}

    def test_unequal_series_are_refused(self):
        with pytest.raises(ValueError, match="one sample per day"):
            summarize(inputs([0.0] * 5, [1] * 4), InterestRates())

    def test_rolling_windows_end_with_the_months(self):
        returns = [0.001 * ((i % 5) - 2) for i in range(100)]
        result = summarize(inputs(returns, range(100, 200)), InterestRates())
        keys = [key for key in result.rolling_performances if key.startswith("M1_")]
        assert keys == ["M1_20131031", "M1_20131130", "M1_20131231", "M1_20140114"]
        assert result.rolling_performances["M12_20140114"].portfolio_statistics.drawdown == (
            result.total_performance.portfolio_statistics.drawdown
        )

    def test_wins_and_losses_are_relative_to_the_capital_before(self):
        profits = {START + timedelta(days=2): D(1000), START + timedelta(days=3): D(-505)}
        given = inputs(
            self.RETURNS, self.BENCHMARK, profit_loss=profits,
            wins=frozenset([START + timedelta(days=2)]),
        )  # fmt: skip
        summary = summarize(given, InterestRates()).summary
        assert (summary["Average Win"], summary["Average Loss"]) == ("1.00%", "-0.50%")
        assert (summary["Win Rate"], summary["Expectancy"]) == ("50%", "0.5")
