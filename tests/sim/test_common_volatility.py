"""Volatilities of a market's symbols: each is believed as far as the others bear it out."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from sim.common_volatility import CommonVolatility
from tests.sim.joint import TABLES

FIRST = 220


def fitted(common, own, symbols, seed=0):
    """What is found where deviations are wrong by exp(common c + own (l - c))."""
    rng = np.random.default_rng(seed)
    tables = [TABLES[0]] * symbols  # one calendar; what they say is in `levels`
    count = len(TABLES[0]) - 1 - FIRST
    together = rng.standard_normal(count)
    levels = 0.3 * (together + rng.standard_normal((symbols, count)))
    levels -= levels.mean(axis=1, keepdims=True)
    c = levels.mean(axis=0)
    # The newest bar's is of a bar that has not come.
    volatility = np.pad(0.01 * np.exp(levels), ((0, 0), (0, 1)), constant_values=9.0)
    score = rng.standard_normal((symbols, count, 5))
    score *= np.exp(common * c + own * (levels - c))[..., None]
    hindcasts = [
        SimpleNamespace(
            first=FIRST, uniforms=special.ndtr(one), state=SimpleNamespace(volatility=own)
        )
        for one, own in zip(score, volatility, strict=True)
    ]
    return CommonVolatility.of(tables, hindcasts)


def test_what_volatilities_miss_is_found():
    found = [fitted(0.2, -0.2, 3, seed=seed) for seed in range(6)]
    # Six fits to some 1,250 pairs of scores each; priors draw them a little to zero.
    assert np.mean([one.common for one in found]) == pytest.approx(0.2, abs=0.06)
    assert np.mean([one.own for one in found]) == pytest.approx(-0.2, abs=0.06)
    np.testing.assert_allclose(found[0].usual, np.log(0.01), atol=1e-9)


def test_one_symbol_has_no_others():
    found = fitted(-0.3, 0.0, 1)
    assert -0.5 < found.common < -0.1
    assert found.own == 0.0


def test_right_volatilities_stay_nearly_what_they_are():
    found = [fitted(0.0, 0.0, 2, seed=seed) for seed in range(4)]
    assert abs(np.mean([one.common for one in found])) < 0.06
    assert abs(np.mean([one.own for one in found])) < 0.06


def test_volatilities_are_corrected_as_the_formula_says():
    """By hand: levels .2 and -.1 are .05 together, .15 on either side of it."""
    common = CommonVolatility(np.log([0.01, 0.02]), 0.1, -0.2)
    baseline = np.array([[0.01 * np.exp(0.2)], [0.02 * np.exp(-0.1)]])
    want = [[0.01 * np.exp(0.2 + 0.005 - 0.03)], [0.02 * np.exp(-0.1 + 0.005 + 0.03)]]
    np.testing.assert_allclose(common.corrected(baseline), want, rtol=1e-12)
