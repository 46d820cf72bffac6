"""LEAN's helpers that its own example algorithms call: known answers on small inputs."""

import pickle
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from engine.account.securities import Security
from engine.api.extensions import Extensions
from engine.api.market_impact import MarketImpactSlippageModel
from engine.api.net_types import Action, Func, Time
from engine.api.signal_exports import SignalExportManager, VBaseSignalExport
from engine.brokerage.buying_power import BuyingPowerModelExtensions
from engine.brokerage.fill_model import FillModelParameters
from engine.common.clock import ShownTime, TimeZones
from engine.common.decimals import to_decimal
from engine.common.enums import Resolution
from engine.common.net_exceptions import InvalidOperationException
from engine.feed.auxiliary_files import SymbolProperties
from engine.feed.period_consolidators import CalendarInfo
from engine.framework.universe import UNCHANGED, InceptionDateUniverseSelectionModel
from engine.indicators import Beta, Correlation
from engine.market.market_hours import ExchangeHours, MarketHoursDatabase, always_open
from engine.market.symbols import Symbol
from tests.engine.folder import HOURS as DATABASE

HOURS = DATABASE["entries"]["Equity-usa-[*]"]


def test_significant_digits_and_time_zones():
    assert Extensions.round_to_significant_digits(144.5678, 5) == 144.57
    assert Extensions.round_to_significant_digits(0, 5) == 0
    noon = datetime(2013, 10, 7, 12)
    assert Extensions.convert_from_utc(noon, "America/New_York") == datetime(2013, 10, 7, 8)
    assert Extensions.convert_to_utc(noon, "America/New_York") == datetime(2013, 10, 7, 16)
    assert Extensions.convert_to(noon, "America/New_York", "UTC") == datetime(2013, 10, 7, 16)


def test_a_time_that_user_code_sees_compares_with_a_day_by_its_day():
    plain = datetime(2013, 10, 7, 9, 31)
    shown = ShownTime.of(plain)
    day = plain.date()
    assert [shown > day, shown >= day, shown < day, shown <= day] == [False, True, False, True]
    assert day - timedelta(1) < shown < day + timedelta(1)
    assert shown != day
    assert shown - day == timedelta(0) == day - shown
    assert shown - datetime(2013, 10, 7) == timedelta(hours=9, minutes=31)
    assert datetime(2013, 10, 8) - shown == timedelta(hours=14, minutes=29)
    assert {shown: 1}[plain] == 1
    assert repr(shown) == repr(plain)
    assert type(pickle.loads(pickle.dumps(shown))) is datetime
    with pytest.raises(TypeError, match="can't compare offset-naive"):
        assert shown < ShownTime.of(plain.replace(tzinfo=UTC))


def test_resolutions_and_spans():
    assert Extensions.to_time_span(Resolution.HOUR) == Time.ONE_HOUR
    assert Time.Multiply(Extensions.ToTimeSpan(Resolution.DAILY), 5) == timedelta(days=5)
    assert Time.multiply(interval=Time.ONE_MINUTE, multiplier=-0.5) == timedelta(seconds=-30)
    finer = Extensions.to_higher_resolution_equivalent
    assert finer(timedelta(minutes=90), False) == Resolution.HOUR
    assert finer(Time.ONE_DAY, True) == Resolution.DAILY
    with pytest.raises(InvalidOperationException, match=r"time span \('01:30:00'\)"):
        finer(timedelta(minutes=90), True)
    of_day, of_midnight = datetime(2013, 1, 1).date(), datetime(2013, 1, 1)
    for start in (of_day, of_midnight):
        assert str(CalendarInfo(start, timedelta(5))) == "01/01/2013 00:00:00 5.00:00:00"
    assert CalendarInfo(of_day, timedelta(5)).end == datetime(2013, 1, 6)
    # LEAN's zone without daylight saving has a name that Python's database lacks.
    summer = datetime(2013, 7, 1, 12)
    assert TimeZones.EASTERN_STANDARD == "UTC-05"
    assert Extensions.convert_from_utc(summer, TimeZones.EASTERN_STANDARD).hour == 7


def test_whether_a_market_is_open():
    hours, symbol = always_open(), Symbol.of("ABC")
    now = datetime(2013, 10, 7, 8)
    security = SimpleNamespace(local_time=now, exchange=SimpleNamespace(hours=hours))
    assert Extensions.is_market_open(security, extended_market_hours=False)
    database = SimpleNamespace(get_exchange_hours=lambda *_: ExchangeHours(HOURS, "here"))
    with patch.object(MarketHoursDatabase, "from_data_folder", return_value=database):
        noon = datetime(2013, 10, 7, 12)  # eight in New York
        assert Extensions.is_market_open(symbol, noon, True)
        assert not Extensions.is_market_open(
            symbol=symbol, utc_time=noon, extended_market_hours=False
        )


