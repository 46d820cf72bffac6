"""The engine against LEAN's own declared results, character for character."""

import json
import re
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "lean"
CASES = SHARED / "cases.json"
ALGORITHMS = Path(__file__).parent / "lean_algorithms"
FIRST = (
    "BasicTemplateDailyAlgorithm",
    "BasicTemplateAlgorithm",
    "MACDTrendAlgorithm",
    "DisplacedMovingAverageRibbon",
    "StopLimitOrderRegressionAlgorithm",
    "MarketOnCloseOrderBufferRegressionAlgorithm",
    "BasicTemplateFrameworkAlgorithm",
    "InsightWeightingFrameworkAlgorithm",
    "MaximumDrawdownPercentPerSecurityFrameworkRegressionAlgorithm",
    "ObjectStoreExampleAlgorithm",
    "DailyResolutionMarketOrderConversionRegressionAlgorithm",
    "EquitySplitHoldingsDailyRegressionAlgorithm",
)
# Cases that LEAN has in C# only, or whose Python imports its C# modules; the others run unmodified
# in research/benchmarks/lean_conformance.py.
REWRITTEN = (
    "DividendRegressionAlgorithm",
    "WarmupIndicatorRegressionAlgorithm",
    "MarketOnOpenOrderRegressionAlgorithm",
    "MarketOrderStaleDataFillRegressionAlgorithm",
    "HourResolutionMarketOrderStalePriceRegressionAlgorithm",
    "MinimumOrderMarginRegressionAlgorithm",
    "ScheduledEventsOrderRegressionAlgorithm",
    "EquityMarginCallAlgorithm",
    "RawDataRegressionAlgorithm",
)

needs_sample = pytest.mark.skipif(
    not CASES.exists(), reason="LEAN's sample data and declared results are not in ../shared/lean"
)


def file_of(name):
    """Our rewriting of a case: its name in snake_case."""
    name = name.replace("MACD", "Macd")
    return ALGORITHMS / (re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() + ".py")


@needs_sample
def test_the_first_cases_are_all_here():
    cases = json.loads(CASES.read_text())["cases"]
    assert {case["name"] for case in cases if case.get("first")} == set(FIRST)


@needs_sample
@pytest.mark.parametrize("name", FIRST + REWRITTEN)
def test_statistics_and_order_hash_are_leans(name, tmp_path):
    from engine.run.runner import run_backtest

    cases = json.loads(CASES.read_text())["cases"]
    expected = next(case for case in cases if case["name"] == name)["expected_statistics"]
    result = run_backtest(
        file_of(name),
        data_folder=SHARED / "data",
        results=tmp_path / "results",
        store=tmp_path / "store",
    )
    assert not result.runtime_error
    ours = {key: result.statistics.get(key) for key in expected}
    assert ours == expected
