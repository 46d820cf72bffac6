"""What brokers take, refuse and charge."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from engine.brokerage.brokerage_models import AlpacaBrokerageModel, DefaultBrokerageModel
from engine.brokerage.brokers import (
    _MODELS,
    BrokerageModel,
    PublicBrokerageModel,
    brokerage_model,
)
from engine.brokerage.fees import (
    AxosFeeModel,
    ConstantFeeModel,
    ExanteFeeModel,
    OrderFeeParameters,
    RBIFeeModel,
)
from engine.brokerage.settlement import ImmediateSettlementModel
from engine.brokerage.shortable import MarginInterestRateModel
from engine.common.enums import AccountType, BrokerageName, OrderStatus, OrderType
from engine.common.naming import pascal_case
from engine.common.net_exceptions import NotSupportedException
from engine.orders.order_properties import (
    AlpacaOrderProperties,
    CharlesSchwabOrderProperties,
    EzeOrderProperties,
    PublicOrderProperties,
    TimeInForce,
    TradeStationOrderProperties,
)
from engine.run.runner import run_algorithm
from tests.engine.folder import write_folder
from tests.engine.test_fills import QUIET, Once, fills, run

ROWS = [*QUIET, (102, 110, 90, 105, 10**6), (104, 106, 102, 103, 10**6)]


def with_broker(tmp_path, name, act, account=AccountType.MARGIN):
    class Own(Once):
        """Trades through a broker."""

        def initialize(self):
            self.set_brokerage_model(name, account)
            super().initialize()

    return run(tmp_path, ROWS, act, Own)


def refusals(result):
    return [e.message for e in result.order_events if e.status == OrderStatus.INVALID]


@pytest.mark.parametrize(
    ("name", "act", "reason"),
    [
        (
            BrokerageName.TD_AMERITRADE,
            lambda a: a.market_on_close_order(a.symbol, 1),
            "NotSupported - The TDAmeritradeBrokerageModel does not support MarketOnClose order "
            "type. Only supports [Market,Limit,StopMarket,StopLimit]",
        ),
        (
            BrokerageName.TRADIER_BROKERAGE,
            lambda a: a.limit_order(a.symbol, -1, 90.0),
            "ShortOrderIsGtc - You cannot place short stock orders with GTC, only day orders are "
            "allowed",
        ),
        (
            BrokerageName.EXANTE,
            lambda a: a.limit_order(a.symbol, 1, 90.0),
            "NotSupported - Price is not set.",
        ),
        (
            BrokerageName.INTERACTIVE_BROKERS_FIX,
            lambda a: a.limit_if_touched_order(a.symbol, 1, 90.0, 91.0),
            "NotSupported - The InteractiveBrokersFixModel does not support LimitIfTouched order "
            "type. Only supports [Market,MarketOnOpen,MarketOnClose,Limit,StopMarket,StopLimit,"
            "TrailingStop,ComboMarket,ComboLimit]",
        ),
    ],
)
def test_refusals_in_leans_words(tmp_path, name, act, reason):
    expected = f"BrokerageModel declared unable to submit order: [1] Warning - Code: {reason}"
    assert refusals(with_broker(tmp_path, name, act)) == [expected]


def test_alpaca_takes_limit_orders_of_the_day_outside_regular_hours_only(tmp_path):
    def act(algorithm):
        properties = AlpacaOrderProperties()
        properties.outside_regular_trading_hours = True
        algorithm.limit_order(algorithm.symbol, 1, 95.0, order_properties=properties)
        properties.time_in_force = TimeInForce.DAY
        algorithm.limit_order(algorithm.symbol, 1, 95.0, order_properties=properties)

    result = with_broker(tmp_path, BrokerageName.ALPACA, act)
    assert len(refusals(result)) == 1
    assert "GoodTilCanceledTimeInForce TIF outside regular hours" in refusals(result)[0]


def test_wolverine_refuses_changes(tmp_path):
    def act(algorithm):
        ticket = algorithm.limit_order(algorithm.symbol, 1, 50.0)
        algorithm.ticket, algorithm.response = ticket, ticket.update_quantity(2)

    result = with_broker(tmp_path, BrokerageName.WOLVERINE, act)
    assert result.algorithm.ticket.quantity == 1
    update = result.algorithm.ticket.update_requests[0].response
    assert update.error_message == (
        "OrderID: 1 Warning - Code: 0 - Brokerage does not support update. You must cancel and "
        "re-create instead."
    )


def test_a_fee_that_leans_model_hides_is_not_charged(tmp_path):
    def act(algorithm):
        algorithm.limit_order(algorithm.symbol, 100, 95.0)

    rbi = with_broker(tmp_path / "rbi", BrokerageName.RBI, act)
    assert fills(rbi)
    assert rbi.algorithm.portfolio.total_fees == 0
    axos = with_broker(tmp_path / "axos", BrokerageName.AXOS, act)
    assert axos.algorithm.portfolio.total_fees == 0.35


@pytest.mark.parametrize("name", list(_MODELS))
def test_every_model_has_its_own_models(name):
    model = brokerage_model(name)
    for part in ("fee", "fill", "slippage", "settlement", "buying_power", "shortable_provider"):
        method = part if part.endswith("provider") else f"{part}_model"
        assert getattr(model, f"get_{method}")(None) is not None


def test_other_brokers_are_refused_by_name():
    with pytest.raises(NotImplementedError, match="Bitfinex"):
        brokerage_model(BrokerageName.BITFINEX)
    with pytest.raises(NotSupportedException):
        brokerage_model(BrokerageName.EZE, AccountType.CASH)


def test_fees_per_share():
    class Order:
        """A hundred shares."""

        quantity_exact = Decimal(-100)

    fees = [
        model.get_order_fee(OrderFeeParameters(None, Order)).value.amount_exact
        for model in (AxosFeeModel(), AxosFeeModel(0.01), ExanteFeeModel(), RBIFeeModel())
    ]
    assert fees == [Decimal("0.35"), 1, 2, 0]


@pytest.mark.parametrize(
    ("account", "given", "used"),
    [
        (AccountType.MARGIN, None, True),
        (AccountType.MARGIN, False, False),
        (AccountType.CASH, True, False),
    ],
)
def test_at_public_margin_is_used_unless_the_account_or_the_order_has_none(account, given, used):
    properties = PublicOrderProperties()
    properties.use_margin = given
    order = SimpleNamespace(type=OrderType.LIMIT, properties=properties)
    assert PublicBrokerageModel(account).can_submit_order(None, order) == (True, None)
    assert properties.use_margin is used
    properties.outside_regular_trading_hours = True
    order.type = OrderType.MARKET
    can, message = PublicBrokerageModel(account).can_submit_order(None, order)
    assert not can
    assert "must be of type 'Limit'" in str(message)


def test_fields_of_brokers_properties():
    assert not TradeStationOrderProperties().all_or_none
    assert not CharlesSchwabOrderProperties().extended_regular_trading_hours
    eze = EzeOrderProperties("route", notes="note").clone()
    assert (eze.route, eze.account, eze.notes) == ("route", None, "note")


def test_a_model_that_fails_ends_the_run_at_the_next_step(tmp_path):
    class Broken(DefaultBrokerageModel):
        """Fails."""

        def can_submit_order(self, security, order, message):
            raise ValueError("no")

    class Own(Once):
        """Goes on after the order."""

        seen = 0

        def initialize(self):
            self.set_brokerage_model(Broken())
            super().initialize()

        def on_data(self, data):
            self.seen += 1
            ticket = self.market_order(self.symbol, 1)
            self.tickets.append((ticket.status, ticket.submit_request.response.is_success))

    write_folder(tmp_path / "data", {"ABC": ROWS})
    result = run_algorithm(Own, data_folder=tmp_path / "data", store=tmp_path / "store")
    assert str(result.algorithm.run_time_error) == "no"
    assert (result.algorithm.seen, result.algorithm.tickets) == (1, [(OrderStatus.NEW, True)])


def test_models_are_made_and_named_by_lean():
    """LEAN's static class, which is no model itself."""
    model = BrokerageModel.create(None, BrokerageName.QUANT_CONNECT_BROKERAGE, AccountType.CASH)
    assert type(model) is DefaultBrokerageModel
    assert model.account_type == AccountType.CASH
    assert BrokerageModel.GetBrokerageName(AlpacaBrokerageModel()) == BrokerageName.ALPACA
    rates = model.get_margin_interest_rate_model(None)
    assert (rates, type(rates).__name__) == (
        MarginInterestRateModel.NULL,
        "NullMarginInterestRateModel",
    )
    assert ImmediateSettlementModel().get_unsettled_cash().currency is None


def test_a_broker_of_ones_own_may_be_written_in_pascal_case(tmp_path):
    default = DefaultBrokerageModel()

    def same(name):
        return lambda self, *given: getattr(default, name)(*given)

    getters = ("fill", "slippage", "settlement", "buying_power", "margin_interest_rate")
    others = ("can_submit_order", "can_execute_order", "get_leverage", "get_benchmark")
    names = [*(f"get_{name}_model" for name in getters), "get_shortable_provider", *others]
    methods = {pascal_case(name): same(name) for name in names}

    class Costly(type("Own", (), methods)):
        """None of LEAN's classes."""

        required_free_buying_power_percent = 0
        account_type = AccountType.MARGIN

        def GetFeeModel(self, security):
            return ConstantFeeModel(7)

    result = with_broker(tmp_path, Costly(), lambda a: a.market_order(a.symbol, 5))
    done = [event for event in result.order_events if event.status == OrderStatus.FILLED]
    assert [event.order_fee.value.amount for event in done] == [7]
