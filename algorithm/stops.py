"""Stop loss, take profit and the daily portfolio stop: when to get out regardless of the agent.

Evaluated once after each close, on that close; the exit fills at the next open like every other
decision. A stopped symbol stays flat for `cooldown_bars` further closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Stops:
    """The rules and what they have to remember.

    Attributes:
        stop_loss: leave a position that has lost this fraction of its entry value; None is off.
        take_profit: leave a position that has gained this fraction; None is off.
        daily_stop: leave everything when the portfolio has lost this fraction since the previous
            close; None is off. It holds for one bar; the next close decides anew.
        cooldown_bars: closes for which a symbol stays flat after its stop loss or take profit.
    """

    stop_loss: float | None
    take_profit: float | None
    daily_stop: float | None
    cooldown_bars: int
    _cooling: dict[str, int] = field(default_factory=dict)
    _previous_equity: float | None = None
    _flat_today: bool = False

    def update(self, profits: Mapping[str, float], equity: float) -> dict[str, str]:
        """Take note of a close.

        Args:
            profits: unrealized profit of every held symbol, as a fraction of its entry value;
                symbols without a position are absent.
            equity: portfolio value at this close.

        Returns:
            What was triggered at this close, symbol (or "portfolio") to reason.
        """
        self._cooling = {name: left - 1 for name, left in self._cooling.items() if left > 1}
        triggered: dict[str, str] = {}
        for name, profit in profits.items():
            if self.stop_loss is not None and profit <= -self.stop_loss:
                triggered[name] = f"stop loss at {profit:.1%} (limit {-self.stop_loss:.1%})"
            elif self.take_profit is not None and profit >= self.take_profit:
                triggered[name] = f"take profit at {profit:.1%} (limit {self.take_profit:.1%})"
        for name in triggered:
            self._cooling[name] = self.cooldown_bars + 1
        change = equity / self._previous_equity - 1 if self._previous_equity else 0.0
        self._flat_today = False
        if self.daily_stop is not None and change <= -self.daily_stop:
            self._flat_today = True
            triggered["portfolio"] = f"daily stop at {change:.1%} (limit {-self.daily_stop:.1%})"
        self._previous_equity = equity
        return triggered

    def filter(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Target weights with zero for what is stopped; the others (NaN included) as they are."""
        return {
            name: 0.0 if self._flat_today or name in self._cooling else weight
            for name, weight in weights.items()
        }

    def to_state(self) -> dict:
        """What a restart has to bring back, as JSON."""
        return {
            "cooling": dict(self._cooling),
            "previous_equity": self._previous_equity,
            "flat_today": self._flat_today,
        }

    def restore(self, state: Mapping) -> None:
        """Bring back what `to_state` gave."""
        self._cooling = {str(name): int(left) for name, left in state["cooling"].items()}
        equity = state["previous_equity"]
        self._previous_equity = None if equity is None else float(equity)
        self._flat_today = bool(state["flat_today"])
