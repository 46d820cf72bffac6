"""Outside series in the whole algorithm: what LEAN feeds is what research reads."""

from pathlib import Path

import numpy as np
import pytest

from research.workspace import beside, load_histories, load_macro, load_settings
from tests.integration.test_plumbing import SHORT, fills

WITH_SERIES = SHORT | {"features": "bars,volatility,technical,wti,rate"}


@pytest.fixture(scope="module")
def run(module_run):
    return module_run(WITH_SERIES, store="outside")


def test_what_the_feed_tells_is_what_the_files_say(run, data_folder):
    """At every bar of the first training: known values, by their lags, bit for bit."""
    (histories, _, _), *_ = run.algorithm.learner.asked
    series = load_macro(("wti", "rate"), data_folder=data_folder)
    for one, wanted in zip(histories, beside(histories, series), strict=True):
        assert one.macro.series == ("wti", "rate")
        np.testing.assert_allclose(one.macro.values, wanted.macro.values, rtol=1e-14)
    # So it is at the last one: all that came since came in time.
    histories, _, _ = run.algorithm.learner.asked[-1]
    for one, wanted in zip(histories, beside(histories, series), strict=True):
        np.testing.assert_allclose(one.macro.values, wanted.macro.values, rtol=1e-14)


def test_bars_and_orders_are_those_without_series(run, module_run):
    alone = module_run(SHORT)
    (histories, _, _), *_ = run.algorithm.learner.asked
    (others, _, _), *_ = alone.algorithm.learner.asked
    for one, other in zip(histories, others, strict=True):
        np.testing.assert_array_equal(one.time, other.time)
        np.testing.assert_array_equal(one.bars, other.bars)
        assert other.macro is None
    assert fills(run) == fills(alone)


def test_a_series_that_does_not_reach_is_named(module_run):
    """The packaged VIX begins in 2014."""
    with pytest.raises(ValueError, match="vix: values must be known at every close from 2008-01"):
        module_run(SHORT | {"features": "bars,vix"}, store="late")


def test_research_reads_series_with_the_bars(data_folder):
    settings = load_settings(WITH_SERIES)
    for one in load_histories(settings, data_folder=data_folder):
        assert one.macro.series == ("wti", "rate")
        assert len(one.macro) == len(one)
    with pytest.raises(ValueError, match=r"vix: .*received values of 2014-01-03 to 2019-01-03"):
        load_histories(load_settings(SHORT | {"features": "vix"}), data_folder=data_folder)
    with pytest.raises(ValueError, match="rate: the data folder must hold"):
        load_macro(["rate"], data_folder=Path("nowhere"))
