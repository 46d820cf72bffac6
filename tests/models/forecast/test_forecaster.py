"""One small forecaster, fitted once on synthetic GARCH-t bars, and everything asked of it."""

import dataclasses
import functools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from models.forecast import calibration, fitting
from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.forecast.inference import LSTMInference
from models.forecast.predictive import pit_ks
from models.forecast.scaling import NETWORK_COLUMNS
from models.market.features import COLUMN, FEATURES, LOOKBACK, FeatureTable, bars_from_parts
from models.market.history import History
from models.market.market_view import MarketView
from models.reporting import Silent
from models.seeding import streams
from tests.models.synthetic import days, garch_bars, garch_table

SMALL = ForecasterConfig(units=4, window=12, epochs=8, batch=16, stride=6, masks=8)
QUICK = dataclasses.replace(SMALL, epochs=1)
TRAINED = 900
TABLES = [garch_table(name, 1700, seed) for seed, name in enumerate(("AAA", "BBB"))]
HISTORIES = [table.history for table in TABLES]


def until(row: int) -> list[FeatureTable]:
    """The histories up to a row."""
    return [FeatureTable.of(history.until(history.time[row])) for history in HISTORIES]


TRAIN = until(TRAINED - 1)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster.fit(TRAIN, SMALL, seed=1)


def view_of(rows, table=TABLES[0]) -> MarketView:
    return MarketView.at_rows(table, rows, window=SMALL.window)


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
    assert fitted.data_end == TRAIN[0].history.time[-1]
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
    together = fitted.start(view_of(rows))
    for i, row in enumerate(rows):
        alone = fitted.start(view_of([row]))
        np.testing.assert_allclose(
            fitted.parameters(together).outputs[i], fitted.parameters(alone).outputs[0], atol=1e-6
        )


def test_intervals_cover_what_they_claim_on_bars_not_seen(fitted):
    covered, pit = [], []
    for table in TABLES:
        rows = np.arange(TRAINED, len(table) - 1)
        observed = table.history.log_returns[rows + 1]
        forecast = fitted.predict(view_of(rows, table), 128, np.random.default_rng(0))
        covered.append(forecast.covers(observed, 0.9))
        pit.append(forecast.pit(observed))
    assert abs(np.mean(covered) - 0.9) < 0.03
    assert pit_ks(np.concatenate(pit)) < 0.04


def test_forecasts_beat_a_constant_distribution(fitted):
    score = []
    for table in TABLES:
        rows = np.arange(TRAINED, len(table) - 1)
        observed = table.history.log_returns[rows + 1]
        forecast = fitted.predict(view_of(rows, table), 128, np.random.default_rng(0))
        df, at, scale = stats.t.fit(table.history.log_returns[1:TRAINED])
        constant = stats.t(df, at, scale).logpdf(observed)
        score.append((forecast.log_score(observed) - constant).mean())
    assert np.mean(score) > 0.01


def test_predict_and_path_sampling_follow_one_distribution(fitted):
    view, rng = view_of([800] * 4000), np.random.default_rng(3)
    state = fitted.start(view, fitted.masks(4000, rng))
    walked, _ = fitted.draw(state, rng.random((4000, 5)))
    predicted = fitted.predict(view_of([800]), 4000, np.random.default_rng(4)).parts[0]
    for column in range(5):
        found = stats.ks_2samp(walked[:, column], predicted[:, column])
        assert found.statistic < 0.05


def test_advancing_equals_a_longer_window(fitted):
    state = fitted.start(view_of([700]))
    for row in (701, 702, 703):
        fitted.advance(state, TABLES[0].rows[row][None])
    network = LSTMInference(fitted._fitted.weights.lstm)
    longer = TABLES[0].rows[701 - SMALL.window : 704][None]
    _, hidden, cell = network.run(fitted.scaler.scaled(longer)[..., NETWORK_COLUMNS])
    np.testing.assert_allclose(state.hidden, hidden, atol=1e-6)
    np.testing.assert_allclose(state.cell, cell, atol=1e-6)
    assert np.array_equal(state.volatility, fitted.start(view_of([703])).volatility)


