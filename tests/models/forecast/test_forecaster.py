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
from models.forecast import forecaster as forecaster_module
from models.forecast.config import ForecasterConfig
from models.forecast.distributions import EDGE_UNIFORM, MIN_UNIFORM
from models.forecast.forecaster import Forecaster
from models.forecast.inference import LSTMInference
from models.forecast.levels import LevelMap, LevelMaps
from models.forecast.predictive import pit_ks
from models.forecast.recalibration import (
    CORRECTED,
    HALF_LIFE,
    PRIOR_BARS,
    Memory,
    distribution,
)
from models.forecast.scaling import FeatureScaler
from models.market.features import COLUMN, FEATURES, LOOKBACK, FeatureTable, bars_from_parts
from models.market.history import History
from models.market.macro import RATE, VIX, MacroValues
from models.market.market_view import MarketView
from models.reporting import Silent
from models.seeding import streams
from tests.models.market.test_macro import outside
from tests.models.synthetic import days, garch_bars, garch_table, random_forecaster

SMALL = ForecasterConfig(units=4, window=12, epochs=8, batch=16, stride=6, masks=8)
QUICK = dataclasses.replace(SMALL, epochs=1)
TRAINED = 900
TABLES = [garch_table(name, 1700, seed) for seed, name in enumerate(("AAA", "BBB"))]
HISTORIES = [table.history for table in TABLES]


def until(row: int) -> list[FeatureTable]:
    """The histories up to a row."""
    return [FeatureTable.of(history.until(history.time[row])) for history in HISTORIES]


TRAIN = until(TRAINED - 1)
N_FEATURES = len(FEATURES)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster.fit(TRAIN, SMALL, seed=1)


@pytest.fixture(scope="module")
def wild() -> Forecaster:
    """Not trained: symbols far apart, levels far from right, so that mistakes show."""
    rng = np.random.default_rng(5)
    maps = [LevelMap.fit(rng.beta(*rng.uniform(0.7, 1.5, 2), 3000)) for _ in range(5)]
    return random_forecaster(TRAIN, SMALL, 1, spread=0.15, levels=LevelMaps(tuple(maps)))


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
    walked = fitted.draw(state, rng.random((4000, 5))).parts
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
    _, hidden, cell = network.run(fitted.scaler.scaled(longer)[..., fitted.config.network_columns])
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
        parts = fitted.draw(state, rng.random((100, 5))).parts
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
    with pytest.raises(ValueError, match=rf"traits_ranges must have shape \(3, 2, {N_FEATURES}\)"):
        Forecaster.from_arrays(arrays | {"traits_ranges": np.zeros((1, 2, N_FEATURES))})
    with pytest.raises(ValueError, match=r"traits_gap must have shape \(3, 4\); received \(4,\)"):
        Forecaster.from_arrays(arrays | {"traits_gap": np.zeros(4)})
    with pytest.raises(ValueError, match=r"levels must have shape \(5, 15\); received nothing"):
        Forecaster.from_arrays({k: v for k, v in arrays.items() if k != "levels"})
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
    for call in (fitted.start, lambda view, _, memory: fitted.predict(view, 4, RNG, memory)):
        with pytest.raises(ValueError, match="memory must be of 2 series; received one of 3"):
            call(view_of([300, 301]), None, Memory.blank(3))
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


def test_an_unknown_symbol_has_what_all_share(fitted):
    every = fitted.traits(["AAA", "BBB", "ZZZ"])
    np.testing.assert_array_equal(every.ranges[2, 0], every.ranges[:2, 0].min(axis=0))
    np.testing.assert_array_equal(every.ranges[2, 1], every.ranges[:2, 1].max(axis=0))
    assert every.anchors[2] == fitted.scaler.log_volatility
    stranger = FeatureTable.of(dataclasses.replace(TRAIN[0].history, symbol="ZZZ"))
    state = fitted.start(MarketView.at([stranger], window=SMALL.window))
    np.testing.assert_array_equal(state.traits.ranges[0], every.ranges[2])
    np.testing.assert_array_equal(fitted.parameters(state).parameters.gap[0], every.density.gap[2])
    assert (every.density.gap[0] != every.density.gap[1]).all()


