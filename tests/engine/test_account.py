"""The account: cash book, totals, margin, and models that an algorithm brings."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import pytest

from engine.account.cash import CashBook
from engine.account.initializers import BrokerageModelSecurityInitializer, FuncSecuritySeeder
from engine.brokerage.buying_power import (
    BuyingPowerModel,
    ConstantBuyingPowerModel,
    SecurityMarginModel,
)
from engine.brokerage.buying_power_terms import InitialMargin, MaintenanceMargin
from engine.brokerage.fees import VolumeShareSlippageModel
from engine.brokerage.settlement import ImmediateSettlementModel
from engine.brokerage.shortable import MarginInterestRateParameters, ShortMarginInterestRateModel
from engine.common.decimals import net_arithmetic
from engine.common.enums import DataNormalizationMode, OrderDirection, OrderStatus
from engine.market.data import Dividend, Split, TradeBar
from tests.engine.test_fills import QUIET, Once, run

FLAT = [*QUIET, *[(100, 101, 99, 100, 1_000_000)] * 4]


def test_a_cash_book_tells_of_every_change_and_writes_itself_as_lean_does():
    told = []
    book = CashBook(100, lambda: told.append(1))
    told.clear()
    cash = book["USD"]
    assert cash.add_amount(2.5) == 102.5
    cash.set_amount(102.5)
    assert told == [1]
    assert str(cash) == "USD: $         102.50 @       1.00 = $102.5"
    assert [(pair.key, pair.value) for pair in book] == [("USD", cash)]
    assert book.convert(3, "USD", "USD") == 3
    with pytest.raises(KeyError, match="not found in your cash book"):
        book["EUR"]
    with pytest.raises(NotImplementedError, match="forex"):
        book.add("EUR", 1, 1.1)


def test_the_portfolio_value_follows_its_cash_at_once(tmp_path):
    class Paying(Once):
        """Adds cash within `on_data`."""

    def act(algorithm):
        portfolio = algorithm.portfolio
        before = portfolio.total_portfolio_value
        portfolio.cash_book["USD"].add_amount(-250)
        algorithm.seen = (before, portfolio.total_portfolio_value, portfolio.cash)

    assert run(tmp_path, FLAT, act, Paying).algorithm.seen == (100_000, 99_750, 99_750)


def test_dividends_and_closed_profits_may_be_booked_by_hand(tmp_path):
    def act(algorithm):
        portfolio, symbol = algorithm.portfolio, algorithm.symbol
        found, holding = portfolio.try_get_value(symbol, None)
        assert found
        algorithm.securities[symbol].holdings.set_holdings(100, 8)
        dividend = Dividend(symbol, algorithm.time, 2, 100)
        for live_mode, mode in (
            (True, DataNormalizationMode.RAW),
            (False, DataNormalizationMode.ADJUSTED),
            (False, DataNormalizationMode.RAW),
        ):
            portfolio.apply_dividend(dividend, live_mode, mode)
        for _ in range(2):
            # An aware time, as `utc_time` is.
            algorithm.transactions.add_transaction_record(algorithm.utc_time, 1, True)
        algorithm.seen = (portfolio.cash, holding.total_dividends)

    result = run(tmp_path, FLAT, act)
    assert result.algorithm.seen == (100_016, 16)
    first, second = result.algorithm.transactions.profits
    assert second - first == timedelta(milliseconds=1)


@pytest.mark.parametrize("live_mode", [False, True])
@pytest.mark.parametrize(
    ("factor", "whole", "rest"),
    [
        # LEAN's own test of partial shares.
        ("0.49999", 200, "0.00400008000160003200064001"),
        # Three for two, with the digits of LEAN's files: never quite 150, and LEAN cuts.
        ("0.66666667", 149, "0.99999925000000374999998125"),
        ("0.6666667", 149, "0.99999250000037499998125000"),
        ("0.6666666666666666666666666667", 149, "0.99999999999999999999999999"),
    ],
)
def test_a_split_leaves_whole_shares_and_pays_the_rest(tmp_path, live_mode, factor, whole, rest):
    def act(algorithm):
        portfolio, security = algorithm.portfolio, algorithm.securities[algorithm.symbol]
        security.holdings.set_holdings(100, 100)
        split = Split(algorithm.symbol, algorithm.time, 100, Decimal(factor), 1)
        cash = portfolio.cash_exact
        portfolio.apply_split(split, security, live_mode, DataNormalizationMode.RAW)
        paid = portfolio.cash_exact - cash
        algorithm.seen = security.holdings.quantity_exact, paid

    # The last close is 100 $.
    held, paid = run(tmp_path, FLAT, act).algorithm.seen
    assert held == whole
    assert float(paid) == pytest.approx(100 * float(Decimal(rest) * Decimal(factor)), rel=1e-12)


def test_holdings_cost_and_margin_by_leverage(tmp_path):
    class Later(Once):
        """Looks at the end."""

        def on_end_of_algorithm(self):
            portfolio, security = self.portfolio, self.securities[self.symbol]
            held = security.holdings
            self.seen = (
                held.holdings_cost,
                held.unlevered_holdings_cost,
                portfolio.total_unlevered_absolute_holdings_cost,
                portfolio.total_margin_used,
                held.total_close_profit(False, 103.0),
                held.get_quantity_value(5, 20).in_account_currency,
                security.quote_currency.amount,
                portfolio.get_buying_power(self.symbol, OrderDirection.BUY),
            )

    # 100 short at 100: 10,000 in cash, 5,000 of margin with leverage 2, a fee of 1.
    seen = run(tmp_path, FLAT, lambda a: a.market_order(a.symbol, -100), Later).algorithm.seen
    cash = 109_999.0
    freed = 5_000 + 5_000
    assert seen == (-10_000, -5_000, 5_000, 5_000, -300, 100, cash, 99_999 - 5_000 + freed)


def test_margins_are_divided_as_in_net():
    with net_arithmetic():
        assert BuyingPowerModel(1.5)._initial == Decimal("0.6666666666666666666666666667")
    assert BuyingPowerModel(0.5, 0.25, 0).get_leverage(None) == 2
    with pytest.raises(ValueError, match="between 0 and 1"):
        BuyingPowerModel(1.5, 0.25, 0)


class Margins(SecurityMarginModel):
    """Overrides what LEAN's own check does not hear of."""

    asked: ClassVar[list] = []

    def get_initial_margin_requirement(self, parameters):
        self.asked.append("initial")
        return InitialMargin(1e9)

    def get_maintenance_margin(self, parameters):
        self.asked.append("maintenance")
        return MaintenanceMargin(super().get_maintenance_margin(parameters).value * 3)


