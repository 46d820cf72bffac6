"""LEAN's C# optimizers and the models that use them, with LEAN's answers as facts."""

import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.common.enums import InsightDirection, PortfolioBias
from engine.common.pairs import SlotDict
from engine.framework import (
    BasePairsTradingAlphaModel,
    BlackLittermanOptimizationPortfolioConstructionModel,
    EnergyETFUniverse,
    Insight,
    LiquidETFUniverse,
    MaximumSharpeRatioPortfolioOptimizer,
    MeanVarianceOptimizationPortfolioConstructionModel,
    MinimumVariancePortfolioOptimizer,
    PearsonCorrelationPairsTradingAlphaModel,
    ReturnsSymbolData,
    ReturnsSymbolDataExtensions,
    RiskParityPortfolioConstructionModel,
    RiskParityPortfolioOptimizer,
    UnconstrainedMeanVariancePortfolioOptimizer,
)
from engine.framework.python_optimizers import (
    MinimumVariancePortfolioOptimizer as OptimizerInPython,
)

SAMPLE = Path(__file__).parents[3] / "shared" / "lean" / "data"
# Returns (times x assets), expected returns, covariance and weights, to six places.
SHARPE = """
[[[0.02,-0.02,0.28],[-0.5,-0.29,-0.13],[0.81,0.29,0.31],[-0.03,0,0.01]], [0.08,-0.01,0.12],
 [[0.29,0.13,0.1],[0.13,0.06,0.04],[0.1,0.04,0.05]], [-0.5,0.5,1]]
[[[0.1,0.2,0.4],[0.12,0.25,0.4],[0.11,0.22,0.4]], [0.11,0.23,0.4], null, [0,0,1]]
[[[-0.19,0.5,0.45],[-0.62,-0.65,0.07],[-0.14,1.02,0.01],[0,-0.03,0.01]], [-0.24,0.21,0.14],
 [[0.07,0.12,0],[0.12,0.51,0.03],[0,0.03,0.04]], [-0.404692,0.404692,1]]
[[[0.46,0.28,0.58,0.26,0.14],[0.52,0.31,0.43,7.43,0],[0.13,0.65,0.52,0.5,-0.08],
  [-0.41,-0.39,-0.28,-0.65,-0.2],[0.77,0.58,0.58,1.02,0.03],[-0.03,-0.01,-0.01,-0.03,0.07]],
 null, null, [-0.418338,0.023261,1,0.040668,0.35441]]
[[[-0.5,-0.13],[0.81,0.31],[-0.02,0.01]], [0.1,0.06], [[0.44,0.15],[0.15,0.05]], [0.5,0.5]]
[[[0.31,0.25,0.43],[0.65,0.6,0.52],[-0.39,-0.22,-0.28],[0.58,0.13,0.58],[-0.01,0,-0.01]],
 [0.23,0.15,0.25], [[0.19,0.11,0.16],[0.11,0.09,0.09],[0.16,0.09,0.14]], [-0.670213,0.670213,1]]
[[[0.13,0.65,1.25],[-0.41,-0.39,-0.5],[0.77,0.58,2.39],[-0.03,-0.01,0.04]], null,
 [[0.24,0.2,0.61],[0.2,0.25,0.58],[0.61,0.58,1.67]], [-1,1,1]]
[[[0.31,0.43,1.22,0.03],[0.65,0.52,1.25,0.67],[-0.39,-0.28,-0.5,-0.1],[0.58,0.58,2.39,-0.41],
  [-0.01,-0.01,0.04,0.03]], [0.23,0.25,0.88,0.04],
 [[0.19,0.16,0.44,0.05],[0.16,0.14,0.4,0.02],[0.44,0.4,1.29,-0.06],[0.05,0.02,-0.06,0.15]],
 [-1,0.315476,0.684524,1]]
"""
# The same with the target after the covariance: weights for a target of 0.02, and for it.
VARIANCE = """
[[[0.76,-0.06,1.22,0.17],[0.02,0.28,1.25,0],[-0.5,-0.13,-0.5,-0.03],[0.81,0.31,2.39,0.26],
  [-0.02,0.02,0.06,0.01]], [0.21,0.08,0.88,0.08],
 [[0.31,0.05,0.55,0.07],[0.05,0.04,0.18,0.01],[0.55,0.18,1.28,0.12],[0.07,0.01,0.12,0.02]],
 0.15, [-0.089212,0.23431,-0.040975,0.635503], [-0.215505,0.130699,0.084806,0.56899],
 [-13.288136,-23.322034,8.79661,9.389831]]
[[[-0.15,0.67,0.45],[-0.44,-0.1,0.07],[0.04,-0.41,0.01],[0.01,0.03,0.02]], [-0.13,0.05,0.14],
 [[0.05,-0.02,-0.01],[-0.02,0.21,0.09],[-0.01,0.09,0.04]],
 0.25, [0.366812,-0.139738,0.49345], [-0.275,0.275,0.45], [-0.142857,-35.285714,82.857143]]
[[[-0.02,0.65,1.25],[-0.29,-0.39,-0.5],[0.29,0.58,2.39],[0,-0.01,0.06]], null,
 [[0.06,0.09,0.28],[0.09,0.25,0.58],[0.28,0.58,1.66]],
 0.5, [0.562216,0.36747,-0.070314], [-0.129512,0.551139,0.319349],
 [-13.232262,-3.709534,4.009978]]
[[[0.76,0.25,0.21],[0.02,-0.15,0.45],[-0.5,-0.44,0.07],[0.81,0.04,0.01],[-0.02,0.01,0.02]], null,
 null, 0.125, [-0.119241,0.443464,0.437295], [0.052859,0.144177,0.802964],
 [4.621852,-9.651736,5.098332]]
"""


