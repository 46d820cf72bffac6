"""Shadow accounts: what other policies would have earned beside the one that trades.

Each has an account of its own in the one accounting kernel, of the same size, under the same caps
and costs, and is shown the same market at the same closes. So a run can be held against simple
rules, and candidates earn a record on bars that they were not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.agent.account import Standing
from models.agent.outlook import Outlook
from sim.accounting import Account, Rules, is_ruined, step

Floats = NDArray[np.float64]


class Acts(Protocol):
    """As much of `models.agent.agent.Agent` as a shadow account needs."""

    def act(self, outlook: Outlook, standing: Standing) -> Floats:
        """Target exposures (B, S), NaN to keep a position."""
        ...


class ShadowAccount:
    """One account, moved on close by close.

    Attributes:
        policy: what decides; may be replaced between closes.
        equity: at every close so far, in $, the first before any trade.
        turnover: traded value over equity at every close but the first.
    """

    def __init__(self, policy: Acts, rules: Rules) -> None:
        """Open it with `rules.equity` in cash.

        Args:
            policy: what decides.
            rules: the account's size, caps and costs; one cap for each symbol.
        """
        self.policy = policy
        self._rules = rules
        self._account = Account.opened([rules.equity], len(rules.caps))
        self._closes: Floats | None = None
        self._targets = np.full((1, len(rules.caps)), np.nan)
        self.equity: list[float] = []
        self.turnover: list[float] = []

    def close(self, outlook: Outlook, opens: ArrayLike, closes: ArrayLike) -> None:
        """Fill what was decided at the last close, value, and decide anew.

        A ruined account stays as it is.

        Args:
            outlook: what is known at this close, one market of S symbols.
            opens: of the bars that end now, shape (S,); the close before where a symbol has none.
            closes: of the same bars.
        """
        now = np.asarray(closes, dtype=float)[None]
        if self._closes is not None and not self.ruined:
            before = self._account
            opened = np.asarray(opens, dtype=float)[None]
            done = step(before, self._targets, self._closes, opened, now, self._rules)
            traded = np.abs(done.orders * self._closes).sum()
            self.turnover.append(float(traded / before.equity[0]))
            self._account = done.account
        elif self._closes is not None:
            self.turnover.append(0.0)
        self._closes = now
        self.equity.append(float(self._account.equity[0]))
        if not self.ruined:
            weights = self._account.holdings * now / self._account.equity[:, None]
            caps = self._rules.caps[None]
            standing = Standing(weights / caps, caps, self._rules.gross)
            self._targets = self.policy.act(outlook, standing) * caps

    @property
    def growth(self) -> Floats:
        """Log growth from close to close, shape (closes - 1,); 0 from ruin on."""
        if not self.equity:
            return np.empty(0)
        least = np.maximum(self.equity, 1e-3 * self._rules.equity)
        return np.diff(np.log(least))

    @property
    def ruined(self) -> bool:
        """Whether it may not trade any more (`sim.accounting.is_ruined`)."""
        return bool(is_ruined(self._account.equity, self._rules)[0])


class ShadowAccounts:
    """Several of them, by name.

    Attributes:
        times: of the closes so far.
    """

    def __init__(self, policies: Mapping[str, Acts], rules: Rules) -> None:
        """Open one account for each policy."""
        self._accounts = {name: ShadowAccount(each, rules) for name, each in policies.items()}
        self.times: list[datetime] = []

    def __getitem__(self, name: str) -> ShadowAccount:
        return self._accounts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._accounts)

    def close(self, time: datetime, outlook: Outlook, opens: ArrayLike, closes: ArrayLike) -> None:
        """See `ShadowAccount.close`; a close that was seen already is not seen again."""
        if self.times and time <= self.times[-1]:
            return
        self.times.append(time)
        for account in self._accounts.values():
            account.close(outlook, opens, closes)
