import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import kernels
from models.market.features import (
    BASELINE,
    COLUMN,
    FEATURES,
    LOOKBACK,
    FeatureState,
    FeatureTable,
    bars_from_parts,
    baseline_volatility,
    features,
    parts_from_bars,
)
from models.market.history import History
from tests.models.synthetic import days, garch_bars

BARS = garch_bars(420)
TABLE = FeatureTable.of(History("AAA", days(420), BARS))
FOUND = features(BARS)


def column(name):
    return FOUND[:, COLUMN[name]]


def test_rows_before_the_lookback_are_nan_and_all_later_ones_finite():
    assert np.isnan(FOUND[:LOOKBACK]).all()
    assert np.isfinite(FOUND[LOOKBACK:]).all()
    assert np.isnan(features(BARS[:LOOKBACK])).all()
    assert FOUND.shape == (420, len(FEATURES))


def test_definitions_spelled_out_for_one_row():
    t, close = 333, BARS[:, 3]
    returns = np.diff(np.log(close), prepend=np.nan)
    weights = 0.94 ** np.arange(t)[::-1]
    volatility = np.sqrt((weights * returns[1 : t + 1] ** 2).sum() / weights.sum() + 1e-10)
    before = np.sqrt((weights[1:] * returns[1:t] ** 2).sum() / weights[1:].sum() + 1e-10)
    assert np.isclose(column("volatility_ewma")[t], np.log(volatility))
    assert np.isclose(column("log_return")[t], returns[t] / before)
    assert np.isclose(column("gap")[t], np.log(BARS[t, 0] / close[t - 1]) / before)
    assert np.isclose(
        column("sma_50")[t],
        np.log(close[t] / close[t - 49 : t + 1].mean()) / (volatility * np.sqrt(50)),
    )
    deviation = np.log(BARS[t, 4]) - np.log(BARS[t - 20 : t, 4]).mean()
    assert np.isclose(column("volume_deviation")[t], deviation)
    assert np.isclose(column("price_volume")[t], returns[t] / before * deviation)
    assert np.isclose(
        column("volatility_20")[t],
        np.log(returns[t - 19 : t + 1].std(ddof=1) / volatility),
        atol=1e-5,
    )
    log_volume = np.log(BARS[1 : t + 1, 4])
    slow = 0.99 ** np.arange(t)[::-1]
    trend = log_volume[-20:].mean() - (slow * log_volume).sum() / slow.sum()
    assert np.isclose(column("volume_trend")[t], trend)
    average = close[0]
    for price in close[1 : t + 1]:
        average += (price - average) * 2 / 27
    expected = np.log(close[t] / average) / (volatility * np.sqrt(26))
    assert np.isclose(column("ema_26")[t], expected)


def test_a_table_holds_what_the_plain_functions_give():
    np.testing.assert_array_equal(TABLE.rows, FOUND)
    np.testing.assert_array_equal(TABLE.parts, parts_from_bars(BARS))
    assert (TABLE.symbol, len(TABLE)) == ("AAA", 420)
    for array in (TABLE.rows, TABLE.parts):
        with pytest.raises(ValueError, match="read-only"):
            array[-1] = 0.0


def test_a_table_needs_a_bar_beyond_the_lookback():
    assert len(FeatureTable.of(TABLE.history.tail(LOOKBACK + 1))) == LOOKBACK + 1
    with pytest.raises(ValueError, match=r"AAA: history must have at least 201 bars; received 200"):
        FeatureTable.of(TABLE.history.tail(LOOKBACK))


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(LOOKBACK, 418), seed=st.integers(0, 10**6))
def test_no_row_looks_ahead(cut, seed):
    """Change everything after a row: the row and all before it must not move by one bit."""
    changed = BARS.copy()
    changed[cut + 1 :] = garch_bars(len(BARS) - cut - 1, seed) * 3.0
    assert np.array_equal(features(changed)[: cut + 1], FOUND[: cut + 1], equal_nan=True)


@settings(max_examples=10, deadline=None)
@given(price=st.floats(1e-2, 1e3), volume=st.floats(1e-3, 1e3))
def test_features_do_not_depend_on_the_price_level_or_the_share_count(price, volume):
    scaled = features(BARS * np.array([price] * 4 + [volume]))
    assert np.allclose(scaled[LOOKBACK:], FOUND[LOOKBACK:], rtol=1e-7, atol=1e-7)


