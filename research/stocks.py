"""Real stocks for scripts that score models, without a LEAN data folder.

Two sets: the default run's symbols as they ship in `bokeh_sampledata`, and the stocks of the TDQN
paper, from a folder of its csv files (`research.tdqn_data`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.market.features import LOOKBACK
from models.market.history import History
from research.conditions import option_parser

FIRST_TRAINING = np.datetime64("2005-01-01")
"""Where the first training span of the default run begins."""


def stock_parser(description: str | None) -> argparse.ArgumentParser:
    """Options of a script on these stocks: `tdqn` and `packaged`; see `parse`."""
    parser = option_parser(description)
    parser.add_argument("--tdqn", type=Path, help="folder of the TDQN csv files")
    parser.add_argument("--packaged", action="store_true", help="the default run's symbols")
    return parser


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    """The options; leaves with an error where they choose no stocks."""
    options = parser.parse_args(arguments)
    if options.tdqn is None and not options.packaged:
        parser.error("give --tdqn FOLDER, --packaged, or both")
    return options


def packaged_histories() -> list[History]:
    """AAPL, GOOG and IBM as they ship in bokeh_sampledata, on the adjusted scale."""
    from bokeh_sampledata import stocks

    found = []
    for symbol in ("AAPL", "GOOG", "IBM"):
        raw = {name: np.asarray(values) for name, values in getattr(stocks, symbol).items()}
        factor = raw["adj_close"] / raw["close"]
        prices = np.stack([raw[name] * factor for name in ("open", "high", "low", "close")], axis=1)
        prices[:, 1], prices[:, 2] = prices.max(axis=1), prices.min(axis=1)
        bars = np.column_stack([prices, raw["volume"]])
        keep = raw["volume"] > 0
        found.append(History(symbol, raw["date"][keep].astype("datetime64[ns]"), bars[keep]))
    return found


def since(history: History, day: np.datetime64) -> History:
    """The bars from a day on, and so many before it that its first features are known."""
    first = int(np.searchsorted(history.time, day))
    return history.tail(len(history) - max(first - LOOKBACK - 1, 0))
