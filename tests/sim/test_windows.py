import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.market.features import parts_from_bars
from sim.windows import (
    CONTEXT,
    OF_EACH,
    Moves,
    Statistics,
    co_exceedance,
    correlation,
    cut_windows,
    joint_statistics,
    pair_means,
    window_statistics,
)
from tests.sim.forecasting import HISTORIES

T = 60


def windows(count=6, stride=40):
    return cut_windows(HISTORIES[0].bars, 100, T, stride)[0][:count]


def joint(count=5, stride=50):
    length = min(len(history) for history in HISTORIES)
    bars = np.stack([history.bars[-length:] for history in HISTORIES])
    bars = np.concatenate([bars, bars[:1, ::-1]])  # a third stock: the first, backwards
    return cut_windows(bars, 50, T, stride)[0][:count]


def parts_of(window):
    """Gap, intraday, upper, lower, volume deviation of the bars after the context: (T, 5)."""
    return parts_from_bars(window)[CONTEXT:]


def lagged(x, y, k):
    x, y = x - x.mean(), y - y.mean()
    return (x[:-k] * y[k:]).sum() / np.sqrt((x**2).sum() * (y**2).sum())


def slow(window):
    """The statistics of one window, one by one, as their names say."""
    gap, day, upper, lower, volume = parts_of(window).T
    r = gap + day
    size, both = np.abs(r), upper + lower
    spread = np.log(window[CONTEXT:, 1] / window[CONTEXT:, 2])
    z = (r - r.mean()) / r.std()
    corr = lambda x, y: np.corrcoef(x, y)[0, 1]  # noqa: E731
    falls, rises = np.sqrt(np.mean(z.clip(max=0) ** 2)), np.sqrt(np.mean(z.clip(min=0) ** 2))
    return {
        "log deviation of r": np.log(r.std()),
        "mean of r": r.mean() / r.std(),
        "skewness of r": stats.skew(r),
        "excess kurtosis of r": stats.kurtosis(r),
        "left 5 % of r": -np.quantile(z, 0.05),
        "right 5 % of r": np.quantile(z, 0.95),
        "left 10 % of r": -np.quantile(z, 0.1),
        "right 10 % of r": np.quantile(z, 0.9),
        "largest fall": -z.min(),
        "largest rise": z.max(),
        "falls over rises": np.log(falls / rises),
        "share of unmoved closes": 0.0,
        "ACF of r, lag 1": lagged(r, r, 1),
        "ACF of r, lags 1-5": np.mean([lagged(r, r, k) for k in range(1, 6)]),
        "ACF of abs(r), lag 1": lagged(size, size, 1),
        "ACF of abs(r), lags 1-10": np.mean([lagged(size, size, k) for k in range(1, 11)]),
        "ACF of r², lag 1": lagged(r**2, r**2, 1),
        "ACF of r², lags 1-10": np.mean([lagged(r**2, r**2, k) for k in range(1, 11)]),
        "leverage, lag 1": lagged(r, r**2, 1),
        "leverage, lags 1-10": np.mean([lagged(r, r**2, k) for k in range(1, 11)]),
        "change of deviation": abs(np.log(r[30:].std() / r[:30].std())),
        "gap over intraday deviation": np.log(gap.std() / day.std()),
        "corr gap, intraday": corr(gap, day),
        "corr abs(gap), abs(intraday)": corr(np.abs(gap), np.abs(day)),
        "corr intraday, next gap": corr(day[:-1], gap[1:]),
        "excess kurtosis of gap": stats.kurtosis(gap),
        "excess kurtosis of intraday": stats.kurtosis(day),
        "skewness of gap": stats.skew(gap),
        "skewness of intraday": stats.skew(day),
        "middle half of gap": np.log(stats.iqr(gap) / gap.std()),
        "ACF of abs(gap), lag 1": lagged(np.abs(gap), np.abs(gap), 1),
        "mean upper wick": upper.mean() / r.std(),
        "mean lower wick": lower.mean() / r.std(),
        "share of no upper wick": 0.0,
        "share of no lower wick": 0.0,
        "spread of wicks": both.std() / both.mean(),
        "corr upper, lower wick": corr(upper, lower),
        "corr wicks, abs(r)": corr(both, size),
        "corr wicks, abs(intraday)": corr(both, np.abs(day)),
        "corr upper less lower wick, r": corr(upper - lower, r),
        "ACF of wicks, lag 1": lagged(both, both, 1),
        "mean range": spread.mean() / r.std(),
        "spread of volume": volume.std(),
        "mean of volume": volume.mean(),
        "skewness of volume": stats.skew(volume),
        "largest volume": volume.max(),
        "least volume": volume.min(),
        "ACF of volume, lag 1": lagged(volume, volume, 1),
        "ACF of volume, lags 2-5": np.mean([lagged(volume, volume, k) for k in range(2, 6)]),
        "corr volume, abs(r)": corr(volume, size),
        "corr volume, r": corr(volume, r),
        "corr volume, abs(gap)": corr(volume, np.abs(gap)),
        "corr volume, wicks": corr(volume, both),
        "corr volume, range": corr(volume, spread),
        "corr abs(r), next volume": corr(size[:-1], volume[1:]),
        "corr volume, next abs(r)": corr(volume[:-1], size[1:]),
    }


