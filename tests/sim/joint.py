"""Histories of several symbols that know of each other, with gaps, for tests of joint markets."""

import numpy as np

from models.market.features import FeatureTable
from models.market.history import History

CALENDAR = np.busday_offset(np.datetime64("2014-01-01"), np.arange(640), roll="forward")


def related(seed=0, n=640, share=0.6):
    """Bars of three symbols on one calendar, all with a common move of heavy tails."""
    rng = np.random.default_rng(seed)
    common = rng.standard_t(4, (2, n))
    found = []
    for s, price in enumerate((20.0, 50.0, 100.0)):
        own = rng.standard_t(5, (2, n))
        gap, day = 0.006 * (share * common + np.sqrt(1 - share**2) * own)
        close = price * np.exp(np.cumsum(gap + day))
        opened = close / np.exp(day)
        high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.003, n)))
        low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.003, n)))
        high = np.where(rng.random(n) < 0.08, np.maximum(opened, close), high)
        volume = np.exp(14 + s + 0.2 * np.abs(common[1]) + rng.normal(0, 0.3, n))
        found.append(np.stack([opened, high, low, close, volume], axis=1))
    return found


def histories(seed=0):
    """A symbol with all days, one listed 200 days later, one that lacks some holidays."""
    bars, days = related(seed), CALENDAR.astype("datetime64[ns]")
    kept = np.ones(640, bool)
    kept[np.random.default_rng(1).choice(np.arange(20, 630), 25, replace=False)] = False
    return [
        History("ALL", days, bars[0]),
        History("NEW", days[200:], bars[1][200:]),
        History("GAP", days[kept], bars[2][kept]),
    ]


HISTORIES = histories()
TABLES = [FeatureTable.of(one) for one in HISTORIES]
