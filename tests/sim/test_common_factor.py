"""What symbols have in common by how wild a market is, and noise brought to where it is."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from models.forecast.density import log_sizes
from models.forecast.distributions import EDGE_UNIFORM, MIN_UNIFORM
from models.kernels import LANES
from sim import common_factor
from sim.common_factor import MOST_COMMON, CommonFactor, _factor, fractional_logit
from sim.dates import CommonDates
from tests.sim.joint import HISTORIES, TABLES

FIRST = 300
COMMON = CommonDates.of(HISTORIES, FIRST + 1)
DATES = len(COMMON.dates)


def hindcasts(seed=0):
    """That know nothing but volatilities and scales."""
    rng, found = np.random.default_rng(seed), []
    for s, table in enumerate(TABLES):
        count = len(table) - FIRST
        volatility = np.exp(rng.normal(-4.0 + s, 0.3, count))
        scales = rng.normal(0.0, 0.2, (count - 1, 2))
        found.append(hindcast(FIRST, volatility, scales))
    return found


def hindcast(first, volatility, scales):
    state = SimpleNamespace(volatility=volatility)
    sizes = log_sizes(volatility[:-1], scales.T)
    return SimpleNamespace(first=first, state=state, scales=scales, log_sizes=sizes)


def correlated(correlation, n, rng):
    """Normal log-odds of symbols (S, S), shape (n, S, 5)."""
    root = np.linalg.cholesky(correlation)
    return np.einsum("st,ntp->nsp", root, rng.normal(size=(n, len(root), 5)))


def alike(r, symbols=3):
    return np.full((symbols, symbols), r) + (1.0 - r) * np.eye(symbols)


@cache
def fitted(symbols=3, seed=0):
    """To noise that knows nothing of how wild dates are."""
    noise = special.expit(1.8 * correlated(alike(0.4, symbols), DATES, np.random.default_rng(seed)))
    return CommonFactor.of(TABLES, hindcasts(), noise), noise


def markets(known, above):
    """Volatilities and scales of markets so much above the usual."""
    symbols = len(known.usual)
    volatility = np.exp(known.usual[:, None] + above)
    # Each scale alone is half of the variance.
    return volatility, np.full((2, symbols, len(above)), -0.5 * np.log(2.0))


def brought(known, noise, dates, above):
    """The same of markets that are so wild."""
    return known.brought(noise, dates, *markets(known, above))


def with_truth(correlation_at, symbols=3):
    """As it would be known from many days whose symbols correlate so at log sizes ±1."""
    known, _ = fitted(symbols)
    calm, wild = (correlation_at(a) for a in (-1.0, 1.0))
    leading = np.linalg.eigh(calm + wild)[1][:, -1]
    shares = [special.logit(leading @ one @ leading / symbols) for one in (calm, wild)]
    line = np.array([(shares[0] + shares[1]) / 2, (shares[1] - shares[0]) / 2])
    return replace(
        known,
        above=np.where(np.arange(DATES) % 2, 1.0, -1.0),
        means=np.zeros_like(known.means),
        deviations=np.ones((symbols, 5)),
        leading=np.repeat(leading[:, None], 5, axis=1),
        line=np.repeat(line[:, None], 5, axis=1),
    )


@pytest.mark.parametrize(("intercept", "growth"), [(0.5, 0.2), (2.0, 3.0)])
def test_fractional_regressions_are_those_of_statsmodels(intercept, growth):
    """Of many days, beside which two half ones are nothing; robust to what weights are."""
    rng = np.random.default_rng(0)
    on = rng.normal(0.3, 0.5, 20_000)
    wholes = rng.gamma(1.5, 2.0, len(on))
    parts = wholes * rng.beta(4.0 * special.expit(intercept + growth * on), 0.4)
    twin = sm.GLM(
        parts / wholes,
        sm.add_constant(on),
        sm.families.Binomial(),
        var_weights=wholes / wholes.mean(),
    ).fit(cov_type="HC0")
    t = twin.params[1] / twin.bse[1]
    found = fractional_logit(parts, wholes, on)
    slope = twin.params[1] * t**2 / (1.0 + t**2)
    assert found[1] == pytest.approx(slope, rel=2e-3)
    # At the middle of all days the share is theirs, however the slope was drawn to none.
    centre = (wholes @ on) / wholes.sum()
    at_centre = twin.params @ [1.0, centre]
    assert found @ [1.0, centre] == pytest.approx(at_centre, rel=1e-3)


@pytest.mark.parametrize("days", [1, 2, 10])
def test_few_days_or_none_that_differ_have_an_answer(days):
    for part in (np.zeros(days), np.ones(days), np.full(days, 0.5)):
        for on in (np.zeros(days), np.arange(days) * 1.0):
            assert np.isfinite(fractional_logit(part, np.ones(days), on)).all()
    assert np.isfinite(fractional_logit(np.zeros(days), np.zeros(days), np.ones(days))).all()


def test_slopes_of_chance_are_drawn_to_none():
    rng = np.random.default_rng(1)
    slopes, plain = [], []
    for _ in range(40):
        on, wholes = rng.normal(size=60), rng.gamma(1.0, 1.0, 60)
        shares = rng.beta(1.0, 1.0, 60)
        slopes.append(fractional_logit(shares * wholes, wholes, on)[1])
        model = sm.GLM(shares, sm.add_constant(on), sm.families.Binomial(), var_weights=wholes)
        plain.append(model.fit().params[1])
    assert np.std(slopes) < 0.75 * np.std(plain)


@pytest.mark.parametrize("symbols", [2, 5])
def test_what_symbols_have_in_common_is_found_with_how_it_grows(symbols):
    """And who has nothing to do with the others has no part in it."""
    rng = np.random.default_rng(2)
    on = np.repeat([-1.0, 1.0], 10_000)
    truth = {-1.0: alike(0.2, symbols), 1.0: alike(0.7, symbols)}
    odds = np.concatenate([correlated(truth[a], 10_000, rng)[..., 0] for a in (-1.0, 1.0)])
    odds = np.concatenate([odds, rng.normal(0.0, 2.0, (len(on), 1))], axis=1)
    scales = 1.0 + 0.3 * np.arange(symbols)
    deviations, leading, line = _factor(odds[:, :-1] * scales, on)
    np.testing.assert_allclose(deviations, scales, rtol=0.02)
    np.testing.assert_allclose(np.abs(leading), np.sqrt(1.0 / symbols), atol=0.02)
    shares = special.expit(line[0] + line[1] * np.array([-1.0, 1.0]))
    wanted = [(1.0 + (symbols - 1) * r) / symbols for r in (0.2, 0.7)]
    np.testing.assert_allclose(shares, wanted, atol=0.015)
    assert abs(_factor(odds, on)[1][-1]) < 0.05


def test_dates_that_only_some_symbols_have_are_left_out(monkeypatch):
    """Their noise was drawn without regard to how wild they were; here it is all in common."""
    whole = COMMON.present.all(axis=1)
    assert 60 < whole.sum() < DATES - 20
    rng = np.random.default_rng(8)
    noise = special.expit(correlated(alike(0.3), DATES, rng))
    alike_there = np.where(whole[:, None, None], noise, rng.random((DATES, 1, 5)))

    def shares(noise):
        return special.expit(CommonFactor.of(TABLES, hindcasts(), noise).line[0])

    assert np.abs(shares(alike_there) - shares(noise)).max() < 0.03
    monkeypatch.setattr(common_factor, "FEWEST", DATES)
    assert (shares(alike_there) - shares(noise)).mean() > 0.03


def test_means_are_those_of_days_as_wild_and_are_none_of_what_is_common():
    """Odds that rise with how wild a day is, three deviations from the calmest to the wildest."""
    calm, _ = fitted()
    order = np.argsort(np.argsort(calm.above)) / DATES
    rng = np.random.default_rng(3)
    odds = correlated(alike(0.4), DATES, rng)
    tilted = odds + 3.0 * order[:, None, None] * np.array([1.0, 2.0, -1.0])[:, None]
    known = CommonFactor.of(TABLES, hindcasts(), special.expit(tilted))
    inner = (order > 0.2) & (order < 0.8)
    for s, slope in enumerate((3.0, 6.0, -3.0)):
        away = known.means[s, inner] - slope * order[inner, None]
        assert np.abs(away).max() < 0.5
    share = special.expit(known.line[0] + known.line[1] * 0.0)
    np.testing.assert_allclose(share, 1.8 / 3.0, atol=0.08)


def same_stranger(a):
    """Two symbols that correlate the more the wilder, and one of its own."""
    r = 0.5 + 0.3 * a
    return np.array([[1.0, r, 0.0], [r, 1.0, 0.0], [0.0, 0.0, 1.0]])


def opposites(a):
    r = -0.5 - 0.3 * a
    return np.array([[1.0, r], [r, 1.0]])


@pytest.mark.parametrize(
    ("correlation_at", "symbols"),
    [(lambda a: alike(0.5 + 0.3 * a), 3), (same_stranger, 3), (opposites, 2)],
)
@pytest.mark.parametrize("target", [-1.0, 1.0])
def test_noise_correlates_as_where_it_is_brought_to(correlation_at, symbols, target):
    """With the variances it had, of each symbol."""
    known = with_truth(correlation_at, symbols)
    rng = np.random.default_rng(4)
    date = int(target < 0)  # the other kind
    assert known.above[date] == -target
    odds = correlated(correlation_at(-target), 40_000, rng)
    noise = special.expit(odds).swapaxes(0, 1)
    at = np.full(40_000, target)
    found = special.logit(brought(known, noise, np.full(40_000, date), at))
    for part in range(5):
        got = np.corrcoef(found[..., part])
        np.testing.assert_allclose(got, correlation_at(target), atol=0.02)
        np.testing.assert_allclose(found[..., part].std(axis=1), 1.0, atol=0.015)
        assert np.abs(found[..., part].mean(axis=1)).max() < 0.02


def test_noise_of_a_date_as_wild_as_the_market_is_its_own():
    known, noise = fitted()
    found = brought(known, noise.swapaxes(0, 1), np.arange(DATES), known.above)
    np.testing.assert_allclose(found.swapaxes(0, 1), noise, rtol=1e-11)


def test_markets_are_no_wilder_than_all_dates():
    known = replace(fitted()[0], line=np.array([[0.2] * 5, [0.8] * 5]))
    noise, dates = np.random.default_rng(5).random((3, 2, 5)), np.array([3, 4])
    ends = np.array([known.above.min(), known.above.max()])
    np.testing.assert_array_equal(
        brought(known, noise, dates, ends + np.array([-5.0, 5.0])),
        brought(known, noise, dates, ends),
    )
    assert not np.allclose(brought(known, noise, dates, ends), noise, atol=1e-3)


@pytest.mark.parametrize(
    ("symbols", "count"), [(3, 1), (3, LANES), (3, 2 * LANES + 5), (50, LANES + 1)]
)
def test_the_compiled_kernel_is_the_formula(symbols, count):
    rng = np.random.default_rng(count)
    known = replace(
        fitted()[0],
        usual=rng.normal(-4.0, 0.5, symbols),
        means=rng.normal(0.0, 0.2, (symbols, DATES, 5)),
        deviations=rng.gamma(5.0, 0.2, (symbols, 5)),
        leading=rng.normal(0.0, symbols**-0.5, (symbols, 5)),
        line=rng.normal(0.0, 0.5, (2, 5)),
        least=rng.uniform(1e-6, 1e-2, (symbols, 5)),
        most=1.0 - rng.uniform(1e-6, 1e-2, (symbols, 5)),
    )
    noise = rng.random((symbols, count, 5))
    noise[0, 0] = [0.0, 1.0, 1e-9, 1.0 - 1e-9, 0.5]
    volatility = np.exp(rng.normal(-4.0, 0.5, (symbols, count)))
    scales = rng.normal(0.0, 0.3, (2, symbols, count))
    dates = rng.integers(DATES, size=count)

    size = np.log(volatility) + 0.5 * np.log(np.exp(2 * scales[0]) + np.exp(2 * scales[1]))
    above = (size - known.usual[:, None]).mean(axis=0).clip(known.above.min(), known.above.max())
    now, then = (
        np.minimum(
            (symbols * known.leading**2)[:, None]
            * special.expit(known.line[0] + at[:, None] * known.line[1]),
            MOST_COMMON,
        )
        for at in (above, known.above[dates])
    )
    mean = known.means[:, dates]
    odds = special.logit(noise.clip(EDGE_UNIFORM, 1.0 - EDGE_UNIFORM)) - mean
    weight, loading = known.leading / known.deviations, known.leading * known.deviations
    together = loading[:, None] * (weight[:, None] * odds).sum(axis=0)
    moved = np.sqrt(now / then) * together + np.sqrt((1 - now) / (1 - then)) * (odds - together)
    wanted = special.expit(mean + moved).clip(known.least[:, None], known.most[:, None])

    found = known.brought(noise, dates, volatility, scales)
    np.testing.assert_allclose(found, wanted, rtol=1e-8)
    last = slice(count - 1, None)
    alone = known.brought(noise[:, last], dates[last], volatility[:, last], scales[:, :, last])
    np.testing.assert_array_equal(alone, found[:, last])


def test_no_noise_is_wilder_than_that_of_real_bars_and_what_is_drawn():
    known, noise = fitted()
    np.testing.assert_array_equal(known.least, np.minimum(noise.min(axis=0), MIN_UNIFORM))
    np.testing.assert_array_equal(known.most, np.maximum(noise.max(axis=0), 1.0 - MIN_UNIFORM))


@given(st.floats(0, 1), st.floats(-9, 9))
def test_noise_is_finite_at_the_ends_as_well(uniform, above):
    known, _ = fitted()
    noise = np.full((3, 1, 5), uniform)
    noise[0] = 0.5
    found = brought(known, noise, np.array([0]), np.array([above]))
    assert (found > 0.0).all()
    assert (found < 1.0).all()


def test_days_that_have_nothing_in_common_or_nothing_else_are_allowed():
    rng = np.random.default_rng(6)
    own = rng.random((DATES, 3, 5))
    same = np.repeat(own[:, :1], 3, axis=1)
    for noise in (same, np.full_like(own, 0.5)):
        known = CommonFactor.of(TABLES, hindcasts(), noise)
        found = brought(known, own.swapaxes(0, 1), np.arange(DATES), rng.normal(size=DATES))
        assert np.isfinite(found).all()


def test_one_date_is_enough():
    tables = 2 * [SimpleNamespace(history=HISTORIES[0].tail(FIRST + 2))]
    each = hindcasts()[0]
    one = hindcast(FIRST, each.state.volatility[:2], each.scales[:1])
    noise = np.random.default_rng(7).random((1, 2, 5))
    found = CommonFactor.of(tables, [one, one], noise)
    moved = brought(found, noise.swapaxes(0, 1), np.array([0]), np.array([0.3]))
    assert np.isfinite(moved).all()


def test_dates_are_as_wild_as_their_forecasts_were_wide():
    """Beside counting them, date by date and symbol by symbol."""
    known = hindcasts()
    found, _ = fitted()
    sizes = [
        0.5 * np.log(((one.state.volatility[:-1, None] * np.exp(one.scales)) ** 2).sum(axis=1))
        for one in known
    ]
    above = []
    for rows in COMMON.rows:
        # What was known at the close before.
        said = [
            sizes[s][row - FIRST - 1] - sizes[s].mean() for s, row in enumerate(rows) if row >= 0
        ]
        above.append(sum(said) / len(said))
    np.testing.assert_allclose(found.above, above, atol=1e-12)
    np.testing.assert_allclose(found.usual, [size.mean() for size in sizes])
