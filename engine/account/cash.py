"""Cash: one amount in US dollars, in a book as LEAN has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from engine.common.decimals import (
    ONE,
    ZERO,
    ExactNumber,
    round_half_even,
    text,
    to_decimal,
    to_double,
)
from engine.common.naming import DirectObject
from engine.common.net_exceptions import KeyNotFoundException
from engine.common.pairs import ExtendedDictionary, KeyValuePair
from engine.indicators.base import Event
from engine.orders.orders import CashAmount

CURRENCY = "USD"
CURRENCY_SYMBOL = "$"


class Currencies(DirectObject):
    """Currencies by name, of which an account here has one."""

    USD = CURRENCY
    NULL_CURRENCY = "QCC"

    @staticmethod
    def get_currency_symbol(currency: str) -> str:
        """Sign of a currency.

        Raises:
            NotImplementedError: for a currency other than US dollars.
        """
        require_dollars(currency)
        return CURRENCY_SYMBOL


def require_dollars(currency: str) -> None:
    """Refuse other currencies.

    Raises:
        NotImplementedError: for a currency other than US dollars, whose rates are forex data.
    """
    if currency.upper() != CURRENCY:
        raise NotImplementedError(
            f"cash in {currency}: its conversion rate needs forex data; use {CURRENCY}"
        )


class Cash(DirectObject):
    """Cash of one currency. Money as float; `<name>_exact` is the Decimal.

    Attributes:
        symbol: the currency, "USD".
        currency_symbol: "$".
        updated: event, raised when the amount changes; handlers get (cash, None).
        security_symbols: securities that give the conversion rate; none.
    """

    amount = ExactNumber()
    conversion_rate = ExactNumber()
    value_in_account_currency = ExactNumber()
    conversion_rate_exact = ONE

    def __init__(self, symbol: str, amount: Any, conversion_rate: Any = 1) -> None:
        require_dollars(symbol)
        self.symbol = symbol.upper()
        self.currency_symbol = CURRENCY_SYMBOL
        self.amount_exact: Decimal = to_decimal(amount)
        self.updated = Event()
        self.security_symbols: list[Any] = []
        self._listener: Callable[[Cash], None] | None = None

    @property
    def value_in_account_currency_exact(self) -> Decimal:
        """The amount."""
        return self.amount_exact

    def set_amount(self, amount: Any) -> None:
        """Replace the amount."""
        exact = to_decimal(amount)
        if exact != self.amount_exact:
            self.amount_exact = exact
            self._tell()

    def add_amount(self, amount: Any) -> float:
        """Add to the amount, which is returned."""
        self.amount_exact += to_decimal(amount)
        self._tell()
        return self.amount

    def update(self) -> None:
        """Look up the conversion rate, which is always 1."""

    def listen(self, listener: Callable[[Cash], None]) -> None:
        """Tell a cash book of every change."""
        self._listener = listener

    def _tell(self) -> None:
        if self._listener is not None:
            self._listener(self)
        self.updated(self, None)

    def to_string(self, account_currency: str = CURRENCY) -> str:
        """The amount and its worth as text."""
        value = text(round_half_even(self.amount_exact, 2))
        return (
            f"{self.symbol}: {self.currency_symbol}{self.amount_exact:15.2f} @ {'1.00':>10} = "
            f"{CURRENCY_SYMBOL}{value}"
        )

    def __str__(self) -> str:
        return self.to_string()


class CashBook(ExtendedDictionary, DirectObject):
    """Cash by currency.

    Attributes:
        account_currency: "USD".
        updated: event, raised when cash changes; handlers get (book, cash).
    """

    account_currency = CURRENCY
    total_value_in_account_currency = ExactNumber()

    def __init__(self, amount: Any = 0, listener: Callable[[], None] | None = None) -> None:
        self.updated = Event()
        self._listener = listener
        self._cash: dict[str, Cash] = {}
        self.add(CURRENCY, Cash(CURRENCY, amount))

    @property
    def total_value_in_account_currency_exact(self) -> Decimal:
        """Sum."""
        return sum((cash.amount_exact for cash in self._cash.values()), ZERO)

    def add(
        self,
        symbol: Any = None,
        quantity: Any = None,
        conversion_rate: Any = 1,
        *,
        value: Cash | None = None,
        item: KeyValuePair | None = None,
    ) -> Cash:
        """Add cash, replacing the amount of its currency.

        Args:
            symbol: currency; or a pair of currency and cash.
            quantity: amount; or the cash.
            conversion_rate: 1.
            value: the cash, instead of a quantity.
            item: the pair, instead of all others.

        Raises:
            NotImplementedError: for a currency other than US dollars.
        """
        pair = symbol if isinstance(symbol, KeyValuePair) else item
        if pair is not None:
            symbol, value = pair.key, pair.value
        elif isinstance(quantity, Cash):
            value = quantity
        require_dollars(symbol)
        cash = Cash(symbol, quantity, conversion_rate) if value is None else value
        known = self._cash.get(cash.symbol)
        if known is not None:
            known.set_amount(cash.amount_exact)
            return known
        self._cash[cash.symbol] = cash
        cash.listen(self._changed)
        self._changed(cash)
        return cash

    def _changed(self, cash: Cash | None) -> None:
        if self._listener is not None:
            self._listener()
        self.updated(self, cash)

    def convert(
        self, source_quantity: Any, source_currency: str, destination_currency: str
    ) -> float:
        """An amount of one currency in another.

        Raises:
            KeyError: for a currency that is not in the book.
        """
        if to_decimal(source_quantity):
            for currency in (source_currency, destination_currency):
                self[currency]
        return to_double(to_decimal(source_quantity))

    def convert_to_account_currency(
        self,
        source_quantity: Any = None,
        source_currency: str | None = None,
        *,
        cash_amount: CashAmount | None = None,
    ) -> Any:
        """An amount (float) of a currency in dollars, or a CashAmount in dollars.

        Raises:
            KeyError: for a currency that is not in the book.
        """
        given = source_quantity if cash_amount is None else cash_amount
        if isinstance(given, CashAmount):
            self[given.currency]
            return given
        return self.convert(source_quantity, str(source_currency), self.account_currency)

    # Dictionary of cash ---------------------------------------------------------------------

    def __getitem__(self, symbol: str) -> Cash:
        cash = self._cash.get(symbol)
        if cash is None:
            raise KeyNotFoundException(
                f"This cash symbol ({symbol}) was not found in your cash book."
            )
        return cash

    def __setitem__(self, symbol: str, cash: Cash) -> None:
        self.add(symbol, cash)

    def __contains__(self, symbol: Any) -> bool:
        return symbol in self._cash

    def contains_key(self, symbol: str) -> bool:
        """True for a currency of the book."""
        return symbol in self._cash

    def get(self, symbol: str, default: Any = None) -> Any:
        """Cash of a currency, or the default."""
        return self._cash.get(symbol, default)

    def try_get_value(self, symbol: str, value: Any = None) -> tuple[bool, Cash | None]:
        """Whether the currency is in the book, and its cash."""
        return symbol in self._cash, self._cash.get(symbol)

    def remove(self, symbol: Any = None, *, item: KeyValuePair | None = None) -> bool:
        """Remove a currency, or a pair's; False if it is not there."""
        pair: Any = symbol if item is None else item
        key = pair.key if isinstance(pair, KeyValuePair) else pair
        cash = self._cash.pop(key, None)
        if cash is not None:
            self._changed(cash)
        return cash is not None

    def clear(self) -> None:
        """Remove all."""
        self._cash.clear()
        self._changed(None)

    def keys(self) -> list[str]:
        """Currencies."""
        return list(self._cash)

    def values(self) -> list[Cash]:
        """Cash of all currencies."""
        return list(self._cash.values())

    def items(self) -> list[tuple[str, Cash]]:
        """Pairs of currency and cash."""
        return list(self._cash.items())

    @property
    def count(self) -> int:
        """Number of currencies."""
        return len(self._cash)

    def __len__(self) -> int:
        return len(self._cash)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return iter([KeyValuePair(k, v) for k, v in self._cash.items()])

    def __str__(self) -> str:
        total = text(round_half_even(self.total_value_in_account_currency_exact, 2))
        lines = [
            f"Symbol {'Quantity':>13}    {'Conversion':>10} = Value in {self.account_currency}",
            *(cash.to_string() for cash in self.values()),
            "-" * 49,
            f"CashBook Total Value:                {CURRENCY_SYMBOL}{total}",
        ]
        return "".join(line + "\n" for line in lines)