def test_a_crisis_wilder_than_history_is_forecast_as_such(fitted):
    """The baseline volatility is that of the features as they are, not as the network sees them."""
    rows = TRAIN[0].rows[[-1]].copy()
    calm = fitted.start(MarketView.at(TRAIN[:1], window=SMALL.window))
    wildest = calm.traits.ranges[0, 1, COLUMN["volatility_ewma"]]
    rows[0, COLUMN["volatility_ewma"]] = wildest + 1.0
    state = fitted.advance(calm, rows)
    np.testing.assert_allclose(state.volatility, fitted.baseline_volatility(rows, ["AAA"]))
    known = TRAIN[0].rows[LOOKBACK:]
    seen = fitted.baseline_volatility(known, np.repeat("AAA", len(known))).max()
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
    scaler = FeatureScaler.fit(rows.features[rows.train])
    return fitting.Samples.of(rows, scaler, np.full(len(TRAIN), scaler.log_volatility), SMALL)


def trained_on(samples):
    config = dataclasses.replace(SMALL, epochs=3)
    random = streams(1, "test")
    weights = fitting.initial_weights(len(SMALL.network_columns), SMALL.units, random["weights"])
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


# --- outcomes: hindcast, memory, draws


def test_a_hindcast_is_what_one_would_have_said_bar_by_bar(wild):
    """A state from each row's window, its density, the outcome, the memory of the next row."""
    table = FeatureTable.of(HISTORIES[1].until(HISTORIES[1].time[260]))
    found = wild.hindcast(table)
    assert found.first == LOOKBACK + SMALL.window - 1
    rows = np.arange(found.first, len(table) - 1)
    assert len(found.uniforms) == len(found.missed) == len(rows) == len(found.memory) - 1
    memory, compared = Memory.blank(1), 0
    for i, row in enumerate(rows):
        np.testing.assert_allclose(found.memory.sums[[i]], memory.sums, atol=1e-9)
        np.testing.assert_allclose(found.memory.count[[i]], memory.count)
        state = wild.start(view_of([row], table), None, memory)
        came = table.parts[row + 1]
        pit = wild.returns_pit(state, came[None, :2])
        levels = distribution(pit, memory.coefficients(shift=False))
        np.testing.assert_allclose(found.uniforms[i, CORRECTED], levels[0], atol=1e-9)
        # Drawn with these uniforms, the bar comes again; zero wicks do exactly.
        drawn = wild.draw(state, found.uniforms[[i]])
        if np.abs(found.uniforms[i] - 0.5).max() < 0.5 - 2 * EDGE_UNIFORM:
            np.testing.assert_allclose(drawn.parts[0], came, rtol=5e-3, atol=1e-5)
            compared += 1
        np.testing.assert_array_equal(drawn.parts[0, 2:4] == 0, came[2:4] < 1e-6)
        missed = (came[:2] - drawn.means[0]) / state.volatility
        np.testing.assert_allclose(found.missed[i], missed, atol=1e-3)
        said = wild.outputs(state)[0]
        widths = state.volatility * np.exp([said[1], said[3]])  # of gap and intraday return
        np.testing.assert_allclose(found.log_sizes[i], np.log(np.hypot(*widths)), atol=1e-9)
        memory.push(pit)
    assert compared > 0.7 * len(rows)
    np.testing.assert_allclose(found.memory.sums[[-1]], memory.sums, atol=1e-9)