def test_every_statistic_equals_its_slow_twin():
    bars = windows()
    found = window_statistics(bars)
    for i, window in enumerate(bars):
        want = slow(window)
        assert set(found.names) == set(want)
        for name, value in want.items():
            assert found[name][i] == pytest.approx(value, abs=1e-9), name


def test_exact_zeros_are_counted():
    bars = windows(1).copy()
    now = bars[0, CONTEXT:]
    now[:15, 1] = np.maximum(now[:15, 0], now[:15, 3])
    now[:6, 2] = np.minimum(now[:6, 0], now[:6, 3])
    now[1:4, :4] = now[0, 3]
    found = window_statistics(bars)
    assert found["share of no upper wick"][0] == pytest.approx(15 / T)
    assert found["share of no lower wick"][0] == pytest.approx(6 / T)
    assert found["share of unmoved closes"][0] == pytest.approx(3 / T)


@given(price=st.floats(1e-2, 1e4), volume=st.floats(1e-2, 1e6), power=st.floats(0.3, 3.0))
def test_statistics_are_free_of_price_shares_and_level_of_volatility(price, volume, power):
    bars = windows(2)
    changed = bars.copy()
    changed[..., :4] = price * bars[..., :4] ** power  # every log move times `power`
    changed[..., 4] *= volume
    before, after = window_statistics(bars), window_statistics(changed)
    level = before.names.index("log deviation of r")
    np.testing.assert_allclose(
        np.delete(after.values, level, 1), np.delete(before.values, level, 1), atol=1e-6
    )
    np.testing.assert_allclose(
        after.values[:, level] - before.values[:, level], np.log(power), atol=1e-6
    )


def test_families_are_taken_apart():
    found = window_statistics(windows(3))
    only, rest = found.only("wicks", "ticks"), found.without("wicks", "ticks")
    assert set(only.families) == {"wicks", "ticks"}
    assert sorted(only.names + rest.names) == sorted(found.names)
    for part in (only, rest):
        for name in part.names:
            np.testing.assert_array_equal(part[name], found[name])


def test_a_window_knows_only_its_own_bars():
    bars = windows(4)
    alone = np.concatenate([window_statistics(one[None]).values for one in bars])
    np.testing.assert_allclose(window_statistics(bars).values, alone, atol=1e-12)


def test_a_window_that_never_moves_has_finite_statistics():
    bars = np.full((1, CONTEXT + T, 5), 50.0)
    found = window_statistics(bars)
    assert found["share of unmoved closes"][0] == 1
    assert found["corr volume, abs(r)"][0] == 0
    assert np.isfinite(joint_statistics(np.stack([bars, bars], axis=1)).values).all()


def test_moves_are_the_parts_of_the_forecast():
    bars = windows(2)
    moves = Moves.of(bars)
    want = np.stack([parts_of(window) for window in bars])
    found = np.stack([moves.gap, moves.intraday, moves.upper, moves.lower, moves.volume], axis=-1)
    np.testing.assert_allclose(found, want, atol=1e-9)
    np.testing.assert_allclose(moves.range, np.log(bars[:, CONTEXT:, 1] / bars[:, CONTEXT:, 2]))


def test_pair_means_equal_the_correlation_matrix():
    z = np.random.default_rng(0).normal(size=(3, 4, 50)).cumsum(axis=1)
    for i, (mean, spread, first) in enumerate(zip(*pair_means(z), strict=True)):
        matrix = np.corrcoef(z[i])
        pairs = matrix[np.triu_indices(4, 1)]
        assert (mean, spread) == pytest.approx((pairs.mean(), pairs.std()))
        assert first == pytest.approx(np.linalg.eigvalsh(matrix)[-1] / 4)


def test_co_exceedance_of_independent_equal_and_lower_dependent_stocks():
    rng = np.random.default_rng(0)
    alone = rng.normal(size=(400, 3, 60))
    for found in co_exceedance(alone):
        assert found.mean() == pytest.approx(0.1, abs=0.01)
    same = np.repeat(alone[:, :1], 3, axis=1)
    np.testing.assert_allclose(co_exceedance(same), 1.0)
    falls = np.where(same < 0, same, np.abs(alone))
    lower, upper = co_exceedance(falls)
    np.testing.assert_allclose(lower, 1.0)
    # On the half of the days that rise, the tail is a fifth.
    assert upper.mean() == pytest.approx(0.2, abs=0.02)


