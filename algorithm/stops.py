"""Stop loss, take profit and the daily portfolio stop: when to get out regardless of the agent.

Evaluated once after each close, on that close; the exit fills at the next open like every other
decision. A stopped symbol stays flat for `cooldown_bars` further closes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from algorithm.times import from_text, to_text

PORTFOLIO = "portfolio"
"""What a daily stop is reported under; no ticker reads like it."""


@dataclass(frozen=True)
class StopRules:
    """When to get out regardless of the agent.

    Attributes:
        stop_loss: leave a position that has lost this fraction of its entry value; None is off.
        take_profit: leave a position that has gained this fraction; None is off.
        daily_stop: leave everything when the portfolio has lost this fraction since the previous
            close; None is off. It holds for one bar; the next close decides anew.
        cooldown_bars: closes for which a symbol stays flat after its stop loss or take profit.
    """

    stop_loss: float | None = 0.15
    take_profit: float | None = None
    daily_stop: float | None = 0.05
    cooldown_bars: int = 5


class Stops:
    """The rules at work: which symbols must be flat after the present close.

    One close may be told of more than once (its bars may come in several slices): time moves on
    only with a later close.
    """

    def __init__(self, rules: StopRules) -> None:
        self._rules = rules
        self._cooling: dict[str, int] = {}
        self._triggered: dict[str, str] = {}
        self._close: datetime | None = None
        self._equity: float | None = None
        self._previous_equity: float | None = None

    def update(
        self, close: datetime, profits: Mapping[str, float], equity: float
    ) -> dict[str, str]:
        """Take note of a close.

        Args:
            close: its time, never earlier than the one before.
            profits: unrealized profit of every held symbol, as a fraction of its entry value;
                symbols without a position are absent.
            equity: portfolio value at this close.

        Returns:
            What was triggered that had not been at this close, ticker (or `PORTFOLIO`) to reason.

        Raises:
            ValueError: if the close lies before the last one.
        """
        if self._close is not None and close < self._close:
            raise ValueError(f"close must not lie before {self._close}; received {close}")
        if close != self._close:
            self.pass_closes([close])
            self._previous_equity = self._equity
        self._close, self._equity = close, equity
        found = self._stopped(profits) | self._fallen(equity)
        new = {name: why for name, why in found.items() if name not in self._triggered}
        self._triggered |= new
        self._cooling |= dict.fromkeys(new.keys() - {PORTFOLIO}, self._rules.cooldown_bars + 1)
        return new

    def _stopped(self, profits: Mapping[str, float]) -> dict[str, str]:
        rules, found = self._rules, {}
        for name, profit in profits.items():
            if rules.stop_loss is not None and profit <= -rules.stop_loss:
                found[name] = f"stop loss at {profit:.1%} (limit {-rules.stop_loss:.1%})"
            elif rules.take_profit is not None and profit >= rules.take_profit:
                found[name] = f"take profit at {profit:.1%} (limit {rules.take_profit:.1%})"
        return found

    def _fallen(self, equity: float) -> dict[str, str]:
        limit = self._rules.daily_stop
        if limit is None or not self._previous_equity:
            return {}
        change = equity / self._previous_equity - 1
        if change > -limit:
            return {}
        return {PORTFOLIO: f"daily stop at {change:.1%} (limit {-limit:.1%})"}

    def move_cash(self, amount: float) -> None:
        """Heed a deposit (a withdrawal is negative) since the last close: it is no gain or loss.

        Args:
            amount: $ that came into what is traded with.
        """
        if self._equity is not None:
            self._equity += amount

    def pass_closes(self, closes: Sequence[datetime]) -> None:
        """Heed closes that nobody was told of: time has moved on, and cooldowns with it.

        Args:
            closes: ascending; those up to the newest that is known count for nothing.
        """
        passed = [time for time in closes if self._close is not None and time > self._close]
        if passed:
            count = len(passed)
            self._cooling = {n: left - count for n, left in self._cooling.items() if left > count}
            self._triggered, self._close = {}, passed[-1]

    def miss_closes(self) -> None:
        """Heed that closes passed unseen: the daily stop is of a day and has none to compare."""
        self._equity = None

    def must_be_flat(self, name: str) -> bool:
        """Whether a symbol must hold nothing after the present close."""
        return PORTFOLIO in self._triggered or name in self._cooling

    def apply(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Target weights with zero for what is stopped; the others (NaN included) as they are."""
        return {
            name: 0.0 if self.must_be_flat(name) else weight for name, weight in weights.items()
        }

    def to_state(self) -> dict:
        """What a restart has to bring back, as JSON."""
        return {
            "cooling": dict(self._cooling),
            "triggered": dict(self._triggered),
            "close": to_text(self._close),
            "equity": self._equity,
            "previous_equity": self._previous_equity,
        }

    def restore(self, state: Mapping) -> None:
        """Bring back what `to_state` gave."""
        self._cooling = {str(name): int(left) for name, left in state["cooling"].items()}
        self._triggered = {str(name): str(why) for name, why in state["triggered"].items()}
        self._close = from_text(state["close"])
        self._equity, self._previous_equity = (
            None if state[name] is None else float(state[name])
            for name in ("equity", "previous_equity")
        )
