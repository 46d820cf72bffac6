"""One small forecaster, fitted once on synthetic GARCH-t bars, and everything asked of it."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from models.agent.observation import MarketView
from models.forecast.forecaster import Forecaster, ForecasterConfig
from models.forecast.predictive import pit_ks
from models.market.features import FEATURES, LOOKBACK, bars_from_parts, features
from models.market.history import History
from tests.models.synthetic import days, garch_bars, garch_history

SMALL = ForecasterConfig(units=4, window=12, epochs=8, batch=16, stride=6, masks=8)
TRAINED = 900
HISTORIES = [garch_history(name, 1700, seed) for seed, name in enumerate(("AAA", "BBB"))]
TRAIN = [history.until(history.time[TRAINED - 1]) for history in HISTORIES]


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster.fit(TRAIN, SMALL, seed=1)


def windows(history: History, rows) -> np.ndarray:
    found = features(history.bars)
    return found[np.asarray(rows)[:, None] + np.arange(1 - SMALL.window, 1)]


def test_the_seed_fixes_the_fit_and_another_seed_changes_it(fitted):
    again = Forecaster.fit(TRAIN, SMALL, seed=1)
    other = Forecaster.fit(TRAIN, SMALL, seed=2)
    for name, value in fitted.to_arrays().items():
        np.testing.assert_array_equal(value, again.to_arrays()[name], err_msg=name)
    kernels = fitted.to_arrays()["weight_kernel"], other.to_arrays()["weight_kernel"]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01


def test_fitting_leaves_the_global_random_state_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    Forecaster.fit(TRAIN, dataclasses.replace(SMALL, epochs=1), seed=1)
    assert np.array_equal(before, np.random.get_state()[1])


def test_the_validation_loss_falls(fitted):
    assert fitted.curve.shape[1] == 3
    assert fitted.curve[:, 2].min() < fitted.curve[0, 2]
    assert fitted.data_end == TRAIN[0].time[-1]
    assert fitted.symbols == ("AAA", "BBB")


def test_draws_differ_and_the_seed_repeats_them(fitted):
    view = MarketView.at(TRAIN, window=SMALL.window)
    first = fitted.predict(view, 64, np.random.default_rng(1))
    again = fitted.predict(view, 64, np.random.default_rng(1))
    other = fitted.predict(view, 64, np.random.default_rng(2))
    assert np.array_equal(first.parts, again.parts)
    assert not np.isclose(first.parts, other.parts).any()
    assert len(np.unique(first.parts[0, :, 0])) == 64
    assert (first.epistemic_std > 0).all()
    assert (first.epistemic_std < first.aleatoric_std).all()


def test_a_batch_gives_each_series_its_own_forecast(fitted):
    """A series' outputs do not depend on its neighbours in the batch."""
    rows = [300, 500, 700]
    together = fitted.start(windows(HISTORIES[0], rows), None)
    for i, row in enumerate(rows):
        alone = fitted.start(windows(HISTORIES[0], [row]), None)
        np.testing.assert_allclose(
            fitted.parameters(together).outputs[i], fitted.parameters(alone).outputs[0], atol=1e-6
        )


def test_intervals_cover_what_they_claim_on_bars_not_seen(fitted):
    covered, pit = [], []
    for history in HISTORIES:
        rows = np.arange(TRAINED, len(history) - 1)
        observed = history.log_returns[rows + 1]
        forecast = fitted.predict(windows(history, rows), 128, np.random.default_rng(0))
        covered.append(forecast.covers(observed, 0.9))
        pit.append(forecast.pit(observed))
    assert abs(np.mean(covered) - 0.9) < 0.03
    assert pit_ks(np.concatenate(pit)) < 0.04


def test_forecasts_beat_a_constant_distribution(fitted):
    score = []
    for history in HISTORIES:
        rows = np.arange(TRAINED, len(history) - 1)
        observed = history.log_returns[rows + 1]
        forecast = fitted.predict(windows(history, rows), 128, np.random.default_rng(0))
        df, at, scale = stats.t.fit(history.log_returns[1:TRAINED])
        constant = stats.t(df, at, scale).logpdf(observed)
        score.append((forecast.log_score(observed) - constant).mean())
    assert np.mean(score) > 0.01


def test_predict_and_path_sampling_follow_one_distribution(fitted):
    window = np.repeat(windows(HISTORIES[0], [800]), 4000, axis=0)
    rng = np.random.default_rng(3)
    walked = fitted.sample(fitted.start(window, rng), rng)
    predicted = fitted.predict(window[:1], 4000, np.random.default_rng(4)).parts[0]
    for column in range(5):
        found = stats.ks_2samp(walked[:, column], predicted[:, column])
        assert found.statistic < 0.05


def test_advancing_equals_a_longer_window(fitted):
    longer = features(HISTORIES[0].bars)[None, 700 : 700 + SMALL.window + 3]
    state = fitted.start(longer[:, : SMALL.window], None)
    for t in range(SMALL.window, SMALL.window + 3):
        fitted.advance(state, longer[:, t])
    direct = fitted.parameters(fitted.start(longer, None))
    np.testing.assert_allclose(fitted.parameters(state).outputs, direct.outputs, atol=1e-6)
    assert np.array_equal(fitted.parameters(state).volatility, direct.volatility)