def test_joint_statistics_equal_slow_twins():
    bars = joint()
    found = joint_statistics(bars)
    for i, market in enumerate(bars):
        each = [slow(window) for window in market]
        for name in OF_EACH:
            values = [one[name] for one in each]
            assert found[f"mean: {name}"][i] == pytest.approx(np.mean(values), abs=1e-9)
            assert found[f"spread: {name}"][i] == pytest.approx(np.std(values), abs=1e-9)
        gap, day, _, _, volume = np.stack([parts_of(window) for window in market], axis=-1)[
            :, ::1
        ].transpose(1, 2, 0)
        r = gap + day
        z = (r - r.mean(axis=1, keepdims=True)) / r.std(axis=1, keepdims=True)
        of_pairs = lambda x: np.corrcoef(x)[np.triu_indices(3, 1)]  # noqa: E731
        crowd, width = z.mean(axis=0), z.std(axis=0)
        jumping = (np.abs(z) > 2).mean(axis=0)
        low = crowd < np.median(crowd)
        product = np.mean([z[a] * z[b] for a, b in ((0, 1), (0, 2), (1, 2))], axis=0)
        want = {
            "cross-correlation of r": of_pairs(r).mean(),
            "spread of cross-correlations": of_pairs(r).std(),
            "cross-correlation of gap": of_pairs(gap).mean(),
            "cross-correlation of intraday": of_pairs(day).mean(),
            "cross-correlation of abs(r)": of_pairs(np.abs(z)).mean(),
            "cross-correlation of volume": of_pairs(volume).mean(),
            "mean dispersion": width.mean(),
            "spread of dispersion": width.std(),
            "corr dispersion, abs(market)": np.corrcoef(width, np.abs(crowd))[0, 1],
            "most stocks jumping": jumping.max(),
            "days with half the stocks jumping": np.mean(jumping >= 0.5),
            "largest fall of the market": -crowd.min(),
            "going together, falls less rises": np.sum(product * np.where(low, 1, -1)) / T,
            "corr market volume, abs(market)": np.corrcoef(volume.mean(axis=0), np.abs(crowd))[
                0, 1
            ],
            "leverage of the market": np.mean([lagged(crowd, crowd**2, k) for k in range(1, 6)]),
        }
        for name, value in want.items():
            assert found[name][i] == pytest.approx(value, abs=1e-9), name


def test_the_order_of_stocks_does_not_matter():
    bars = joint()
    np.testing.assert_allclose(
        joint_statistics(bars[:, ::-1]).values, joint_statistics(bars).values, atol=1e-9
    )


def test_correlation_of_a_constant_is_zero():
    x = np.arange(10.0)
    assert correlation(x, np.ones(10)) == 0
    assert correlation(x, -3 * x) == pytest.approx(-1)


def test_windows_are_cut_with_their_context():
    bars = HISTORIES[0].bars
    found, rows = cut_windows(bars, 40, 30, 7)
    assert rows[0] == 40
    assert rows[-1] + 30 <= len(bars) < rows[-1] + 37
    np.testing.assert_array_equal(found[2], bars[54 - CONTEXT : 84])
    both, _ = cut_windows(np.stack([bars, 2 * bars]), 40, 30, 7)
    np.testing.assert_array_equal(both[:, 0], found)
    np.testing.assert_array_equal(both[:, 1], 2 * found)
    assert cut_windows(bars[:50], 40, 30, 7)[0].shape == (0, CONTEXT + 30, 5)


def test_bad_input_is_named():
    bars = windows(2)
    with pytest.raises(ValueError, match=r"windows must have shape \(..., 20 \+ T, 5\)"):
        window_statistics(bars[:, :39])
    with pytest.raises(ValueError, match=r"must have shape \(N, bars, 5\)"):
        window_statistics(bars[None])
    with pytest.raises(ValueError, match=r"must have shape \(N, S >= 2, bars, 5\)"):
        joint_statistics(bars[:, None])
    with pytest.raises(ValueError, match="finite and > 0"):
        window_statistics(-bars)
    with pytest.raises(ValueError, match="first must leave 20 bars of context; received 19"):
        cut_windows(HISTORIES[0].bars, 19, 30, 7)
    with pytest.raises(ValueError, match="length and stride must be >= 1; received 30, 0"):
        cut_windows(HISTORIES[0].bars, 20, 30, 0)
    with pytest.raises(ValueError, match="a column for each name"):
        Statistics(np.zeros((3, 2)), ("a",), ("x",))
    with pytest.raises(ValueError, match="families must be one for each of 1 names"):
        Statistics(np.zeros((3, 1)), ("a",), ())
    with pytest.raises(ValueError, match="received nan for a of window 1"):
        Statistics(np.array([[0.0], [np.nan]]), ("a",), ("x",))
