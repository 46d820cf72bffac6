"""Shadow accounts: what other policies would have earned beside the one that trades.

Each has an account of its own in the one accounting kernel, of the same size, under the same caps
and costs, and is shown the same market at the same closes. So a run can be held against simple
rules, and candidates earn a record on bars that they were not trained on.

What they have earned can be kept as JSON and brought back (`to_state`, `restore`). Prices of the
past may get another scale meanwhile, as history gives them after a split or a dividend: accounts
follow it (`ShadowAccounts.follow`), and are worth what they were. One thread may ask for what is to
be kept while another shows a close.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.agent.account import Standing
from models.agent.outlook import Outlook
from models.market.history import History
from sim.accounting import Account, Rules, is_ruined, step

Floats = NDArray[np.float64]

STATE_VERSION = 1
"""Raise when the layout of `ShadowAccounts.to_state` changes."""

SCALE_BARS = 5
"""Closes of each symbol that tell its scale: the median, for a single one may be corrected."""

SAME_SCALE = 1e-9
"""Relative difference below which two scales are one: a bit or two of a scaled decimal."""


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

    def scale(self, factors: Floats) -> None:
        """Heed that prices up to now are given at another scale: worth is the same.

        Args:
            factors: of prices, shape (S,), > 0.
        """
        before = self._account
        self._account = Account(before.cash, before.holdings / factors, before.equity)
        if self._closes is not None:
            self._closes = self._closes * factors

    def to_state(self) -> dict[str, Any]:
        """All but the policy, as JSON can say it; no target and no close are None."""
        return {
            "cash": float(self._account.cash[0]),
            "holdings": self._account.holdings[0].tolist(),
            "closes": None if self._closes is None else self._closes[0].tolist(),
            "targets": [None if math.isnan(w) else w for w in self._targets[0].tolist()],
            "equity": list(self.equity),
            "turnover": list(self.turnover),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_state` gave.

        Raises:
            ValueError: if it is of another number of symbols, or no account at all.
        """
        symbols, begun = len(self._rules.caps), state["closes"] is not None
        equity, turnover = _finite(state, "equity"), _finite(state, "turnover")
        holdings = _finite(state, "holdings", symbols)
        closes = _finite(state, "closes", symbols) if begun else None
        if begun != bool(equity) or len(turnover) != max(len(equity) - 1, 0):
            raise ValueError(
                f"turnover must be that of every close but the first; received {len(turnover)} for "
                f"{len(equity)} closes"
            )
        targets = [math.nan if weight is None else weight for weight in state["targets"]]
        if len(targets) != symbols:
            raise ValueError(f"targets must be {symbols}; received {len(targets)}")
        worth = equity[-1] if begun else self._rules.equity
        self._account = Account(
            np.array([float(state["cash"])]), np.array([holdings]), np.array([worth])
        )
        self._closes = None if closes is None else np.array([closes])
        self._targets = np.array([targets], dtype=float)
        self.equity, self.turnover = equity, turnover

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
        rules: the size, caps and costs of each.
        times: of the closes so far.
    """

    def __init__(
        self, policies: Mapping[str, Acts], rules: Rules, since: datetime = datetime.min
    ) -> None:
        """Open one account for each policy.

        Args:
            policies: what decides, by name.
            rules: the size, caps and costs of each account; one cap for each symbol.
            since: they are shown closes after this time only.
        """
        self._accounts = {name: ShadowAccount(each, rules) for name, each in policies.items()}
        self._since = since
        self._known: dict[str, list[tuple[str, float]]] = {}
        self._lock = threading.Lock()
        self.rules = rules
        self.times: list[datetime] = []

    def __getitem__(self, name: str) -> ShadowAccount:
        return self._accounts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._accounts)

    @property
    def reached(self) -> datetime:
        """The newest close they were shown; before the first, the time since when they are open."""
        return self.times[-1] if self.times else self._since

    def close(self, time: datetime, outlook: Outlook, opens: ArrayLike, closes: ArrayLike) -> None:
        """See `ShadowAccount.close`; a close that was seen already is not seen again."""
        if time <= self.reached:
            return
        with self._lock:
            self.times.append(time)
            for account in self._accounts.values():
                account.close(outlook, opens, closes)

    def follow(self, histories: Sequence[History]) -> None:
        """Heed the scale of prices: bars that come are those after these histories.

        Args:
            histories: one per symbol, in the order of the caps.
        """
        factors = np.array([self._rescaled(history) for history in histories])
        known = {}
        for history in histories:
            times, closes = history.time[-SCALE_BARS:], history.close[-SCALE_BARS:]
            known[history.symbol] = list(zip(map(str, times), closes.tolist(), strict=True))
        with self._lock:
            if (factors != 1.0).any():
                for account in self._accounts.values():
                    account.scale(factors)
            self._known = known

    def _rescaled(self, history: History) -> float:
        """Prices of a history over those known of the same closes; 1 where none are."""
        ratios = []
        for time, close in self._known.get(history.symbol, ()):
            place = np.searchsorted(history.time, np.datetime64(time))
            if place < len(history) and history.time[place] == np.datetime64(time):
                ratios.append(float(history.close[place]) / close)
        ratio = float(np.median(ratios)) if ratios else 1.0
        return 1.0 if abs(ratio - 1.0) <= SAME_SCALE else ratio

    def to_state(self) -> dict[str, Any]:
        """All but policies and rules, as JSON can say it."""
        with self._lock:
            known = {name: [list(one) for one in known] for name, known in self._known.items()}
            return {
                "version": STATE_VERSION,
                "since": self._since.isoformat(),
                "times": [time.isoformat() for time in self.times],
                "known": known,
                "accounts": {name: account.to_state() for name, account in self._accounts.items()},
            }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_state` gave; if it raises, nothing of these accounts is of use.

        Raises:
            ValueError: if it is of another version, of other accounts, or not whole.
        """
        if state.get("version") != STATE_VERSION:
            raise ValueError(f"version must be {STATE_VERSION}; received {state.get('version')!r}")
        kept = state["accounts"]
        if kept.keys() != self._accounts.keys():
            raise ValueError(
                f"accounts must be {', '.join(self._accounts)}; received {', '.join(kept)}"
            )
        times = [datetime.fromisoformat(time) for time in state["times"]]
        if sorted(set(times)) != times:
            raise ValueError("times must ascend; received others")
        for name, account in self._accounts.items():
            try:
                account.restore(kept[name])
            except (KeyError, TypeError) as problem:
                raise ValueError(f"{name}: no account ({problem!r})") from None
            if len(account.equity) != len(times):
                raise ValueError(
                    f"{name}: equity must be that of {len(times)} closes; received "
                    f"{len(account.equity)}"
                )
        self._since, self.times = datetime.fromisoformat(state["since"]), times
        self._known = {
            str(name): [(str(time), float(close)) for time, close in known]
            for name, known in state["known"].items()
        }


def _finite(state: Mapping[str, Any], name: str, count: int | None = None) -> list[float]:
    """Numbers of a state, checked."""
    values = [float(value) for value in state[name]]
    if not all(map(math.isfinite, values)) or count not in (None, len(values)):
        wanted = "" if count is None else f", {count} of them"
        raise ValueError(f"{name} must be finite numbers{wanted}; received {len(values)}")
    return values