def test_a_hindcast_does_not_know_what_came_later(wild):
    table = TRAIN[0]
    bars = table.history.bars.copy()
    changed = 600
    bars[changed:, :4] *= 1.1
    other = FeatureTable.of(History("AAA", table.history.time, bars))
    ours, theirs = wild.hindcast(table), wild.hindcast(other)
    before = changed - 1 - ours.first  # the forecast made at the close before the changed bar
    np.testing.assert_array_equal(ours.uniforms[:before], theirs.uniforms[:before])
    np.testing.assert_array_equal(ours.missed[:before], theirs.missed[:before])
    np.testing.assert_array_equal(ours.memory.sums[: before + 1], theirs.memory.sums[: before + 1])
    assert ours.uniforms[before, 0] != theirs.uniforms[before, 0]
    assert (ours.memory.sums[before + 1] != theirs.memory.sums[before + 1]).any()
    row = np.array([changed - 1])
    np.testing.assert_array_equal(ours.memory_at(row).sums, theirs.memory_at(row).sums)


def test_a_hindcast_is_the_same_for_a_longer_history(wild):
    short, long = wild.hindcast(TRAIN[0]), wild.hindcast(TABLES[0])
    count = len(short.uniforms)
    np.testing.assert_allclose(long.uniforms[:count], short.uniforms, atol=1e-12)
    np.testing.assert_allclose(long.memory.sums[: count + 1], short.memory.sums, atol=1e-9)


def test_a_path_starts_from_a_hindcast_as_from_its_window(wild):
    """To the bit, with masks and without."""
    table, rows = TRAIN[1], np.array([800, 300, len(TRAIN[1]) - 1, 300])
    known, view = wild.hindcast(table), view_of(rows, table)
    masks, memory = wild.masks(4, np.random.default_rng(0)), known.memory_at(rows)
    windows = known.windows_at(rows, SMALL.window)
    found = wild.masked(known.state_at(rows), windows, masks)
    for state, wanted in (
        (known.state_at(rows), wild.start(view, None, memory)),
        (found, wild.start(view, masks, memory)),
    ):
        for name in ("hidden", "cell", "scaled", "volatility"):
            np.testing.assert_array_equal(getattr(state, name), getattr(wanted, name))
        np.testing.assert_array_equal(state.memory.sums, wanted.memory.sums)
        np.testing.assert_array_equal(state.traits.anchors, wanted.traits.anchors)
    assert found.masks is masks


def test_a_memory_is_only_to_be_had_of_rows_that_have_one(wild):
    found = wild.hindcast(TRAIN[0])
    last = len(TRAIN[0]) - 1
    assert not found.memory_at([found.first]).count.any()
    assert np.isclose(found.memory_at([last]).count[0], found.memory.count[-1])
    for row in (found.first - 1, last + 1):
        with pytest.raises(ValueError, match=rf"rows must lie in {found.first}..{last}"):
            found.memory_at([400, row])
        with pytest.raises(ValueError, match=rf"rows must lie in {found.first}..{last}"):
            found.state_at([400, row])
    with pytest.raises(ValueError, match="AAA: history must have at least 213 bars"):
        wild.hindcast(FeatureTable.of(TRAIN[0].history.tail(212)))


def test_advancing_with_outcomes_makes_the_memory_of_the_hindcast(wild):
    """But for what the state remembers longer than a window."""
    found, state = wild.hindcast(TRAIN[0]), wild.start(view_of([500], TRAIN[0]))
    state.memory = found.memory_at([500])
    pit = wild.returns_pit(state, TRAIN[0].parts[[501], :2])
    wild.advance(state, TRAIN[0].rows[[501]], pit)
    np.testing.assert_allclose(state.memory.sums, found.memory_at([501]).sums, atol=1e-9)
    kept = state.memory.sums.copy()
    wild.advance(state, TRAIN[0].rows[[502]])
    np.testing.assert_array_equal(state.memory.sums, kept)


