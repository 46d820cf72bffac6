"""Cash, holdings and what fills, dividends and splits do to them. One currency: US dollars."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.account.cash import CURRENCY, CashBook, require_dollars
from engine.account.securities import Security, SecurityHolding, SecurityManager
from engine.brokerage.buying_power import initial_margin, maintenance_margin
from engine.brokerage.buying_power_terms import (
    HasSufficientBuyingPowerForOrderParameters,
    HasSufficientBuyingPowerForOrderResult,
)
from engine.brokerage.settlement import ApplyFundsSettlementModelParameters
from engine.common.decimals import ZERO, ExactNumber, divide, to_decimal, to_double
from engine.common.enums import DataNormalizationMode, OrderDirection
from engine.common.naming import DirectObject, both_spellings
from engine.common.pairs import ExtendedDictionary, KeyValuePair
from engine.common.settings import AlgorithmSettings
from engine.market.data import Dividend, Split
from engine.market.symbols import Symbol
from engine.orders.orders import CashAmount, Order, OrderEvent


class SecurityPortfolioManager(ExtendedDictionary, DirectObject):
    """The account. Money as float; `<name>_exact` is the Decimal.

    Args:
        securities: the algorithm's.
        settings: free cash and limits for targets.
    """

    total_portfolio_value = ExactNumber()
    cash = ExactNumber()
    unsettled_cash = ExactNumber()
    total_holdings_value = ExactNumber()
    total_absolute_holdings_cost = ExactNumber()
    total_unlevered_absolute_holdings_cost = ExactNumber()
    total_unrealized_profit = ExactNumber()
    total_unrealised_profit = ExactNumber()
    total_fees = ExactNumber()
    total_profit = ExactNumber()
    total_net_profit = ExactNumber()
    total_sale_volume = ExactNumber()
    total_margin_used = ExactNumber()
    margin_remaining = ExactNumber()
    total_portfolio_value_less_free_buffer = ExactNumber()

    def __init__(self, securities: SecurityManager, settings: AlgorithmSettings) -> None:
        from engine.account.margin_call import DefaultMarginCallModel

        self.securities = securities
        self._settings = settings
        self.transactions: Any = None
        self._total: Decimal | None = None
        self.cash_book = CashBook(100000, self.invalidate_total_portfolio_value)
        self.unsettled_cash_book = CashBook(0, self.invalidate_total_portfolio_value)
        self.margin_call_model: Any = DefaultMarginCallModel(self)

    # Cash -----------------------------------------------------------------------------------

    def set_cash(self, *terms: Any) -> None:
        """Replace the cash: (amount) or (currency, amount, conversion rate).

        Raises:
            NotImplementedError: for a currency other than US dollars.
        """
        if isinstance(terms[0], str):
            require_dollars(terms[0])
            terms = terms[1:]
        self.cash_book[CURRENCY].set_amount(terms[0])

    def set_account_currency(self, account_currency: str, starting_cash: Any = None) -> None:
        """Keep the account in US dollars, with this much cash if given.

        Raises:
            NotImplementedError: for another currency.
        """
        require_dollars(account_currency)
        if starting_cash is not None:
            self.set_cash(starting_cash)

    def add_cash(self, amount: Decimal) -> None:
        """Add settled cash."""
        self.cash_book[CURRENCY].add_amount(amount)

    @property
    def cash_exact(self) -> Decimal:
        """Settled cash."""
        return self.cash_book.total_value_in_account_currency_exact

    @property
    def unsettled_cash_exact(self) -> Decimal:
        """Cash that cannot be used yet."""
        return self.unsettled_cash_book.total_value_in_account_currency_exact

    # Totals ---------------------------------------------------------------------------------

    def invalidate_total_portfolio_value(self) -> None:
        """Prices moved; compute the total anew when asked."""
        self._total = None

    @property
    def total_portfolio_value_exact(self) -> Decimal:
        """Cash and holdings."""
        if self._total is None:
            held = ZERO
            for security in self.securities.values():
                holdings = security.holdings
                if holdings.quantity_exact and holdings.invested:
                    held += holdings.quantity_exact * holdings.price_exact
            self._total = self.cash_exact + self.unsettled_cash_exact + held
        return self._total

    @property
    def total_portfolio_value_less_free_buffer_exact(self) -> Decimal:
        """The total less what the settings keep free."""
        total = self.total_portfolio_value_exact
        free = self._settings.free_portfolio_value_exact
        if free is None:
            free = total * self._settings.free_portfolio_value_percentage_exact
        return total - free

    def _sum(self, attribute: str, securities: list[Security] | None = None) -> Decimal:
        chosen = self.securities.values() if securities is None else securities
        return sum((getattr(security.holdings, attribute) for security in chosen), ZERO)

    @property
    def total_holdings_value_exact(self) -> Decimal:
        """Absolute values summed."""
        values = (abs(s.holdings.holdings_value_exact) for s in self.securities.values())
        return sum(values, ZERO)

    @property
    def total_absolute_holdings_cost_exact(self) -> Decimal:
        """Absolute costs summed."""
        return sum((abs(s.holdings.holdings_cost_exact) for s in self.securities.values()), ZERO)

    @property
    def total_unlevered_absolute_holdings_cost_exact(self) -> Decimal:
        """Absolute costs over leverage summed."""
        return self._sum("unlevered_absolute_holdings_cost_exact")

    @property
    def total_unrealized_profit_exact(self) -> Decimal:
        """What closing everything would earn."""
        return self._sum("unrealized_profit_exact")

    total_unrealised_profit_exact = total_unrealized_profit_exact

    @property
    def total_fees_exact(self) -> Decimal:
        """Fees so far."""
        return self._sum("total_fees_exact", self.securities.total)

    @property
    def total_profit_exact(self) -> Decimal:
        """Closed profits and dividends so far."""
        return self._sum("profit_exact", self.securities.total)

    @property
    def total_net_profit_exact(self) -> Decimal:
        """Profit less fees."""
        return self._sum("net_profit_exact", self.securities.total)

    @property
    def total_sale_volume_exact(self) -> Decimal:
        """Value of all fills so far."""
        return self._sum("total_sale_volume_exact", self.securities.total)

    @property
    def invested(self) -> bool:
        """True if anything is held."""
        return any(security.holdings.invested for security in self.securities.values())

    hold_stock = invested

    @property
    def total_margin_used_exact(self) -> Decimal:
        """Margin that the positions hold."""
        used = ZERO
        for security in self.securities.values():
            if security.holdings.quantity_exact and security.holdings.invested:
                used += maintenance_margin(security)
        return used

    @property
    def margin_remaining_exact(self) -> Decimal:
        """Margin left."""
        return self.get_margin_remaining_exact(self.total_portfolio_value_exact)

    def get_margin_remaining_exact(self, total: Decimal, used: Decimal | None = None) -> Decimal:
        """Margin left given the portfolio's value and, where it is known, the margin used."""
        used = self.total_margin_used_exact if used is None else used
        return total - self.unsettled_cash_exact - used

    def get_margin_remaining(
        self, symbol: Any = None, direction: OrderDirection = OrderDirection.BUY
    ) -> float:
        """Margin left, for an order in a symbol; given a number, if the portfolio were worth that.

        An order against a position frees what the position holds, twice. The answer may be
        negative.
        """
        if symbol is None:
            return self.margin_remaining
        if isinstance(symbol, int | float | Decimal):
            return to_double(self.get_margin_remaining_exact(to_decimal(symbol)))
        security = self.securities[symbol]
        result = self.margin_remaining_exact
        holdings = security.holdings
        closing = OrderDirection.SELL if holdings.is_long else OrderDirection.BUY
        if holdings.invested and direction == closing:
            result += maintenance_margin(security)
            result += abs(initial_margin(security, holdings.quantity_exact))
        return to_double(result)

    def get_buying_power(
        self, symbol: Any, direction: OrderDirection = OrderDirection.BUY
    ) -> float:
        """Margin left for an order in a symbol; see `get_margin_remaining`."""
        return self.get_margin_remaining(symbol, direction)

    def has_sufficient_buying_power(self, order: Order) -> HasSufficientBuyingPowerForOrderResult:
        """Check an order with its security's model."""
        security = self.securities[order.symbol]
        return security.buying_power_model.has_sufficient_buying_power_for_order(
            HasSufficientBuyingPowerForOrderParameters(self, security, order)
        )

    def has_sufficient_buying_power_for_order(
        self, orders: list[Order]
    ) -> HasSufficientBuyingPowerForOrderResult:
        """Check orders, those of one combination together; if one is refused, so are all."""
        for order in orders:
            verdict = self.has_sufficient_buying_power(order)
            if not verdict.is_sufficient:
                return verdict
        return HasSufficientBuyingPowerForOrderResult(True)

    def set_margin_call_model(self, margin_call_model: Any) -> None:
        """Replace the margin call model."""
        self.margin_call_model = both_spellings(margin_call_model)

    def add_transaction_record(
        self, time: datetime, transaction_profit_loss: Any, is_win: bool
    ) -> None:
        """Note a closed profit."""
        self.transactions.add_transaction_record(time, to_decimal(transaction_profit_loss), is_win)

    def log_margin_information(self, order_request: Any = None) -> None:
        """LEAN writes margins to its own log, which is not the algorithm's."""

    # Events ---------------------------------------------------------------------------------

    def process_fill(self, fill: OrderEvent) -> None:
        """Book a fill: cash, fee, profit of what it closes, quantity and average price."""
        security = self.securities[fill.symbol]
        holdings = security.holdings
        try:
            self._book(security, fill)
        except NotImplementedError:
            raise
        except Exception:  # a settlement model of the algorithm's own failed; LEAN goes on
            # What was booked before stays, the position is as it was.
            self._total = None
            return
        held, average = holdings.quantity_exact, holdings.average_price_exact
        quantity, price = fill.fill_quantity_exact, fill.fill_price_exact
        total = held + quantity
        if not held or held * total < 0:
            average = price
        elif not total:
            average = ZERO
        elif held * quantity > 0:
            average = divide(average * held + quantity * price, total)
        holdings.set_holdings(average, total)
        self._total = None

    def _book(self, security: Security, fill: OrderEvent) -> None:
        """Book volume, fee, cash and profit of a fill."""
        holdings = security.holdings
        held, average = holdings.quantity_exact, holdings.average_price_exact
        quantity, price = fill.fill_quantity_exact, fill.fill_price_exact
        holdings.total_sale_volume_exact += abs(quantity) * price
        fee = fill.order_fee.value.amount_exact
        if fee:
            holdings.total_fees_exact += fee
            self.add_cash(-fee)
        security.settlement_model.apply_funds(
            ApplyFundsSettlementModelParameters(
                self, security, fill.utc_time, CashAmount(-quantity * price, CURRENCY), fill
            )
        )
        if held * quantity < 0:
            closed = min(abs(quantity), abs(held)) * (-1 if quantity > 0 else 1)
            profit = closed * price - closed * average
            holdings.trade_profit_exact += profit
            holdings.last_trade_profit_exact = profit
            record = profit - 2 * fee
            self.transactions.add_transaction_record(security.utc_time, record, record > 0)

    def apply_dividend(
        self, dividend: Dividend, live_mode: bool, mode: DataNormalizationMode
    ) -> None:
        """Pay a dividend where prices are not adjusted for it; in live trading the broker pays."""
        if live_mode or mode not in (
            DataNormalizationMode.RAW,
            DataNormalizationMode.SPLIT_ADJUSTED,
        ):
            return
        holdings = self.securities[dividend.symbol].holdings
        total = holdings.quantity_exact * dividend.distribution_exact
        self.add_cash(total)
        holdings.total_dividends_exact += total

    def apply_split(
        self, split: Split, security: Security, live_mode: bool, mode: DataNormalizationMode
    ) -> None:
        """Restate a position where prices are not adjusted; fractions are paid out.

        Args:
            split: the event.
            security: the position's.
            live_mode: live prices are never adjusted.
            mode: of the prices.
        """
        if not live_mode and mode != DataNormalizationMode.RAW:
            return
        factor = split.split_factor_exact
        quantity = security.holdings.quantity_exact / factor
        whole = Decimal(int(quantity))
        security.holdings.set_holdings(security.holdings.average_price_exact * factor, whole)
        last = security.get_last_data()
        if last is None:
            self.add_cash((quantity - whole) * split.reference_price_exact * factor)
            return
        security.apply_split(split)
        self.add_cash((quantity - whole) * last.value_exact)

    # Dictionary of holdings -----------------------------------------------------------------

    def __getitem__(self, key: Any) -> SecurityHolding:
        if type(key) is Symbol:
            return self.securities[key].holdings
        symbol = key if isinstance(key, Symbol) else getattr(key, "symbol", key)
        return self.securities[symbol].holdings

    def __contains__(self, key: Any) -> bool:
        return key in self.securities

    def contains_key(self, key: Any) -> bool:
        """True if the security was added."""
        return key in self.securities

    def get(self, key: Any, default: Any = None) -> Any:
        """Holding of a symbol, or the default."""
        return self[key] if key in self else default  # noqa: SIM401 - this is `get`

    def try_get_value(
        self, symbol: Any, holding: Any = None
    ) -> tuple[bool, SecurityHolding | None]:
        """Whether there is a holding, and the holding."""
        return symbol in self, self.get(symbol)

    def keys(self) -> list[Symbol]:
        """Symbols."""
        return self.securities.keys()

    def values(self) -> list[SecurityHolding]:
        """Holdings, empty ones included."""
        return [security.holdings for security in self.securities.values()]

    def items(self) -> list[tuple[Symbol, SecurityHolding]]:
        """Pairs of symbol and holding."""
        return [(symbol, s.holdings) for symbol, s in self.securities.items()]

    @property
    def count(self) -> int:
        """Number of securities."""
        return len(self.securities)

    def __len__(self) -> int:
        return len(self.securities)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return iter([KeyValuePair(k, v) for k, v in self.items()])
