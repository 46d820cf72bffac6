"""A small forecaster on small synthetic histories, for the tests of simulators."""

import functools

import numpy as np

from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import FeatureTable
from models.market.history import History


def history(symbol="AAA", n=600, seed=0, volatility=0.01, price=50.0):
    """Bars with volatility clusters, gaps, wicks and clustered volume."""
    rng = np.random.default_rng(seed)
    log_vol = np.zeros(n)
    for t in range(1, n):
        log_vol[t] = 0.95 * log_vol[t - 1] + rng.normal(0, 0.12)
    sigma = volatility * np.exp(log_vol)
    gap, day = rng.standard_t(5, (2, n)) * sigma * np.array([[0.3], [0.7]])
    closes = price * np.exp(np.cumsum(gap + day))
    opens = closes / np.exp(day)
    high = np.maximum(opens, closes) * np.exp(np.abs(rng.normal(0, 0.4, n)) * sigma)
    low = np.minimum(opens, closes) * np.exp(-np.abs(rng.normal(0, 0.4, n)) * sigma)
    volume = np.exp(14 + 0.5 * log_vol + 0.3 * np.abs(day) / sigma + rng.normal(0, 0.2, n))
    days = np.datetime64("2015-01-01") + np.arange(n)
    return History(symbol, days, np.stack([opens, high, low, closes, volume], axis=1))


HISTORIES = [history(), history("BBB", n=660, seed=1, volatility=0.03, price=5.0)]

TABLES = [FeatureTable.of(one) for one in HISTORIES]


@functools.cache
def small_forecaster():
    """The same for all who ask: its state is fixed with its making, and nobody replaces it."""
    config = ForecasterConfig(units=8, window=20, epochs=2, masks=4)
    return Forecaster.fit(TABLES, config, seed=1)
