"""How much of each symbol may be held: every cap, written once, pure, applied last.

The environment and the algorithm size with the very same functions, so an agent trades under the
limits it was trained under. All functions take arrays with any leading batch dimensions; the last
axis is the symbol.

Words: a *weight* is the signed market value of a position divided by equity; a *cap* is the
largest absolute weight of one symbol; the *gross* cap bounds the sum of absolute weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SHORT_GAP = 1.0
"""Overnight rise that a short account must survive: 1.0 means that every price doubles."""
SHORT_COST = 0.01
"""Cost of buying back, as a share of the traded value, that the short bound allows for."""
SHORT_LIMIT = 1.0 / ((1.0 + SHORT_GAP) * (1.0 + SHORT_COST) - 1.0)
"""Largest sum of short weights S with which everything can be bought back.

With equity E and shorts worth S·E, cash is at least (1 + S)·E when nothing else is held. Buying
back after a rise g at cost c takes S·E·(1 + g)(1 + c), so S <= 1 / ((1 + g)(1 + c) - 1). A gross
cap of at most 1 keeps what longs cost out of this sum.
"""
TOLERANCE = 1e-9
"""Relative slack of comparisons with a cap, so that rounding errors cause no orders."""


@dataclass(frozen=True)
class Caps:
    """The capital caps of an account.

    Attributes:
        default: cap of a symbol without an override, in (0, 1].
        overrides: caps of single symbols, each in (0, 1].
        gross: bound on the sum of absolute weights, in (0, 1]; no cap may exceed it.
        buffer: orders are sized at (1 - buffer) of the cap, in [0, 1), so that a gap at the open
            seldom carries a new position above it.
        band: no order while the direction is unchanged and the weight is within band·cap of its
            target, in [0, 1].
    """

    default: float = 1.0
    overrides: Mapping[str, float] = field(default_factory=dict)
    gross: float = 1.0
    buffer: float = 0.03
    band: float = 0.10

    def __post_init__(self) -> None:
        _require("gross", self.gross, "in (0, 1]", 0 < self.gross <= 1)
        _require("buffer", self.buffer, "in [0, 1)", 0 <= self.buffer < 1)
        _require("band", self.band, "in [0, 1]", 0 <= self.band <= 1)
        for name, cap in [("default", self.default), *self.overrides.items()]:
            _require(f"cap of {name}", cap, "in (0, 1]", 0 < cap <= 1)
            _require(
                f"cap of {name}",
                cap,
                f"at most the gross cap {self.gross}, else it can never be met",
                cap <= self.gross,
            )

    def for_symbols(self, symbols: Iterable[str]) -> Floats:
        """Caps of the given symbols, shape (N,), in their order."""
        return np.array([self.overrides.get(name, self.default) for name in symbols], dtype=float)


def parse_overrides(text: str) -> dict[str, float]:
    """Caps of single symbols, written like ``TSLA:0.01,AAPL:0.2``; the empty string means none.

    Raises:
        ValueError: naming the symbol, the rule and the received value.
    """
    caps: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        symbol, colon, number = (piece.strip() for piece in part.partition(":"))
        if not (symbol and colon and number):
            raise ValueError(f"caps must read like TSLA:0.01,AAPL:0.2; received {part!r}")
        symbol = symbol.upper()
        if symbol in caps:
            raise ValueError(f"caps must name {symbol} once; received it again as {part!r}")
        try:
            caps[symbol] = float(number)
        except ValueError:
            raise ValueError(f"cap of {symbol} must be a number; received {number!r}") from None
        _require(f"cap of {symbol}", caps[symbol], "in (0, 1]", 0 < caps[symbol] <= 1)
    return caps


def _require(name: str, value: float, rule: str, holds: bool) -> None:
    if not (isinstance(value, int | float) and math.isfinite(value) and holds):
        raise ValueError(f"{name} must be {rule}; received {value!r}")


def cap_weights(weights: ArrayLike, caps: ArrayLike, gross: float) -> Floats:
    """The nearest allowed weights: clipped to the caps, then scaled down to the gross cap.

    Args:
        weights: wanted weights, shape (..., N), finite.
        caps: shape (N,), or (..., N) where accounts differ, each >= 0.
        gross: bound on the sum of absolute weights, in (0, 1].

    Returns:
        Shape (..., N); same signs as `weights`. Shorts are also scaled to `SHORT_LIMIT`.
    """
    caps = np.asarray(caps, dtype=float)
    capped = np.clip(np.asarray(weights, dtype=float), -caps, caps)
    return _fit_short(_fit_gross(capped, caps, gross), caps, gross)


def _fit_gross(weights: Floats, caps: Floats, gross: float) -> Floats:
    """Scale rows whose absolute weights sum above `gross`; `weights` already obey the caps."""
    if caps.sum(axis=-1).max() <= gross:
        return weights
    total = np.abs(weights).sum(axis=-1, keepdims=True)
    return weights * (gross / np.maximum(total, gross))


def _fit_short(weights: Floats, caps: Floats, gross: float) -> Floats:
    """Scale shorts whose weights sum above `SHORT_LIMIT`."""
    if min(gross, caps.sum(axis=-1).max()) <= SHORT_LIMIT:
        return weights
    total = -np.minimum(weights, 0.0).sum(axis=-1, keepdims=True)
    factor = SHORT_LIMIT / np.maximum(total, SHORT_LIMIT)
    return np.where(weights < 0.0, weights * factor, weights)


def plan_orders(
    target_weights: ArrayLike,
    holdings: ArrayLike,
    open_orders: ArrayLike,
    prices: ArrayLike,
    equity: ArrayLike,
    caps: ArrayLike,
    gross: float = 1.0,
    buffer: float = 0.0,
    band: float = 0.0,
    lot_size: ArrayLike = 1,
) -> Floats:
    """Orders that bring an account to its targets within every cap.

    The rules, in order:

    1. Targets are capped (`cap_weights`) and sized at (1 - buffer) of that.
    2. A position keeps its size while its target has the same direction and lies within
       band·cap of its weight, or where the target is NaN (no fresh target).
    3. A kept position above its cap (shorts: or above `SHORT_LIMIT`) is trimmed to (1 - buffer)
       of it.
    4. What grows must fit into (1 - buffer)·gross beside what is held: growth is scaled down. So
       with a buffer above the fee rate, longs never need more cash than there is, fees included.
    5. If positions still sum above the gross cap (they drifted), all are scaled to
       (1 - buffer)·gross; shorts alike to (1 - buffer)·`SHORT_LIMIT`.
    6. Whole lots: positions are rounded toward zero. A change of sign is one order.

    Args:
        target_weights: wanted weights, that is action × cap, shape (..., N); NaN means no fresh
            target.
        holdings: signed shares held, shape (..., N).
        open_orders: signed shares of orders not yet filled, shape (..., N); counted as held.
        prices: present price of a share, shape (..., N), > 0.
        equity: shape (...); where it is <= 0 everything is closed.
        caps: shape (N,), or (..., N) where accounts differ.
        gross: gross cap in (0, 1].
        buffer: in [0, 1).
        band: share of the cap, in [0, 1].
        lot_size: whole number of shares that orders are a multiple of, for all symbols or of
            shape (N,), or 0 for fractional shares.

    Returns:
        Signed order quantities in shares, shape (..., N).

    Raises:
        ValueError: for prices that are not finite and positive, a target, holding, open order or
            equity that is infinite (or NaN, targets aside), or lot sizes that are neither all 0
            nor all whole numbers of shares.
    """
    target = np.asarray(target_weights, dtype=float)
    held = np.asarray(holdings, dtype=float) + np.asarray(open_orders, dtype=float)
    price = np.asarray(prices, dtype=float)
    wealth = np.asarray(equity, dtype=float)
    limits = np.asarray(caps, dtype=float)
    if not (np.all(price > 0) and np.all(np.isfinite(price))):
        raise ValueError(f"prices must be finite and > 0; received {_first_bad(price, price > 0)}")
    if np.isinf(target).any():
        raise ValueError("target_weights must be finite or NaN; received an infinite one")
    for name, values in (("holdings and open_orders", held), ("equity", wealth)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite; received {_first_bad(values, True)}")
    lot = uniform_lot(lot_size)
    Caps(default=gross, gross=gross, buffer=buffer, band=band)
    orders = size_orders(
        target,
        held,
        price,
        np.where(wealth > 0, wealth, 1.0),
        limits,
        gross=gross,
        buffer=buffer,
        band=band,
        lot_size=lot,
    )
    return np.where((wealth > 0)[..., None], orders, -_whole(held, lot))


def uniform_lot(lot_size: ArrayLike) -> float | Floats:
    """Checked lot sizes: one number where all are the same, else shape (N,).

    Raises:
        ValueError: unless all are 0 or all are whole numbers of shares.
    """
    lots = np.asarray(lot_size, dtype=float)
    if not ((lots == 0).all() or ((lots >= 1) & (lots == np.rint(lots))).all()):
        raise ValueError(f"lot_size must be 0 or a whole number of shares; received {lot_size!r}")
    return float(lots.flat[0]) if (lots == lots.flat[0]).all() else lots


def _first_bad(values: Floats, good: ArrayLike) -> float:
    flat = np.broadcast_to(np.isfinite(values) & good, values.shape)
    return float(values[~flat].flat[0])


def _whole(shares: Floats, lot_size: float | Floats) -> Floats:
    return np.trunc(shares / lot_size) * lot_size if np.any(lot_size) else shares


def size_orders(
    target: Floats,
    held: Floats,
    price: Floats,
    equity: Floats,
    caps: Floats,
    *,
    gross: float,
    buffer: float,
    band: float,
    lot_size: float | Floats,
) -> Floats:
    """`plan_orders` without its checks, for callers whose input is already checked.

    `held` includes open orders and every equity is > 0; otherwise as `plan_orders`.
    """
    per_share = price / equity[..., None]
    current = held * per_share
    fresh = ~np.isnan(target)
    wanted = cap_weights(np.where(fresh, target, current), caps, gross) * (1.0 - buffer)
    near = np.abs(wanted - current) <= np.maximum(band * caps, TOLERANCE)
    # A weight within the tolerance is flat: the dust of fractional shares earns no order.
    same = (wanted > TOLERANCE) == (current > TOLERANCE)
    same &= (wanted < -TOLERANCE) == (current < -TOLERANCE)
    keep = near & same
    keep |= ~fresh
    keep &= current <= caps * (1.0 + TOLERANCE)
    keep &= current >= np.minimum(caps, SHORT_LIMIT) * -(1.0 + TOLERANCE)
    final = np.where(keep, current, wanted)
    if caps.shape[-1] > 1 and caps.sum(axis=-1).max() > min(gross * (1.0 - buffer), SHORT_LIMIT):
        fitted = _fit_growth(final, current, gross, buffer)
        keep &= fitted == final
        final = fitted
    return _orders(final, keep, held, per_share, lot_size)


def _fit_growth(final: Floats, current: Floats, gross: float, buffer: float) -> Floats:
    """Rules 4 and 5 of `plan_orders`."""
    # What stays of the present position; all else of the final one is growth.
    stays = np.where(final * current > 0.0, np.minimum(np.abs(final), np.abs(current)), 0.0)
    growth = np.abs(final) - stays
    room = np.maximum(gross * (1.0 - buffer) - stays.sum(axis=-1, keepdims=True), 0.0)
    wants = growth.sum(axis=-1, keepdims=True)
    fits = wants <= room * (1.0 + TOLERANCE)
    share = room / np.where(fits, 1.0, wants)
    final = np.where(fits, final, np.sign(final) * (stays + growth * share))

    total = np.abs(final).sum(axis=-1, keepdims=True)
    over = total > gross * (1.0 + TOLERANCE)
    final = np.where(over, final * (gross * (1.0 - buffer) / np.where(over, total, 1.0)), final)
    if gross <= SHORT_LIMIT:
        return final
    short = -np.minimum(final, 0.0).sum(axis=-1, keepdims=True)
    over = short > SHORT_LIMIT * (1.0 + TOLERANCE)
    factor = SHORT_LIMIT * (1.0 - buffer) / np.where(over, short, 1.0)
    return np.where(over & (final < 0.0), final * factor, final)


def _orders(
    final: Floats, keep: Floats, held: Floats, per_share: Floats, lot_size: float | Floats
) -> Floats:
    """Share quantities that lead from `held` to the final weights."""
    # The factor keeps a goal of 45 shares from becoming 44 by a rounding error.
    goal = _whole(final / per_share * (1.0 + 1e-12), lot_size)
    change = goal - held
    if np.any(lot_size):
        lots = change / lot_size
        # A reduction of a fractional holding rounds away from zero, lest it stays above the cap;
        # but never through zero.
        reduces = (change * held < 0.0) & (goal * held >= 0.0)
        down = np.minimum(np.ceil(np.abs(lots)), np.floor(np.abs(held) / lot_size))
        change = np.where(reduces, np.copysign(down, lots), np.trunc(lots)) * lot_size
    return np.where(keep, 0.0, change)
