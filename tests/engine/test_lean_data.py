"""LEAN's names of files, bars of their lines, zips, the calendar of trading days."""

from datetime import date, datetime, timedelta
from types import SimpleNamespace

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.api.object_store import ObjectStore
from engine.api.trading_calendar import TradingCalendar, is_settlement_day
from engine.common.compression import Compression
from engine.common.data_folder import set_data_folder
from engine.common.enums import Resolution, SecurityType, TickType, TradingDayType
from engine.feed.custom_data import CustomSources
from engine.feed.symbol_properties_database import SymbolPropertiesDatabase
from engine.market.data import SubscriptionDataConfig, TradeBar
from engine.market.data_sources import LeanData, SubscriptionDataSource
from engine.market.symbols import SecurityIdentifier, Symbol
from engine.run.runner import run_algorithm
from engine.statistics.performance_metrics import PerformanceMetrics
from tests.engine.folder import flat, write_folder

SPY = Symbol(SecurityIdentifier.parse("SPY R735QTJ8XC9X"), "SPY")
DAY = datetime(2013, 10, 7, 9, 30)
HOLIDAYS = """
2013-01-01 2012-01-02 2010-12-31 2013-01-21 2013-02-18 2013-05-27 2022-06-20 2020-07-03 2013-09-02
2013-10-14 2013-11-11 2017-11-10 2013-11-28 2013-12-25 2022-12-26
"""
DAILY, MINUTE, TRADE = Resolution.DAILY, Resolution.MINUTE, TickType.TRADE


class TestPaths:
    def test_of_a_symbol(self):
        given = SPY, DAY, MINUTE, TickType.QUOTE
        assert LeanData.generate_zip_file_name(*given) == "20131007_quote.zip"
        assert LeanData.generate_zip_entry_name(*given) == "20131007_spy_minute_quote.csv"
        assert LeanData.generate_zip_file_path("data", *given) == (
            "data/equity/usa/minute/spy/20131007_quote.zip"
        )
        given = SPY, DAY, DAILY, TRADE
        assert LeanData.generate_zip_entry_name(*given) == "spy.csv"
        assert LeanData.generate_relative_zip_file_path(*given) == "equity/usa/daily/spy.zip"
        tick = SPY, DAY, Resolution.TICK, TRADE
        assert LeanData.generate_zip_entry_name(*tick) == "20131007_spy_Trade_Tick.csv"

    def test_of_a_ticker(self):
        kind = SecurityType.EQUITY
        assert LeanData.generate_zip_file_name("SPY", kind, DAY, DAILY) == "spy.zip"
        minute = LeanData.generate_zip_file_name("SPY", kind, DAY, MINUTE, TickType.QUOTE)
        assert minute == "20131007_quote.zip"
        named = LeanData.generate_zip_file_name(
            "SPY", security_type=kind, date=DAY, resolution=MINUTE
        )
        assert named == "20131007_trade.zip"
        assert LeanData.generate_zip_file_path("data", "SPY", kind, "usa", DAY, MINUTE) == (
            "data/equity/usa/minute/spy/20131007_trade.zip"
        )

    def test_of_what_is_out_of_scope(self):
        option = SimpleNamespace(security_type=SecurityType.OPTION, value="SPY")
        with pytest.raises(NotImplementedError, match="LeanData of OPTION"):
            LeanData.generate_zip_file_name(option, DAY, DAILY, TRADE)
        assert LeanData.get_common_tick_type(SecurityType.EQUITY) == TRADE


class TestLines:
    def test_a_bar_of_a_line(self, tmp_path):
        daily = SubscriptionDataConfig(SPY, DAILY, TRADE)
        bar = TradeBar.parse(daily, "20131007 00:00,1450000,1460000,1440000,1455050,100", DAY)
        assert (bar.time, bar.end_time) == (datetime(2013, 10, 7), datetime(2013, 10, 8))
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (145, 146, 144, 145.505, 100)
        minute = SubscriptionDataConfig(SPY, MINUTE, TRADE)
        bar = TradeBar.parse_equity(minute, "34200000,1,2,3,4,5", DAY)
        assert (bar.time, bar.period, bar.symbol) == (DAY, timedelta(minutes=1), SPY)
        empty = TradeBar().reader(minute, "x", DAY, False)
        assert (empty.symbol, empty.close) == (SPY, 0)
        set_data_folder(tmp_path)
        try:
            source = TradeBar().get_source(minute, DAY, False)
        finally:
            set_data_folder(None)
        assert source.source == f"{tmp_path}/equity/usa/minute/spy/20131007_trade.zip"
        assert TradeBar().get_source(minute, DAY, True).source == ""

    def test_a_subscription_for_another_class_and_symbol(self):
        class Own(TradeBar):
            pass

        other = Symbol(SecurityIdentifier("AAA", 0), "AAA")
        config = SubscriptionDataConfig(SPY, MINUTE, TRADE, fill_forward=False)
        copy = SubscriptionDataConfig(config, Own, other)
        assert (copy.type, copy.symbol, copy.resolution, copy.fill_forward) == (
            Own, other, MINUTE, False,
        )  # fmt: skip
        assert SubscriptionDataConfig(copy, TradeBar, SPY).type is TradeBar