def test_an_overridden_margin_is_what_others_see_and_the_default_check_does_not(tmp_path):
    class Own(Once):
        """Has a margin model of its own."""

        def initialize(self):
            super().initialize()
            Margins.asked = []
            self.securities[self.symbol].set_buying_power_model(Margins(2))

        def on_end_of_algorithm(self):
            self.seen = self.portfolio.total_margin_used

    result = run(tmp_path, FLAT, lambda a: a.market_order(a.symbol, 10), Own)
    assert result.order_events[-1].status == OrderStatus.FILLED
    assert result.algorithm.seen == 1_500
    assert "maintenance" in Margins.asked
    assert "initial" not in Margins.asked


def test_a_model_may_refuse_every_order(tmp_path):
    class Refusing(SecurityMarginModel):
        """Takes nothing."""

        def has_sufficient_buying_power_for_order(self, parameters):
            return parameters.insufficient("on principle")

    class Own(Once):
        """Has it."""

        def initialize(self):
            super().initialize()
            self.securities[self.symbol].set_buying_power_model(Refusing())

    result = run(tmp_path, FLAT, lambda a: a.market_order(a.symbol, 10), Own)
    assert [event.status for event in result.order_events] == [OrderStatus.INVALID]
    assert result.order_events[0].message == (
        "Order Error: ids: [1], Insufficient buying power to complete orders (Value:[1000]), "
        "Reason: on principle."
    )