def rows(text):
    """The values of a table, of which every row begins at the margin."""
    return [json.loads(row) for row in text.strip().replace("\n ", " ").splitlines()]


def six(weights):
    return [round(weight, 6) + 0.0 for weight in weights]


class TestOptimizers:
    @pytest.mark.parametrize(("returns", "mean", "covariance", "expected"), rows(SHARPE))
    def test_the_largest_sharpe_ratio(self, returns, mean, covariance, expected):
        found = MaximumSharpeRatioPortfolioOptimizer().optimize(returns, mean, covariance)
        assert six(found) == expected

    def test_the_largest_sharpe_ratio_within_bounds(self):
        returns = rows(SHARPE)[0][0]
        optimizer = MaximumSharpeRatioPortfolioOptimizer(lower=0, risk_free_rate=0.04)
        assert six(optimizer.optimize(returns)) == [0, 0, 1]
        half = MaximumSharpeRatioPortfolioOptimizer(0, 0.5).optimize(rows(SHARPE)[1][0])
        assert all(-1e-6 <= weight <= 0.5 + 1e-6 for weight in half)

    def test_without_a_solution_the_weights_are_equal(self):
        sharpe, variance = (
            MaximumSharpeRatioPortfolioOptimizer(),
            MinimumVariancePortfolioOptimizer(upper=-1),
        )
        returns = [[-0.1, -0.2], [-0.12, -0.25]]
        bent = [[0.25, 0.12], [0.45, 0.2]]
        assert sharpe.optimize(returns, [-0.1, -0.25], bent) == [0.5, 0.5]
        assert variance.optimize(rows(VARIANCE)[0][0]) == [0.25] * 4
        assert sharpe.optimize([[-0.1]], [-0.1]) == [1]
        for optimizer in (sharpe, variance):
            assert optimizer.optimize(np.zeros((0, 0))) == []
            # One return has no covariance.
            assert optimizer.optimize([[0.1, 0.2]]) == [0.5, 0.5]

    @pytest.mark.parametrize("row", rows(VARIANCE))
    def test_the_least_variance_for_a_target(self, row):
        returns, mean, covariance, target, default, expected, unconstrained = row
        found = MinimumVariancePortfolioOptimizer().optimize(returns, mean, covariance)
        assert six(found) == default
        optimizer = MinimumVariancePortfolioOptimizer(target_return=target)
        assert six(optimizer.optimize(returns, mean, covariance)) == expected
        free = UnconstrainedMeanVariancePortfolioOptimizer().optimize(returns, mean, covariance)
        assert six(free) == unconstrained

    @pytest.mark.parametrize(
        ("covariance", "equal", "quarter"),
        [
            ([[0.25, -0.2], [-0.2, 0.25]], (3.162278, 3.162278), (2.965685, 3.285618)),
            ([[0.01, 0], [0, 0.04]], (7.071068, 3.535534), (5.0, 4.330127)),
            ([[1, 0.45], [0.45, 0.25]], (0.512989, 1.025978), (0.264749, 1.510089)),
            ([[0.25, 0.05], [0.05, 0.04]], (1.154701, 2.886751), (0.681774, 3.924933)),
        ],
    )
    def test_shares_of_the_risk(self, covariance, equal, quarter):
        for budget, expected in (([0.5, 0.5], equal), ([0.25, 0.75], quarter)):
            found = RiskParityPortfolioOptimizer().optimize([], budget, covariance)
            assert found == pytest.approx(np.array(expected) / sum(expected), abs=1e-6)

    def test_shares_of_the_risk_of_few_and_of_too_many(self):
        optimizer = RiskParityPortfolioOptimizer()
        assert optimizer.optimize([], covariance=[[0.5]]) == [1]
        for size in (0, 1001):
            with pytest.raises(ValueError, match="between 1 and 1000"):
                optimizer.optimize([], covariance=np.eye(size))


