"""The last look at orders before they leave, some minutes before the open.

Targets are sized at the close, on the close's prices and the account as it was. Until the morning
money may have been withdrawn, a stock may have split, or a price may have moved before the open.
So what is to be ordered is held against the caps once more, at the last prices there are and for
the account as it stands. An order is only ever made smaller: what it closes or reduces goes out
whole, and what makes a position larger is cut down to the caps, or left out.

What makes room for other orders may be refused. So `cut_to_gross` is asked again before each order
that makes a position larger, with what is held and on order by then.

The caps themselves are the bound, not the smaller size (cap less buffer) that orders are given at
the close. So nothing changes as long as prices and account have not moved by the buffer, and
nothing at all where they are those of the close, as in a replay. The gap of the open itself is not
known yet; the next close trims what it leaves above a cap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from models.limits import SHORT_LIMIT, TOLERANCE


@dataclass(frozen=True)
class Cut:
    """An order that is made smaller.

    Attributes:
        name: ticker.
        wanted: shares that were to be held.
        allowed: shares that are to be held instead.
        why: in words.
    """

    name: str
    wanted: float
    allowed: float
    why: str

    def __str__(self) -> str:
        """In a line."""
        return (
            f"{self.name}: {self.allowed:g} shares are to be held, not the {self.wanted:g} that "
            f"the close decided: {self.why}"
        )


def kept_part(expected: float, target: float) -> float:
    """What is held in any case on the way to a target: the rest of the order makes it larger.

    Args:
        expected: signed shares that are held or on order.
        target: signed shares that are wanted.
    """
    if expected * target < 0.0:
        return 0.0
    return target if abs(target) <= abs(expected) else expected


def cut_to_caps(
    expected: Mapping[str, float],
    targets: Mapping[str, float],
    prices: Mapping[str, float],
    equity: float,
    caps: Mapping[str, float],
    gross: float,
    lot_size: float,
) -> list[Cut]:
    """The orders that caps and gross cap do not allow any more, and what they allow.

    Args:
        expected: signed shares of every traded symbol that are held or on order.
        targets: signed shares that are wanted; symbols may lack.
        prices: last price of every traded symbol, $ a share; 0 where none is known.
        equity: what may be traded with now, $.
        caps: largest absolute weight by ticker.
        gross: bound on the sum of absolute weights.
        lot_size: shares that orders are a multiple of; 0 for fractional ones.
    """
    worth = max(equity, 0.0)
    found: dict[str, tuple[float, str]] = {}
    for name, target in targets.items():
        kept, price = kept_part(expected[name], target), prices[name]
        growth = abs(target - kept)
        if growth == 0.0:
            continue
        cap = min(caps[name], SHORT_LIMIT) if target < 0.0 else caps[name]
        most = cap * worth / price if price > 0.0 else 0.0
        if abs(target) > most * (1.0 + TOLERANCE):
            room = max(most - abs(kept), 0.0)
            why = f"the cap of {cap:g} of {worth:.2f} $ allows {most:.1f} at {price:g} $ a share"
            found[name] = _grown(kept, target, room / growth, lot_size), why
    capped = {**targets, **{name: held for name, (held, _) in found.items()}}
    for cut in cut_to_gross(expected, capped, prices, equity, gross, lot_size):
        found[cut.name] = cut.allowed, cut.why
    return [Cut(name, targets[name], held, why) for name, (held, why) in found.items()]


def cut_to_gross(
    expected: Mapping[str, float],
    targets: Mapping[str, float],
    prices: Mapping[str, float],
    equity: float,
    gross: float,
    lot_size: float,
) -> list[Cut]:
    """As `cut_to_caps`, by the gross cap alone: what grows is cut by the same share."""
    kept = {name: kept_part(expected[name], target) for name, target in targets.items()}
    worth = max(equity, 0.0)
    final = {**expected, **targets}
    value = sum(abs(held) * prices[name] for name, held in final.items())
    excess = value - gross * worth
    if excess <= TOLERANCE * gross * worth:
        return []
    growing = {
        name: abs(target - kept[name]) * prices[name]
        for name, target in targets.items()
        if target != kept[name]
    }
    whole = sum(growing.values())
    share = max(1.0 - excess / whole, 0.0) if whole > 0.0 else 0.0
    why = (
        f"all positions together would be {value:.2f} $, above the gross cap of {gross:g} of "
        f"{worth:.2f} $"
    )
    return [
        Cut(name, targets[name], _grown(kept[name], targets[name], share, lot_size), why)
        for name in growing
    ]


def _grown(kept: float, target: float, share: float, lot_size: float) -> float:
    """A position that grows by a share of what was wanted, in whole lots."""
    growth = share * (target - kept)
    if lot_size:
        growth = math.trunc(growth / lot_size * (1.0 + TOLERANCE)) * lot_size
    return kept + growth
