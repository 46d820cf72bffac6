"""Portfolio optimizers and the models of LEAN's Python files: closed forms and known answers."""

import importlib
import sys
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from engine.common.decimals import to_decimal
from engine.common.enums import InsightDirection, PortfolioBias
from engine.framework import (
    EqualWeightingPortfolioConstructionModel,
    Insight,
    PortfolioConstructionModel,
    VolumeWeightedAveragePriceExecutionModel,
)
from engine.framework.optimization import MeanReversionPortfolioConstructionModel
from engine.framework.pairs_alphas import BasePairsTradingAlphaModel
from engine.framework.python_files import HistoricalReturnsAlphaModel
from engine.framework.python_optimization import (
    BlackLittermanOptimizationPortfolioConstructionModel,
    RiskParityPortfolioConstructionModel,
)
from engine.framework.python_optimizers import (
    MaximumSharpeRatioPortfolioOptimizer,
    MinimumVariancePortfolioOptimizer,
    RiskParityPortfolioOptimizer,
    UnconstrainedMeanVariancePortfolioOptimizer,
)
from engine.run.shim_modules import framework_modules

RETURNS = pd.DataFrame({"A": [0.01, -0.02, 0.03, 0.00], "B": [0.02, 0.01, -0.01, 0.01]})


class TestOptimizers:
    def test_two_constraints_leave_two_assets_one_answer(self):
        weights = MinimumVariancePortfolioOptimizer(target_return=0.006).optimize(RETURNS)
        # a + b = 1 and 0.005 a + 0.0075 b = 0.006
        assert weights == pytest.approx([0.6, 0.4])

    def test_what_cannot_be_reached_gives_equal_weights(self):
        weights = MinimumVariancePortfolioOptimizer(target_return=1.0).optimize(RETURNS)
        assert list(weights) == [0.5, 0.5]

    def test_the_largest_ratio_is_the_inverse_covariance_times_the_returns(self):
        weights = MaximumSharpeRatioPortfolioOptimizer().optimize(RETURNS)
        closed = np.linalg.inv(RETURNS.cov()) @ RETURNS.mean()
        assert weights == pytest.approx(closed / closed.sum(), abs=1e-3)
        unbound = UnconstrainedMeanVariancePortfolioOptimizer().optimize(RETURNS)
        assert unbound == pytest.approx(closed)

    def test_uncorrelated_assets_share_the_risk_by_their_deviations(self):
        covariance = np.diag([0.04, 0.01])
        weights = RiskParityPortfolioOptimizer().optimize(RETURNS, covariance=covariance)
        assert weights == pytest.approx([1 / 3, 2 / 3], abs=1e-4)

    def test_a_portfolio_without_risk_is_refused(self):
        flat = pd.DataFrame({"A": [0.01, 0.01], "B": [0.01, 0.01]})
        with pytest.raises(ValueError, match="variance must not be 0"):
            MinimumVariancePortfolioOptimizer().optimize(flat)


