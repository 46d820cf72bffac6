"""The TDQN paper's test: 15 of its stocks, each alone, all in, long or short (arXiv 2004.06627).

Theate & Ernst trade 2018 and 2019 after training to 2017 with 100,000 $ and .1 % of the traded
value as costs. The first 30 bars are flat; decisions are filled at the very close they are made at,
with as many whole shares as cash and costs allow. Their ratio is of the daily returns of all test
bars, the flat ones included. `at_closes` makes a tape of fills at the close; on the tape as it is,
fills are at the next open.

Days without trades, which the files carry forward, count as days on which nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.agent.account import Standing
from models.agent.outlook import Outlook
from models.market.history import CLOSE, HIGH, LOW, OPEN, History
from research.real_markets import RealMarket, Refit, follow
from research.tdqn_data import load, trading_days
from sim.accounting import Rules
from sim.costs import ProportionalCost
from sim.paths import Paths
from sim.rollout import Policy, rollout

SPLIT, END = np.datetime64("2018-01-01"), np.datetime64("2019-12-31")
"""First and last day of the test."""
FLAT_BARS = 30
COST, EQUITY = 0.001, 100_000.0

RULES = Rules(
    np.array([1.0]),
    equity=EQUITY,
    # So many shares that their price and the costs are the whole account.
    buffer=1.0 - 1.0 / (1.0 + COST),
    band=0.0,
    lot_size=1,
    costs=ProportionalCost(COST),
)

STRATEGIES = ("buy and hold", "sell and hold", "trend following", "mean reversion", "TDQN")
"""Columns of `PUBLISHED`."""

PUBLISHED = MappingProxyType(
    {
        "SPY": (0.834, -0.833, -0.309, -0.376, 0.834),
        "EWJ": (0.128, -0.025, -1.649, 0.418, 0.019),
        "AAPL": (1.239, -1.593, 1.178, -0.609, 1.424),
        "MSFT": (1.364, -1.390, -0.041, -0.416, 0.987),
        "TWTR": (0.189, 0.314, -0.271, -0.422, 0.238),
        "NOK": (-0.408, 0.565, 1.088, 1.314, -0.094),
        "SIE.DE": (0.399, -0.265, 0.525, 0.526, 0.426),
        "BABA": (0.357, -0.139, -0.068, 0.293, 0.021),
        "0700.HK": (-0.013, 0.309, 0.179, -0.466, -0.198),
        "JPM": (0.713, -0.743, -1.325, -0.004, 0.722),
        "XOM": (0.055, 0.132, -0.386, -0.673, 0.098),
        "RDSA.AS": (0.488, -0.238, -0.043, 0.742, 0.425),
        "TSLA": (0.508, -0.154, -0.987, 0.358, 0.621),
        "7203.T": (0.352, -0.242, -1.108, -0.378, 0.304),
        "KO": (1.031, -0.871, -0.236, -0.394, 1.068),
    }
)
"""Sharpe ratios of the paper's table 6 for these stocks, columns `STRATEGIES`."""


@dataclass(frozen=True)
class TestSpan:
    """A stock's test.

    Attributes:
        symbol: its ticker.
        market: from the close of the first decision on.
        days: all test days of its file, shape (N,).
    """

    __test__ = False  # no test case, whatever its name begins with

    symbol: str
    market: RealMarket
    days: NDArray[np.datetime64]

    @classmethod
    def of(cls, path: Path, refits: list[Refit]) -> TestSpan:
        """From a file, observed by forecasters that knew no bar of the test."""
        return cls.from_history(load(path), trading_days(path), refits)

    @classmethod
    def from_history(
        cls, history: History, days: NDArray[np.datetime64], refits: list[Refit]
    ) -> TestSpan:
        """From valid bars and all days, those without trades included.

        Raises:
            ValueError: if the test has no more days than are flat.
        """
        tested = days[(days >= SPLIT) & (days <= END)]
        if len(tested) <= FLAT_BARS + 1:
            raise ValueError(
                f"{history.symbol} must have more than {FLAT_BARS + 1} test days; "
                f"received {len(tested)}"
            )
        market = follow([history], refits, END)
        first = market.row_before(tested[FLAT_BARS] + np.timedelta64(1, "D"))
        return cls(history.symbol, market.rows(first, market.paths.n_steps), tested)

    def growth(self, policy: Policy, *, at_close: bool, rules: Rules = RULES) -> NDArray:
        """Log growth of an account on every test day, shape (N,).

        Args:
            policy: what decides, from the close after the flat bars on.
            at_close: whether decisions are filled at the close they are made at, as in the paper,
                or at the next open.
            rules: the account's.
        """
        paths = at_closes(self.market.paths) if at_close else self.market.paths
        done = rollout(policy, paths, rules)
        along = np.zeros(len(self.market.dates))
        along[1:] = done.growth[0]
        if at_close:
            # What was paid at a close belongs to its day.
            paid = np.log1p(-done.costs[0])
            along[1:] -= paid
            along[:-1] += paid
        found = np.zeros(len(self.days))
        found[np.searchsorted(self.days, self.market.dates)] = along
        return found


def sell_and_hold(outlook: Outlook, standing: Standing) -> NDArray[np.float64]:
    """Sells once and keeps, as a policy. Unlike the paper's it is bound by our short limit."""
    return np.where(standing.exposure == 0.0, -1.0, np.nan)


def at_closes(paths: Paths) -> Paths:
    """The same market, if every bar opened at the close before."""
    bars = paths.bars.copy()
    bars[:, :, 1:, OPEN] = bars[:, :, :-1, CLOSE]
    bars[..., HIGH] = np.maximum(bars[..., HIGH], bars[..., OPEN])
    bars[..., LOW] = np.minimum(bars[..., LOW], bars[..., OPEN])
    return replace(paths, bars=bars)
