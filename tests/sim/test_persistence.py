"""Noise that remembers: autocorrelated as it was, uniform all the same, from where bars left it."""

import numba
import numpy as np
import pytest
from scipy import special, stats

from models.market.features import PARTS
from sim.persistence import (
    BY_SIZE,
    Kept,
    Persistence,
    score_of_tail,
    scores,
    tail_of_score,
)

VOLUME, INTRADAY = PARTS.index("volume_deviation"), PARTS.index("intraday")


def process(weight, decay, common=0.0, common_decay=0.5):
    """One of a single symbol whose parts have the same numbers."""
    shape = (len(PARTS),)
    return Persistence(
        np.full(shape, weight),
        np.full(shape, decay),
        common,
        common_decay,
        len(PARTS) ** -0.5,
        np.full(shape, len(PARTS) ** -0.5),
    )


def walked(persistence, drawn):
    """Noise (T, B, S, 5) of what was drawn, from blank memories."""
    kept = Kept(np.zeros(drawn.shape[1:]), np.zeros(drawn.shape[1]))
    return np.stack([persistence.next(bar, kept) for bar in drawn])


def correlation(x, y, lag):
    """Of the last bar with the bar before it by so many, series (T, B), over markets."""
    return np.corrcoef(y[-1], x[-1 - lag])[0, 1]


def drawn(n_bars, n_markets, seed=0):
    return np.random.default_rng(seed).random((n_bars, n_markets, 1, len(PARTS)))


@pytest.mark.parametrize("part", [VOLUME, INTRADAY])
def test_noise_is_autocorrelated_as_the_formula_says_and_uniform(part):
    """Lag k: φ^(k-1) a (sqrt((1 - φ²)(1 - a²)) + a φ), by hand for a = .4 and φ = .8."""
    noise = walked(process(0.4, 0.8), drawn(20, 10_000))[:, :, 0]
    z = scores(noise)[..., part]
    first = 0.4 * (0.6 * np.sqrt(0.84) + 0.4 * 0.8)
    for lag in (1, 2, 5):
        assert abs(correlation(z, z, lag) - first * 0.8 ** (lag - 1)) < 0.035
    assert stats.kstest(noise[-1, :, part], "uniform").pvalue > 1e-3
    # The sides of a distribution do not go on.
    risen = np.sign(noise[..., INTRADAY] - 0.5)
    assert abs(correlation(risen, risen, 1)) < 0.035


