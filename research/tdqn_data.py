"""Stocks of the TDQN paper as valid bars.

The files give Open, High, Low and Volume adjusted for splits only but Close for dividends too, so
a bar's close can lie far below its low. The ratio of the two scales is constant between
dividends. Each day bounds it (low <= close / ratio <= high), and consecutive days must share one
value until their bounds contradict each other: that is where a dividend was paid. Prices are then
rescaled by the ratio, newest first, and bars clipped to hold their close.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from models.market.history import History

MAX_GAP_DAYS = 15
"""Golden Week and the lunar new year close Tokyo and Hong Kong for up to twelve days."""


def scale_ratio(low: np.ndarray, high: np.ndarray, close: np.ndarray) -> np.ndarray:
    """Close scale over the scale of low and high for each bar, piecewise constant.

    Args:
        low: shape (T,), oldest first.
        high: shape (T,).
        close: shape (T,), on another scale.

    Returns:
        Shape (T,).
    """
    least, most = np.log(close / high), np.log(close / low)
    ratio = np.empty(len(close))
    stop = len(close)
    while stop > 0:
        start, low_bound, high_bound = stop, -np.inf, np.inf
        while start > 0:
            tighter = max(low_bound, least[start - 1]), min(high_bound, most[start - 1])
            if tighter[0] > tighter[1]:
                break
            low_bound, high_bound = tighter
            start -= 1
        ratio[start:stop] = 0.5 * (low_bound + high_bound)
        stop = start
    return np.exp(ratio)


def trading_days(path: Path) -> np.ndarray:
    """All days of a file, those without a trade included, shape (N,), datetime64[D]."""
    return _frame(path).index.to_numpy().astype("datetime64[D]")


def _frame(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, index_col=0, parse_dates=True).dropna()


def load(path: Path) -> History:
    """One stock; rows without a trade are dropped."""
    frame = _frame(path)
    frame.columns = [name.lower() for name in frame.columns]
    frame = frame[(frame > 0).all(axis=1)]
    ratio = scale_ratio(*(frame[name].to_numpy() for name in ("low", "high", "close")))
    for name in ("open", "high", "low"):
        frame[name] *= ratio
    frame["high"] = frame[["open", "high", "close"]].max(axis=1)
    frame["low"] = frame[["open", "low", "close"]].min(axis=1)
    return History.from_frame(path.stem, frame, max_gap_days=MAX_GAP_DAYS)


def load_all(folder: Path) -> list[History]:
    """Every stock in a folder, by name.

    Raises:
        ValueError: if the folder holds no file.
    """
    paths = sorted(Path(folder).glob("*.csv"))
    if not paths:
        raise ValueError(f"folder must hold the TDQN csv files; received {folder}")
    return [load(path) for path in paths]
