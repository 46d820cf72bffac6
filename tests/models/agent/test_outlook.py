"""What is known of all symbols together: the same numbers from a history, a path and a stream."""

import numpy as np
import pytest

from models.agent.observation import Observer
from models.agent.outlook import (
    DEPENDENCE_HALF_LIFE,
    DEPENDENCE_SHRINKAGE,
    FORECAST,
    PRIOR_CORRELATION,
    Outlook,
    advance_moments,
    correlation_of,
    moments_along,
    prior_moments,
)
from models.forecast.config import ForecasterConfig
from models.market.features import COLUMN, LOOKBACK, FeatureTable
from models.market.market_view import MarketView
from sim.baselines import BlockBootstrapSampler
from sim.path_sampler import ForecasterSampler
from sim.starts import newest_moments, start_moments
from tests.models.synthetic import random_forecaster
from tests.sim.forecasting import TABLES

CONFIG = ForecasterConfig(units=8, window=20, masks=4)


@pytest.fixture(scope="module")
def observer():
    return Observer(random_forecaster(TABLES, CONFIG, 1, spread=0.1))


def test_columns_are_features_as_they_are_and_the_forecast(observer):
    """Neither scaled nor cut off, at the row they are known at."""
    rows = [400, 500]
    view = MarketView.at_rows(TABLES[1], rows, window=CONFIG.window)
    memory = observer.forecaster.hindcast(TABLES[1]).memory_at(np.array(rows))
    market = observer.follow(view, memory)
    known = dict(zip(FORECAST, market.forecast.T, strict=True))
    raw = TABLES[1].rows[rows]
    np.testing.assert_allclose(known["surprise"], raw[:, COLUMN["log_return"]])
    np.testing.assert_allclose(known["volatility"], np.exp(raw[:, COLUMN["volatility_ewma"]]))
    for name in ("sma_20", "sma_50", "sma_200"):
        np.testing.assert_allclose(known[name], raw[:, COLUMN[name]])
    assert len(set(known["long_run"])) == 1
    returns = np.diff(np.log(TABLES[1].history.close), prepend=np.nan)
    volatility = np.exp(TABLES[1].rows[np.array(rows) - 1, COLUMN["volatility_ewma"]])
    np.testing.assert_allclose(known["surprise"] * volatility, returns[rows], rtol=1e-9)


def test_the_forecast_is_the_mean_and_deviation_of_what_is_drawn(observer):
    """Without memory the density of the mean network, its levels corrected."""
    view = MarketView.at_rows(TABLES[0], [450], window=CONFIG.window)
    market = observer.follow(view)
    state = observer.forecaster.start(view).take(np.zeros(200_000, np.int64))
    uniforms = np.random.default_rng(0).random((200_000, 5))
    drawn = observer.forecaster.draw(state, uniforms).parts[:, :2].sum(axis=1)
    known = dict(zip(FORECAST, market.forecast[0], strict=True))
    assert known["mean"] == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(200_000))
    # The intraday return is taken as if the gap were typical.
    assert known["deviation"] == pytest.approx(drawn.std(), rel=0.05)


@pytest.mark.parametrize("source", ["forecaster", "bootstrap"])
def test_a_path_is_seen_as_its_bars_would_be_in_trading(source, observer):
    """Bar by bar through a stream that starts where the path does; memories differ by source."""
    sampler = {
        "forecaster": ForecasterSampler(observer, TABLES, blend=0.5),
        "bootstrap": BlockBootstrapSampler(TABLES, observer),
    }[source]
    paths = sampler.sample(4, 6, np.random.default_rng(5))
    starts = start_moments(TABLES, paths.start_row)
    for b in range(4):
        moments = starts[b : b + 1]
        markets = []
        for s, table in enumerate(TABLES):
            row = paths.start_row[b, s]
            view = MarketView.at_rows(table, [row], window=CONFIG.window)
            memory = observer.forecaster.hindcast(table).memory_at(np.array([row]))
            markets.append(observer.follow(view, memory))
        for t in range(7):
            if t:
                for s, market in enumerate(markets):
                    market.push(paths.bars[b, s, t][None])
                surprise = np.array([[market.forecast[0, -1] for market in markets]])
                moments = advance_moments(moments, surprise)
            seen = paths.outlook(t, [b])
            known = np.concatenate([market.forecast for market in markets])
            exact = [FORECAST.index(name) for name in FORECAST if name != "deviation"]
            if source == "bootstrap" or not t:
                exact = list(range(len(FORECAST)))
            np.testing.assert_allclose(seen.forecast[0][:, exact[1:]], known[:, exact[1:]])
            np.testing.assert_allclose(seen.correlation, correlation_of(moments), atol=1e-6)
            np.testing.assert_allclose(
                seen.observation[0], np.concatenate([m.current() for m in markets]), atol=1e-5
            )