def test_functions_as_dotnet_hands_them_over():
    assert Action[int](lambda number: number + 1)(2) == 3
    assert Func[int, int](abs).invoke(-2) == 2
    with pytest.raises(TypeError):
        Action("no function")


def test_a_helper_that_is_missing_refuses_by_name():
    with pytest.raises(NotImplementedError, match=r"Extensions\.get_hash"):
        Extensions.get_hash("text")


@pytest.mark.parametrize(("margin", "enough"), [(50, True), (49, False)])
def test_smallest_order_margin(margin, enough):
    portfolio = SimpleNamespace(
        total_portfolio_value_exact=to_decimal(10_000), get_margin_remaining_exact=lambda total: 1
    )
    model = SimpleNamespace(get_initial_margin_requirement=lambda question: -margin)
    above = BuyingPowerModelExtensions.above_minimum_order_margin_portfolio_percentage
    assert above(model, None, -1, portfolio, 0.005) is enough
    assert above(portfolio, 0.005, margin) is enough
    assert above(model, None, -1, portfolio, 0)


def test_signal_exports_send_nothing_in_a_backtest():
    told = []
    exports = SignalExportManager(SimpleNamespace(live_mode=False, debug=told.append))
    exports.add_signal_export_provider(VBaseSignalExport("key", "name"))
    assert exports.set_target_portfolio([])
    assert exports.set_target_portfolio([])
    assert told == ["Portfolio targets are only sent in live mode"]
    with pytest.raises(ValueError, match="collection name not provided"):
        VBaseSignalExport("key", " ")
    with pytest.raises(NotImplementedError, match="signal exports in live trading"):
        SignalExportManager(SimpleNamespace(live_mode=True)).set_target_portfolio([])


def test_inception_dates_come_in_their_order():
    model = InceptionDateUniverseSelectionModel(
        "mine", {"SPY": datetime(2013, 10, 6), "IBM": datetime(2013, 10, 2)}
    )
    assert model.select(None, datetime(2013, 10, 5)) is UNCHANGED
    assert model.select(None, datetime(2013, 10, 7)) == ["SPY", "IBM"]
    assert model.select(None, datetime(2013, 10, 8)) is UNCHANGED


def test_symbols_of_texts_that_name_no_security():
    symbol = Symbol.of("PEPE")
    assert (symbol.value, symbol.id.properties) == ("PEPE", 0)
    assert Symbol.of(symbol) is symbol
    assert Symbol.of(SimpleNamespace(symbol=symbol)) is symbol


def test_pairs_of_symbols_by_text_with_and_without_a_name():
    for beta, name in (
        (Beta("Beta", 3, "AIG", "SPY"), "Beta"),
        (Beta("Beta", "AIG", "SPY", 3), "Beta"),
        (Beta("AIG", "SPY", 3), "B(3)"),
        (Beta("AIG", "SPY", period=3), "B(3)"),
    ):
        assert (beta.name, beta.warm_up_period) == (name, 4)
        assert beta.target_symbol == Symbol.of("AIG")
    assert Correlation("AIG", "SPY", 5).name == "Correlation(5)"


def test_orders_of_a_combination_are_iterated_by_pairs():
    parameters = FillModelParameters("security", "order", securities_for_orders={"order": "asset"})
    assert [(pair.key, pair.value) for pair in parameters.securities_for_orders] == [
        ("order", "asset")
    ]
    assert parameters.securities_for_orders["order"] == "asset"


def test_market_impact_refuses_times_that_are_not_positive():
    with pytest.raises(ValueError, match="latency must be above 0"):
        MarketImpactSlippageModel(None, latency=0)


def test_a_user_keeps_values_with_a_security():
    security = Security(Symbol.of("SPY"), always_open(), SymbolProperties(), datetime.now)
    security.slow = 1
    security.add("fast", 2)
    security["band"] = 3
    assert (security["slow"], security.fast, security.get[int]("band"), security.get("slow")) == (
        1, 2, 3, 1,
    )  # fmt: skip
    assert sorted(security.cache.properties.keys()) == ["band", "fast"]
    assert (security.remove("fast"), security.remove("fast")) == (True, False)
    security.clear()
    assert security.cache.properties.count == 0
    for key in ("fast", "band"):
        with pytest.raises(KeyError, match=f"The given key '{key}' was not present in the dict"):
            security[key]
