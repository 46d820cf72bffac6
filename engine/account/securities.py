"""Securities: their prices, holdings and trading models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.account.cash import CURRENCY, Cash
from engine.account.exchanges import EquityExchange, SecurityExchange
from engine.account.price_variation import AdjustedPriceVariationModel, EquityPriceVariationModel
from engine.account.security_cache import SecurityCache
from engine.account.security_models import SecurityModels
from engine.account.session import Session
from engine.brokerage.buying_power import exact_leverage
from engine.brokerage.fees import market_order_fee
from engine.common.decimals import ZERO, ExactNumber, divide, text, to_decimal, to_double
from engine.common.enums import DataNormalizationMode, MarketDataType, SecurityType
from engine.common.naming import DirectObject, has_own
from engine.common.net_exceptions import KeyNotFoundException
from engine.common.pairs import ExtendedDictionary, KeyValuePair
from engine.common.signatures import overloads
from engine.feed.auxiliary_files import SymbolProperties
from engine.market.data import (
    BaseData,
    Split,
    SubscriptionDataConfig,
)
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol, SymbolCache, unknown_ticker
from engine.orders.orders import CashAmount

_AUXILIARY = MarketDataType.AUXILIARY
"""Members of enumerations are found more slowly than other names: one for every bar."""


class ConvertibleCashAmount(CashAmount):
    """An amount of money and the cash that it can be turned into."""

    in_account_currency = ExactNumber()

    def __init__(self, amount: Any, cash: Cash) -> None:
        super().__init__(amount, cash.symbol)
        self.cash = cash

    @property
    def in_account_currency_exact(self) -> Decimal:
        """The same in account currency."""
        return self.amount_exact


class SecurityHolding(DirectObject):
    """Position in one security. Money as float; `<name>_exact` is the Decimal."""

    average_price = ExactNumber()
    quantity = ExactNumber()
    price = ExactNumber()
    profit = ExactNumber()
    total_fees = ExactNumber()
    total_sale_volume = ExactNumber()
    total_dividends = ExactNumber()
    last_trade_profit = ExactNumber()
    holdings_value = ExactNumber()
    holdings_cost = ExactNumber()
    unrealized_profit = ExactNumber()
    net_profit = ExactNumber()
    unrealized_profit_percent = ExactNumber()
    leverage = ExactNumber()
    unlevered_holdings_cost = ExactNumber()
    unlevered_absolute_holdings_cost = ExactNumber()

    def __init__(self, security: Security) -> None:
        self.security = security
        self.target: Any = None
        self.average_price_exact = ZERO
        self.quantity_exact = ZERO
        self.price_exact = ZERO
        self.trade_profit_exact = ZERO
        self.total_fees_exact = ZERO
        self.total_sale_volume_exact = ZERO
        self.total_dividends_exact = ZERO
        self.last_trade_profit_exact = ZERO

    @property
    def symbol(self) -> Symbol:
        """Symbol of the security."""
        return self.security.symbol

    @property
    def type(self) -> SecurityType:
        """Kind of security."""
        return self.security.type

    @property
    def leverage_exact(self) -> Decimal:
        """Leverage of the security."""
        return exact_leverage(self.security)

    @property
    def invested(self) -> bool:
        """True if at least one lot is held."""
        held = self.quantity_exact
        return bool(held) and abs(held) >= self.security.symbol_properties.lot_size_exact

    hold_stock = invested

    @property
    def is_long(self) -> bool:
        """True for a positive quantity."""
        return self.quantity_exact > 0

    @property
    def is_short(self) -> bool:
        """True for a negative quantity."""
        return self.quantity_exact < 0

    @property
    def absolute_quantity(self) -> float:
        """Quantity without sign."""
        return to_double(abs(self.quantity_exact))

    @property
    def holdings_value_exact(self) -> Decimal:
        """Quantity times price."""
        return self.quantity_exact * self.price_exact

    @property
    def absolute_holdings_value(self) -> float:
        """Value without sign."""
        return to_double(abs(self.holdings_value_exact))

    @property
    def holdings_cost_exact(self) -> Decimal:
        """Quantity times average price."""
        return self.quantity_exact * self.average_price_exact

    @property
    def absolute_holdings_cost(self) -> float:
        """Cost without sign."""
        return to_double(abs(self.holdings_cost_exact))

    @property
    def unlevered_holdings_cost_exact(self) -> Decimal:
        """Cost over leverage."""
        return divide(self.holdings_cost_exact, self.leverage_exact)

    @property
    def unlevered_absolute_holdings_cost_exact(self) -> Decimal:
        """Cost without sign over leverage."""
        return abs(self.unlevered_holdings_cost_exact)

    @property
    def profit_exact(self) -> Decimal:
        """Profit of closed trades and dividends, fees not deducted."""
        return self.trade_profit_exact + self.total_dividends_exact

    @property
    def net_profit_exact(self) -> Decimal:
        """Profit less fees."""
        return self.profit_exact - self.total_fees_exact

    @property
    def unrealized_profit_exact(self) -> Decimal:
        """What closing at the market would earn, the closing fee included."""
        return self._close_profit()

    @property
    def unrealized_profit_percent_exact(self) -> Decimal:
        """Unrealized profit over cost."""
        cost = abs(self.holdings_cost_exact)
        return divide(self.unrealized_profit_exact, cost) if cost else ZERO

    def total_close_profit(
        self,
        include_fees: bool = True,
        exit_price: float | None = None,
        entry_price: float | None = None,
        quantity: float | None = None,
    ) -> float:
        """Profit of closing the position, or a quantity, at the bid or ask, less the fee."""
        return to_double(self._close_profit(include_fees, exit_price, entry_price, quantity))

    def _close_profit(
        self,
        include_fees: bool = True,
        exit_price: Any = None,
        entry_price: Any = None,
        quantity: Any = None,
    ) -> Decimal:
        if quantity is not None:
            closed = to_decimal(quantity)
        elif self.invested:
            closed = self.quantity_exact
        else:
            return ZERO
        security = self.security
        fee = market_order_fee(security, -closed) if include_fees else ZERO
        if exit_price is not None:
            price = to_decimal(exit_price)
        else:
            price = security.bid_price_exact if self.is_long else security.ask_price_exact
        entry = self.average_price_exact if entry_price is None else to_decimal(entry_price)
        return price * closed - entry * closed - fee

    def get_quantity_value(self, quantity: Any, price: Any = None) -> ConvertibleCashAmount:
        """Worth of a quantity at a price, the present one by default."""
        worth = self.price_exact if price is None else to_decimal(price)
        return ConvertibleCashAmount(worth * to_decimal(quantity), self.security.quote_currency)

    def set_holdings(self, average_price: Any, quantity: Any) -> None:
        """Set the position."""
        self.average_price_exact = to_decimal(average_price)
        self.quantity_exact = to_decimal(quantity)

    def update_market_price(self, closing_price: Any) -> None:
        """Set the price."""
        self.price_exact = to_decimal(closing_price)

    def add_new_fee(self, new_fee: Any) -> None:
        """Add to the fees."""
        self.total_fees_exact += to_decimal(new_fee)

    def add_new_profit(self, profit_loss: Any) -> None:
        """Add to the profit of closed trades."""
        self.trade_profit_exact += to_decimal(profit_loss)

    def add_new_sale(self, sale_value: Any) -> None:
        """Add to the volume."""
        self.total_sale_volume_exact += to_decimal(sale_value)

    def add_new_dividend(self, dividend: Any) -> None:
        """Add to the dividends."""
        self.total_dividends_exact += to_decimal(dividend)

    def set_last_trade_profit(self, last_trade_profit: Any) -> None:
        """Set the profit of the latest closed trade."""
        self.last_trade_profit_exact = to_decimal(last_trade_profit)

    def __str__(self) -> str:
        return (
            f"{self.symbol.value}: {text(self.quantity_exact)} @ {text(self.average_price_exact)}"
        )


class _Kept:
    """What a user keeps with a security, by key; a class in brackets changes nothing."""

    def __init__(self, security: Security) -> None:
        self._security = security

    def __getitem__(self, kind: Any) -> _Kept:
        return self

    def __call__(self, key: str) -> Any:
        return self._security[key]


class _Sought:
    """Looks for what a user keeps with a security; a class in brackets says what nothing is."""

    def __init__(self, security: Security, kind: Any = None) -> None:
        self._security = security
        self._nothing = kind() if kind in {bool, int, float} else None

    def __getitem__(self, kind: Any) -> _Sought:
        return _Sought(self._security, kind)

    def __call__(self, key: str, value: Any = None) -> tuple[bool, Any]:
        try:
            return True, self._security[key]
        except KeyNotFoundException:
            return False, self._nothing


class Security(SecurityModels):
    """A tradable security. Prices as float; `<name>_exact` is the Decimal."""

    price = ExactNumber()
    open = ExactNumber()
    high = ExactNumber()
    low = ExactNumber()
    close = ExactNumber()
    volume = ExactNumber()
    bid_price = ExactNumber()
    ask_price = ExactNumber()
    bid_size = ExactNumber()
    ask_size = ExactNumber()

    def __init__(
        self,
        symbol: Symbol,
        hours: ExchangeHours,
        properties: SymbolProperties,
        utc_now: Callable[[], datetime],
        quote_currency: Cash | None = None,
    ) -> None:
        self.symbol = symbol
        self.quote_currency = Cash(CURRENCY, ZERO) if quote_currency is None else quote_currency
        is_equity = symbol.security_type == SecurityType.EQUITY
        self.exchange = (EquityExchange if is_equity else SecurityExchange)(hours, utc_now)
        self.symbol_properties = properties
        self.cache = SecurityCache()
        self.holdings = SecurityHolding(self)
        self.subscriptions: list[SubscriptionDataConfig] = []
        self.is_tradable = True
        self.is_delisted = False
        self.is_initialized = False
        self._set_up_models()
        self._utc_now = utc_now
        self._session: Session | None = None
        self._properties: dict[str, Any] = self.cache.properties

    price_exact = property(lambda self: self.cache.price_exact)
    open_exact = property(lambda self: self.cache.open_exact or self.cache.price_exact)
    high_exact = property(lambda self: self.cache.high_exact or self.cache.price_exact)
    low_exact = property(lambda self: self.cache.low_exact or self.cache.price_exact)
    close_exact = property(lambda self: self.cache.close_exact or self.cache.price_exact)
    volume_exact = property(lambda self: self.cache.volume_exact)
    bid_price_exact = property(lambda self: self.cache.bid_price_exact or self.cache.price_exact)
    ask_price_exact = property(lambda self: self.cache.ask_price_exact or self.cache.price_exact)
    open_interest = 0
    """Of futures and options alone."""
    bid_size_exact = property(lambda self: self.cache.bid_size_exact)
    ask_size_exact = property(lambda self: self.cache.ask_size_exact)

    @property
    def type(self) -> SecurityType:
        """Kind of security."""
        return self.symbol.security_type

    @property
    def local_time(self) -> datetime:
        """Exchange time."""
        return self.exchange.hours.from_utc(self._utc_now())

    @property
    def utc_time(self) -> datetime:
        """The algorithm's time, UTC."""
        return self._utc_now()

    @property
    def session(self) -> Session:
        """Today's session and those before; they are kept from when its `size` is set."""
        if self._session is None:
            self._session = Session(self.exchange.hours, self.symbol, lambda: self.local_time)
        self._session.scan()
        return self._session

    @property
    def has_data(self) -> bool:
        """True once a price arrived."""
        return self.cache.last_data is not None

    @property
    def invested(self) -> bool:
        """True if held."""
        return self.holdings.invested

    hold_stock = invested

    @property
    def leverage(self) -> float:
        """Leverage the buying power model allows."""
        return self.holdings.leverage

    def is_custom_data(self) -> bool:
        """True for data of the user's own."""
        return any(config.is_custom_data for config in self.subscriptions)

    @property
    def resolution(self) -> Any:
        """Finest resolution subscribed to."""
        return min(config.resolution for config in self.subscriptions)

    @property
    def is_fill_data_forward(self) -> bool:
        """True if gaps of a subscription are filled."""
        return any(config.fill_forward for config in self.subscriptions)

    @property
    def is_extended_market_hours(self) -> bool:
        """True if a subscription has the extended hours."""
        return any(config.extended_hours for config in self.subscriptions)

    @property
    def data_normalization_mode(self) -> DataNormalizationMode:
        """How prices are adjusted."""
        for config in self.subscriptions:
            return config.data_normalization_mode
        return DataNormalizationMode.ADJUSTED

    def set_data_normalization_mode(self, mode: DataNormalizationMode) -> None:
        """Change how prices are adjusted, from the next point on."""
        for config in self.subscriptions:
            config.data_normalization_mode = DataNormalizationMode(mode)
        self.qc_round_prices(mode != DataNormalizationMode.ADJUSTED)

    def qc_round_prices(self, rounds: bool) -> None:
        """Round an order's prices to ticks, or do not."""
        model = EquityPriceVariationModel if rounds else AdjustedPriceVariationModel
        self.price_variation_model = model()

    def get_last_data(self) -> BaseData | None:
        """Latest point."""
        return self.cache.get_data()

    def is_market_open(self, extended_market_hours: bool = False) -> bool:
        """True if the exchange is open now."""
        return self.exchange.hours.is_open(self.local_time, extended_market_hours)

    def update(self, points: list[BaseData]) -> None:
        """Take new points."""
        self._take(points)
        if self._session is not None:
            self._session.update(points)

    def set_market_price(self, point: BaseData | None) -> None:
        """Take one point, as a seeder does; None changes nothing."""
        if point is not None:
            self._take([point])

    def _take(self, points: list[BaseData]) -> None:
        cache = self.cache
        cache.add(points)
        if points[-1].data_type is not _AUXILIARY:
            self.holdings.price_exact = cache.price_exact
            if self._measure is not None and points[-1].value_exact:
                self._measure(self, points[-1])

    def apply_split(self, split: Split) -> None:
        """Restate prices after a split."""
        self.cache.apply_split(split.split_factor_exact)
        self.holdings.price_exact = self.price_exact

    @overloads("leverage: decimal")
    def set_leverage(self, leverage: Any) -> None:
        """Change the leverage."""
        self.buying_power_model.set_leverage(self, leverage)

    # What a user keeps with a security: attributes of any name, also by key.

    def add(self, key: str, value: Any) -> None:
        """Keep a value under a name."""
        own, kept = self.__dict__, self._properties
        if own.get(key) is kept.get(key) and not has_own(type(self), key):
            own[key] = value
        kept[key] = value

    __setitem__ = add

    def __getitem__(self, key: str) -> Any:
        """A value that the user keeps here.

        Raises:
            KeyNotFoundException: if there is none of that name.
        """
        kept = self._properties
        if key in kept:
            return kept[key]
        if key in self.__dict__:
            return self.__dict__[key]
        raise KeyNotFoundException(f"The given key '{key}' was not present in the dictionary.")

    def remove(self, key: str) -> bool:
        """Forget a value that the user keeps here; False if there is none."""
        kept = self._properties
        if key in kept and self.__dict__.get(key) is kept[key]:
            del self.__dict__[key]
        return kept.pop(key, self) is not self

    def clear(self) -> None:
        """Forget all values that the user keeps here."""
        for key in list(self._properties.keys()):
            self.remove(key)

    @property
    def get(self) -> _Kept:
        """`get(key)` or, with the class of the value, `get[Class](key)`."""
        return _Kept(self)

    @property
    def try_get(self) -> _Sought:
        """`try_get[Class](key)`: whether a value is kept under a name, and the value."""
        return _Sought(self)

    def __str__(self) -> str:
        return self.symbol.value