class TestReturns:
    def data(self, *pairs):
        found = ReturnsSymbolData("A", 1, 3)
        for day, value in pairs:
            found.add(datetime(2020, 1, day), value)
        return found

    def test_returns_come_newest_first_and_once(self):
        data = self.data((1, 0.1), (2, 0.2), (2, 0.9), (3, 0.3), (4, 0.4))
        assert list(data.returns.values()) == [0.4, 0.3, 0.2]
        assert [data.update(datetime(2020, 2, day), price) for day, price in ((1, 8), (2, 10))] == [
            False,
            True,
        ]
        assert next(iter(data.returns.values())) == 0.25
        data.reset()
        assert data.returns == {}

    def test_rows_are_times_or_places(self):
        form = ReturnsSymbolDataExtensions.form_returns_matrix
        same = {"A": self.data((1, 0.1), (2, 0.2)), "B": self.data((1, 0.0), (2, 0.3))}
        assert form(same, ["B", "A"]).tolist() == [[0.3, 0.2], [0.0, 0.1]]
        apart = {"A": self.data((1, 0.1), (2, 0.2)), "B": self.data((2, 0.0), (3, 0.3))}
        assert form(apart, ["A", "B"]).tolist() == [[0.2, 0.3], [0.1, 0.0]]
        short = {"A": self.data((1, 0.1), (2, 0.2)), "B": self.data((2, 0.3))}
        assert form(short, ["A", "B"]).tolist() == [[0.2, 0.3]]
        assert form({"A": self.data((1, 0.0))}, ["A"]).shape == (0, 0)


COUNTRIES = ("AUS", "CAN", "FRA", "GER", "JAP", "UK", "USA")
CORRELATIONS = """
1 .488 .478 .515 .439 .512 .491  .488 1 .664 .655 .31 .608 .779  .478 .664 1 .861 .355 .783 .668
.515 .655 .861 1 .354 .777 .653  .439 .31 .355 .354 1 .405 .306  .512 .608 .783 .777 .405 1 .652
.491 .779 .668 .653 .306 .652 1
"""


class HeLitterman(BlackLittermanOptimizationPortfolioConstructionModel):
    """The example of He and Litterman (1999), which LEAN's tests use."""

    def get_equilibrium_returns(self, returns):
        deviations = np.array([0.16, 0.203, 0.248, 0.271, 0.21, 0.2, 0.187])
        shares = np.array([0.016, 0.022, 0.052, 0.055, 0.116, 0.124, 0.615])
        correlations = np.array(CORRELATIONS.split(), dtype=float).reshape(7, 7)
        covariance = correlations * np.outer(deviations, deviations)
        return shares @ covariance * 2.5, covariance