def test_a_path_keeps_its_mask(fitted):
    view = MarketView.at_rows(HISTORIES[0], [700] * 6, window=SMALL.window)
    state = fitted.start(view, np.random.default_rng(0))
    before = state.masks
    rows = view.push(np.repeat(HISTORIES[0].bars[701:702], 6, axis=0))
    fitted.advance(state, rows)
    assert state.masks is before
    outputs = fitted.parameters(state).outputs
    assert len(np.unique(outputs[:, 1])) == 6


def test_long_paths_stay_in_the_range_of_the_market(fitted):
    view = MarketView.at_rows(HISTORIES[0], np.arange(300, 400), window=SMALL.window)
    rng = np.random.default_rng(0)
    state = fitted.start(view, rng)
    returns = []
    for _ in range(500):
        parts = fitted.sample(state, rng)
        fitted.advance(state, view.push(bars_from_parts(view.last_close, view.volume_mean, parts)))
        returns.append(parts[:, 0] + parts[:, 1])
    late = np.std(returns[250:])
    real = np.nanstd(HISTORIES[0].log_returns)
    assert 0.5 * real < late < 2.5 * real
    assert np.abs(returns).max() < 1.0


def test_a_warm_start_goes_on_from_the_previous_forecaster(fitted):
    later = [history.until(history.time[TRAINED + 20]) for history in HISTORIES]
    warm = Forecaster.fit(later, SMALL, seed=1, previous=fitted)
    assert len(warm.curve) <= SMALL.retrain_epochs
    assert warm.data_end > fitted.data_end
    before, after = fitted.to_arrays(), warm.to_arrays()
    assert np.array_equal(before["scaler_mean"], after["scaler_mean"])
    assert np.abs(before["weight_kernel"] - after["weight_kernel"]).max() < 0.05


def test_arrays_hold_all_a_forecaster_knows(fitted):
    arrays = fitted.to_arrays()
    assert all(array.dtype.kind in "fu" for array in arrays.values())
    back = Forecaster.from_arrays(arrays)
    view = MarketView.at(TRAIN, window=SMALL.window)
    ours = fitted.predict(view, 16, np.random.default_rng(1))
    theirs = back.predict(view, 16, np.random.default_rng(1))
    assert np.array_equal(ours.parts, theirs.parts)
    assert back.config == SMALL
    assert (back.data_end, back.symbols) == (fitted.data_end, fitted.symbols)


def test_arrays_of_something_else_are_refused(fitted):
    arrays = fitted.to_arrays()
    with pytest.raises(ValueError, match="must hold 'about'"):
        Forecaster.from_arrays({})
    with pytest.raises(ValueError, match=r"array weight_head must have shape \(4, 10\)"):
        Forecaster.from_arrays(arrays | {"weight_head": np.ones((3, 10))})
    with pytest.raises(ValueError, match=r"scaler_mean must have shape .* received nothing"):
        Forecaster.from_arrays({k: v for k, v in arrays.items() if k != "scaler_mean"})
    other = arrays["about"].tobytes().decode().replace('"sma_20"', '"sma_21"').encode()
    with pytest.raises(ValueError, match="present features"):
        Forecaster.from_arrays(arrays | {"about": np.frombuffer(other, dtype=np.uint8)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropout": 0.0}, r"dropout must lie in \(0, 1\).*received 0.0"),
        ({"units": 0}, "units must be at least 1; received 0"),
        ({"window": 5}, "window must be at least 10; received 5"),
        ({"learning_rate": -1.0}, "learning_rate must be > 0; received -1.0"),
        ({"validation_fraction": 0.9}, r"validation_fraction must lie in \(0, 0.5\]"),
        ({"masks": 1}, "masks must be at least 2; received 1"),
        ({"drift_penalty": -1.0}, "drift_penalty must be >= 0; received -1.0"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def test_bad_input_is_refused(fitted):
    with pytest.raises(ValueError, match="at least one symbol; received none"):
        Forecaster.fit([], SMALL, seed=1)
    with pytest.raises(ValueError, match=r"AAA: history must have at least 481 bars; received 100"):
        Forecaster.fit([TRAIN[0].tail(100)], SMALL, seed=1)
    wider = dataclasses.replace(SMALL, units=5)
    with pytest.raises(ValueError, match=r"same units and window \(5, 12\); received \(4, 12\)"):
        Forecaster.fit(TRAIN, wider, seed=1, previous=fitted)
    with pytest.raises(ValueError, match="n_draws must be at least 2; received 1"):
        fitted.predict(windows(TRAIN[0], [300]), 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"windows must have shape \(B, W, 22\)"):
        fitted.start(np.zeros((3, 12, 7)), None)
    spoiled = windows(TRAIN[0], [300])
    spoiled[0, 3, FEATURES.index("atr")] = np.nan
    with pytest.raises(ValueError, match="feature atr must be finite; received nan"):
        fitted.start(spoiled, None)


def test_the_shortest_history_that_is_accepted_can_be_fitted():
    shortest = History("AAA", days(SMALL.required_bars), garch_bars(SMALL.required_bars))
    config = dataclasses.replace(SMALL, epochs=1)
    made = Forecaster.fit([shortest], config, seed=1)
    assert SMALL.required_bars > LOOKBACK
    assert len(made.curve) == 1
