"""What a close decided, until it is ordered in the morning.

Some brokers take a market-on-open order only in the hours before the open. So a live close only
notes how much is to be held of each symbol; what that asks for beyond holdings and open orders is
ordered shortly before the next open. Asked twice it gives nothing the second time, because what
was ordered is then on order or held: a second call, or a restart in between, doubles nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from algorithm.times import from_text, to_text


class Outbox:
    """Targets of the newest close, in shares.

    Attributes:
        close: end of the bars that were decided on; None before the first decision.
        targets: quantity to hold by ticker, signed.
        ordered: whether they were ordered already. A brokerage that forgets its orders is asked
            again all the same, as long as the open is to come.
        withdrawn: tickers whose orders grew into room that a refusal took away again; what they
            are to be is among the targets.
    """

    def __init__(self) -> None:
        self.close: datetime | None = None
        self.targets: dict[str, float] = {}
        self.ordered = False
        self.withdrawn: list[str] = []

    def record(self, close: datetime, targets: Mapping[str, float]) -> None:
        """Take in targets of a close; those of an earlier close are forgotten.

        What comes for a close in several parts adds up, the later part of a symbol counts.

        Args:
            close: end of the bars that were decided on.
            targets: quantity to hold by ticker, signed, finite.

        Raises:
            ValueError: for a close before the one that is kept, or a quantity that is not finite.
        """
        if self.close is not None and close < self.close:
            raise ValueError(f"close must not lie before {self.close}; received {close}")
        for name, quantity in targets.items():
            if not math.isfinite(quantity):
                raise ValueError(f"{name}: target must be finite; received {quantity}")
        if close != self.close:
            self.close, self.targets, self.ordered = close, {}, False
            self.withdrawn = []
        self.targets |= {name: float(quantity) for name, quantity in targets.items()}

    def take(self, now: datetime, opens: datetime) -> tuple[dict[str, float], str]:
        """What is to be held from the next open on, and why not where there is nothing to send.

        What is taken stays; once it is on order there is nothing left to send of it.

        Args:
            now: algorithm time.
            opens: the first open after the close that was decided on.

        Returns:
            Targets by ticker, and an empty text; or none, and one line of text where they come too
            late: at an open that has passed nothing can be bought any more at its price.
        """
        if not self.targets:
            return {}, ""
        if now >= opens and self.ordered:
            return {}, ""
        if now >= opens:
            late, self.targets = ", ".join(sorted(self.targets)), {}
            return {}, (
                f"{late}: what was decided at {self.close} was to be ordered before the open of "
                f"{opens}; it is {now} and nothing is ordered until the next close decides"
            )
        return dict(self.targets), ""

    def scale(self, name: str, factor: float) -> None:
        """Heed a split that came between decision and order.

        Args:
            name: ticker.
            factor: of prices, as LEAN's `Split.split_factor` has it: 0.5 for two for one.

        Raises:
            ValueError: unless the factor is finite and > 0.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"{name}: split factor must be finite and > 0; received {factor}")
        if name in self.targets:
            # LEAN cuts holdings to whole shares; a target that kept a fraction could not be met.
            self.targets[name] = float(math.trunc(self.targets[name] / factor))

    def amend(self, name: str, quantity: float) -> None:
        """Hold another quantity than was decided, until the next close decides.

        Args:
            name: ticker; one without a target is left alone.
            quantity: shares, signed.
        """
        if name in self.targets:
            self.targets[name] = quantity

    def withdraw(self, name: str, quantity: float) -> None:
        """Hold no more than so much, although more is on order already.

        Args:
            name: ticker.
            quantity: shares, signed.
        """
        self.targets[name] = quantity
        if name not in self.withdrawn:
            self.withdrawn.append(name)

    def to_state(self) -> dict[str, Any]:
        """What a restart has to bring back, as JSON."""
        return {
            "close": to_text(self.close),
            "targets": dict(self.targets),
            "ordered": self.ordered,
            "withdrawn": list(self.withdrawn),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Bring back what `to_state` gave."""
        self.close = from_text(state["close"])
        self.targets = {str(name): float(held) for name, held in state["targets"].items()}
        self.ordered = bool(state["ordered"])
        self.withdrawn = [str(name) for name in state["withdrawn"]]