def test_zips_in_memory_and_of_the_object_store():
    content = Compression.zip_bytes(list(b"1\n2"), "data")
    assert Compression.unzip_data(content) == {"data": "1\n2"}
    assert Compression.unzip_data(Compression.zip_bytes("é".encode(), "a"))["a"] == "??"
    assert Compression.unzip_data(b"none") == {}
    objects = {"a.zip": bytes(content), "b": b"3"}
    sources = CustomSources(objects.get, print)
    from engine.common.enums import SubscriptionTransportMedium as Medium

    lines = [
        sources.lines(SubscriptionDataSource(key, Medium.OBJECT_STORE))
        for key in ("a.zip", "b", "c")
    ]
    assert lines == [["1", "2"], ["3"], []]


class TestCalendar:
    def calendar(self):
        hours = SimpleNamespace(holidays={datetime(2013, 3, 29)})
        now = datetime(2013, 3, 29, 20)
        security = SimpleNamespace(exchange=SimpleNamespace(hours=hours), utc_time=now)
        return TradingCalendar({SPY: security}, None)

    def test_business_days_weekends_and_holidays(self):
        # LEAN's own test counts these.
        span = datetime(2016, 2, 16), datetime(2016, 3, 19)
        counts = {
            kind: len(list(self.calendar().get_days_by_type(kind, *span)))
            for kind in (TradingDayType.BUSINESS_DAY, TradingDayType.WEEKEND)
        }
        assert list(counts.values()) == [24, 9]
        good_friday = self.calendar().get_trading_day()
        assert (good_friday.date, good_friday.public_holiday, good_friday.business_day) == (
            datetime(2013, 3, 29), True, False,
        )  # fmt: skip
        assert self.calendar().get_trading_day(date(2013, 3, 28)).business_day

    def test_an_empty_calendar_asks_for_the_day(self):
        with pytest.raises(RuntimeError, match="give it the day"):
            TradingCalendar({}, None).get_trading_day()
        now = TradingCalendar({}, None, now=lambda: datetime(2013, 3, 29))
        assert now.get_trading_day().business_day

    def test_spans_and_kinds_that_leans_calendar_refuses(self):
        with pytest.raises(ValueError, match=r"Total days is negative \(-17\)"):
            list(self.calendar().get_trading_days(datetime(2010, 2, 28), datetime(2010, 2, 10)))
        kind = TradingDayType.SYMBOL_DELISTING
        with pytest.raises(ValueError, match="cannot be null"):
            list(self.calendar().get_days_by_type(kind, DAY, DAY))

    @pytest.mark.parametrize("holiday", HOLIDAYS.split())
    def test_banks_are_closed(self, holiday):
        assert not is_settlement_day(datetime.fromisoformat(holiday))

    @pytest.mark.parametrize("day", ["2013-03-29", "2021-06-18", "2013-12-24", "2013-11-29"])
    def test_banks_are_open(self, day):
        assert is_settlement_day(datetime.fromisoformat(day))


def test_names_of_figures():
    assert PerformanceMetrics.PROFIT_LOSS_RATIO == "Profit-Loss Ratio"
    assert PerformanceMetrics.TotalOrders == "Total Orders"


def test_properties_that_the_engine_lacks_are_refused_both_ways(tmp_path):
    store = ObjectStore(tmp_path)
    for spelling in ("error_raised", "ErrorRaised"):
        with pytest.raises(NotImplementedError, match=r"ObjectStore\.error_raised"):
            getattr(store, spelling)
        with pytest.raises(NotImplementedError, match=r"ObjectStore\.error_raised"):
            setattr(store, spelling, 1)


def test_properties_of_equities(tmp_path):
    write_folder(tmp_path, {"ABC": [(1, 1, 1, 1, 1)]})
    set_data_folder(tmp_path)
    try:
        database = SymbolPropertiesDatabase.from_data_folder()
        kind = SecurityType.EQUITY
        found = database.get_symbol_properties("usa", SPY, kind, "USD")
        assert (found.lot_size, found.minimum_price_variation, found.quote_currency) == (
            1, 0.01, "USD",
        )  # fmt: skip
        assert database.try_get_market("SPY", kind) == (False, None)
        with pytest.raises(NotImplementedError, match="properties of FOREX"):
            database.get_symbol_properties("oanda", "EURUSD", SecurityType.FOREX, "USD")
    finally:
        set_data_folder(None)


def test_an_algorithm_asks_for_the_properties_that_its_run_has_read(tmp_path):
    class Asks(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 4)
            self.set_end_date(2010, 1, 5)
            database = self.symbol_properties_database
            found = database.get_symbol_properties("usa", "ABC", SecurityType.EQUITY, "USD")
            assert found is self.add_equity("ABC").symbol_properties

    write_folder(tmp_path / "data", {"ABC": flat(10, 5)})
    run_algorithm(Asks, data_folder=tmp_path / "data", store=tmp_path / "store")