def test_the_state_gives_the_rows_of_the_batch_function():
    rows = np.array([201, 250, 300, 201])
    state = FeatureState.at(TABLE, rows)
    for step in range(1, 119):
        found = state.push(BARS[rows + step])
        np.testing.assert_allclose(found, FOUND[rows + step], rtol=1e-10, atol=1e-11)
        assert np.array_equal(state.last_close, BARS[rows + step, 3])


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_state_agrees_on_bars_that_were_never_in_the_history(seed):
    new = garch_bars(30, seed, daily_volatility=0.05)
    new[:, :4] *= BARS[260, 3] / new[0, 0]
    slow = features(np.concatenate([BARS[:261], new]))[261:]
    state = FeatureState.at(TABLE, [260])
    fast = np.concatenate([state.push(bar[None]) for bar in new])
    np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-11)


def test_sums_of_closes_do_not_drift():
    """After a crash from a thousand times the price they are those of the last closes alone."""
    bars = garch_bars(900, 4)
    bars[:450, :4] *= 1000.0
    table = FeatureTable.of(History("AAA", days(900), bars))
    state = FeatureState.at(table, [300])
    for bar in bars[301:]:
        state.push(bar[None])
    fresh = FeatureState.at(table, [899])
    sums = [x._carried[kernels.OF_SUM : kernels.OF_REST + 3].reshape(2, 3) for x in (state, fresh)]
    np.testing.assert_array_equal(sums[0].sum(axis=0), sums[1].sum(axis=0))


def test_states_can_be_joined_and_chosen_at_any_point():
    first, second = FeatureState.at(TABLE, [210]), FeatureState.at(TABLE, [240, 250])
    first.push(BARS[[211]])
    second.push(BARS[[241, 251]])
    second.push(BARS[[242, 252]])
    joined = FeatureState.concatenate([first, second])
    kept = joined.take([0, 1, 2])
    picked = joined.take([2, 0])
    rows = np.array([211, 242, 252])
    np.testing.assert_allclose(joined.push(BARS[rows + 1]), FOUND[rows + 1], rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(kept.push(BARS[rows + 1]), FOUND[rows + 1], rtol=1e-10, atol=1e-11)
    found = picked.push(BARS[[253, 212]])
    np.testing.assert_allclose(found, FOUND[[253, 212]], rtol=1e-10, atol=1e-11)


def test_parts_and_bars_are_inverses():
    parts = parts_from_bars(BARS)
    rows = np.arange(LOOKBACK, 419)
    state = FeatureState.at(TABLE, rows)
    back = bars_from_parts(state.last_close, state.volume_mean, parts[rows + 1])
    np.testing.assert_allclose(back, BARS[rows + 1], rtol=1e-12)
    assert np.isnan(parts[0, 0])
    assert np.isnan(parts[:20, 4]).all()
    assert np.isfinite(parts[20:]).all()


numbers = st.floats(-2.0, 2.0)
wicks = st.floats(0.0, 2.0)


@given(st.lists(st.tuples(numbers, numbers, wicks, wicks, numbers), min_size=1, max_size=8))
def test_bars_from_parts_are_valid(parts):
    close = np.full(len(parts), 37.0)
    bars = bars_from_parts(close, np.full(len(parts), 12.0), np.array(parts))
    opened, high, low, closed, volume = bars.T
    assert (low <= np.minimum(opened, closed)).all()
    assert (high >= np.maximum(opened, closed)).all()
    assert (low > 0).all()
    assert (volume > 0).all()
    np.testing.assert_allclose(np.log(opened / close), [part[0] for part in parts], atol=1e-12)


def test_negative_wicks_and_bad_shapes_are_refused():
    with pytest.raises(ValueError, match=r"wicks must be >= 0; received -0.1"):
        bars_from_parts(np.ones(1), np.ones(1), np.array([[0, 0, -0.1, 0, 0.0]]))
    with pytest.raises(ValueError, match=r"bars must have shape \(T, 5\); received \(3, 4\)"):
        features(np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"AAA: rows must lie in 200..419; received 199..300"):
        FeatureState.at(TABLE, [300, 199])
    with pytest.raises(ValueError, match=r"bars must have shape \(1, 5\); received \(2, 5\)"):
        FeatureState.at(TABLE, [300]).push(BARS[:2])


def test_a_price_that_never_moves_has_finite_features():
    still = np.tile([10.0, 10.0, 10.0, 10.0, 1000.0], (260, 1))
    assert np.isfinite(features(still)[LOOKBACK:]).all()


def test_the_baseline_reverts_to_its_anchor():
    rows = np.zeros((3, len(FEATURES)))
    rows[:, COLUMN["volatility_ewma"]] = np.log([0.005, 0.02, 0.4])
    found = baseline_volatility(rows, np.log(0.02))
    kept = 1.0 - BASELINE.reversion
    assert np.isclose(found[0], 0.02 * 0.25**kept)
    assert np.isclose(found[1], 0.02)
    # Beyond `high` half of the distance in logs is taken off.
    far = kept * np.log(20.0)
    assert np.isclose(found[2], 0.02 * np.exp(far - 0.5 * (far - BASELINE.high)))
