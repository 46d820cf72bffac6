"""What LEAN's objects say of themselves and what its calls raise, as a Python algorithm sees it."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.api.extensions import OrderExtensions
from engine.brokerage.fees import ConstantSlippageModel
from engine.common.enums import InsightDirection, OrderDirection, OrderStatus, OrderType, Resolution
from engine.common.net_exceptions import ArgumentException, InvalidOperationException
from engine.framework.insight import Insight, InsightScore
from engine.framework.insights import InsightCollection
from engine.orders.orders import MarketOrder
from engine.run.runner import run_algorithm
from tests.engine.folder import flat, write_folder


class Talking(QCAlgorithm):
    """Collects what its objects say."""

    def initialize(self):
        self.said = {}
        self.set_start_date(2010, 1, 4)
        self.set_end_date(2010, 1, 6)
        self.asset = self.add_equity("ABC", Resolution.DAILY).symbol
        self.set_benchmark(lambda time: 7)
        self.attempt("zone", lambda: self.set_time_zone("Nowhere/Land"))
        self.attempt("day", lambda: self.set_start_date(2010, 13, 1))
        self.attempt("ticker", lambda: self.symbol("XYZ"))
        self.set_name("n" * 300)
        self.add_tag(" ")
        self.add_tag("one")

    def attempt(self, name, call):
        try:
            self.said[name] = call()
        except Exception as error:
            self.said[name] = f"{type(error).__name__}: {error}"

    def on_data(self, data):
        if "order" in self.said:
            return
        for call in ("set_cash", "set_start_date", "set_end_date", "set_benchmark", "set_warm_up"):
            self.attempt(call, lambda call=call: getattr(self, call)(5))
        self.attempt("set_name", lambda: self.set_name("late"))
        ticket = self.limit_order(self.asset, 10, 9.5, tag="why")
        self.said["order"] = str(ticket.submit_request)
        self.said["portfolio"] = str(self.portfolio)
        self.said["notify"] = self.notify.email("a@b.c", "subject", "text")
        self.said["broker"] = self.brokerage_name
        for name in ("universe", "benchmark", "settings", "time_rules"):
            self.attempt(name, lambda name=name: setattr(self, name, []))
        asset = self.securities[self.asset]
        order = MarketOrder(self.asset, 10, self.utc_time)
        self.said["doubles"] = [
            asset.slippage_model.get_slippage_approximation(asset, order),
            ConstantSlippageModel(0.01).get_slippage_approximation(asset, order),
            self.benchmark.evaluate(self.time),
        ]
        self.transactions.add_transaction_record(datetime(2010, 1, 4), 5, True)
        self.said["records"] = [
            (pair.key, pair.value) for pair in self.transactions.transaction_record
        ]


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    root = tmp_path_factory.mktemp("talking")
    write_folder(root / "data", {"ABC": flat(10, 3)})
    return run_algorithm(Talking, data_folder=root / "data", store=root / "store").algorithm


def test_what_objects_say(talking):
    assert talking.said["order"] == (
        "01/04/2010 21:00:00 UTC: Submit Order: (1) - OrderId: 1 (BrokerId: ) New Limit order for "
        "10 units of ABC: why at limit 9.5 why Status: Processed Async: False"
    )
    assert talking.said["portfolio"] == "QuantConnect.Securities.SecurityPortfolioManager"
    assert talking.said["notify"] is False
    assert str(talking.said["broker"]) == "DEFAULT"
    assert talking.name == "n" * 200
    assert talking.tags == {"one"}


def test_numbers_are_doubles(talking):
    assert talking.said["doubles"] == [0, 0.1, 7]
    assert {type(number) for number in talking.said["doubles"]} == {float}
    assert talking.said["records"] == [(datetime(2010, 1, 4, tzinfo=UTC), 5.0)]


def test_leans_own_properties_take_their_type_only_or_nothing(talking):
    refused = "TypeError: 'list' value cannot be converted to QuantConnect."
    assert talking.said["universe"] == f"{refused}Algorithm.UniverseDefinitions"
    assert talking.said["benchmark"] == f"{refused}Benchmarks.IBenchmark"
    assert talking.said["settings"] == f"{refused}Interfaces.IAlgorithmSettings"
    assert talking.said["time_rules"] == "TypeError: property is read-only"


def test_what_calls_raise(talking):
    after = "after algorithm initialized"
    error = "InvalidOperationException: self."
    assert talking.said["set_cash"] == f"{error}set_cash(): Cannot change cash available {after}."
    assert talking.said["set_start_date"].endswith(f"Cannot change start date {after}.")
    assert talking.said["set_benchmark"].endswith(f"(): Cannot change Benchmark {after}.")
    assert talking.said["set_warm_up"].startswith(f"{error}set_warmup(): This method cannot be")
    assert talking.said["set_name"].endswith("Cannot set algorithm name after it is initialized.")
    assert talking.said["zone"].startswith("ArgumentException: TimeZone with id 'Nowhere/Land' was")
    assert talking.said["day"].startswith("ArgumentException: Date Invalid: Year, Month, and Day")
    assert talking.said["ticker"] == (
        "InvalidOperationException: We were unable to locate the ticker 'XYZ'."
    )


def test_members_of_enumerations_are_net_objects():
    assert bool(InsightDirection.FLAT)
    assert InsightDirection.DOWN * 2 == -2
    assert isinstance(2 * InsightDirection.DOWN, float)
    assert isinstance(OrderDirection.SELL + 1, float)
    assert OrderStatus.PARTIALLY_FILLED.to_string() == "PartiallyFilled"
    assert int(OrderStatus.NEW) == 0


def test_order_extensions():
    assert OrderExtensions.is_open(OrderStatus.CANCEL_PENDING)
    assert OrderExtensions.is_closed(OrderStatus.INVALID)
    assert OrderExtensions.is_fill(OrderStatus.PARTIALLY_FILLED)
    assert OrderExtensions.is_limit_order(OrderType.LIMIT_IF_TOUCHED)
    assert not OrderExtensions.is_stop_order(OrderType.LIMIT)


def test_insights():
    insight = Insight.price("ABC", timedelta(days=1), InsightDirection.UP)
    assert insight.source_model is None
    assert str(InsightScore(0.5, 0.123456)) == "Direction: 50 Magnitude: 12.35"
    with pytest.raises(InvalidOperationException, match="'GeneratedTimeUtc' property must be set"):
        insight.set_period_and_close_time(None)
    with pytest.raises(KeyError, match="The given key 'ABC 0' was not present"):
        InsightCollection()[insight.symbol]


class Failing(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2010, 1, 4)
        self.set_end_date(2010, 1, 5)
        self.log("begun")
        raise ArgumentException("oops")


def test_a_run_that_fails_in_initialize_leaves_leans_files(tmp_path):
    write_folder(tmp_path / "data", {"ABC": flat(10, 3)})
    results = tmp_path / "results"
    with pytest.raises(ArgumentException, match="oops"):
        run_algorithm(
            Failing, data_folder=tmp_path / "data", store=tmp_path / "store", results=results
        )
    summary = next(results.glob("*-summary.json")).read_text()
    assert '"statistics": {}' in summary
    assert '"Status": "RuntimeError"' in summary
    assert '"Equity": "$100,000.00"' in summary
    assert next(results.glob("*-log.txt")).read_text() == ""


class Scheduled(QCAlgorithm):
    """Has no security: LEAN's benchmark drives the clock."""

    def initialize(self):
        self.fired = []
        self.set_start_date(2010, 1, 4)
        self.set_end_date(2010, 1, 5)
        self.set_benchmark(lambda time: 1)
        rules = self.date_rules.every_day(), self.time_rules.midnight
        self.schedule.on(*rules, lambda: self.fired.append(self.time))


def test_a_run_without_securities_has_one_time_step(tmp_path):
    write_folder(tmp_path / "data", {"ABC": flat(10, 3)})
    result = run_algorithm(Scheduled, data_folder=tmp_path / "data", store=tmp_path / "store")
    assert result.algorithm.fired == [datetime(2010, 1, 4)]
    assert result.statistics["End Equity"] == "100000"