def views(model, sizes):
    return [
        Insight.price(
            country,
            timedelta(1),
            InsightDirection(int(np.sign(size))),
            size,
            source_model=model,
        )
        for country, size in zip(COUNTRIES, sizes, strict=True)
    ]


FIRST = views("View 1", (0, 0, -0.01475, 0.05, 0, -0.03525, 0))
SECOND = views("View 2", (0, 0.03, 0, 0, 0, 0, -0.03))


class TestModels:
    @pytest.mark.parametrize(
        ("insights", "expected"),
        [
            (
                FIRST,
                "0.0152381 0.02095238 -0.03948465 0.35410454 0.11047619 -0.09461989 0.58571429",
            ),
            (
                [*FIRST, *SECOND],
                "0.0152381 0.41863571 -0.03409321 0.33582847 0.11047619 -0.08173526 0.18803095",
            ),
        ],
    )
    def test_views_move_the_markets_weights(self, insights, expected):
        model = HeLitterman(optimizer=UnconstrainedMeanVariancePortfolioOptimizer())
        found = model.determine_target_percent(sorted(insights, key=lambda one: one.symbol))
        assert [insight.symbol.value for insight in found] == list(COUNTRIES)
        assert list(found.values()) == pytest.approx([float(one) for one in expected.split()])

    def test_a_model_without_a_view_silences_all(self):
        model = HeLitterman(optimizer=UnconstrainedMeanVariancePortfolioOptimizer())
        assert model.determine_target_percent([]) == {}
        assert model.determine_target_percent([*FIRST, *views("View 3", (0,) * 7)]) == {}
        without = Insight.price("USA", timedelta(1), InsightDirection.UP, source_model="m")
        assert model.determine_target_percent([without]) == {}

    def test_optimizers_written_in_python(self):
        with pytest.raises(TypeError, match="AlgorithmImports"):
            RiskParityPortfolioConstructionModel(optimizer=OptimizerInPython())
        with pytest.raises(NotImplementedError, match=r"IPortfolioOptimizer\.Optimize"):
            MeanVarianceOptimizationPortfolioConstructionModel(optimizer=object())
        asked = []

        def optimize(returns, mean, covariance):
            asked.append((returns.tolist(), mean, covariance))
            return [0.5, -0.5]

        model = MeanVarianceOptimizationPortfolioConstructionModel(
            portfolio_bias=PortfolioBias.LONG, optimizer=SimpleNamespace(optimize=optimize)
        )
        insights = [
            Insight.price(name, timedelta(1), InsightDirection.UP, 0.1) for name in ("A", "B")
        ]
        assert list(model.determine_target_percent(insights).values()) == [0.5, 0.0]
        assert asked == [([], None, None)]


class TestPairs:
    def changes(self, added=(), removed=()):
        return SimpleNamespace(added_securities=added, removed_securities=removed)

    def test_a_freed_place_is_taken_again(self):
        places = SlotDict()
        for name in "ABCD":
            places[name] = name.lower()
        del places["B"], places["C"]
        places["E"] = "e"
        assert list(places.items()) == [("A", "a"), ("E", "e"), ("D", "d")]
        places["F"] = places["G"] = "f"
        assert list(places) == ["A", "F", "E", "D", "G"]

    def test_securities_keep_the_order_of_a_set(self):
        model = BasePairsTradingAlphaModel(threshold=1.50)
        assert model.name == "BasePairsTradingAlphaModel(1,Daily,1.5)"
        model._take(self.changes(added="CAB"))
        model._take(self.changes(removed="A"))
        model._take(self.changes(added="D"))
        assert model.securities == ["C", "D", "B"]

    def test_the_best_pair_has_the_highest_correlation(self):
        prices = {"A": (10, 11, 12, 11), "B": (20, 22, 23, 22), "C": (5, 4, 5, 4)}

        class Piece(dict):
            contains_key = dict.__contains__

        class History:
            def __getitem__(self, kind):
                return lambda symbols, count, resolution: [
                    Piece({name: SimpleNamespace(value=prices[name][k]) for name in symbols})
                    for k in range(4)
                ]

        told = []
        algorithm = SimpleNamespace(history=History(), debug=told.append)
        model = PearsonCorrelationPairsTradingAlphaModel(252)
        model._choose(algorithm, ["C", "B", "A"])
        assert model.best_pair == ("B", "A")
        assert model.has_passed_test(algorithm, "B", "A")
        assert not model.has_passed_test(algorithm, "A", "B")
        assert model._returns(algorithm, ["A"]) == [
            pytest.approx([math.log(1.1), math.log(1.1), math.log(12 / 11), math.log(11 / 12)])
        ]
        with pytest.raises(RuntimeError, match="no elements"):
            model._choose(algorithm, ["A"])
        model._choose(algorithm, [])
        assert told[0].endswith("Current lookback: 252")