def test_right_forecasts_are_not_corrected_and_wrong_ones_are(fitted):
    """Of a path drawn from the forecaster itself, and of one three times as wild."""
    count, steps, rng = 200, 150, np.random.default_rng(0)
    state, found = fitted.start(view_of([800] * count)), []
    for width in (1.0, 3.0):
        memory = Memory.blank(count)
        for _ in range(steps):
            drawn = fitted.draw(state, rng.random((count, 5)))
            memory.push(fitted.returns_pit(state, width * drawn.parts[:, :2]))
        found.append(memory.coefficients(shift=True))
    right, wrong = found
    seen = memory.count[0]
    chance = np.sqrt((1.0 - 0.5 ** (2 * steps / HALF_LIFE)) / (1.0 - 0.5 ** (2 / HALF_LIFE)))
    np.testing.assert_allclose(
        right.std(axis=0), np.broadcast_to(chance / (seen + PRIOR_BARS), (2, 2)), rtol=0.2
    )
    assert np.abs(right.mean(axis=0)).max() < 0.02
    assert (wrong[..., 1].mean(axis=0) > 0.15).all()


def test_the_means_of_a_draw_are_those_of_many_draws(wild):
    """Of the gap, and of the intraday return given a gap, with memory and level maps."""
    count = 40_000
    memory = wild.hindcast(TRAIN[1]).memory_at(np.full(count, 700))
    state = wild.start(view_of([700] * count, TRAIN[1]), None, memory)
    uniforms = np.random.default_rng(6).random((count, 5))
    free = wild.draw(state, uniforms)
    uniforms[:, 0] = 0.7
    given = wild.draw(state, uniforms)
    for part, drawn in enumerate((free, given)):
        assert len(np.unique(drawn.means[:, part])) == 1
        sample = drawn.parts[:, part]
        error = sample.std() / np.sqrt(count)
        assert abs(sample.mean() - drawn.means[0, part]) < 4 * error
    blank = wild.draw(wild.start(view_of([700], TRAIN[1])), np.full((1, 5), 0.5))
    assert abs(blank.means[0, 0] - free.means[0, 0]) > 1e-6


def test_the_pits_of_a_draw_are_those_of_the_drawn_returns(wild):
    count = 500
    memory = wild.hindcast(TRAIN[0]).memory_at(np.arange(300, 300 + count))
    state = wild.start(view_of(np.arange(300, 300 + count)), None, memory)
    uniforms = np.random.default_rng(7).uniform(0.001, 0.999, (count, 5))
    drawn = wild.draw(state, uniforms)
    before = wild.returns_pit(state, drawn.parts[:, :2])
    corrected = distribution(before, memory.coefficients(shift=False))
    np.testing.assert_allclose(corrected, drawn.pits, atol=2e-4)
    np.testing.assert_array_equal(drawn.pits, uniforms[:, CORRECTED])


def test_a_memory_moves_the_prediction_as_the_draws(wild):
    """After outcomes that were too high and too far out, intervals lie higher and are wider."""
    view = view_of([800])
    memory, plain = Memory.blank(1), wild.predict(view, 400, np.random.default_rng(0))
    rng = np.random.default_rng(8)
    for _ in range(150):
        memory.push(0.3 + 0.7 * rng.random((1, 2)))
    higher = wild.predict(view, 400, np.random.default_rng(0), memory)
    assert higher.mean[0] > plain.mean[0]
    assert higher.probability_up[0] > plain.probability_up[0] + 0.05
    memory = Memory.blank(1)
    for _ in range(150):
        memory.push(rng.beta(0.5, 0.5, (1, 2)))
    wider = wild.predict(view, 400, np.random.default_rng(0), memory)
    lengths = [np.diff(f.quantiles([0.05, 0.95]))[0, 0] for f in (wider, plain)]
    assert lengths[0] > 1.05 * lengths[1]
    low, high = plain.quantiles([0.05, 0.95])[0]
    assert wider.cdf(np.array([high]))[0] - wider.cdf(np.array([low]))[0] < 0.88
    blank = wild.predict(view, 400, np.random.default_rng(0), Memory.blank(1))
    np.testing.assert_array_equal(blank.parts, plain.parts)


