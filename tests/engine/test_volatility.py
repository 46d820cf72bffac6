"""Models of volatility and filters of data; numbers of LEAN's own tests as facts."""

from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from engine.account.volatility import (
    BaseVolatilityModel,
    IndicatorVolatilityModel,
    RelativeStandardDeviationVolatilityModel,
    StandardDeviationOfReturnsVolatilityModel,
    VolatilityModel,
    VolatilityModelExtensions,
)
from engine.common.enums import Resolution
from engine.indicators import IndicatorDataPoint
from engine.run.runner import run_backtest
from tests.engine.folder import write_folder

NOON = datetime(2016, 4, 6, 12)
MINUTE = timedelta(minutes=1)


def tell(model, *pairs):
    """Volatility after each (minutes, price)."""
    found = []
    for minutes, price in pairs:
        model.update(None, IndicatorDataPoint(None, NOON + MINUTE * minutes, price))
        found.append(model.volatility)
    return found


def test_deviation_over_the_mean():
    model = RelativeStandardDeviationVolatilityModel(MINUTE, 3)
    # The third comes too soon, the last has no price.
    pairs = (0, 1), (1, 2), (1.01, 1000), (2, 3), (3, 0)
    assert tell(model, *pairs) == [0, 0.471404520791032, 0.471404520791032, 0.5, 0.5]


def test_deviation_of_returns():
    model = StandardDeviationOfReturnsVolatilityModel(3, Resolution.MINUTE)
    found = tell(model, (0, 10), (0.5, 99), (1, 11), (2, 10.5), (3, 0), (4, 10.5))
    returns = Decimal("0.1"), Decimal("10.5") / 11 - 1
    one = abs(returns[0] - returns[1]) / Decimal(2).sqrt() * Decimal(252).sqrt()
    assert found[:3] == [0, 0, 0]
    assert found[3:5] == pytest.approx([float(one)] * 2, rel=1e-14)
    mean = sum(returns) / 3
    squares = sum((each - mean) ** 2 for each in (*returns, 0)) / 2
    assert found[5] == pytest.approx(float((squares * 252).sqrt()), rel=1e-14)


def test_arguments():
    for model in (
        StandardDeviationOfReturnsVolatilityModel(Resolution.HOUR),
        StandardDeviationOfReturnsVolatilityModel(resolution=Resolution.HOUR),
        StandardDeviationOfReturnsVolatilityModel(Resolution.MINUTE, timedelta(hours=1)),
    ):
        assert model._span == timedelta(hours=1)
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        StandardDeviationOfReturnsVolatilityModel(1)
    with pytest.raises(RuntimeError, match="SubscriptionDataConfigProvider was not set"):
        RelativeStandardDeviationVolatilityModel(MINUTE, 3).get_history_requirements(None, NOON)
    assert BaseVolatilityModel().get_history_requirements(None, NOON) == []
    assert VolatilityModel.NULL.volatility == 0
    with pytest.raises(NotImplementedError, match="history provider"):
        VolatilityModelExtensions.warm_up(VolatilityModel.NULL, object(), None)


def test_an_indicators_value():
    indicator = SimpleNamespace(current=SimpleNamespace(value=0.25))
    seen = []
    model = IndicatorVolatilityModel(indicator, lambda *given: seen.append(given))
    tell(model, (0, 1))
    assert (model.volatility, len(seen), seen[0][2]) == (0.25, 1, indicator)


ALGORITHM = """
from AlgorithmImports import *
class Kept(SecurityDataFilter):
    def filter(self, vehicle, data):
        if data.close == 99:
            raise ValueError("a price that is left out, as in LEAN, and the run goes on")
        return True
class Main(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2010, 1, 11)
        self.set_end_date(2010, 1, 15)
        self.prices = []
        equity = self.add_equity(
            "ABC", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW
        )
        equity.set_volatility_model(StandardDeviationOfReturnsVolatilityModel(3))
        equity.set_data_filter(Kept())
        self.abc = equity
    def on_data(self, data):
        if data.splits:
            self.tell(data.splits["ABC"].type)
        if data.bars:
            self.tell(self.abc.price)
    def tell(self, what):
        self.log(f"{self.time:%d} {what} {self.abc.volatility_model.volatility:.6f}")
"""


def test_a_run_measures_what_its_filter_lets_pass(tmp_path):
    closes = (40, 44, 40, 44, 40, 44, 40, 99, 22, 20)
    factors = "20100104,1,0.5,44\n20100113,1,0.5,40\n20501231,1,1,0\n"
    write_folder(
        tmp_path / "data",
        {"ABC": [(c, c, c, c, 1000) for c in closes]},
        factors={"ABC": factors},
    )
    (tmp_path / "main.py").write_text(ALGORITHM)
    result = run_backtest(
        tmp_path / "main.py",
        data_folder=tmp_path / "data",
        results=tmp_path / "results",
        store=tmp_path / "store",
    )
    lines = (next((tmp_path / "results").glob("*log.txt"))).read_text().splitlines()
    assert not result.runtime_error
    # At the split the last four bars of history count, halved, which no filter has seen: 20, 22, 20
    # and 49.5; then come 22 and 20.
    assert lines == [
        "2010-01-11 16:00:00 11 44.0 0.000000",
        "2010-01-12 16:00:00 12 40.0 0.000000",
        "2010-01-13 00:00:00 13 WARNING 0.000000",
        "2010-01-14 00:00:00 14 SPLIT_OCCURRED 13.561858",
        "2010-01-14 16:00:00 14 22.0 16.888670",
        "2010-01-15 16:00:00 15 20.0 16.888670",
    ]
