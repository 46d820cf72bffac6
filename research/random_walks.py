"""Random walks for scripts that measure speed, which does not depend on what markets look like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.market.history import History
from sim.paths import Paths


def random_bars(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Walks along the last axis from about 50 $, 1 % a bar, with gaps, wicks and uneven volume.

    Args:
        shape: of the walks; the last axis is time.
        rng: fixes them.

    Returns:
        O, H, L, C, V, shape (*shape, 5).
    """
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, shape), axis=-1))
    opens = np.concatenate([np.full((*shape[:-1], 1), 50.0), closes[..., :-1]], axis=-1)
    opens = opens * np.exp(rng.normal(0, 0.004, shape))
    above, below = np.exp(rng.exponential(0.004, (2, *shape)))
    high, low = np.maximum(opens, closes) * above, np.minimum(opens, closes) / below
    return np.stack([opens, high, low, closes, np.exp(rng.normal(14, 0.3, shape))], axis=-1)


def random_paths(n_paths: int, n_steps: int, width: int, seed: int) -> Paths:
    """Walks with `width` Gaussian numbers to look at, all of one series."""
    rng = np.random.default_rng(seed)
    shape = (n_paths, n_steps + 1)
    bars = random_bars(shape, rng)
    none = np.zeros(n_paths, np.int64)
    seen = rng.normal(size=(*shape, width)).astype(np.float32)
    return Paths(bars[:, None], seen[:, None], none[:, None], none[:, None])


def random_histories(
    symbols: Sequence[str], n_bars: int, seed: int, common: float = 0.0
) -> list[History]:
    """One walk for each symbol, on the weekdays from 2005 on.

    Args:
        symbols: tickers.
        n_bars: of each.
        seed: fixes them.
        common: deviation of a move that all share, over that of their own, >= 0; it happens over
            night.
    """
    rng = np.random.default_rng(seed)
    bars = random_bars((len(symbols), n_bars), rng)
    bars[..., :4] *= np.exp(np.cumsum(rng.normal(0, 0.01 * common, n_bars)))[:, None]
    days = np.busday_offset(np.datetime64("2005-01-03"), np.arange(n_bars))
    return [
        History(symbol, days.astype("datetime64[ns]"), walk)
        for symbol, walk in zip(symbols, bars, strict=True)
    ]
