"""What trading costs: the price a fill gets and the fee it pays, over whole arrays at once.

One model serves the environment and, through the same numbers, the engine. A fill at the open
pays a fee that LEAN computes from the price the security has when the fill is stamped; on daily
data that is the close of the same bar, so fees take that price, the *mark*, as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class CostModel(Protocol):
    """Fill prices and fees; implementations are pure and elementwise."""

    def fill_prices(self, quantities: Floats, opens: Floats, marks: Floats) -> Floats:
        """Price per share paid for orders that meet the market at `opens`.

        Args:
            quantities: signed shares.
            opens: price at which the market opens.
            marks: as for `fees`.
        """
        ...

    def fees(self, quantities: Floats, fills: Floats, marks: Floats) -> Floats:
        """Fee of each order in account currency, >= 0; zero for a zero order.

        Args:
            quantities: signed shares.
            fills: price per share of the fill.
            marks: price of the security when the fee is charged (LEAN: the bar's close).
        """
        ...


@dataclass(frozen=True)
class ZeroCost:
    """Free trading at the open."""

    def fill_prices(self, quantities: Floats, opens: Floats, marks: Floats) -> Floats:
        """See `CostModel`."""
        return opens

    def fees(self, quantities: Floats, fills: Floats, marks: Floats) -> Floats:
        """See `CostModel`."""
        return np.zeros(np.shape(quantities))


@dataclass(frozen=True)
class ProportionalCost:
    """A fee that is a fixed share of the traded value.

    Attributes:
        rate: share of the traded value, in [0, 1).
        slippage: fills are worse than the open by this share of the bar's close, in [0, 1).
    """

    rate: float = 0.001
    slippage: float = 0.0

    def __post_init__(self) -> None:
        _require_share("rate", self.rate)
        _require_share("slippage", self.slippage)

    def fill_prices(self, quantities: Floats, opens: Floats, marks: Floats) -> Floats:
        """See `CostModel`."""
        return _slipped(quantities, opens, marks, self.slippage)

    def fees(self, quantities: Floats, fills: Floats, marks: Floats) -> Floats:
        """See `CostModel`."""
        return np.abs(quantities) * fills * self.rate


@dataclass(frozen=True)
class InteractiveBrokersCost:
    """LEAN's fee for US equities at Interactive Brokers, also its default model.

    A fixed amount per share, at least `minimum` per order, at most `maximum_rate` of the order's
    value; where the two collide the minimum wins. LEAN does not round the fee.

    Attributes:
        per_share: $ per share, >= 0.
        minimum: $ per order, >= 0.
        maximum_rate: share of the order's value, in [0, 1).
        slippage: fills are worse than the open by this share of the bar's close, in [0, 1).
    """

    per_share: float = 0.005
    minimum: float = 1.0
    maximum_rate: float = 0.005
    slippage: float = 0.0

    def __post_init__(self) -> None:
        for name in ("per_share", "minimum"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and >= 0; received {value!r}")
        _require_share("maximum_rate", self.maximum_rate)
        _require_share("slippage", self.slippage)

    def fill_prices(self, quantities: Floats, opens: Floats, marks: Floats) -> Floats:
        """See `CostModel`."""
        return _slipped(quantities, opens, marks, self.slippage)

    def fees(self, quantities: Floats, fills: Floats, marks: Floats) -> Floats:
        """See `CostModel`."""
        shares = np.abs(quantities)
        uncapped = shares * self.per_share
        fee = np.minimum(uncapped, shares * marks * self.maximum_rate)
        # The minimum is tested against the uncapped fee and then wins.
        fee = np.where(uncapped < self.minimum, self.minimum, fee)
        return np.where(shares > 0.0, fee, 0.0)


def _require_share(name: str, value: float) -> None:
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must lie in [0, 1); received {value!r}")


def _slipped(quantities: Floats, opens: Floats, marks: Floats, slippage: float) -> Floats:
    """LEAN's ConstantSlippageModel takes the share of the last price: the bar's close."""
    if slippage == 0.0:
        return opens
    return opens + slippage * marks * np.sign(quantities)
