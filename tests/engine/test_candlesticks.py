"""Candlestick patterns: one candle drawing each, averages beside their obvious twin, a run.

The values of the drawings come from patterns that agree with TA-Lib's figures wherever LEAN's do
(`research.benchmarks.indicator_conformance`).
"""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from engine.common.decimals import net_arithmetic
from engine.common.enums import CandleRangeType, CandleSettingType
from engine.indicators import candlesticks
from engine.indicators.candlesticks import CandleSetting, CandleSettings, CandlestickPattern
from engine.market.data import TradeBar
from engine.run.runner import run_backtest
from tests.engine.folder import write_folder

START = datetime(2020, 1, 1)
# Sixteen candles with bodies of 10 between shadows of 5, white and black in turn.
BEFORE = [(100, 115, 95, 110), (110, 115, 95, 100)] * 8
# Pattern, its value and its candles: open, high, low, close.
DRAWINGS = """
AbandonedBaby 1 103,103,89,89 81,83,51,82 90,105,90,102
AdvanceBlock -1 108,127,105,126 125,145,124,137 137,153,137,139
BeltHold 1 99,125,99,124
BeltHold -1 103,104,88,91
Breakaway -1 116,155,102,141 157,160,149,157 156,162,155,161 160,177,160,174 166,167,154,154
ClosingMarubozu 1 92,122,91,122
ClosingMarubozu -1 99,107,86,87
ConcealedBabySwallow 1 99,100,93,93 92,92,90,91 90,98,68,76 73,103,54,55
Counterattack 1 97,100,78,79 54,82,51,79
Counterattack -1 99,130,96,129 154,168,126,129
DarkCloudCover -1 100,114,99,114 122,130,103,104
Doji 1 97,98,81,95
DojiStar 1 108,116,89,90 87,95,86,87
DojiStar -1 92,107,92,106 131,145,128,131
DragonflyDoji 1 100,102,86,101
Engulfing 1 108,122,107,107 91,124,83,121
Engulfing -1 103,123,100,109 110,111,101,102
EveningDojiStar -1 101,127,100,113 116,119,115,118 119,122,86,94
EveningStar -1 99,116,85,113 116,121,108,118 102,110,54,84
GapSideBySideWhite 1 99,100,67,97 100,134,99,104 101,104,101,103
GapSideBySideWhite -1 84,119,81,89 64,64,63,64 64,73,63,65
GravestoneDoji 1 108,122,107,108
Hammer 1 100,103,99,102 103,103,89,97
HangingMan -1 103,107,73,104 112,120,82,120
Harami 1 100,100,52,82 83,113,82,83
Harami -1 100,122,70,114 113,127,105,108
HaramiCross 1 100,103,67,70 73,74,57,71
HaramiCross -1 101,134,98,131 128,158,128,128
HighWaveCandle 1 108,109,100,108
HighWaveCandle -1 99,113,95,98
Hikkake 1 75,113,61,105 97,97,69,83 83,91,80,81 56,56,43,44
Hikkake -1 99,100,74,74 74,112,74,82 83,95,80,95 95,112,87,109
HikkakeModified 1 75,76,31,61 53,97,52,67 75,89,69,69 72,76,71,76 73,74,67,68
HikkakeModified -1 92,92,48,78 78,116,48,86 111,114,97,113 113,113,105,113 114,116,111,115
HomingPigeon 1 116,119,102,102 105,113,90,104
IdenticalThreeCrows -1 125,133,99,100 100,101,93,94 95,109,80,81
InNeck -1 99,100,85,85 84,87,70,86
InvertedHammer 1 84,85,77,78 53,87,52,57
Kicking 1 101,102,88,89 105,124,104,123
KickingByLength 1 100,101,88,88 113,138,112,138
LadderBottom 1 103,133,77,78 77,107,73,76 73,87,25,55 55,63,36,50 58,67,57,66
LongLeggedDoji 1 108,138,106,106
LongLineCandle 1 99,113,98,113
LongLineCandle -1 100,103,74,75
Marubozu 1 125,137,124,137
Marubozu -1 99,100,80,81
MatHold 1 100,131,99,130 134,135,132,133 131,132,127,128 128,129,124,125 126,150,125,149
MatchingLow 1 100,108,78,92 95,125,91,91
MorningDojiStar 1 103,117,88,91 83,84,82,83 86,105,85,104
MorningStar 1 100,103,56,70 45,47,45,46 71,103,70,89
OnNeck -1 100,100,82,82 74,90,66,82
Piercing 1 101,115,87,87 84,104,70,96
RickshawMan 1 103,133,71,101
RiseFallThreeMethods -1 108,111,77,78 78,108,48,78 86,92,85,91 99,129,91,99 91,94,58,61
SeparatingLines 1 103,106,94,102 102,117,101,116
SeparatingLines -1 103,133,102,103 103,104,83,91
ShootingStar -1 125,128,125,125 150,164,145,146
ShortLineCandle 1 84,87,84,84
ShortLineCandle -1 116,116,114,115
SpinningTop 1 100,131,97,101
SpinningTop -1 92,122,79,87
StalledPattern -1 125,163,111,155 155,186,141,185 188,191,174,190
StickSandwich 1 125,133,121,124 127,128,127,127 126,126,110,124
Takuri 1 75,76,45,75
TasukiGap 1 101,123,98,109 125,151,124,150 147,177,121,122
TasukiGap -1 125,126,110,124 121,122,106,107 110,125,109,122
ThreeBlackCrows -1 97,112,67,109 106,136,104,104 105,119,99,100 101,101,94,95
ThreeInside 1 92,93,70,78 81,111,80,81 81,111,51,111
ThreeInside -1 101,139,100,131 130,130,117,118 93,94,49,79
ThreeLineStrike 1 100,108,92,100 97,112,67,111 110,146,96,116 119,133,86,89
ThreeOutside 1 103,104,71,101 98,106,95,106 131,133,128,132
ThreeOutside -1 92,107,84,106 109,123,90,91 66,67,36,66
ThreeStarsInSouth 1 100,101,45,75 83,84,63,71 71,71,64,65
ThreeWhiteSoldiers 1 92,94,84,93 93,99,92,99 102,117,99,116
Thrusting -1 97,111,82,83 80,88,66,88
Tristar 1 116,117,102,116 100,100,86,100 125,130,95,127
Tristar -1 101,104,101,101 117,118,113,116 116,124,101,115
TwoCrows -1 100,115,99,114 130,138,117,118 126,127,109,112
UniqueThreeRiver 1 100,108,81,82 98,128,67,97 81,95,67,81
UpDownGapThreeMethods 1 100,132,92,118 121,138,120,135 134,134,101,104
UpDownGapThreeMethods -1 116,117,68,98 73,81,55,69 72,103,69,102
UpsideGapTwoCrows -1 92,114,91,106 131,139,121,129 137,138,122,125
"""
QUIRKS = {
    "AbandonedBaby", "Counterattack", "Hikkake", "HikkakeModified", "MorningStar", "StickSandwich",
}  # fmt: skip