def test_moments_are_an_exponential_average_that_forgets_the_prior():
    surprise = np.random.default_rng(2).normal(size=(300, 2)).clip(-4, 4)
    along = moments_along(surprise)
    decay = 0.5 ** (1 / DEPENDENCE_HALF_LIFE)
    ages = np.arange(300)[::-1]
    weights = (1 - decay) * decay**ages
    products = surprise[:, :, None] * surprise[:, None, :]
    wanted = (weights[:, None, None] * products).sum(axis=0) + decay**300 * prior_moments(2)
    np.testing.assert_allclose(along[-1], wanted)
    assert prior_moments(2).tolist() == [[1, PRIOR_CORRELATION], [PRIOR_CORRELATION, 1]]
    wild = advance_moments(prior_moments(2), np.array([100.0, -100.0]))
    np.testing.assert_allclose(wild[0, 1], decay * PRIOR_CORRELATION - (1 - decay) * 16)


def test_correlations_are_drawn_towards_their_mean_and_stay_correlations():
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(50, 4, 6))
    moments = factors @ factors.swapaxes(1, 2)
    root = np.sqrt(np.einsum("bii->bi", moments))
    raw = moments / root[:, :, None] / root[:, None, :]
    off = ~np.eye(4, dtype=bool)
    found = correlation_of(moments)
    mean = raw[:, off].mean(axis=1)
    np.testing.assert_allclose(
        found[:, off],
        (1 - DEPENDENCE_SHRINKAGE) * raw[:, off] + DEPENDENCE_SHRINKAGE * mean[:, None],
    )
    assert (np.einsum("bii->bi", found) == 1).all()
    assert (np.linalg.eigvalsh(found) > 0).all()
    assert correlation_of(np.full((2, 1, 1), 7.0)).tolist() == [[[1.0]], [[1.0]]]


def test_a_market_starts_with_the_dependence_of_its_date():
    """Of the date that most of its symbols are at; a day without a bar counts as still."""
    short = FeatureTable.of(TABLES[0].history)
    surprise = np.zeros((len(TABLES[1]), 2))
    column = COLUMN["log_return"]
    surprise[LOOKBACK : len(short), 0] = short.rows[LOOKBACK:, column]
    surprise[LOOKBACK:, 1] = TABLES[1].rows[LOOKBACK:, column]
    along = moments_along(surprise[LOOKBACK:])
    found = start_moments(TABLES, np.array([[300, 300], [450, 450]]))
    np.testing.assert_allclose(found, along[[300 - LOOKBACK, 450 - LOOKBACK]])
    np.testing.assert_allclose(newest_moments(TABLES), along[-1:])


def test_an_outlook_knows_its_covariance_and_its_trend():
    rng = np.random.default_rng(4)
    both = Outlook(
        rng.normal(size=(3, 3, 2)).astype(np.float32),
        rng.normal(size=(3, 3, len(FORECAST))),
        np.tile(np.eye(3), (3, 1, 1)),
    )
    assert len(both) == 3
    np.testing.assert_array_equal(both.take(slice(1, 3)).forecast, both.forecast[1:])
    deviation = both.column("deviation")
    np.testing.assert_allclose(both.covariance[:, 1, 1], deviation[:, 1] ** 2)
    distances = np.stack([both.column("sma_50"), both.column("sma_200")])
    np.testing.assert_allclose(both.trend, np.tanh(3 * distances).mean(axis=0))