def test_a_settlement_model_gets_the_money_of_the_fill(tmp_path):
    class Own(ImmediateSettlementModel):
        """Keeps a tenth."""

        def apply_funds(self, parameters):
            amount = parameters.cash_amount
            parameters.portfolio.cash_book[amount.currency].add_amount(amount.amount * 0.9)

    class Selling(Once):
        """Sells short."""

        def initialize(self):
            super().initialize()
            self.securities[self.symbol].set_settlement_model(Own())

    result = run(tmp_path, FLAT, lambda a: a.market_order(a.symbol, -10), Selling)
    assert result.algorithm.portfolio.cash == 100_000 + 900 - 1


def test_a_settlement_model_that_fails_leaves_the_position_as_it_was(tmp_path):
    class Own(ImmediateSettlementModel):
        """Fails."""

        def apply_funds(self, parameters):
            raise ValueError("no")

    class Selling(Once):
        """Sells short."""

        def initialize(self):
            super().initialize()
            self.securities[self.symbol].set_settlement_model(Own())

    result = run(tmp_path, FLAT, lambda a: a.market_order(a.symbol, -10), Selling)
    assert [event.status.name for event in result.order_events] == ["SUBMITTED", "FILLED"]
    portfolio = result.algorithm.portfolio
    # Only the fee was booked.
    assert (portfolio.cash, portfolio[result.algorithm.symbol].quantity) == (99_999, 0)


def test_a_constant_margin_per_share():
    model = ConstantBuyingPowerModel(7)
    with net_arithmetic():
        assert model._net_initial_margin(None, Decimal(-3)) == -21


def test_an_initializer_of_a_broker_gives_models_leverage_and_a_price(tmp_path):
    class Own(Once):
        """Seeds its security."""

        def initialize(self):
            self.set_security_initializer(
                BrokerageModelSecurityInitializer(
                    self.brokerage_model, FuncSecuritySeeder(self.get_last_known_price)
                )
            )
            self.add_security_initializer(lambda security: security.set_leverage(3))
            super().initialize()
            security = self.securities[self.symbol]
            self.seen = (security.price, security.leverage)

    assert run(tmp_path, FLAT, lambda a: None, Own).algorithm.seen == (100, 3)


def test_a_short_position_pays_the_fee_of_its_shares_daily():
    class Provider:
        """Five percent a year."""

        def fee_rate(self, symbol, local_time):
            return 0.05

    class Security:
        """A thousand dollars short."""

        symbol = None
        shortable_provider = Provider()
        local_time = datetime(2010, 1, 5, 9)
        quote_currency = CashBook(0)["USD"]

        class holdings:
            """As the model sees it."""

            invested = is_short = True
            holdings_value_exact = Decimal(-1000)

    model = ShortMarginInterestRateModel()
    with net_arithmetic():
        for day, hour in ((4, 10), (4, 11), (5, 10), (8, 10)):
            model.apply_margin_interest_rate(
                MarginInterestRateParameters(Security, datetime(2010, 1, day, hour))
            )
    assert model.amount == pytest.approx(-1000 * 0.05 / 360 * 4, abs=1e-15)
    assert Security.quote_currency.amount == model.amount


def test_without_volume_slippage_is_at_its_cap():
    class Asset:
        """Has a bar that nobody traded."""

        @staticmethod
        def get_last_data():
            return TradeBar(datetime(2010, 1, 4), None, 100, 100, 100, 100, 0, timedelta(1))

    model = VolumeShareSlippageModel(0.1, 0.5)
    assert model.approximation_exact(Asset, None) == Decimal("0.5")