class Equity(Security):
    """A stock or a fund."""


class SecurityManager(ExtendedDictionary, DirectObject):
    """The algorithm's securities by symbol; tickers work as keys too.

    As in LEAN a security that was removed is found by its key still; it is gone from the count, the
    keys and the values.
    """

    def __init__(self) -> None:
        self._securities: dict[Symbol, Security] = {}
        self._removed: dict[Symbol, Security] = {}

    @staticmethod
    def _symbol(key: Any) -> Symbol | None:
        if isinstance(key, Symbol):
            return key
        return SymbolCache.try_get_symbol(str(key))

    def add(self, security: Security) -> None:
        """Add a security."""
        self._removed.pop(security.symbol, None)
        self._securities[security.symbol] = security

    def remove(self, symbol: Symbol) -> None:
        """Remove a security; it stays in the totals."""
        security = self._securities.pop(symbol, None)
        if security is not None:
            self._removed[symbol] = security

    @property
    def total(self) -> list[Security]:
        """Present and removed securities."""
        return [*self._securities.values(), *self._removed.values()]

    def removed(self, symbol: Symbol) -> Security | None:
        """A security that was removed before."""
        return self._removed.get(symbol)

    def find(self, key: Any) -> Security | None:
        """The security of a symbol or ticker, or None, also if it was removed."""
        symbol = self._symbol(key)
        if symbol is None:
            return None
        return self._securities.get(symbol)

    def find_any(self, key: Any) -> Security | None:
        """The security of a symbol or ticker, removed or not, or None."""
        symbol = key if isinstance(key, Symbol) else self._symbol(getattr(key, "symbol", key))
        if symbol is None:
            return None
        return self._securities.get(symbol) or self._removed.get(symbol)

    def __getitem__(self, key: Any) -> Security:
        security = self._securities.get(key) if type(key) is Symbol else None
        if security is None:
            security = self.find_any(key)
        if security is None:
            if self._symbol(getattr(key, "symbol", key)) is None:
                raise unknown_ticker(key)
            raise KeyNotFoundException(
                f"This asset symbol ({key}) was not found in your security list. Please add this "
                "security before using it. To prevent the exception, use "
                "self.securities.get(symbol), which returns None when the symbol is not found, or "
                "guard the access with 'if symbol in self.securities:'."
            )
        return security

    def __contains__(self, key: Any) -> bool:
        return self.find_any(key) is not None

    def contains_key(self, key: Any) -> bool:
        """True if the security was added."""
        return key in self

    def get(self, key: Any, default: Any = None) -> Any:
        """The security, or the default."""
        return self.find_any(key) or default

    get_value = get

    def try_get_value(self, key: Any, value: Any = None) -> tuple[bool, Security | None]:
        """Whether the security was added, and the security."""
        security = self.find_any(key)
        return security is not None, security

    def keys(self) -> list[Symbol]:
        """Symbols."""
        return list(self._securities)

    def values(self) -> list[Security]:
        """Securities."""
        return list(self._securities.values())

    def items(self) -> list[tuple[Symbol, Security]]:
        """Pairs of symbol and security."""
        return list(self._securities.items())

    @property
    def count(self) -> int:
        """Number of securities."""
        return len(self._securities)

    def __len__(self) -> int:
        return len(self._securities)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return iter([KeyValuePair(k, v) for k, v in self._securities.items()])