def test_a_path_keeps_its_mask(fitted):
    view = view_of([700] * 6)
    state = fitted.start(view, fitted.masks(6, np.random.default_rng(0)))
    before = state.masks
    rows = view.push(np.repeat(HISTORIES[0].bars[701:702], 6, axis=0))
    fitted.advance(state, rows)
    assert state.masks is before
    outputs = fitted.parameters(state).outputs
    assert len(np.unique(outputs[:, 1])) == 6


def test_long_paths_stay_in_the_range_of_the_market(fitted):
    view, rng = view_of(np.arange(300, 400)), np.random.default_rng(0)
    state = fitted.start(view, fitted.masks(100, rng))
    returns = []
    for _ in range(500):
        parts, _ = fitted.draw(state, rng.random((100, 5)))
        fitted.advance(state, view.push(bars_from_parts(view.last_close, view.volume_mean, parts)))
        returns.append(parts[:, 0] + parts[:, 1])
    late = np.std(returns[250:])
    real = np.nanstd(HISTORIES[0].log_returns)
    assert 0.5 * real < late < 2.5 * real
    assert np.abs(returns).max() < 1.0


def test_a_warm_start_goes_on_from_the_previous_forecaster(fitted):
    warm = Forecaster.fit(until(TRAINED + 20), SMALL, seed=1, previous=fitted)
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
    assert back.converged == fitted.converged


def test_arrays_of_something_else_are_refused(fitted):
    arrays = fitted.to_arrays()
    with pytest.raises(ValueError, match="must hold 'about'"):
        Forecaster.from_arrays({})
    with pytest.raises(ValueError, match=r"array weight_head must have shape \(4, 10\)"):
        Forecaster.from_arrays(arrays | {"weight_head": np.ones((3, 10))})
    with pytest.raises(ValueError, match=r"scaler_mean must have shape .* received nothing"):
        Forecaster.from_arrays({k: v for k, v in arrays.items() if k != "scaler_mean"})
    with pytest.raises(ValueError, match=r"feature_bounds must have shape \(2, 2, 22\)"):
        Forecaster.from_arrays(arrays | {"feature_bounds": np.zeros((1, 2, 22))})
    about = json.loads(arrays["about"].tobytes())
    text = json.dumps(about | {"config": about["config"] | {"depth": 3}}).encode()
    with pytest.raises(ValueError, match=r"present settings; \['depth'\] differ"):
        Forecaster.from_arrays(arrays | {"about": np.frombuffer(text, dtype=np.uint8)})
    del about["converged"]
    short = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with pytest.raises(ValueError, match="must name converged"):
        Forecaster.from_arrays(arrays | {"about": short})
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
    short = FeatureTable.of(TRAIN[0].history.tail(300))
    with pytest.raises(ValueError, match=r"AAA: history must have at least 412 bars; received 300"):
        Forecaster.fit([short], SMALL, seed=1)
    with pytest.raises(ValueError, match=r"named once each; received \['AAA', 'AAA'\]"):
        Forecaster.fit([TRAIN[0], TRAIN[0]], dataclasses.replace(SMALL, epochs=1), seed=1)
    wider = dataclasses.replace(SMALL, units=5)
    with pytest.raises(ValueError, match=r"same units and window \(5, 12\); received \(4, 12\)"):
        Forecaster.fit(TRAIN, wider, seed=1, previous=fitted)
    with pytest.raises(ValueError, match="n_draws must be at least 2; received 1"):
        fitted.predict(view_of([300]), 1, np.random.default_rng(0))
    spoiled = TABLES[0].rows[[300]].copy()
    for value in (np.nan, np.inf):
        spoiled[0, FEATURES.index("atr")] = value
        with pytest.raises(ValueError, match=f"feature atr must be finite; received {value}"):
            fitted.advance(fitted.start(view_of([299])), spoiled)
    narrow = MarketView.at_rows(TABLES[0], [300], window=SMALL.window - 1)
    with pytest.raises(ValueError, match=r"at least 12 feature rows.*received 11"):
        fitted.start(narrow)


