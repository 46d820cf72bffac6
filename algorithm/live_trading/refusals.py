"""Orders that the broker refuses: what is said of them, and when they are asked for again.

A refusal may pass by the next day, or stand until a person does something about it: a stock that
may not be traded, an account that may not sell short, a lack of buying power. The first one is
said, and the next close decides anew. One for the same reason is said once more, with what is to be
done; then the order is asked for less and less often, at last once a week, and nothing more is said
until it is taken or the reason becomes another.

Orders that make a position smaller are told from those that make it larger: money that lacks for
buying must not hold up a stop. Where closing is refused, nothing is bought either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from algorithm.times import from_text, to_text

SKIPPED = (0, 1, 2, 4)
"""Sendings that are left out after the first refusal for a reason, the second, and so on; the last
number goes on."""

CLOSING, GROWING = "closing", "growing"

_NUMBER = re.compile(r"[-+]?\d[\d.,]*")


@dataclass(frozen=True)
class Refused:
    """What was refused of a symbol, one way.

    Attributes:
        reason: in the broker's words, numbers left out.
        times: how often in a row for that reason.
        left: sendings that are still to be left out.
        close: whose sending was seen last.
        waits: whether that one is left out.
    """

    reason: str
    times: int
    left: int
    close: datetime | None = None
    waits: bool = False


class Refusals:
    """Refusals by ticker and by what the order would have done, `CLOSING` or `GROWING`."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Refused] = {}

    def note(self, name: str, kind: str, reason: str, close: datetime | None) -> tuple[int, int]:
        """Take note of a refusal.

        Args:
            name: ticker.
            kind: `CLOSING` or `GROWING`.
            reason: in the broker's words; numbers in it do not count.
            close: whose decision the order was of.

        Returns:
            How often it was refused in a row for this reason, and how many sendings are left out.
        """
        words = _NUMBER.sub("#", reason).strip()
        known = self._found.get((name, kind))
        times = known.times + 1 if known is not None and known.reason == words else 1
        left = SKIPPED[min(times, len(SKIPPED)) - 1]
        self._found[name, kind] = Refused(words, times, left, close)
        return times, left

    def waits(self, name: str, kind: str, close: datetime) -> bool:
        """Whether an order is not asked for at the sending of a close, however often that is asked.

        Args:
            name: ticker.
            kind: `CLOSING` or `GROWING`; who may not close does not grow either.
            close: that was decided on.
        """
        kinds = (CLOSING,) if kind == CLOSING else (CLOSING, GROWING)
        found = [self._waits((name, each), close) for each in kinds]
        return any(found)

    def _waits(self, key: tuple[str, str], close: datetime) -> bool:
        known = self._found.get(key)
        if known is None:
            return False
        if known.close != close:
            known = replace(known, left=max(known.left - 1, 0), close=close, waits=known.left > 0)
            self._found[key] = known
        return known.waits

    def taken(self, name: str) -> bool:
        """Note that the broker has filled an order; whether it had refused one twice or more."""
        found = [self._found.pop((name, kind), None) for kind in (CLOSING, GROWING)]
        return any(known is not None and known.times > 1 for known in found)

    def forget(self) -> None:
        """Ask for everything again."""
        self._found.clear()

    def to_state(self) -> list[dict[str, Any]]:
        """What a restart has to bring back, as JSON."""
        return [
            {"name": name, "kind": kind, **asdict(one), "close": to_text(one.close)}
            for (name, kind), one in self._found.items()
        ]

    def restore(self, state: list[Mapping[str, Any]]) -> None:
        """Bring back what `to_state` gave."""
        self._found = {
            (str(one["name"]), str(one["kind"])): Refused(
                str(one["reason"]), int(one["times"]), int(one["left"]),
                from_text(one["close"]), bool(one["waits"]),
            )
            for one in state
        }  # fmt: skip