def drawing(line):
    """A line's pattern, value and candles."""
    name, value, *candles = line.split()
    return name, int(value), [tuple(map(int, candle.split(","))) for candle in candles]


ROWS = [drawing(line) for line in DRAWINGS.strip().splitlines()]
PATTERNS = [
    kind
    for name in candlesticks.__all__
    if issubclass(kind := getattr(candlesticks, name), CandlestickPattern)
    and kind is not CandlestickPattern
]


def bars(*prices):
    return [
        TradeBar(START + timedelta(days=day), None, *map(Decimal, row), Decimal(1))
        for day, row in enumerate(prices)
    ]


def values(pattern, *prices):
    with net_arithmetic():
        return [pattern.update(bar) and pattern.current.value for bar in bars(*prices)]


def test_every_pattern_is_drawn():
    assert {name for name, _, _ in ROWS} == {kind.__name__ for kind in PATTERNS}
    assert len(PATTERNS) == 61


@pytest.mark.parametrize(("name", "value", "candles"), ROWS)
def test_a_drawing_is_known(name, value, candles):
    kind = getattr(candlesticks, name)
    pattern = kind()
    assert pattern.name == name.upper()
    assert values(pattern, *BEFORE, *candles)[-1] == value
    pattern.reset()
    assert (pattern.samples, pattern.is_ready) == (0, False)
    assert values(pattern, *BEFORE, *candles)[-1] == value