def test_the_shortest_history_that_is_accepted_has_blocks_of_every_kind():
    """Whenever it begins, and without a holiday, so that bars span fewest days."""
    config = dataclasses.replace(SMALL, window=60)
    wanted = round(config.validation_period * config.validation_fraction * 5 / 7)
    bars = garch_bars(config.required_bars)
    weekdays = np.busday_offset("2004-01-05", np.arange(config.required_bars))
    table = FeatureTable.of(History("AAA", weekdays, bars))
    for weeks in range(2 * config.validation_period // 7):
        shifted = History("AAA", weekdays + 7 * weeks, bars)
        rows = fitting.TrainingRows.of([dataclasses.replace(table, history=shifted)], config)
        assert len(rows.early_stopping) == len(rows.calibration) == wanted


def test_the_shortest_history_that_is_accepted_can_be_fitted():
    shortest = History("AAA", days(SMALL.required_bars), garch_bars(SMALL.required_bars))
    made = Forecaster.fit([FeatureTable.of(shortest)], QUICK, seed=1)
    assert SMALL.required_bars > LOOKBACK
    assert len(made.curve) == 1


def test_features_beyond_the_fitted_range_are_held_at_its_border(fitted):
    """By `start` and by `advance`, each series by the range of its own symbol."""
    rows = np.stack([TRAIN[0].rows[-1], TRAIN[1].rows[-1]])
    for sign, side in ((1.0, 1), (-1.0, 0)):
        state = fitted.start(MarketView.at(TRAIN, window=SMALL.window))
        fitted.advance(state, rows + sign * 100.0)
        borders = [
            (table.rows[LOOKBACK:].max if side else table.rows[LOOKBACK:].min)(axis=0)
            for table in TRAIN
        ]
        np.testing.assert_array_equal(state.scaled, fitted.scaler.scaled(np.stack(borders)))
    later = until(len(HISTORIES[0]) - 1)
    outside = [
        row
        for row in range(TRAINED, len(later[0]))
        if (later[0].rows[row] > TRAIN[0].rows[LOOKBACK:].max(axis=0)).any()
    ]
    state = fitted.start(view_of(outside, later[0]))
    low, high = (getattr(TRAIN[0].rows[LOOKBACK:], side)(axis=0) for side in ("min", "max"))
    held = np.clip(later[0].rows[outside], low, high)
    np.testing.assert_array_equal(state.scaled, fitted.scaler.scaled(held))
    assert (state.scaled != fitted.scaler.scaled(later[0].rows[outside])).any()


def test_an_unknown_symbol_has_the_bounds_over_all_symbols(fitted):
    every = fitted.feature_bounds(["AAA", "BBB", "ZZZ"])
    np.testing.assert_array_equal(every[2, 0], every[:2, 0].min(axis=0))
    np.testing.assert_array_equal(every[2, 1], every[:2, 1].max(axis=0))
    stranger = FeatureTable.of(dataclasses.replace(TRAIN[0].history, symbol="ZZZ"))
    state = fitted.start(MarketView.at([stranger], window=SMALL.window))
    np.testing.assert_array_equal(state.bounds[0], every[2])


def test_a_crisis_wilder_than_history_is_forecast_as_such(fitted):
    """The baseline volatility is that of the features as they are, not as the network sees them."""
    rows = TRAIN[0].rows[[-1]].copy()
    calm = fitted.start(MarketView.at(TRAIN[:1], window=SMALL.window))
    wildest = calm.bounds[0, 1, COLUMN["volatility_ewma"]]
    rows[0, COLUMN["volatility_ewma"]] = wildest + 1.0
    state = fitted.advance(calm, rows)
    assert state.volatility[0] == fitted.baseline_volatility(rows)[0]
    seen = fitted.baseline_volatility(TRAIN[0].rows[LOOKBACK:]).max()
    assert state.volatility[0] > 1.2 * seen
    width = fitted.parameters(state).gap.scale[0] / fitted.parameters(state).volatility[0]
    assert 0.1 < width < 1.0


def samples_of(seed=0, noisy=()):
    """Samples of the training span; labels of the rows with the given roles are noise."""
    rows = fitting.TrainingRows.of(TRAIN, QUICK)
    parts = rows.parts.copy()
    for role in noisy:
        ends = getattr(rows, role)
        parts[ends] = np.abs(0.05 * np.random.default_rng(seed).normal(size=(len(ends), 5)))
    rows = dataclasses.replace(rows, parts=parts)
    return fitting.Samples.of(rows, fitting.FeatureScaler.fit(rows.features[rows.train]))


def trained_on(samples):
    config = dataclasses.replace(SMALL, epochs=3)
    random = streams(1, "test")
    weights = fitting.initial_weights(len(NETWORK_COLUMNS), SMALL.units, random["weights"])
    schedule = fitting.Schedule(3, config.learning_rate)
    return fitting.train(samples, weights, config, schedule, random, Silent())


def test_calibration_rows_have_no_say_in_training_and_stopping():
    plain, noisy = trained_on(samples_of()), trained_on(samples_of(noisy=["calibration"]))
    np.testing.assert_array_equal(plain.curve, noisy.curve)
    for name, value in plain.weights.lstm.by_name().items():
        np.testing.assert_array_equal(value, noisy.weights.lstm.by_name()[name])
    for name, value in plain.weights.density.by_name().items():
        np.testing.assert_array_equal(value, noisy.weights.density.by_name()[name])


def test_early_stopping_rows_stop_but_are_not_learned_from():
    plain, noisy = trained_on(samples_of()), trained_on(samples_of(noisy=["early_stopping"]))
    np.testing.assert_array_equal(plain.curve[:, 1], noisy.curve[:, 1])
    assert (plain.curve[:, 2] != noisy.curve[:, 2]).all()


@pytest.mark.parametrize(("noisy", "same"), [("early_stopping", True), ("calibration", False)])
def test_the_weights_given_only_calibration_rows_move_the_calibration(noisy, same):
    weights = trained_on(samples_of()).weights
    found = [
        fitting.calibrate_network(samples, weights, SMALL, np.random.default_rng(0)).parameters
        for samples in (samples_of(), samples_of(noisy=[noisy]))
    ]
    assert np.array_equal(found[0].gap, found[1].gap) == same


def test_a_calibration_that_did_not_converge_is_told_and_saved(monkeypatch, fitted):
    assert fitted.converged
    hurried = functools.partial(calibration.calibrate, max_iterations=1)
    monkeypatch.setattr(fitting, "calibrate", hurried)
    made = Forecaster.fit(TRAIN, QUICK, seed=1)
    assert not made.converged
    assert not Forecaster.from_arrays(made.to_arrays()).converged


def test_fits_in_two_threads_are_those_of_one_after_the_other():
    """Both train on the process's one compiled network; neither sees the other's weights."""
    config = dataclasses.replace(SMALL, epochs=3)
    alone = [Forecaster.fit(TRAIN, config, seed=seed).to_arrays() for seed in (1, 2)]
    ready = threading.Barrier(2)

    def one(seed):
        ready.wait()
        return Forecaster.fit(TRAIN, config, seed=seed).to_arrays()

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(one, (1, 2)))
    for arrays, expected in zip(together, alone, strict=True):
        for name, value in expected.items():
            np.testing.assert_array_equal(arrays[name], value, err_msg=name)
