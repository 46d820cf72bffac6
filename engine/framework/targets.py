"""Portfolio targets: how many shares of a symbol to hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from engine.common.decimals import ExactNumber, cast_double, text, to_decimal, to_double
from engine.common.enums import InsightDirection
from engine.common.naming import LeanObject
from engine.common.net_exceptions import KeyNotFoundException


class PortfolioTarget(LeanObject):
    """A wished holding: ``PortfolioTarget(symbol, quantity[, tag])``.

    A direction instead of a quantity stands for one share long, short or none.
    """

    quantity = ExactNumber()

    def __init__(
        self,
        symbol: Any,
        quantity: Any = None,
        tag: str = "",
        *,
        insight_direction: InsightDirection | None = None,
    ) -> None:
        self.symbol = symbol
        quantity = insight_direction if insight_direction is not None else quantity
        if quantity is None:
            raise TypeError(f"PortfolioTarget of {symbol} needs a quantity; received none")
        number = int(quantity) if isinstance(quantity, InsightDirection) else quantity
        self.quantity_exact: Decimal = to_decimal(number)
        self.tag = tag

    @staticmethod
    def percent(
        algorithm: Any,
        symbol: Any,
        percent: Any,
        return_delta_quantity: bool | str = False,
        tag: str = "",
    ) -> PortfolioTarget | None:
        """Target a share of the portfolio's value.

        Args:
            algorithm: that will trade.
            symbol: of an added security.
            percent: fraction of the portfolio value, negative for short; the free buffer
                (0.25 % by default) is left out of the portfolio value.
            return_delta_quantity: give the quantity to order instead of the holding.
            tag: passed to the order.

        Returns:
            The target, or None (with an error message) where it cannot be computed.
        """
        if isinstance(return_delta_quantity, str):
            # LEAN's overload (algorithm, symbol, percent, tag)
            return PortfolioTarget.percent(algorithm, symbol, percent, False, return_delta_quantity)
        security = algorithm.securities.find(symbol)
        if security is None:
            algorithm.error(f"{symbol} was not found; add the security in initialize.")
            return None
        quantity = algorithm.qc_target_quantity(security, cast_double(percent))
        if quantity is None:
            return None
        if not return_delta_quantity:
            quantity += security.holdings.quantity_exact
        return PortfolioTarget(security.symbol, quantity, tag)

    def __str__(self) -> str:
        label = f" ({self.tag})" if self.tag else ""
        return f"{self.symbol}: {text(self.quantity_exact)}{label}"


class PortfolioTargetCollection(LeanObject):
    """One target per symbol, the newest."""

    def __init__(self) -> None:
        self._targets: dict[Any, PortfolioTarget] = {}

    @property
    def count(self) -> int:
        """Number of targets."""
        return len(self._targets)

    @property
    def is_empty(self) -> bool:
        """True without targets."""
        return not self._targets

    @property
    def keys(self) -> list[Any]:
        """Symbols."""
        return list(self._targets)

    @property
    def values(self) -> list[PortfolioTarget]:
        """Targets."""
        return list(self._targets.values())

    def add(self, *items: Any, symbol: Any = None, target: Any = None) -> None:
        """Add ``target`` or ``symbol, target``; replaces the symbol's former target."""
        target = items[-1] if items and items[-1] is not symbol else target
        if target is not None:
            self._targets[target.symbol] = target

    def add_range(self, targets: Iterable[PortfolioTarget]) -> None:
        """Add targets."""
        for target in targets:
            self.add(target)

    def clear(self) -> None:
        """Remove all."""
        self._targets.clear()

    def contains_key(self, symbol: Any) -> bool:
        """True if the symbol has a target."""
        return symbol in self._targets

    def contains(self, target: Any) -> bool:
        """True if the target's symbol has a target."""
        return target is not None and target.symbol in self._targets

    def try_get_value(self, symbol: Any, target: Any = None) -> tuple[bool, PortfolioTarget | None]:
        """Whether the symbol has a target, and it."""
        return symbol in self._targets, self._targets.get(symbol)

    def remove(self, item: Any = None, *, symbol: Any = None, target: Any = None) -> bool:
        """Remove a symbol's target, or exactly the given target."""
        item = next((one for one in (item, target, symbol) if one is not None), None)
        wanted = item.symbol if isinstance(item, PortfolioTarget) else item
        held = self._targets.get(wanted)
        if held is None or (isinstance(item, PortfolioTarget) and held is not item):
            return False
        del self._targets[wanted]
        return True

    def clear_fulfilled(self, algorithm: Any) -> None:
        """Remove targets that the holdings have reached."""
        for target in self.values:
            security = algorithm.securities[target.symbol]
            gap = abs(target.quantity_exact - security.holdings.quantity_exact)
            if gap < lot_size(security):
                self.remove(target.symbol)

    def order_by_margin_impact(self, algorithm: Any) -> list[PortfolioTarget]:
        """Targets that need orders: reductions first, then by value, largest first."""
        return order_by_margin_impact(self.values, algorithm)

    def __getitem__(self, symbol: Any) -> PortfolioTarget:
        if symbol not in self._targets:
            raise KeyNotFoundException(
                f"The given key '{symbol}' was not present in the dictionary."
            )
        return self._targets[symbol]

    def __setitem__(self, symbol: Any, target: PortfolioTarget) -> None:
        self._targets[symbol] = target

    def __iter__(self) -> Iterator[PortfolioTarget]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self._targets)