class TestModels:
    @pytest.mark.parametrize(
        ("vector", "expected"),
        [([0.2, 0.8], [0.2, 0.8]), ([0.5, 1.5], [0.0, 1.0]), ([1.0, 1.0, -1.0], [0.5, 0.5, 0.0])],
    )
    def test_the_simplex_is_the_nearest_weights(self, vector, expected):
        found = MeanReversionPortfolioConstructionModel.simplex_projection(vector)
        assert found == pytest.approx(expected)

    def test_views_are_scaled_by_the_larger_side(self):
        model = BlackLittermanOptimizationPortfolioConstructionModel()
        views = [
            Insight.price("A", timedelta(1), InsightDirection.UP, 0.02, source_model="m"),
            Insight.price("B", timedelta(1), InsightDirection.DOWN, 0.01, source_model="m"),
        ]
        link, returns = model.get_views(views)
        assert link.tolist() == [[1.0, -0.5]]
        assert returns.tolist() == [[0.02]]
        without = [Insight.price("A", timedelta(1), InsightDirection.UP)]
        assert model.get_views(without) == (None, None)

    @pytest.mark.parametrize(
        "model", [RiskParityPortfolioConstructionModel, MeanReversionPortfolioConstructionModel]
    )
    def test_long_positions_must_be_allowed(self, model):
        with pytest.raises(ValueError, match="Long position must be allowed"):
            model(portfolio_bias=PortfolioBias.SHORT)

    def test_magnitudes_beyond_the_settings_are_told_and_left_out(self):
        told = []
        algorithm = SimpleNamespace(
            settings=SimpleNamespace(
                max_absolute_portfolio_target_percentage=0.5,
                min_absolute_portfolio_target_percentage=0.001,
            ),
            error=told.append,
        )
        insights = [
            Insight.price("A", timedelta(1), InsightDirection.UP, magnitude)
            for magnitude in (None, 0.0, 0.2, 0.7, 0.0001)
        ]
        valid = PortfolioConstructionModel.filter_invalid_insight_magnitude(algorithm, insights)
        assert valid == insights[:3]
        assert len(told) == 2

    def test_an_average_price_is_favourable_below_for_buys_and_above_for_sells(self):
        data = SimpleNamespace(
            vwap=SimpleNamespace(current=SimpleNamespace(value_exact=to_decimal(10))),
            security=SimpleNamespace(bid_price_exact=Decimal("9.99"), ask_price_exact=Decimal(10)),
        )
        model = VolumeWeightedAveragePriceExecutionModel()
        assert model.price_is_favorable(data, 5)
        assert not model.price_is_favorable(data, -5)

    def test_every_two_securities_are_a_pair(self):
        model = BasePairsTradingAlphaModel(threshold=1.50)
        assert model.name == "BasePairsTradingAlphaModel(1,Daily,1.5)"
        assert model.has_passed_test(None, "A", "B")


class TestModules:
    def test_a_module_holds_the_model_of_its_name(self):
        with framework_modules():
            module = importlib.import_module("Portfolio.RiskParityPortfolioConstructionModel")
            assert module.RiskParityPortfolioConstructionModel is (
                RiskParityPortfolioConstructionModel
            )
            alphas = importlib.import_module("Alphas.HistoricalReturnsAlphaModel")
            # A helper of LEAN's file, which the engine's model does without.
            with pytest.raises(NotImplementedError, match="SymbolData"):
                alphas.SymbolData()
            assert alphas.HistoricalReturnsAlphaModel is HistoricalReturnsAlphaModel
            shared = importlib.import_module("Portfolio.EqualWeightingPortfolioConstructionModel")
            assert shared.EqualWeightingPortfolioConstructionModel is (
                EqualWeightingPortfolioConstructionModel
            )
            with pytest.raises(ImportError):
                importlib.import_module("Portfolio.Nonsense")
            name = "QC500UniverseSelectionModel"
            lacking = getattr(importlib.import_module(f"Selection.{name}"), name)
            with pytest.raises(NotImplementedError, match=name):
                lacking()

    def test_leans_file_heeds_arguments_by_name_only(self):
        by_position = HistoricalReturnsAlphaModel(14)
        by_name = HistoricalReturnsAlphaModel(lookback=14)
        assert by_position._period == timedelta(1)
        assert by_name._period == timedelta(14)


def test_net_namespaces_hold_what_the_engine_has_of_them(tmp_path):
    """Imports as in algorithms written before `AlgorithmImports`."""
    (tmp_path / "AlgorithmImports.py").write_text("class TradeBar: pass\nclass List: pass\n")
    sys.path.insert(0, str(tmp_path))
    known = sys.modules.pop("AlgorithmImports", None)
    try:
        with framework_modules():
            importlib.import_module("clr").AddReference("System")
            assert importlib.import_module("QuantConnect.Data.Market").TradeBar.__name__ == (
                "TradeBar"
            )
            generic = importlib.import_module("System.Collections.Generic")
            assert "<Dictionary, which" in repr(generic.Dictionary[str, str])
            with pytest.raises(NotImplementedError, match="Dictionary"):
                generic.Dictionary()
            everything = importlib.import_module("QuantConnect").__all__
            assert "Resolution" in everything
            assert "Exception" not in importlib.import_module("System").__all__
            with pytest.raises(ImportError):
                importlib.import_module("QuantConnect.Nonsense")
        assert "System" not in sys.modules
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("AlgorithmImports", None)
        if known is not None:
            sys.modules["AlgorithmImports"] = known
