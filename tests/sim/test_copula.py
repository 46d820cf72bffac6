"""The copula between symbols against closed forms and against itself."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from sim.copula import (
    _CORRELATIONS,
    DF_GRID,
    KINDS,
    SKEW_GRID,
    TAILS,
    Copula,
    _tail_table,
    correlation_with_gaps,
    fit_part,
    margin,
    mixing,
    nearest_correlation,
    observed_tails,
    ranks,
)

R = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.45], [0.3, 0.45, 1.0]])


def drawn(df, skew, correlation, n, seed=0):
    """Uniforms (n, S) of one part."""
    rng, of = np.random.default_rng(seed), margin(df, skew)
    z = rng.multivariate_normal(np.zeros(len(correlation)), correlation, n)
    return of.cdf(of.drawn(z, rng.standard_normal((n, 1))))


def tail(u, q):
    """P(all below q) / q and P(all above 1 - q) / q."""
    return (u < q).all(axis=1).mean() / q, (u > 1 - q).all(axis=1).mean() / q


@pytest.mark.parametrize("df", [3.0, 5.0, 30.0])
def test_without_skew_the_margin_is_students_t(df):
    x = np.linspace(-40, 40, 4001)
    np.testing.assert_allclose(margin(df, 0.0).cdf(x), stats.t.cdf(x, df), atol=2e-5)
    u = np.array([1e-4, 0.01, 0.3, 0.5, 0.99])
    np.testing.assert_allclose(
        margin(df, 0.0).quantile(u), stats.t.ppf(u, df), rtol=2e-3, atol=1e-9
    )


def test_the_mixing_variable_is_inverse_gamma():
    w = mixing(np.random.default_rng(0).standard_normal(100_000), 6.0)
    assert stats.kstest(w[:20_000], stats.invgamma(3.0, scale=3.0).cdf).pvalue > 0.01
    assert w.mean() == pytest.approx(6.0 / 4.0, rel=0.02)
    assert (np.diff(mixing(np.linspace(-5, 5, 50), 6.0)) > 0).all()
    np.testing.assert_array_equal(mixing(np.linspace(-5, 5, 9), math.inf), 1.0)


@pytest.mark.parametrize("skew", [-1.0, 0.0, 0.45])
@pytest.mark.parametrize("df", [4.0, 14.0])
def test_margins_are_uniform_and_quantiles_invert_them(df, skew):
    u = drawn(df, skew, R, 20_000, seed=3)
    for s in range(3):
        assert stats.kstest(u[:, s], "uniform").pvalue > 0.005
    of, levels = margin(df, skew), np.linspace(1e-4, 1 - 1e-4, 999)
    np.testing.assert_allclose(of.cdf(of.quantile(levels)), levels, atol=1e-9)


@pytest.mark.parametrize(("df", "skew"), [(4.0, -0.7), (10.0, 0.3), (30.0, -1.0)])
def test_the_correlation_of_normal_scores_is_mehlers_series(df, skew):
    of = margin(df, skew)
    u = np.clip(drawn(df, skew, R, 200_000, seed=1), 1e-9, 1 - 1e-9)
    want = np.corrcoef(special.ndtri(u).T)
    np.testing.assert_allclose(np.polyval(of.hermite[::-1], R), want, atol=0.012)
    np.testing.assert_allclose(of.to_mixture(np.polyval(of.hermite[::-1], R)), R, atol=1e-3)


def test_two_parts_have_mixing_variables_of_their_own():
    one, other, n = margin(4.0, -0.7), margin(10.0, 0.3), 200_000
    rng = np.random.default_rng(2)
    z = rng.multivariate_normal(np.zeros(2), [[1, 0.5], [0.5, 1]], n)
    scores = [
        special.ndtri(np.clip(of.cdf(of.drawn(z[:, k], rng.standard_normal(n))), 1e-9, 1 - 1e-9))
        for k, of in enumerate((one, other))
    ]
    wanted = np.array(np.corrcoef(scores)[0, 1])
    assert one.to_mixture(wanted, other) == pytest.approx(0.5, abs=0.02)


def both_below(a, df, r):
    """P(both below a) of a bivariate t: given one, the other is a t with df + 1."""

    def given(x):
        scale = np.sqrt((df + x**2) * (1 - r**2) / (df + 1))
        return stats.t.pdf(x, df) * stats.t.cdf((a - r * x) / scale, df + 1)

    return integrate.quad(given, -np.inf, a, epsabs=0, epsrel=1e-8)[0]


@pytest.mark.parametrize(("df", "r"), [(4.0, 0.5), (4.0, 0.0), (10.0, 0.5)])
def test_tail_dependence_is_that_of_the_t_copula(df, r):
    """λ = 2 t_(df+1)(-sqrt((df+1)(1-r)/(1+r))) in the limit, and on the way there."""
    u = drawn(df, 0.0, np.array([[1, r], [r, 1]]), 1_000_000, seed=4)
    limit = 2 * stats.t.cdf(-np.sqrt((df + 1) * (1 - r) / (1 + r)), df + 1)
    far = 1e-9
    assert both_below(stats.t.ppf(far, df), df, r) / far == pytest.approx(limit, abs=0.01)
    for q in (0.001, 0.01):
        want = both_below(stats.t.ppf(q, df), df, r) / q
        error = 4 * np.sqrt(want / (1e6 * q))
        np.testing.assert_allclose(tail(u, q), want, atol=error)
    table = _tail_table(margin(df, 0.0))
    for k, q in enumerate(TAILS):
        want = both_below(stats.t.ppf(q, df), df, r) / q
        for side in table[:, k]:
            assert np.interp(r, _CORRELATIONS, side) == pytest.approx(want, abs=2e-3)


def test_skew_moves_dependence_from_one_tail_to_the_other():
    r = np.array([[1, 0.4], [0.4, 1]])
    lower, upper = zip(
        *(tail(drawn(8.0, k, r, 200_000), 0.02) for k in (-0.7, 0, 0.7)), strict=True
    )
    assert lower[0] > lower[1] + 0.05 > lower[2] + 0.1
    assert upper[2] > upper[1] + 0.05 > upper[0] + 0.1
    assert lower[0] == pytest.approx(upper[2], abs=0.03)


def test_a_gaussian_copulas_correlation_is_recovered():
    u = drawn(math.inf, 0.0, R, 4000)
    fit = fit_part(u, "gaussian")
    assert fit.margin.gaussian
    np.testing.assert_allclose(fit.correlation, R, atol=0.05)
    # Ranks only: any increasing function of a symbol's transforms gives the same.
    np.testing.assert_array_equal(fit_part(u**3, "gaussian").correlation, fit.correlation)


def test_fits_find_how_heavy_and_how_skewed_tails_are():
    many = 0.5 * np.eye(6) + 0.5
    found = {
        name: fit_part(drawn(*truth, many, 6000, seed=6), "skewed-t")
        for name, truth in {"calm": (math.inf, 0.0), "t": (5.0, 0.0), "falls": (7.0, -0.7)}.items()
    }
    assert found["calm"].margin.df >= 20
    assert found["t"].margin.df in (4.0, 5.0, 7.0)
    assert abs(found["t"].margin.skew) <= 0.15
    assert found["falls"].margin.df in (5.0, 7.0, 10.0)
    assert found["falls"].margin.skew in (-1.0, -0.7, -0.45)
    pairs = np.triu_indices(6, 1)
    for fit in found.values():
        assert fit.correlation[pairs].mean() == pytest.approx(0.5, abs=0.06)


def test_families_are_special_cases_of_each_other():
    u = drawn(5.0, -0.7, R, 3000)
    independent, gaussian, t, skewed = (fit_part(u, kind) for kind in KINDS)
    np.testing.assert_array_equal(independent.correlation, np.eye(3))
    assert gaussian.margin.gaussian
    assert t.margin.df in DF_GRID
    assert t.margin.skew == 0
    assert skewed.margin.skew < 0
    assert skewed.margin.skew in SKEW_GRID


def test_correlations_are_estimated_with_gaps():
    """A third of one symbol's days before it was listed, single days of all."""
    scores = np.random.default_rng(7).multivariate_normal(np.zeros(3), R, 6000)
    whole = correlation_with_gaps(scores)
    scores[:2000, 0] = np.nan
    scores[np.random.default_rng(8).random(scores.shape) < 0.05] = np.nan
    found = correlation_with_gaps(scores)
    np.testing.assert_allclose(found, R, atol=0.05)
    np.testing.assert_allclose(whole, R, atol=0.05)
    assert np.linalg.eigvalsh(found).min() > 0