def test_baskets_wait_for_the_first_days():
    basket = EnergyETFUniverse()
    assert basket.select(None, datetime(2004, 9, 29)) == ["XLE", "IYE", "VDE"]
    group = LiquidETFUniverse.VOLATILITY
    assert len(group) == 8
    assert str(group) == ("8 symbols: Long: TVIX,VIXY,SPLV,UVXY,EEMV,EFAV,USMV Inverse: SVXY")
    assert str(LiquidETFUniverse.Grouping([], [])) == "No Symbols"


PARITY = """
from AlgorithmImports import *
class Parity(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2021, 2, 21)
        self.set_end_date(2021, 3, 30)
        self.set_security_initializer(lambda s: s.set_market_price(self.get_last_known_price(s)))
        for ticker in ("SPY", "AAPL"):
            self.add_equity(ticker, Resolution.DAILY)
        self.add_alpha(ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, timedelta(1)))
        self.set_portfolio_construction(RiskParityPortfolioConstructionModel())
"""
# LEAN selects by a universe of coarse data, each day at midnight.
SELECTED = """
from AlgorithmImports import *
class Selected(QCAlgorithm):
    def initialize(self):
        self.universe_settings.resolution = Resolution.MINUTE
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.known = [
            Symbol.create(ticker, SecurityType.EQUITY, Market.USA)
            for ticker in ("AIG", "BAC", "IBM", "SPY")
        ]
        every_day = self.date_rules.every_day(), self.time_rules.midnight
        self.set_universe_selection(ScheduledUniverseSelectionModel(*every_day, self.chosen))
        self.set_alpha(HistoricalReturnsAlphaModel(resolution=Resolution.DAILY))
        self.construct()
    def chosen(self, time):
        return self.known[:3] if self.time.day > 8 else self.known
"""
MEAN_VARIANCE = """
    def construct(self):
        self.settings.rebalance_portfolio_on_insight_changes = False
        self.set_portfolio_construction(MeanVarianceOptimizationPortfolioConstructionModel())
"""
BLACK_LITTERMAN = """
    def construct(self):
        optimizer = UnconstrainedMeanVariancePortfolioOptimizer()
        model = BlackLittermanOptimizationPortfolioConstructionModel(optimizer=optimizer)
        self.set_portfolio_construction(model)
"""


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.exists(), reason="LEAN's sample data are not in ../shared/lean")
@pytest.mark.parametrize(
    ("algorithm", "orders", "order_hash"),
    [
        (PARITY, "31", "6194b89f404d05e8ba437ce38f4bc4a4"),
        (SELECTED + MEAN_VARIANCE, "9", "cfaa49669725a950334b55a495e130ce"),
        (SELECTED + BLACK_LITTERMAN, "22", "44a85134cd1c91c9720549bc0e007f80"),
    ],
    ids=["risk parity", "mean-variance", "Black-Litterman"],
)
def test_orders_of_the_models_are_leans(tmp_path, algorithm, orders, order_hash):
    """Algorithms of LEAN's that use the C# models: the first it has in C# only."""
    from engine.run.runner import run_backtest

    project = tmp_path / "main.py"
    project.write_text(algorithm)
    result = run_backtest(
        project, data_folder=SAMPLE, results=tmp_path / "results", store=tmp_path / "store"
    )
    assert result.statistics["Total Orders"] == orders
    assert result.statistics["OrderListHash"] == order_hash
