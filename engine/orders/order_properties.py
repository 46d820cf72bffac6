"""Options of an order that do not depend on its kind: above all how long it works."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, TypeVar

from engine.common.naming import DirectObject

Copied = TypeVar("Copied")


def shallow_copy(thing: Copied) -> Copied:
    """What `copy.copy` does with an object that is its attributes; every order is copied often."""
    made: Copied = object.__new__(type(thing))
    made.__dict__.update(thing.__dict__)
    return made


class TimeInForce(DirectObject):
    """How long an order works. Subclasses say when it has expired."""

    GOOD_TIL_CANCELED: ClassVar[TimeInForce]
    DAY: ClassVar[TimeInForce]
    GOOD_TIL_DATE: ClassVar[Any]

    @staticmethod
    def good_til_date(expiry: datetime) -> GoodTilDateTimeInForce:
        """Works until the close of a day."""
        return GoodTilDateTimeInForce(expiry)

    def is_order_expired(self, security: Any, order: Any) -> bool:
        """True once the order may no longer fill."""
        return False

    def is_fill_valid(self, security: Any, order: Any, fill: Any) -> bool:
        """LEAN's built-in kinds accept every fill."""
        return True


class GoodTilCanceledTimeInForce(TimeInForce):
    """Works until canceled."""


class DayTimeInForce(TimeInForce):
    """Works until the close of the day it was placed on (or of the next one)."""

    def is_order_expired(self, security: Any, order: Any) -> bool:
        """True from the regular close on."""
        hours = security.exchange.hours
        placed = hours.from_utc(order.time_naive)
        return security.local_time >= hours.get_last_daily_market_close(placed, False)


class GoodTilDateTimeInForce(TimeInForce):
    """Works until the close of a given day."""

    def __init__(self, expiry: datetime) -> None:
        self.expiry = expiry

    def is_order_expired(self, security: Any, order: Any) -> bool:
        """True from that day's regular close on."""
        day = datetime(self.expiry.year, self.expiry.month, self.expiry.day)
        hours = security.exchange.hours
        return security.local_time >= hours.get_last_daily_market_close(day, False)


TimeInForce.GOOD_TIL_CANCELED = GoodTilCanceledTimeInForce()
TimeInForce.DAY = DayTimeInForce()
TimeInForce.GOOD_TIL_DATE = GoodTilDateTimeInForce


class OrderProperties(DirectObject):
    """Options of an order that do not depend on its kind.

    `own_fields` are those that a broker's properties add, as LEAN writes them into results.
    """

    own_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.time_in_force: TimeInForce = TimeInForce.GOOD_TIL_CANCELED
        self.exchange: Any = None

    def clone(self) -> OrderProperties:
        """Shallow copy."""
        return shallow_copy(self)


class _ExtendedHoursProperties(OrderProperties):
    own_fields: ClassVar[tuple[str, ...]] = ("outside_regular_trading_hours",)

    def __init__(self) -> None:
        super().__init__()
        self.outside_regular_trading_hours = False


class InteractiveBrokersOrderProperties(_ExtendedHoursProperties):
    """Adds the fields Interactive Brokers knows; advisors' ones only reach the order's JSON."""

    own_fields = (
        *("account", "fa_group", "fa_method", "fa_percentage", "fa_profile"),
        "outside_regular_trading_hours",
    )

    def __init__(self) -> None:
        super().__init__()
        self.account: str | None = None
        self.fa_group: str | None = None
        self.fa_method: str | None = None
        self.fa_percentage = 0
        self.fa_profile: str | None = None


class AlpacaOrderProperties(_ExtendedHoursProperties):
    """Adds the fields Alpaca knows."""


class TradierOrderProperties(_ExtendedHoursProperties):
    """Adds the fields Tradier knows."""


class WebullOrderProperties(_ExtendedHoursProperties):
    """Adds the fields Webull knows."""


class TradeStationOrderProperties(_ExtendedHoursProperties):
    """Adds the fields TradeStation knows."""

    own_fields = ("all_or_none", "outside_regular_trading_hours", "post_only")

    def __init__(self) -> None:
        super().__init__()
        self.all_or_none = False
        self.post_only = False


class PublicOrderProperties(_ExtendedHoursProperties):
    """Adds the fields Public knows; without a choice its model sets whether margin is used."""

    own_fields = ("outside_regular_trading_hours", "use_margin")

    def __init__(self) -> None:
        super().__init__()
        self.use_margin: bool | None = None


class CharlesSchwabOrderProperties(OrderProperties):
    """Adds the fields Charles Schwab knows."""

    own_fields = ("extended_regular_trading_hours",)

    def __init__(self) -> None:
        super().__init__()
        self.extended_regular_trading_hours = False


class EzeOrderProperties(OrderProperties):
    """Adds the fields Eze knows."""

    own_fields = ("route", "account", "notes", "account_type")

    def __init__(
        self,
        route: str | None = None,
        account: str | None = None,
        notes: str | None = None,
        account_type: str | None = None,
    ) -> None:
        super().__init__()
        self.route, self.account = route, account
        self.notes, self.account_type = notes, account_type


class RBIOrderProperties(OrderProperties):
    """Adds nothing."""


class TDAmeritradeOrderProperties(OrderProperties):
    """Adds nothing."""


class TastytradeOrderProperties(OrderProperties):
    """Adds nothing."""
