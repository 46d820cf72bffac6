"""Observations: of a network at random where any will do, of a trained one where that matters."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from models.agent.observation import (
    OBSERVATION_CLIP,
    SUMMARY,
    Observer,
)
from models.forecast.config import ForecasterConfig
from models.forecast.density import MAX_DRIFT, MAX_LOG_SCALE, DensityParameters, QuantileTables
from models.forecast.drawing import EXPECTED, Drawing
from models.forecast.forecaster import Forecaster
from models.forecast.levels import LevelMap
from models.forecast.recalibration import Memory, moments
from models.forecast.scaling import CLIP
from models.market.features import FEATURES, FeatureTable
from models.market.groups import shown
from models.market.macro import MacroValues
from models.market.market_view import MarketView
from tests.models.market.test_macro import outside
from tests.models.synthetic import garch_table, random_forecaster

# Of the make of other tests' forecasters: training is compiled once for all of a process.
SMALL = ForecasterConfig(units=8, window=20, epochs=2)
TABLES = [garch_table(name, 640, seed) for seed, name in enumerate(("AAA", "BBB"))]
HISTORIES = [table.history for table in TABLES]


@pytest.fixture(scope="module")
def observer() -> Observer:
    return Observer(random_forecaster(TABLES, SMALL, seed=1))


@pytest.fixture(scope="module")
def trained() -> Observer:
    return Observer(Forecaster.fit(TABLES, SMALL, seed=1))


def view(rows, table=TABLES[0]):
    return MarketView.at_rows(table, rows, window=SMALL.window)


def summary(told):
    """Entries (B, 5) of what is expected."""
    rise = 10.0 * (told["rise"] - 0.5)
    each = 10.0 * told["ratio"], told["width"], rise, told["gap_share"], told["volume"]
    return np.stack(each, axis=1)


def test_an_observation_is_the_scaled_row_and_the_forecast(observer):
    seen = view([300, 400])
    found = observer.observe(seen)
    assert found.shape == (2, observer.size) == (2, len(FEATURES) + len(SUMMARY))
    assert observer.names == FEATURES + SUMMARY
    assert found.dtype == np.float32
    scaled = observer.forecaster.scaler.scaled(seen.feature_rows)
    np.testing.assert_allclose(
        found[:, : len(FEATURES)], np.clip(scaled, -OBSERVATION_CLIP, OBSERVATION_CLIP), atol=1e-6
    )
    assert OBSERVATION_CLIP <= CLIP
    told = dict(
        zip(EXPECTED, observer.forecaster.expect(observer.forecaster.start(seen)), strict=True)
    )
    np.testing.assert_allclose(found[:, len(FEATURES) :], summary(told), rtol=1e-6)


@pytest.mark.parametrize(
    "groups", [("bars",), ("volatility", "rate"), ("bars", "volatility", "technical", "vix", "wti")]
)
def test_groups_choose_what_is_observed_and_nothing_else_is_looked_at(groups):
    """Other features may be what they like: neither network nor observation knows of them."""
    config = dataclasses.replace(SMALL, features=groups)
    series = outside(640, names=config.macro) if config.macro else []
    tables = [
        FeatureTable.of(one.beside(MacroValues.at(series, one.time) if series else None))
        for one in HISTORIES
    ]
    chosen = Observer(random_forecaster(tables, config, seed=1))
    assert chosen.names == shown(groups) + SUMMARY
    found = chosen.observe(view([300, 400], tables[0]))
    assert found.shape == (2, chosen.size)
    columns = [config.columns.index(name) for name in shown(groups)]
    scaled = chosen.forecaster.scaler.scaled(tables[0].rows[[300, 400]])[:, columns]
    np.testing.assert_allclose(
        found[:, : len(columns)], np.clip(scaled, -OBSERVATION_CLIP, OBSERVATION_CLIP), atol=1e-6
    )
    # The baseline volatility reads three volatilities, in whatever group they are.
    hidden = [
        i
        for i, name in enumerate(config.columns)
        if name not in shown(groups) and not name.startswith("volatility")
    ]
    rows = tables[0].rows.copy()
    rows[:, hidden] *= 0.5
    other = dataclasses.replace(tables[0], rows=rows)
    np.testing.assert_array_equal(chosen.observe(view([300, 400], other)), found)
    rows = tables[0].rows.copy()
    rows[:, columns[-1]] *= 0.5
    other = dataclasses.replace(tables[0], rows=rows)
    summaries = chosen.observe(view([300, 400], other))[:, len(columns) :]
    assert (summaries != found[:, len(columns) :]).any()


def test_the_level_of_volatility_is_observed_but_not_read_by_the_network():
    assert SMALL.columns[8] == "volatility_ewma"
    assert set(SMALL.observed_columns) - set(SMALL.network_columns) == {8}


def test_an_observation_is_cut_off_on_both_sides(observer):
    state = observer.forecaster.start(view([300, 400]))
    state.scaled[:, :2] = [[5.5, -5.5], [4.5, -4.5]]
    found = observer.resume(view([300, 400]), state).current()
    np.testing.assert_array_equal(found[:, :2], [[5.0, -5.0], [4.5, -4.5]])


def test_the_forecast_in_numbers_by_hand():
    """Location and scale of the day add those of gap and intraday return."""
    rng = np.random.default_rng(4)
    outputs, volatility = rng.normal(0.0, 0.7, (6, 10)), rng.uniform(0.005, 0.03, 6)
    parameters = DensityParameters.initial()
    symbols = parameters.take((None,))
    shape = parameters.tails["intraday"]
    of_levels = np.repeat(moments(symbols.tails["gap"], LevelMap.identity())[:, None], 2, axis=1)
    drawing = Drawing.of(symbols, QuantileTables.of(symbols), of_levels)
    told = drawing.expect(outputs, volatility, Memory.blank(6), np.zeros(6, np.int64))
    found = summary(dict(zip(EXPECTED, told, strict=True)))
    drift = volatility[:, None] * MAX_DRIFT * np.tanh(outputs[:, [0, 2]] / MAX_DRIFT)
    moved = MAX_LOG_SCALE * np.tanh(outputs[:, [1, 3]] / MAX_LOG_SCALE)
    bases = np.array([parameters.gap[0], parameters.intraday[0]])
    scales = volatility[:, None] * np.exp(bases + moved)
    location, scale = drift.sum(axis=1), np.sqrt((scales**2).sum(axis=1))
    assert (shape.left, shape.alpha) == (shape.right, 0.5)
    wanted = {
        "forecast_location": 10 * location / scale,
        "forecast_scale": np.log(scale / volatility),
        "forecast_up": 10 * (stats.t(shape.left, location, scale).sf(0.0) - 0.5),
        "forecast_gap_share": np.log(scales[:, 0] / scales[:, 1]),
        "forecast_volume": outputs[:, 4],
    }
    assert tuple(wanted) == SUMMARY
    np.testing.assert_allclose(found, np.stack(list(wanted.values()), axis=1), rtol=1e-9, atol=1e-4)


def test_an_observation_depends_on_the_past_alone_and_repeats_itself(observer):
    """The same bars, followed by different ones, are observed alike."""
    short = HISTORIES[0].until(HISTORIES[0].time[400])
    alone = observer.observe(MarketView.at([FeatureTable.of(short)], window=SMALL.window))
    np.testing.assert_array_equal(alone, observer.observe(view([400])))
    np.testing.assert_array_equal(alone, observer.observe(view([400])))


def test_a_wider_view_is_observed_through_the_forecasters_window(observer):
    wide = MarketView.at_rows(TABLES[0], [400], window=50)
    np.testing.assert_allclose(observer.observe(wide), observer.observe(view([400])), atol=1e-6)


def test_streamed_and_windowed_observations_stay_close(trained):
    """The stream never forgets its start as the window does; what is left of it is small."""
    rows = np.arange(300, 400)
    seen = view(rows)
    stream = trained.stream(seen)
    np.testing.assert_allclose(stream.current(), trained.observe(seen), atol=1e-6)
    for step in range(1, 61):
        streamed = stream.push(seen.push(HISTORIES[0].bars[rows + step]))
    windowed = trained.observe(seen)
    np.testing.assert_allclose(streamed[:, : len(FEATURES)], windowed[:, : len(FEATURES)])
    difference = np.abs(streamed - windowed)[:, len(FEATURES) :]
    assert difference.max() < 0.1
    assert difference.mean() < 0.01


def test_the_observation_of_paths_is_that_of_a_portfolio(observer):
    """One row of a batch is the same series whether its neighbours are symbols or paths."""
    together = observer.observe(MarketView.concatenate([view([300]), view([350], TABLES[1])]))
    np.testing.assert_allclose(together[1], observer.observe(view([350], TABLES[1]))[0], atol=1e-5)


def test_the_window_is_a_setting_of_the_forecaster(observer):
    """An observation is a function of that many feature rows: earlier ones leave no trace."""
    seen, other = view([400]), view([300])
    other._windows[:] = seen.windows
    assert np.array_equal(observer.observe(other), observer.observe(seen))
    for age, matters in ((0, True), (SMALL.window - 1, True), (SMALL.window, False)):
        wide = MarketView.at_rows(TABLES[0], [400], window=50)
        wide._windows[:, -1 - age] += 0.5
        same = np.array_equal(observer.observe(wide), observer.observe(seen))
        assert same == (not matters), age


def test_following_a_market_is_pushing_bars_through_view_and_stream(observer):
    rows = np.array([300, 310])
    market, seen = observer.follow(view(rows)), view(rows)
    stream = observer.stream(seen)
    assert len(market) == 2
    np.testing.assert_array_equal(market.current(), stream.current())
    np.testing.assert_allclose(market.current(), observer.observe(seen), atol=1e-6)
    for step in (1, 2, 3):
        bars = HISTORIES[0].bars[rows + step]
        np.testing.assert_array_equal(market.push(bars), stream.push(seen.push(bars)))
    np.testing.assert_array_equal(market.view.windows, seen.windows)
    np.testing.assert_array_equal(market.current(), stream.current())


def test_chosen_series_of_a_market_go_on_as_in_it(observer):
    rows = np.array([300, 310, 320])
    market = observer.follow(view(rows))
    market.push(HISTORIES[0].bars[rows + 1])
    chosen = market.take([2, 0, 2], window=1)
    np.testing.assert_array_equal(chosen.current(), market.current()[[2, 0, 2]])
    for step in (2, 3):
        bars = HISTORIES[0].bars[rows + step]
        np.testing.assert_array_equal(chosen.push(bars[[2, 0, 2]]), market.push(bars)[[2, 0, 2]])
    assert len(market) == len(chosen) == 3
    assert chosen.view.windows.shape[1] == 1
