"""How much of a security may be sold short, and what borrowing it costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from engine.common.clock import UtcTime, midnight
from engine.common.data_folder import data_folder
from engine.common.decimals import ZERO, ExactNumber, divide, to_decimal, to_double
from engine.common.naming import DirectObject, LeanObject
from engine.market.symbols import Symbol


class NullShortableProvider(DirectObject):
    """Everything may be sold short, at no cost."""

    INSTANCE: ClassVar[NullShortableProvider]

    def shortable_quantity(self, symbol: Symbol, local_time: datetime) -> int | None:
        """None: no limit."""
        return None

    def fee_rate(self, symbol: Symbol, local_time: datetime) -> float:
        """None."""
        return 0.0

    def rebate_rate(self, symbol: Symbol, local_time: datetime) -> float:
        """None."""
        return 0.0


NullShortableProvider.INSTANCE = NullShortableProvider()


@dataclass(frozen=True)
class _Day:
    quantity: int | None
    rebate: Decimal
    fee: Decimal


class LocalDiskShortableProvider(DirectObject):
    """Reads LEAN's files `shortable/<brokerage>/symbols/<ticker>.csv`.

    Args:
        brokerage: whose files.
    """

    def __init__(self, brokerage: str) -> None:
        self._brokerage = brokerage.lower()
        self._ticker: str | None = None
        self._days: dict[date, _Day] = {}

    @property
    def brokerage(self) -> str:
        """Whose files are read."""
        return self._brokerage

    def _day(self, symbol: Symbol, local_time: datetime) -> _Day | None:
        if symbol.value != self._ticker:
            folder = data_folder() / "equity" / symbol.id.market / "shortable" / self._brokerage
            self._ticker = symbol.value
            self._days = _read(folder / "symbols" / f"{symbol.value.lower()}.csv")
        return self._days.get(local_time.date())

    def shortable_quantity(self, symbol: Symbol, local_time: datetime) -> int | None:
        """Number of shares, None for no limit: days without a row have none."""
        day = self._day(symbol, local_time)
        return None if day is None else day.quantity

    def fee_rate(self, symbol: Symbol, local_time: datetime) -> float:
        """Yearly cost of borrowing as a fraction."""
        day = self._day(symbol, local_time)
        return 0.0 if day is None else to_double(day.fee)

    def rebate_rate(self, symbol: Symbol, local_time: datetime) -> float:
        """Yearly interest on the proceeds as a fraction."""
        day = self._day(symbol, local_time)
        return 0.0 if day is None else to_double(day.rebate)


class InteractiveBrokersShortableProvider(LocalDiskShortableProvider):
    """Files of Interactive Brokers."""

    def __init__(self) -> None:
        super().__init__("interactivebrokers")


def _read(path: Path) -> dict[date, _Day]:
    """Rows of date, shares and, in percent, rebate and fee; none without the file.

    Raises:
        ValueError: for a row that cannot be read.
    """
    if not path.is_file():
        return {}
    days: dict[date, _Day] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        fields = [*line.split(","), "", ""]
        try:
            day = datetime.strptime(fields[0], "%Y%m%d").date()
            rates = [Decimal(field) / 100 if field else ZERO for field in fields[2:4]]
            days[day] = _Day(int(fields[1]) if fields[1] else None, *rates)
        except (ValueError, ArithmeticError):
            raise ValueError(
                f"{path}: a row must read date,shares,rebate,fee; found {line!r}"
            ) from None
    return days


class MarginInterestRateParameters(DirectObject):
    """Security and UTC time for which interest is due."""

    time = UtcTime()
    time_naive: datetime

    def __init__(self, security: Any, time: datetime) -> None:
        self.security = security
        self.time = time


class NullMarginInterestRateModel(DirectObject):
    """No interest."""

    def apply_margin_interest_rate(
        self, margin_interest_rate_parameters: MarginInterestRateParameters
    ) -> None:
        """Nothing is due."""


class MarginInterestRateModel(LeanObject):
    """LEAN's home of the model without interest."""

    NULL = NullMarginInterestRateModel()


class ShortMarginInterestRateModel(DirectObject):
    """Charges a short position the shortable provider's fee each day, pays a long one the rebate.

    Attributes:
        amount: charged and paid so far.
    """

    amount = ExactNumber()

    def __init__(self) -> None:
        self.amount_exact = ZERO
        self._short = False
        self._before: datetime | None = None

    def apply_margin_interest_rate(
        self, margin_interest_rate_parameters: MarginInterestRateParameters
    ) -> None:
        """Once for each day that a position is held; a 360th of the yearly rate."""
        security = margin_interest_rate_parameters.security
        now = margin_interest_rate_parameters.time_naive
        held = security.holdings
        if not held.invested:
            self._before = None
            return
        if self._before is None or self._short != held.is_short:
            self._short, self._before = held.is_short, now
            return
        days = (now.date() - self._before.date()).days
        if not days:
            return
        provider, today = security.shortable_provider, midnight(security.local_time)
        ask = provider.fee_rate if self._short else provider.rebate_rate
        rate = to_decimal(ask(security.symbol, today))
        if not rate:
            self._before = None
            return
        fee = divide(rate * held.holdings_value_exact, Decimal(360)) * days
        self.amount_exact += fee
        security.quote_currency.add_amount(fee)
        self._before = now
