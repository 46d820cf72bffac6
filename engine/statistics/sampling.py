"""Samples of a running backtest: the charts from which the statistics are computed.

Two clocks run: the equity is sampled after a time step whenever the resample period has passed
(at most some 4000 samples per run); everything is sampled at each midnight of the algorithm's
time zone and once more at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from operator import itemgetter
from typing import Any

from engine.common.charting import Candlestick, CandlestickSeries, Chart, ChartPoint, Series
from engine.common.decimals import (
    ZERO,
    plain,
    round_half_even,
    smart_rounding,
    to_decimal,
)
from engine.common.enums import SeriesType
from engine.statistics.inputs import Point

SAMPLES_PER_RUN = 4000
SHORTEST_PERIOD_MINUTES = 4
EQUITY, RETURN = "Equity", "Return"
STRATEGY_EQUITY, BENCHMARK = "Strategy Equity", "Benchmark"
DRAWDOWN, TURNOVER = "Drawdown", "Portfolio Turnover"
SALES_VOLUME, EXPOSURE, CAPACITY = "Assets Sales Volume", "Exposure", "Capacity"
LARGEST_SALES = 30
MARGIN, LARGEST_MARGINS = "Portfolio Margin", 40
MARGIN_TOOLTIP, MARGIN_INDEX = "{SERIES_NAME}: {VALUE}%", "Margin Used (%)"
RETURN_DIGITS = 10
_FOUR_DIGITS = Context(prec=4)
_point = ChartPoint.exactly


@dataclass(frozen=True)
class DailySnapshot:
    """The account at a midnight sample, in account currency.

    Attributes:
        portfolio_value: total.
        benchmark: the benchmark's value at that time (any number, unrounded).
        sale_volume: of all fills so far (LEAN's ``Portfolio.TotalSaleVolume``).
        capacity: estimate so far, rounded.
        holdings: signed value of each security's position, zeros included.
        sales: each security's ticker and sales volume so far.
        margins: each position's ticker and the margin that it holds.
    """

    portfolio_value: Decimal
    benchmark: Any
    sale_volume: Decimal
    capacity: Decimal = ZERO
    holdings: Sequence[Decimal] = ()
    sales: Sequence[tuple[str, Decimal]] = ()
    margins: Sequence[tuple[str, Decimal]] = ()


@dataclass
class _EquityBar:
    open: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    close: Decimal = ZERO

    def update(self, value: Decimal) -> None:
        if value == 0:
            return
        if self.open == 0:
            self.open = self.high = self.low = value
        elif value > self.high:
            self.high = value
        elif value < self.low:
            self.low = value
        self.close = value


@dataclass
class ResultSampler:
    """Builds LEAN's charts while a backtest runs.

    Args:
        start_utc: start of the first day, UTC.
        end_utc: end of the last day, UTC.
        starting_value: portfolio value before the first step.
        currency_symbol: unit of money series.
    """

    start_utc: datetime
    end_utc: datetime
    starting_value: Decimal
    currency_symbol: str = "$"
    charts: dict[str, Chart] = field(default_factory=dict)

    def __post_init__(self) -> None:
        minutes = (self.end_utc - self.start_utc).total_seconds() / 60
        period = max(minutes / SAMPLES_PER_RUN, SHORTEST_PERIOD_MINUTES)
        self.resample_period = timedelta(minutes=period)
        self._next_sample = datetime.min
        self._daily_value = self._highest_value = self.starting_value
        self._portfolio_value = self.starting_value
        self._bar: _EquityBar | None = None
        self._sales = [ZERO, ZERO]
        self._turnover_time: datetime | None = None
        # What was sampled last, and what it was made of: many days bring no change.
        self._margins_seen: tuple[Decimal, list[tuple[str, Decimal]]] = ZERO, []
        self._margins_shown: dict[str, Decimal] = {}
        self._sales_seen: list[tuple[str, Decimal]] = []
        self._sales_shown: list[tuple[Decimal, list[Any]]] = []
        chart = self.charts[STRATEGY_EQUITY] = Chart(STRATEGY_EQUITY)
        chart.add_series(CandlestickSeries(EQUITY, 0, "$"))
        chart.add_series(Series(RETURN, SeriesType.BAR, 1, "%"))

    def step(
        self,
        time_utc: datetime,
        portfolio_value: Decimal,
        *,
        force: bool = False,
        warming_up: bool = False,
    ) -> bool:
        """Take the value after a time step (LEAN's ``ProcessSynchronousEvents``).

        Returns:
            True if the equity was sampled: the moment to add the algorithm's own plots.
        """
        self._portfolio_value = portfolio_value
        self._update_bar()
        if not force and time_utc <= self._next_sample:
            return False
        self._next_sample = time_utc + self.resample_period
        self._sample_equity(time_utc, warming_up)
        return True

    def sample(
        self, time_utc: datetime, snapshot: DailySnapshot, *, warming_up: bool = False
    ) -> None:
        """Take the daily sample (LEAN's ``Sample``)."""
        value = self._portfolio_value = snapshot.portfolio_value
        change = self._change_today()
        self._highest_value = max(value, self._highest_value)
        self._update_bar()
        self._sample_equity(time_utc, warming_up)
        if not warming_up:
            self._add(
                BENCHMARK, BENCHMARK, time_utc, to_decimal(snapshot.benchmark), SeriesType.LINE
            )
            self._add(STRATEGY_EQUITY, RETURN, time_utc, change, SeriesType.BAR, "%", 1)
            self._sample_charts(time_utc, snapshot)
        self._sample_turnover(time_utc, snapshot, warming_up)
        self._sample_margin(time_utc, snapshot)
        self._daily_value = value

    def _change_today(self) -> Decimal:
        """Per cent since the last daily sample."""
        if not self._daily_value:
            return ZERO
        change = (self._portfolio_value - self._daily_value) * 100 / self._daily_value
        return round_half_even(change, RETURN_DIGITS)

    def daily(self, time_utc: datetime) -> tuple[list[Point], list[Point]]:
        """Daily returns (per cent) and the benchmark's values.

        Before the first sample of a day LEAN takes the present return, if there is one, so that
        trades get their statistics; the benchmark's value beside it is not used.
        """
        returns = self.points(STRATEGY_EQUITY, RETURN)
        benchmark = self.points(BENCHMARK, BENCHMARK)
        change = self._change_today()
        if not benchmark and change:
            return [(time_utc, change)], [(time_utc, ZERO)]
        return returns, benchmark

    def on_warmup_finished(self, portfolio_value: Decimal) -> None:
        """Restart from the value at the end of warm-up."""
        self._portfolio_value = portfolio_value
        self._highest_value = self._daily_value = portfolio_value
        if self.starting_value != portfolio_value:
            self.starting_value = portfolio_value
            self._bar = None

    def equity(self) -> list[Point]:
        """Closes of the equity candles."""
        return self.points(STRATEGY_EQUITY, EQUITY)

    def points(self, chart: str, series: str) -> list[Point]:
        """Return the samples of a series; none if it does not exist."""
        found = self.charts.get(chart)
        if found is None or series not in found.series:
            return []
        return [(point.time, point.value) for point in found.series[series].values]

    def _update_bar(self) -> None:
        value = round_half_even(self._portfolio_value, 4)
        if self._bar is None:
            self._bar = _EquityBar()
        self._bar.update(value)

    def _sample_equity(self, time: datetime, warming_up: bool) -> None:
        bar = self._bar or _EquityBar()
        self._bar = None
        if not warming_up:
            values = self.charts[STRATEGY_EQUITY].series[EQUITY].values
            if not values or time > values[-1].time:
                values.append(Candlestick.of(time, bar.open, bar.high, bar.low, bar.close))

    def _sample_charts(self, time: datetime, snapshot: DailySnapshot) -> None:
        value = snapshot.portfolio_value
        if self._highest_value:
            fall = round_half_even((value / self._highest_value - 1) * 100, 2)
            self._add(DRAWDOWN, "Equity Drawdown", time, fall, SeriesType.LINE, "%")
        self._sample_sales(time, snapshot)
        if value and snapshot.holdings:
            values = [held for held in snapshot.holdings if held]
            long = sum((held for held in values if held > 0), ZERO)
            short = sum((held for held in values if held < 0), ZERO)
            for side, total in (("Long", long), ("Short", short)):
                ratio = round_half_even(total / value, 4)
                self._add(EXPOSURE, f"Equity - {side} Ratio", time, ratio, SeriesType.LINE, "")
        self._add(CAPACITY, "Strategy Capacity", time, snapshot.capacity, SeriesType.LINE)

    def _sample_turnover(self, time: datetime, snapshot: DailySnapshot, warming_up: bool) -> None:
        if not snapshot.portfolio_value or time == self.start_utc:
            return
        # The final sample may repeat the last midnight: it then covers the whole day again.
        before = self._sales[0] if self._turnover_time == time else self._sales[1]
        turnover = (snapshot.sale_volume - before) / snapshot.portfolio_value
        self._sales = [self._sales[1], snapshot.sale_volume]
        self._turnover_time = time
        if not warming_up:
            self._series(TURNOVER, TURNOVER, SeriesType.LINE, "%", 0).add_point(time, turnover)

    def _sample_margin(self, time: datetime, snapshot: DailySnapshot) -> None:
        """Margin of the largest positions, per cent of the portfolio's value, and of the others."""
        if not snapshot.margins:
            return
        chart = self.charts.get(MARGIN)
        if chart is None:
            chart = self.charts[MARGIN] = Chart(MARGIN)
            chart.legend_disabled = True
        seen = snapshot.portfolio_value, list(snapshot.margins)
        if seen != self._margins_seen:
            self._margins_seen, self._margins_shown = seen, _margin_shares(*seen)
        held, shown = chart.series, self._margins_shown
        for ticker, share in shown.items():
            series = held.get(ticker)
            if series is None:
                series = held[ticker] = Series(ticker, SeriesType.BAR, 0, "%")
                series.tooltip, series.index_name = MARGIN_TOOLTIP, MARGIN_INDEX
            points, point = series.values, _point(time, share)
            if points and points[-1].time == time:
                points[-1] = point
            else:
                points.append(point)
        if len(held) == len(shown):
            return
        for ticker, series in held.items():
            # What is no longer held has one gap.
            if ticker not in shown:
                last = series.values[-1]
                if last.time != time and last.y_exact is not None:
                    series.add_point(ChartPoint.exactly(time, None))

    def _add(
        self,
        chart: str,
        name: str,
        time: datetime,
        value: Decimal,
        kind: SeriesType,
        unit: str | None = None,
        index: int = 0,
    ) -> None:
        series = self._series(chart, name, kind, unit, index)
        if not series.values or time > series.values[-1].time:
            series.values.append(ChartPoint.of(time, value))

    def _sample_sales(self, time: datetime, snapshot: DailySnapshot) -> None:
        """The largest volumes of securities, which stay the same until the next fill."""
        sales = list(snapshot.sales)
        if sales != self._sales_seen:
            self._sales_seen = sales
            traded = [sale for sale in sales if sale[1]]
            traded.sort(key=itemgetter(1), reverse=True)
            self._sales_shown = [
                (
                    smart_rounding(volume),
                    self._series(SALES_VOLUME, ticker, SeriesType.TREEMAP, None, 0).values,
                )
                for ticker, volume in traded[:LARGEST_SALES]
            ]
        for shown, values in self._sales_shown:
            if not values or time > values[-1].time:
                values.append(_point(time, shown))

    def _series(
        self, chart_name: str, name: str, kind: SeriesType, unit: str | None, index: int
    ) -> Series:
        chart = self.charts.get(chart_name)
        if chart is None:
            chart = self.charts[chart_name] = Chart(chart_name)
        series = chart.series.get(name)
        if series is None:
            series = Series(name, kind, index, self.currency_symbol if unit is None else unit)
            chart.series[name] = series
        return series


def _margin_shares(value: Decimal, margins: list[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Margins of the largest positions and of the others, per cent of the portfolio's value.

    LEAN rounds the shares to four digits, and charted numbers to seven.
    """
    shares = {
        ticker: plain((margin / value).normalize(_FOUR_DIGITS).scaleb(2)) if value else ZERO
        for ticker, margin in margins
    }
    if len(shares) <= LARGEST_MARGINS:
        return shares
    largest = sorted(shares, key=lambda ticker: -shares[ticker])[:LARGEST_MARGINS]
    shown = {ticker: share for ticker, share in shares.items() if ticker in largest}
    others = sum(shares.values(), ZERO) - sum(shown.values(), ZERO)
    shown["OTHERS"] = smart_rounding(others)
    return shown