def test_symbols_that_share_no_date_are_as_related_as_a_third_makes_likely():
    scores = np.random.default_rng(9).multivariate_normal(np.zeros(3), R, 8000)
    scores[:4000, 0] = np.nan
    scores[4000:, 1] = np.nan
    assert correlation_with_gaps(scores)[0, 1] == pytest.approx(0.3 * 0.45, abs=0.06)


def test_few_days_are_shrunk_towards_independence():
    scores = np.random.default_rng(10).standard_normal((30, 15))
    raw = np.corrcoef(scores.T)
    found = correlation_with_gaps(scores)
    off = ~np.eye(15, dtype=bool)
    assert np.abs(found[off]).mean() < 0.3 * np.abs(raw[off]).mean()


def test_ranks_and_tails_leave_out_what_is_missing():
    values = np.array([[3.0], [np.nan], [1.0], [2.0]])
    np.testing.assert_allclose(ranks(values), [[0.75], [np.nan], [0.25], [0.5]])
    u = ranks(drawn(5.0, 0.0, R, 5000))
    u[:1000, 0] = np.nan
    found, days = observed_tails(u)
    assert days == pytest.approx((4000 + 4000 + 5000) / 3)
    assert found.shape == (2, len(TAILS))
    per_pair = [tail(u[1000:, pair], 0.1)[0] for pair in ([0, 1], [0, 2], [1, 2])]
    assert found[0, 2] == pytest.approx(np.mean(per_pair), abs=0.03)
    nothing, none = observed_tails(np.full((50, 2), np.nan))
    assert np.isnan(nothing).all()
    assert none == 0


