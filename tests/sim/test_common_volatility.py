"""Volatilities of a market's symbols: each is believed as far as the others bear it out."""

from types import SimpleNamespace

import numpy as np
import pytest

from models.kernels import LANES
from sim.common_volatility import CommonVolatility
from sim.steadiness import Feedback


def test_what_is_usual_is_the_mean_of_bars_that_have_come():
    volatility = (np.array([0.01, 0.04, 9.0]), np.array([0.02, 0.02, 0.02, 9.0]))
    hindcasts = [SimpleNamespace(state=SimpleNamespace(volatility=each)) for each in volatility]
    found = CommonVolatility.of(hindcasts, Feedback(-0.1, 0.1, -0.2, 0.01))
    np.testing.assert_allclose(np.exp(found.usual), [0.02, 0.02], rtol=1e-12)
    assert (found.calm, found.wild, found.own) == (-0.1, 0.1, -0.2)


def test_volatilities_are_corrected_as_the_formula_says():
    """By hand: levels .2 and -.1 are .05 together, .15 on either side of it; then .1 and -.2."""
    common = CommonVolatility(np.log([0.01, 0.02]), 0.3, 0.1, -0.2)
    baseline = np.array([0.01, 0.02])[:, None] * np.exp([[0.2, 0.1], [-0.1, -0.2]])
    moved = [[0.005 - 0.03, -0.015 - 0.03], [0.005 + 0.03, -0.015 + 0.03]]
    np.testing.assert_allclose(common.corrected(baseline), baseline * np.exp(moved), rtol=1e-12)
    np.testing.assert_allclose(common.above_usual(baseline), [0.05, -0.05], rtol=1e-9)


def test_one_symbol_has_no_others():
    common = CommonVolatility(np.log([0.01]), 0.5, -0.3, -0.2)
    found = common.corrected(np.array([[0.02, 0.01, 0.005]]))
    np.testing.assert_allclose(found, [[0.02 * 2.0**-0.3, 0.01, 0.005 * 2.0**-0.5]], rtol=1e-12)


@pytest.mark.parametrize(("symbols", "markets"), [(1, 1), (3, LANES), (2, 2 * LANES + 5)])
def test_the_compiled_correction_is_the_formula(symbols, markets):
    rng = np.random.default_rng(markets)
    common = CommonVolatility(rng.normal(-4.0, 0.5, symbols), -0.2, 0.3, -0.4)
    baseline = np.exp(rng.normal(-4.0, 1.0, (symbols, markets)))
    level = np.log(baseline) - common.usual[:, None]
    together = level.mean(axis=0)
    np.testing.assert_allclose(common.above_usual(baseline), together, rtol=1e-12)
    shared = np.where(together > 0.0, 0.3, -0.2) * together
    wanted = baseline * np.exp(shared - 0.4 * (level - together))
    np.testing.assert_allclose(common.corrected(baseline), wanted, rtol=1e-13)