def test_a_predictions_draws_follow_its_distribution(wild):
    """Draws and mixture are two ways to one distribution, memory and level maps included."""
    views = MarketView.at(TRAIN, window=SMALL.window)
    known = [wild.hindcast(table).memory for table in TRAIN]
    memory = Memory(*(np.stack([getattr(m, n)[-1] for m in known]) for n in ("sums", "count")))
    found = wild.predict(views, 1000, np.random.default_rng(9), memory)
    for i in range(2):
        one = found.of_series(i)
        pit = one.cdf(one.log_return)[0]
        assert stats.kstest(pit, "uniform").statistic < 0.05
        assert abs(one.log_return.mean() - one.mean[0]) < 0.05 * one.std[0]
        assert np.isclose(one.log_return.std(), one.std[0], rtol=0.06)


def test_a_predictions_draws_go_no_further_than_drawn_levels_may(wild, monkeypatch):
    view = MarketView.at(TRAIN, window=SMALL.window)

    def drawn_at(level):
        def levels(series, n_draws, rng):
            return np.full((series * n_draws, 5), level)

        monkeypatch.setattr(forecaster_module, "_latin_hypercube", levels)
        return wild.predict(view, 4, np.random.default_rng(0)).parts

    for beyond, at in ((1e-9, MIN_UNIFORM), (1.0 - 1e-9, 1.0 - MIN_UNIFORM)):
        np.testing.assert_array_equal(drawn_at(beyond), drawn_at(at))
    assert not np.isclose(drawn_at(MIN_UNIFORM), drawn_at(2.0 * MIN_UNIFORM))[..., 0].any()


def test_series_of_different_symbols_are_predicted_as_each_alone(wild):
    views = MarketView.concatenate([view_of([700], TRAIN[0]), view_of([650], TRAIN[1])])
    density = wild.parameters(wild.start(views))
    for i, (row, table) in enumerate(((700, TRAIN[0]), (650, TRAIN[1]))):
        alone = wild.parameters(wild.start(view_of([row], table)))
        for name in ("location", "scale"):
            ours, theirs = getattr(density.gap, name)[i], getattr(alone.gap, name)[0]
            assert np.isclose(ours, theirs, rtol=1e-6)
        assert density.gap.shape.left[i] == alone.gap.shape.left[0]
    together = wild.predict(views, 2000, np.random.default_rng(1))
    alone = wild.predict(view_of([650], TRAIN[1]), 2000, np.random.default_rng(2))
    assert np.isclose(together.std[1], alone.std[0], rtol=0.1)


# --- further symbols


def test_adapted_keeps_the_network_and_knows_further_symbols(fitted):
    new = garch_table("CCC", 900, 5)
    made = fitted.adapted([new])
    assert made.symbols == ("AAA", "BBB", "CCC")
    before, after = fitted.to_arrays(), made.to_arrays()
    for name, value in before.items():
        if name.startswith("traits_"):
            np.testing.assert_array_equal(after[name][[0, 1, 3]], value)
            assert (after[name][2] != value[2]).any()
        elif name != "about":
            np.testing.assert_array_equal(after[name], value)
    assert made.converged
    assert made.data_end == new.history.time[-1]
    view = MarketView.at(TRAIN, window=SMALL.window)
    ours, theirs = (f.predict(view, 16, np.random.default_rng(1)) for f in (fitted, made))
    np.testing.assert_array_equal(ours.parts, theirs.parts)
    low, high = new.rows[LOOKBACK:].min(axis=0), new.rows[LOOKBACK:].max(axis=0)
    np.testing.assert_array_equal(made.traits(["CCC"]).ranges[0], [low, high])