def lot_size(security: Any) -> Decimal:
    """Smallest tradable quantity."""
    lot: Decimal = security.symbol_properties.lot_size_exact
    return lot


def projected_quantity(algorithm: Any, security: Any) -> Decimal:
    """Holdings plus what open orders will still add."""
    return algorithm.transactions.get_projected_holdings(security).projected_quantity_exact


def adjust_by_lot_size(security: Any, quantity: Decimal) -> Decimal:
    """Round towards zero to whole lots."""
    return quantity - quantity % lot_size(security)


def order_by_margin_impact(
    targets: Iterable[PortfolioTarget], algorithm: Any, target_is_delta: bool = False
) -> list[PortfolioTarget]:
    """Targets that need orders, reductions of positions first, then by value, largest first.

    Args:
        targets: in the order that breaks ties.
        algorithm: with securities and transactions; while it warms up there is nothing to order.
        target_is_delta: if quantities are orders rather than holdings.
    """
    if algorithm.is_warming_up:
        return []
    rows = []
    for target in targets:
        security = algorithm.securities[target.symbol]
        wanted = adjust_by_lot_size(security, target.quantity_exact)
        held = projected_quantity(algorithm, security)
        delta = wanted if target_is_delta else wanted - held
        if not security.has_data or not security.is_tradable or abs(delta) < lot_size(security):
            continue
        final = wanted + held if target_is_delta else wanted
        reducing = held != 0 and abs(final) < abs(held)
        rows.append((not reducing, -abs(delta * security.price_exact), target))
    rows.sort(key=lambda row: row[:2])
    return [target for _, _, target in rows]


class OrderSizing(LeanObject):
    """Sizes of orders for targets."""

    @staticmethod
    def get_unordered_quantity(
        algorithm: Any,
        target: PortfolioTarget,
        security: Any = None,
        account_for_fees: bool = False,
    ) -> float:
        """Shares still to be ordered, open orders counted; LEAN heeds fees for crypto only."""
        return to_double(unordered_quantity(algorithm, target, security))

    @staticmethod
    def adjust_by_lot_size(security: Any, quantity: Any) -> float:
        """Round towards zero to whole lots."""
        return to_double(adjust_by_lot_size(security, to_decimal(quantity)))

    @staticmethod
    def get_order_size_for_percent_volume(
        security: Any, maximum_percent_current_volume: Any, desired_order_size: Any
    ) -> float:
        """Limit an order to a share of the current bar's volume."""
        limit = to_decimal(maximum_percent_current_volume) * security.volume_exact
        return to_double(_limited(security, limit, to_decimal(desired_order_size)))

    @staticmethod
    def get_order_size_for_maximum_value(
        security: Any, maximum_order_value_in_account_currency: Any, desired_order_size: Any
    ) -> float:
        """Limit an order to a value."""
        price = security.price_exact
        if not price:
            return 0.0
        limit = to_decimal(maximum_order_value_in_account_currency) / price
        return to_double(_limited(security, limit, to_decimal(desired_order_size)))


def unordered_quantity(algorithm: Any, target: PortfolioTarget, security: Any = None) -> Decimal:
    """Shares still to be ordered for a target, open orders counted."""
    security = security if security is not None else algorithm.securities[target.symbol]
    missing = target.quantity_exact - projected_quantity(algorithm, security)
    return adjust_by_lot_size(security, missing)


def _limited(security: Any, limit: Decimal, desired: Decimal) -> Decimal:
    size = min(limit, abs(desired))
    return adjust_by_lot_size(security, size.copy_sign(desired))