def test_averages_are_of_the_candles_before():
    prices = [
        (100 + day % 7, 108 + day * 5 % 11, 90 - day * 3 % 7, 100 + day * day % 9)
        for day in range(40)
    ]
    for kind in PATTERNS:
        if kind.__name__ in QUIRKS:
            continue
        pattern = kind()
        with net_arithmetic():
            for bar in bars(*prices):
                pattern.update(bar)
            window = list(pattern._window)
            for setting, at in pattern._running:
                given = CandleSettings.get(setting)
                # The sums have gone on by a candle already.
                before = window[at : at + given.average_period]
                total = sum(candle.range(given.range_type) for candle in before)
                assert pattern._running[setting, at].total == total, (kind, setting, at)


def test_settings_change_what_a_word_means():
    doji = candlesticks.Doji
    wide = (100, 110, 90, 104)
    assert values(doji("plain"), *BEFORE, wide)[-1] == 0
    kind = CandleSettingType.BODY_DOJI
    CandleSettings.set(kind, CandleSetting(CandleRangeType.HIGH_LOW, 5, 0.2))
    try:
        pattern = doji()
        assert (pattern.period, pattern.warm_up_period) == (6, 6)
        assert values(pattern, *BEFORE, wide)[-1] == 1
    finally:
        CandleSettings.qc_reset()
    assert CandleSettings.get(kind).factor == 0.1


def test_a_name_or_a_penetration():
    assert candlesticks.MorningStar("mine").name == "mine"
    assert candlesticks.MorningStar(0.4)._penetration == Decimal("0.4")
    assert candlesticks.MatHold("mine")._penetration == Decimal("0.5")
    assert candlesticks.MatHold(penetration=0.1).name == "MATHOLD"


ALGORITHM = """
from AlgorithmImports import *
class Main(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2010, 1, 4)
        self.set_end_date(2010, 1, 27)
        self.add_equity("ABC", Resolution.DAILY)
        patterns = self.candlestick_patterns
        self.doji = patterns.doji("ABC")
        self.star = self.CandlestickPatterns.MorningStar("ABC", 0.2, Resolution.DAILY)
    def on_data(self, data):
        if self.doji.is_ready:
            self.log(f"{self.doji} {self.doji.name} {self.star.name} {self.star.is_ready}")
"""


def test_patterns_of_an_algorithm(tmp_path):
    rows = [(*candle, 1000) for candle in (*BEFORE, (100, 110, 90, 101))]
    write_folder(tmp_path / "data", {"ABC": rows})
    (tmp_path / "main.py").write_text(ALGORITHM)
    result = run_backtest(
        tmp_path / "main.py",
        data_folder=tmp_path / "data",
        results=tmp_path / "results",
        store=tmp_path / "store",
    )
    assert not result.runtime_error
    lines = next((tmp_path / "results").glob("*log.txt")).read_text().splitlines()
    assert [line[20:] for line in lines] == [
        *["0.0 DOJI(ABC_day) MORNINGSTAR(ABC_day) False"] * 2,
        *["0.0 DOJI(ABC_day) MORNINGSTAR(ABC_day) True"] * 4,
        "1.0 DOJI(ABC_day) MORNINGSTAR(ABC_day) True",
    ]