def joint_transforms(n=3000, seed=11):
    """Three symbols: fat-tailed falls in part 0, and part 1 follows part 0 of another symbol."""
    rng = np.random.default_rng(seed)
    u = rng.random((n, 3, 5))
    u[:, :, 0] = drawn(6.0, -0.7, R, n, seed)
    z = special.ndtri(np.clip(u[:, [1, 2, 0], 0], 1e-9, 1 - 1e-9))
    u[:, :, 1] = special.ndtr(0.5 * z + np.sqrt(0.75) * rng.standard_normal((n, 3)))
    return u


def test_parts_depend_on_other_symbols_parts_and_on_none_of_their_own():
    copula = Copula.fit(joint_transforms(), "skewed-t")
    whole = copula.correlation.reshape(5, 3, 5, 3)
    for s in range(3):
        within = whole[:, s, :, s]
        np.testing.assert_allclose(within, np.eye(5), atol=1e-9)
    assert whole[1, 0, 0, 1] == pytest.approx(0.5, abs=0.1)
    assert whole[1, 1, 0, 2] == pytest.approx(0.5, abs=0.1)
    noise = whole[2:, :, 2:, :][np.ix_([0], [0, 1, 2], [1], [0, 1, 2])]
    assert np.abs(noise).max() < 0.05
    assert np.linalg.eigvalsh(copula.correlation).min() > 0
    assert copula.margins[0].skew < 0


def test_what_is_missing_is_drawn_given_the_others():
    u = np.stack([ranks(joint_transforms()[..., p]) for p in range(5)], axis=-1)
    copula = Copula.fit(u, "skewed-t")
    lacking = u.copy()
    gone = np.random.default_rng(12).random(u.shape[:2]) < 0.3
    gone[gone.all(axis=1), 0] = False
    lacking[gone] = np.nan
    made = copula.complete(lacking, np.random.default_rng(13))
    np.testing.assert_array_equal(made[~gone], u[~gone])
    assert ((made > 0) & (made < 1)).all()
    for s in range(3):
        for p in range(5):
            assert stats.kstest(made[gone[:, s], s, p], "uniform").pvalue > 1e-3
    # With one of the pair drawn, the pair is as dependent as the real one.
    one = gone[:, 0] & ~gone[:, 1]
    drawn_scores, real_scores = special.ndtri(made[one][:, :2, 0]), special.ndtri(u[one][:, :2, 0])
    want = np.corrcoef(real_scores.T)[0, 1]
    assert np.corrcoef(drawn_scores.T)[0, 1] == pytest.approx(want, abs=0.08)


def test_the_nearest_correlation_is_one():
    broken = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    found = nearest_correlation(broken)
    assert np.linalg.eigvalsh(found).min() >= 0
    np.testing.assert_array_equal(np.diag(found), 1.0)
    np.testing.assert_allclose(nearest_correlation(R), R, atol=1e-12)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"copula must be one of independent.*received 'clayton'"):
        fit_part(np.full((10, 2), 0.5), "clayton")
    with pytest.raises(ValueError, match=r"df must be > 0; received 0\.0"):
        margin(0.0, 0.0)
