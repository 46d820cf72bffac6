"""Synthetic bars for tests: a GARCH(1,1)-t price with gaps, wicks and volume.

And forecasters of them: networks drawn at random, for tests of what is made of a forecast.
"""

import numpy as np

from models.forecast.config import ForecasterConfig
from models.forecast.density import DensityParameters
from models.forecast.fitted import FittedForecaster
from models.forecast.forecaster import Forecaster
from models.forecast.levels import LevelMaps
from models.forecast.scaling import FeatureScaler
from models.forecast.traits import SymbolTraits
from models.forecast.weights import LSTMWeights, NetworkWeights
from models.market.features import LOOKBACK, FeatureTable
from models.market.history import History


def garch_bars(n_bars: int, seed: int = 0, daily_volatility: float = 0.012) -> np.ndarray:
    """Valid bars (n_bars, 5); large returns come with large ranges and volumes."""
    rng = np.random.default_rng(seed)
    variance = daily_volatility**2
    shocks = rng.standard_t(6, size=(n_bars, 2)) * np.sqrt(4 / 6)
    gap, intraday = np.empty(n_bars), np.empty(n_bars)
    std = np.empty(n_bars)
    for t in range(n_bars):
        std[t] = np.sqrt(variance)
        gap[t], intraday[t] = 0.4 * std[t] * shocks[t, 0], 0.9 * std[t] * shocks[t, 1]
        square = (gap[t] + intraday[t]) ** 2
        variance = 0.03 * daily_volatility**2 + 0.08 * square + 0.89 * variance
    opened = 50.0 * np.exp(np.cumsum(gap + intraday) - intraday)
    close = opened * np.exp(intraday)
    wicks = 0.4 * std[:, None] * rng.exponential(size=(n_bars, 2))
    wicks[rng.random((n_bars, 2)) < 0.05] = 0.0
    high = np.maximum(opened, close) * np.exp(wicks[:, 0])
    low = np.minimum(opened, close) * np.exp(-wicks[:, 1])
    busy = 0.3 * np.log1p((intraday / std) ** 2) + 0.3 * rng.normal(size=n_bars)
    return np.column_stack([opened, high, low, close, np.exp(14.0 + busy)])


def days(n_bars: int) -> np.ndarray:
    """Weekdays, (n_bars,) datetime64[ns]."""
    return np.busday_offset("2004-01-05", np.arange(n_bars)).astype("datetime64[ns]")


def garch_history(symbol: str, n_bars: int, seed: int = 0) -> History:
    return History(symbol, days(n_bars), garch_bars(n_bars, seed))


def garch_table(symbol: str, n_bars: int, seed: int = 0) -> FeatureTable:
    return FeatureTable.of(garch_history(symbol, n_bars, seed))


def random_forecaster(
    tables,
    config: ForecasterConfig,
    seed: int,
    *,
    spread: float = 0.0,
    levels: LevelMaps | None = None,
) -> Forecaster:
    """Scaler and traits of the tables, weights at random: it takes no training.

    `spread` is the deviation of the symbols' density parameters from the common ones.
    """
    rng = np.random.default_rng(seed)
    shapes = LSTMWeights.shapes(len(config.network_columns), config.units)
    weights = LSTMWeights(**{name: rng.normal(0.0, 0.2, shape) for name, shape in shapes.items()})
    density = DensityParameters.initial()
    scaler = FeatureScaler.fit(
        np.concatenate([table.rows[LOOKBACK:] for table in tables]), config.columns
    )
    traits = SymbolTraits.of(tables, scaler.log_volatility, density)
    own = traits.density.joined().copy()
    own[:-1] += spread * np.random.default_rng(seed + 1).normal(size=own[:-1].shape)
    return Forecaster(
        FittedForecaster(
            config=config,
            weights=NetworkWeights(weights, density),
            scaler=scaler,
            traits=traits.with_density(DensityParameters.split(own)),
            levels=LevelMaps.identity() if levels is None else levels,
            curve=np.zeros((1, 3)),
            data_end=max(table.history.time[-1] for table in tables),
            converged=True,
        )
    )
