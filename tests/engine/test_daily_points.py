"""Daily bars session by session are what the general rules give, bar by bar."""

import random
import zipfile
from datetime import datetime, timedelta

import pytest

from engine.common.decimals import net_arithmetic
from engine.common.enums import DataNormalizationMode, Resolution, TickType
from engine.feed.auxiliary_files import AuxiliaryData
from engine.feed.bar_files import BarFiles
from engine.feed.daily_points import DailyPoints
from engine.feed.subscriptions import Sources, points
from engine.market.data import SubscriptionDataConfig, TradeBar
from engine.market.market_hours import MarketHoursDatabase
from engine.market.symbols import Symbol

from .folder import business_days, write_folder

START = datetime(2010, 1, 4)
MODES = ("RAW", "ADJUSTED", "SPLIT_ADJUSTED", "TOTAL_RETURN")


def _told(point):
    """Kind, times and exact numbers of a point, zeros at their ends included."""
    names = ("open_exact", "high_exact", "low_exact", "volume_exact", "value_exact", "type")
    values = [str(getattr(point, name)) for name in names if hasattr(point, name)]
    times = (point.time, point.end_time)
    return type(point).__name__, point.is_fill_forward, point.symbol.value, *times, *values


def _write(root, random_, whole):
    """Bars on some business days only, a change of ticker, a split, dividends, a delisting."""
    days = write_folder(root, {"AAA": [(1, 1, 1, 1, 1)], "BBB": [(1, 1, 1, 1, 1)]})
    days = business_days(days[0], 60)
    usa = root / "equity" / "usa"
    (usa / "map_files" / "aaa.csv").write_text("20100104,bbb,Q\n20100201,bbb,Q\n20100320,aaa,Q\n")
    (usa / "factor_files" / "aaa.csv").write_text(
        "20100104,0.9123,0.5,1\n20100114,0.9123,0.5,40\n20100115,0.95,0.5,50\n"
        "20100212,0.95,0.3,50\n20100301,0.98,1,1.5\n20501231,1,1,0\n"
    )
    lines = {"aaa": "", "bbb": ""}
    for day in days:
        if random_.random() < 0.75:
            low = random_.randint(200_000, 300_000)
            opened, close = low + 7, low + random_.randint(0, 99)
            prices = [opened, low + 100, low, close]
            cells = prices if whole else [price + 0.5 for price in prices]
            ticker = "bbb" if day <= datetime(2010, 2, 1).date() else "aaa"
            cells = ",".join(map(str, [*cells, random_.randint(0, 10**7)]))
            lines[ticker] += f"{day:%Y%m%d} 00:00,{cells}\n"
    for ticker, text in lines.items():
        with zipfile.ZipFile(usa / "daily" / f"{ticker}.zip", "w") as archive:
            archive.writestr(f"{ticker}.csv", text)


@pytest.mark.parametrize("whole", [True, False])
def test_as_the_general_rules_say(tmp_path, whole):
    random_ = random.Random(5)
    _write(tmp_path, random_, whole)
    auxiliary = AuxiliaryData(tmp_path)
    sources = Sources(BarFiles(tmp_path), auxiliary)
    hours = MarketHoursDatabase(tmp_path).equity_hours("AAA")
    symbol = Symbol(auxiliary.map_files.sid("AAA", "usa", datetime(2010, 3, 1)), "AAA")
    seen = set()
    with net_arithmetic():
        for trial in range(48):
            start = START + timedelta(days=random_.randint(-3, 60), hours=random_.randint(0, 23))
            end = start + timedelta(days=random_.randint(0, 90), hours=random_.randint(0, 23))
            config = SubscriptionDataConfig(
                symbol,
                Resolution.DAILY,
                TickType.TRADE,
                fill_forward=trial % 3 > 0,
                internal=trial % 5 == 0,
                normalization=DataNormalizationMode[MODES[trial % 4]],
            )
            general = points(config, sources, hours, start, end, lambda: timedelta(days=1))
            expected = [(time, _told(point)) for time, point in general]
            found = [
                (time, _told(point))
                for time, point in DailyPoints(config, sources, hours, start, end)
            ]
            assert found == expected, (start, end, config.data_normalization_mode)
            seen |= {told[:2] for _, told in found}
    assert seen == {
        ("TradeBar", False),
        ("TradeBar", True),
        ("Split", False),
        ("Dividend", False),
        ("SymbolChangedEvent", False),
        ("Delisting", False),
    }


def test_the_mode_of_prices_may_change(tmp_path):
    _write(tmp_path, random.Random(6), True)
    auxiliary = AuxiliaryData(tmp_path)
    sources = Sources(BarFiles(tmp_path), auxiliary)
    hours = MarketHoursDatabase(tmp_path).equity_hours("AAA")
    symbol = Symbol(auxiliary.map_files.sid("AAA", "usa", datetime(2010, 3, 1)), "AAA")
    told = []
    for kind in ("general", "quick"):
        config = SubscriptionDataConfig(symbol, Resolution.DAILY, TickType.TRADE)
        end = datetime(2010, 3, 15)
        stream = (
            points(config, sources, hours, START, end, lambda: timedelta(days=1))
            if kind == "general"
            else DailyPoints(config, sources, hours, START, end)
        )
        seen = []
        for number, (_, point) in enumerate(stream):
            config.data_normalization_mode = DataNormalizationMode[MODES[number // 5 % 4]]
            seen.append(_told(point))
        told.append(seen)
    assert told[0] == told[1]
    assert any(type_ == TradeBar.__name__ for type_, *_ in told[0])