def test_adapting_to_a_known_symbol_renews_its_traits(fitted):
    renewed = fitted.adapted([TABLES[0]])
    assert renewed.symbols == ("BBB", "AAA")
    before, after = fitted.traits(["AAA", "BBB"]), renewed.traits(["AAA", "BBB"])
    assert before.anchors[0] != after.anchors[0]
    assert before.anchors[1] == after.anchors[1]
    again = fitted.adapted([TRAIN[0]]).traits(["AAA"])
    np.testing.assert_allclose(again.density.joined(), before.density.joined()[:1], atol=0.1)
    assert again.anchors[0] == before.anchors[0]
    with pytest.raises(ValueError, match=r"named once each; received \['AAA', 'AAA'\]"):
        fitted.adapted([TRAIN[0], TRAIN[0]])
    with pytest.raises(ValueError, match="at least one symbol; received none"):
        fitted.adapted([])


def test_adapted_makes_a_symbol_with_wilder_gaps_score_better(fitted):
    """Its own gaps, three times those of the others, known from its first 900 bars."""
    table = garch_table("CCC", 1300, 6)
    bars = table.history.bars
    log = np.log(bars[:, :4])
    extra = np.cumsum(np.append(0.0, 2.0 * (log[1:, 0] - log[:-1, 3])))
    wider = np.column_stack([np.exp(log + extra[:, None]), bars[:, 4]])
    wide = FeatureTable.of(History("CCC", table.history.time, wider))
    known = FeatureTable.of(wide.history.until(wide.history.time[899]))
    rows = np.arange(900, len(wide) - 1)
    observed = wide.parts[rows + 1]

    def score(forecaster):
        density = forecaster.parameters(forecaster.start(view_of(rows, wide)))
        return density.log_density(observed).mean(axis=0)

    better = score(fitted.adapted([known])) - score(fitted)
    assert better[0] > 0.05
    assert better.sum() > 0.05


def test_levels_and_traits_of_a_fit_make_its_own_bars_uniform(fitted):
    found = [fitted.hindcast(table).uniforms for table in TRAIN]
    for column in range(5):
        assert pit_ks(np.concatenate(found)[:, column]) < 0.035


def beside_series(names):
    """The training histories with outside series."""
    series = outside(1000, names=names)
    return [
        FeatureTable.of(one.history.beside(MacroValues.at(series, one.history.time)))
        for one in TRAIN
    ]


def test_a_forecaster_of_outside_series_is_fitted_kept_and_found_again():
    config = dataclasses.replace(SMALL, epochs=1, features=("bars", "vix", "rate"))
    tables = beside_series((VIX, RATE))
    one = Forecaster.fit(tables, config, seed=1)
    again = Forecaster.from_arrays(one.to_arrays())
    assert again.config == config
    assert again.scaler.columns == config.columns
    view = MarketView.at(tables, window=config.window)
    draws = [x.predict(view, 8, np.random.default_rng(0)).parts for x in (one, again)]
    np.testing.assert_array_equal(*draws)
    other = dict(one.to_arrays())
    about = json.loads(other["about"].tobytes())
    about["config"]["features"] = ["bars", "vix"]
    other["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with pytest.raises(ValueError, match="made with the present features"):
        Forecaster.from_arrays(other)


def test_histories_must_come_with_the_series_that_the_features_need():
    config = dataclasses.replace(SMALL, epochs=1, features=("bars", "vix"))
    with pytest.raises(ValueError, match=r"features bars, vix need \(vix\); received none"):
        Forecaster.fit(TRAIN, config, seed=1)
    with pytest.raises(ValueError, match=r"need \(none\); received vix"):
        Forecaster.fit(beside_series((VIX,)), SMALL, seed=1)


def test_a_warm_start_needs_the_same_features(fitted):
    config = dataclasses.replace(SMALL, features=("bars",))
    with pytest.raises(ValueError, match="must have the same features bars; received bars, vol"):
        Forecaster.fit(TRAIN, config, seed=1, previous=fitted)