def test_what_was_lively_is_lively_in_all_parts():
    """By hand for b = .3 and ψ = .6, five independent parts of one symbol."""
    noise = walked(process(0.0, 0.5, 0.3, 0.6), drawn(12, 10_000, seed=1))[:, :, 0]
    z = scores(noise)
    fresh, deviation = np.sqrt(1.0 - 0.3**2), np.hypot(np.sqrt(1.0 - 0.3**2), 0.3 * np.sqrt(5.0))
    want = (fresh * 0.3 * 0.8 + 0.3**2 * np.sqrt(5.0) * 0.6) / deviation
    for part in range(len(PARTS)):
        assert abs(correlation(z.mean(axis=-1), z[..., part], 1) - want) < 0.035
    assert stats.kstest(noise[-1, :, VOLUME], "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("own", "common"), [(0.2, 0.0), (0.0, 0.1)])
def test_the_fit_gives_back_what_it_was_shown(own, common):
    shown = walked(process(own, 0.9, common, 0.9), drawn(3_000, 1, seed=2))[:, 0]
    fitted = Persistence.of(shown)
    assert fitted.weight.mean() == pytest.approx(own, abs=0.04)
    assert fitted.common_weight == pytest.approx(common, abs=0.04)


def test_noise_without_memory_is_left_as_it_is():
    fitted = Persistence.of(np.random.default_rng(4).random((1_000, 3, len(PARTS))))
    assert (fitted.weight < 0.1).all()
    assert fitted.common_weight < 0.05
    bars = drawn(3, 8)
    np.testing.assert_allclose(walked(process(0.0, 0.5), bars), bars, atol=1e-6)


def slow_next(process, uniforms, kept):
    """The formulas of the module, in NumPy."""
    drawn = scores(uniforms)
    x = process._fresh * drawn + process.weight * kept.own
    x += process.common_weight * kept.common[:, None, None]
    phi, psi = process.decay, process.common_decay
    own = phi * kept.own + np.sqrt(1.0 - phi**2) * drawn
    lively = drawn.mean(axis=(1, 2)) / process.deviation
    common = psi * kept.common + np.sqrt(1.0 - psi**2) * lively
    level = special.ndtr(x)
    sided = 0.5 + 0.5 * np.where(uniforms < 0.5, -level, level)
    return np.where(BY_SIZE, sided, level), Kept(own, common)


def different():
    """A process whose parts have numbers of their own."""
    rng = np.random.default_rng(6)
    five = [rng.uniform(0.05, high, len(PARTS)) for high in (0.3, 0.9, 0.5)]
    return Persistence(five[0], five[1], 0.15, 0.8, 0.4, five[2])


@pytest.mark.parametrize("symbols", [1, 3, 120])
def test_noise_goes_on_as_the_formulas_say(symbols):
    """Levels to some millionths of what is left to the nearer end."""
    rng = np.random.default_rng(7)
    uniforms = rng.uniform(1e-3, 1.0 - 1e-3, (203, symbols, len(PARTS)))
    uniforms[:9] *= 1e-4
    uniforms[9:20] = 1.0 - 1e-4 * uniforms[9:20]
    uniforms[20:29] = 0.5 + 1e-4 * (uniforms[20:29] + 0.01)
    kept = Kept(rng.normal(size=uniforms.shape), rng.normal(size=len(uniforms)))
    wanted, after = slow_next(different(), uniforms, kept)
    found = different().next(uniforms, kept)
    nearer = np.minimum(wanted, 1.0 - wanted)
    assert nearer.min() < 1e-5
    assert (np.abs(found - wanted) < 2e-5 * nearer + 1e-9).all()
    np.testing.assert_allclose(kept.own, after.own, rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(kept.common, after.common, atol=2e-6)


def test_what_a_market_remembers_does_not_depend_on_those_beside_it():
    rng = np.random.default_rng(8)
    uniforms = rng.random((150, 3, len(PARTS)))
    before = Kept(rng.normal(size=uniforms.shape), rng.normal(size=len(uniforms)))
    together = Kept(before.own, before.common)
    found = different().next(uniforms, together)
    for rows in (slice(149, None), slice(3, 120), rng.permutation(150)):
        some = Kept(before.own[rows], before.common[rows])
        np.testing.assert_array_equal(different().next(uniforms[rows], some), found[rows])
        np.testing.assert_array_equal(some.own, together.own[rows])
        np.testing.assert_array_equal(some.common, together.common[rows])


def test_a_market_begins_with_what_the_dates_before_left():
    """The recursion by hand, on the ranks of the dates' scores."""
    u = np.random.default_rng(5).random((50, 2, len(PARTS)))
    persistence = process(0.2, 0.7, 0.1, 0.5)
    kept = persistence.after(u)
    assert kept.own.shape == (51, 2, len(PARTS))
    assert kept.common.shape == (51,)
    levels = np.where(BY_SIZE, np.abs(2.0 * u - 1.0), u)
    z = special.ndtri((levels.argsort(axis=0).argsort(axis=0) + 0.5) / 50)
    own, common = np.zeros((2, len(PARTS))), 0.0
    for t in range(50):
        np.testing.assert_allclose(kept.own[t], own, atol=1e-12)
        assert kept.common[t] == pytest.approx(common, abs=1e-12)
        own = 0.7 * own + np.sqrt(0.51) * z[t]
        common = 0.5 * common + np.sqrt(0.75) * z[t].mean() / persistence.deviation


def test_scores_and_tails_have_the_stated_errors():
    @numba.njit
    def each(function, values):
        found = np.empty_like(values)
        for i in range(len(values)):
            found[i] = function(values[i])
        return found

    levels = np.concatenate([np.geomspace(1e-7, 0.5, 20_001), np.linspace(1e-3, 0.5, 20_001)])
    levels = levels.astype(np.float32)
    exact = -special.ndtri(levels.astype(float))
    # At the middle, of which the score is none, to so much of a score of one.
    np.testing.assert_allclose(each(score_of_tail, levels), exact, rtol=1e-6, atol=1e-7)
    at = np.linspace(0.0, 6.0, 40_001).astype(np.float32)
    np.testing.assert_allclose(each(tail_of_score, at), special.ndtr(-at.astype(float)), rtol=5e-6)
