"""Splits and dividends out of a raw and an adjusted close, and LEAN's factor file out of those.

Let f[t] = adjusted close / raw close. Between corporate actions f is constant; at the ex-date t
it steps by r = f[t-1] / f[t]. A split of q new shares for p old ones gives r = p / q exactly; a
dividend D gives r = C[t] / (C[t] + D) or 1 - D / C[t-1], by the vendor's convention.

The *level* of f says what happened after the last bar (a vendor who downloads in 2018 scales a
price of 2013 by the split of 2014). Only steps are used, so nothing outside the data is invented
and the last row of a factor file is 1, 1: prices are adjusted to the last bar of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd

from engine.data_import.series import Adjustment
from engine.data_import.validation import Finding

NOISE = 1e-5
"""Steps of f below this fraction are the vendor's rounding: no dividend is that small."""
LARGE = 0.8
"""A step below this (or above its inverse) is a split if its ratio is a simple fraction: 5-for-4 is
the smallest split told from a dividend by size alone."""
JUMP = 1.25
"""The opening price must follow a split to within this factor."""

_SIMPLE = sorted(
    {Fraction(p, q) for p in range(1, 11) for q in range(1, 11)}
    | {Fraction(1, q) for q in range(11, 101)}
    | {Fraction(p, 1) for p in range(11, 101)}
)
FAR_FUTURE = date(2050, 12, 31)


@dataclass(frozen=True)
class CorporateAction:
    """What changes the meaning of a share's price overnight.

    Attributes:
        ex_date: first session at the new terms.
        reference_date: the session before.
        reference_price: raw close of that session.
        split: old shares per new share, 1 if there is no split (a 2-for-1 split is 1/2).
        dividend: dollars per share, in the terms of the ex-date, 0 if there is none.
    """

    ex_date: date
    reference_date: date
    reference_price: Decimal
    split: Fraction = Fraction(1)
    dividend: Decimal = Decimal(0)


def infer_actions(
    symbol: str, bars: pd.DataFrame, adjustment: Adjustment
) -> tuple[list[CorporateAction], list[Finding]]:
    """Tell splits from dividends.

    Args:
        symbol: for messages.
        bars: clean rows with open, close and adj_close; without adj_close there are no actions.
        adjustment: the vendor's convention.

    Returns:
        Actions by ascending ex-date, and what looked odd.

    Raises:
        ValueError: if the adjusted close steps in a way that neither explains.
    """
    if "adj_close" not in bars.columns:
        return [], []
    if not (bars["adj_close"] > 0).all():
        where = bars.index[~(bars["adj_close"] > 0)][0]
        raise ValueError(f"{symbol}: adj_close must be > 0; on {where:%Y-%m-%d} it is not")
    close, opening = bars["close"].to_numpy(float), bars["open"].to_numpy(float)
    factor = bars["adj_close"].to_numpy(float) / close
    steps = factor[:-1] / factor[1:]
    days = [stamp.date() for stamp in bars.index]
    actions, findings = [], []
    for i in np.flatnonzero(np.abs(steps - 1) > NOISE) + 1:
        split, rest = _split(symbol, days[i], steps[i - 1], opening[i] / close[i - 1])
        if rest <= LARGE:
            size = f"adjusted close steps by {rest:.4f}, not a simple fraction: taken as a dividend"
            findings.append(Finding(symbol, size, (days[i].isoformat(),)))
        if adjustment == "ex-close":
            dividend = close[i] * (1 / rest - 1)
        else:
            dividend = close[i - 1] * float(split) * (1 - rest)
        reference = Decimal(str(close[i - 1]))
        amount = Decimal(str(round(dividend, 6))) if abs(rest - 1) > NOISE else Decimal(0)
        actions.append(CorporateAction(days[i], days[i - 1], reference, split, amount))
    return actions, findings + _unexplained(symbol, days, opening, close, steps)


def _split(symbol: str, day: date, step: float, jump: float) -> tuple[Fraction, float]:
    """The split in a step of f, if any, and what remains of the step for a dividend."""
    if LARGE < step < 1:
        return Fraction(1), step
    nearest = min(_SIMPLE, key=lambda s: abs(step / float(s) - 1))
    exact = abs(step / float(nearest) - 1) <= NOISE
    if not exact and step < LARGE:
        # A split and an ordinary dividend on one day: the dividend takes at most 2 percent.
        above = [
            s for s in _SIMPLE if 0.98 <= step / float(s) < 1 and jump / JUMP < s < jump * JUMP
        ]
        if not above:
            return Fraction(1), step
        nearest = min(above, key=lambda s: s.numerator + s.denominator)
    elif not exact or LARGE < step < 1 / LARGE:
        raise ValueError(
            f"{symbol}: on {day} the adjusted close steps by {step:.6f} against the close, "
            "which neither a dividend nor a split explains"
        )
    if not float(nearest) / JUMP < jump < float(nearest) * JUMP:
        raise ValueError(
            f"{symbol}: on {day} the adjusted close says a split of {1 / nearest} new shares per "
            f"old one, but the price opens at {jump:.3f} of the last close: the close is not raw"
        )
    return nearest, 1.0 if exact else step / float(nearest)


def _unexplained(
    symbol: str, days: list[date], opening: np.ndarray, close: np.ndarray, steps: np.ndarray
) -> list[Finding]:
    """Overnight moves of a split's size that the adjusted close does not show as one."""
    jumps = opening[1:] / close[:-1]
    quiet = np.abs(steps - 1) <= NOISE
    odd = quiet & ((jumps < 0.55) | (jumps > 1.9))
    dates = tuple(days[i + 1].isoformat() for i in np.flatnonzero(odd))
    what = "opens at half or double the last close with no split in the adjusted close, kept"
    return [Finding(symbol, what, dates)] if dates else []


@dataclass(frozen=True)
class FactorRow:
    """One row of LEAN's factor file: valid up to and including `date`."""

    date: date
    price_factor: Decimal
    split_factor: Decimal
    reference_price: Decimal


def factor_rows(first: date, actions: list[CorporateAction]) -> list[FactorRow]:
    """LEAN's factor file: adjusted price = raw price x price factor x split factor.

    Working back from 1 at the end, a dividend D multiplies the price factor by (C - D) / C, with
    C the previous raw close and D per share of that day, and a split multiplies the split factor by
    old shares per new share.

    Args:
        first: date of the first bar.
        actions: by ascending ex-date.

    Returns:
        Rows by ascending date: the first bar's, one per action dated the session before its
        ex-date, and the far future's (1, 1).
    """
    rows = [FactorRow(FAR_FUTURE, Decimal(1), Decimal(1), Decimal(0))]
    for action in reversed(actions):
        split = Decimal(action.split.numerator) / Decimal(action.split.denominator)
        reference = action.reference_price
        paid = action.dividend / split
        later = rows[-1]
        rows.append(
            FactorRow(
                action.reference_date,
                later.price_factor * (reference - paid) / reference,
                later.split_factor * split,
                reference,
            )
        )
    if rows[-1].date > first:
        rows.append(FactorRow(first, rows[-1].price_factor, rows[-1].split_factor, Decimal(1)))
    return rows[::-1]
