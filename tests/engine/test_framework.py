"""The framework's models on a small account, and insights' times on a small exchange."""

from datetime import datetime, timedelta
from decimal import Decimal as D
from types import SimpleNamespace

import pytest

from engine.common.enums import InsightDirection, InsightType, PortfolioBias, Resolution
from engine.framework import (
    AccumulativeInsightPortfolioConstructionModel,
    CompositeAlphaModel,
    CompositeRiskManagementModel,
    ConfidenceWeightedPortfolioConstructionModel,
    ConstantAlphaModel,
    EqualWeightingPortfolioConstructionModel,
    ExecutionModel,
    FrameworkPipeline,
    ImmediateExecutionModel,
    Insight,
    InsightWeightingPortfolioConstructionModel,
    ManualUniverseSelectionModel,
    MaximumDrawdownPercentPerSecurity,
    MaximumUnrealizedProfitPercentPerSecurity,
    PortfolioConstructionModel,
    PortfolioTarget,
    PortfolioTargetCollection,
    RiskManagementModel,
    ScheduledUniverseSelectionModel,
    TrailingStopRiskManagementModel,
)
from engine.framework.portfolio_construction import rebalancing_function
from engine.market.symbols import Symbol

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MONDAY = datetime(2013, 10, 7, 10)


@pytest.fixture(autouse=True)
def texts_stand_for_symbols(monkeypatch):
    monkeypatch.setattr(Symbol, "of", staticmethod(lambda ticker: ticker))


class Hours:
    """9:30 to 16:00 on weekdays; UTC is local time."""

    def from_utc(self, time):
        return time

    to_utc = from_utc

    def is_date_open(self, time):
        return time.weekday() < 5

    def _session(self, time):
        day = datetime(time.year, time.month, time.day)
        return day + 9.5 * HOUR, day + 16 * HOUR

    def is_open(self, time, extended=False):
        start, end = self._session(time)
        return self.is_date_open(time) and start <= time < end

    def is_open_during(self, first, last, extended=False):
        start, end = self._session(first)
        return self.is_date_open(first) and first < end and last > start

    def get_next_market_open(self, time, extended=False):
        day = time
        while not self.is_date_open(day) or self._session(day)[0] <= time:
            day = datetime(day.year, day.month, day.day) + DAY
        return self._session(day)[0]


class Security:
    """A security at 100 with what the models ask of it."""

    def __init__(self, symbol, quantity=0, price=100, cost=100):
        self.symbol, self.price, self.price_exact = symbol, price, D(price)
        self.has_data = self.is_tradable = True
        self.is_delisted = False
        self.invested = quantity != 0
        self.exchange = SimpleNamespace(hours=Hours())
        self.symbol_properties = SimpleNamespace(lot_size_exact=D(1))
        quantity, cost = D(quantity), D(cost)
        value = quantity * self.price_exact
        gain = (self.price_exact - cost) * quantity
        self.holdings = SimpleNamespace(
            quantity_exact=quantity,
            holdings_value_exact=value,
            holdings_cost_exact=quantity * cost,
            unrealized_profit_percent_exact=gain / abs(quantity * cost) if quantity else D(0),
        )


class Securities(dict):
    def find(self, symbol):
        return self.get(symbol)


class Algorithm:
    """10,000 dollars, shares at their price, no costs."""

    def __init__(self, *securities, time=MONDAY):
        self.utc_time_naive, self.is_warming_up = time, False
        self.securities = Securities({s.symbol: s for s in securities})
        self.settings = SimpleNamespace(
            rebalance_portfolio_on_security_changes=None,
            rebalance_portfolio_on_insight_changes=None,
        )
        self.framework = FrameworkPipeline(self)
        self.insights = self.framework.insights
        self.universes, self.orders, self.errors, self.open_orders = [], [], [], {}
        self.error = self.errors.append
        self.add_universe = self.universes.append
        self.transactions = SimpleNamespace(get_projected_holdings=self._projected)

    def _projected(self, security):
        quantity = security.holdings.quantity_exact + self.open_orders.get(security.symbol, 0)
        return SimpleNamespace(projected_quantity_exact=quantity)

    def qc_target_quantity(self, security, percent):
        target = (D(10_000) * percent / security.price_exact).to_integral_value()
        return target - security.holdings.quantity_exact

    def above_minimum_order_margin(self, security, quantity):
        return True

    def market_order(self, symbol, quantity, asynchronous=False, tag=""):
        self.orders.append((symbol, int(quantity), asynchronous))


def price_insight(symbol, direction=InsightDirection.UP, period=DAY, **more):
    return Insight.price(symbol, period, direction, **more)


def emitted(algorithm, *insights):
    """Insights as the algorithm has received them."""
    algorithm.framework.emit(list(insights))
    return list(insights)


class TestInsight:
    def close(self, generated, *period):
        insight = Insight.price("SPY", *period, InsightDirection.UP)
        insight.generated_time_utc = generated
        insight.set_period_and_close_time(Hours())
        return insight.close_time_utc_naive

    def test_minutes_count_while_the_market_is_open(self):
        assert self.close(MONDAY, 20 * MINUTE) == MONDAY + 20 * MINUTE
        late = datetime(2013, 10, 7, 15, 50)
        assert self.close(late, 20 * MINUTE) == datetime(2013, 10, 8, 9, 40)

    def test_days_count_sessions(self):
        friday = datetime(2013, 10, 11, 16)
        assert self.close(friday, DAY) == datetime(2013, 10, 14, 16)
        assert self.close(friday, Resolution.DAILY, 2) == datetime(2013, 10, 15, 16)

    def test_half_a_day_is_half_a_session(self):
        assert self.close(MONDAY, 1.5 * DAY) == datetime(2013, 10, 8, 13, 15)

    def test_hours_of_bars_are_minutes(self):
        late = datetime(2013, 10, 7, 15, 30)
        assert self.close(late, Resolution.HOUR, 1) == datetime(2013, 10, 8, 10)

    def test_slow_twin_of_minute_steps(self):
        hours, start = Hours(), datetime(2013, 10, 11, 15, 58, 30)
        for count in (1, 2, 3, 10, 391, 800):
            time, left = start, count
            while left:
                left -= hours.is_open_during(time, time + MINUTE)
                time += MINUTE
            assert self.close(start, Resolution.MINUTE, count) == time

    def test_a_closing_time_outside_the_session_moves_to_the_open(self):
        saturday = datetime(2013, 10, 12, 12)
        assert self.close(MONDAY, saturday) == datetime(2013, 10, 14, 9, 30)
        with pytest.raises(ValueError, match="must not be in the past"):
            self.close(MONDAY, MONDAY - 3 * DAY)

    def test_it_is_active_up_to_its_close_time(self):
        insight = Insight(MONDAY, "SPY", DAY, InsightType.PRICE, InsightDirection.UP)
        assert insight.is_active(MONDAY + DAY)
        assert insight.is_expired(MONDAY + DAY + MINUTE)
        insight.expire(MONDAY + HOUR)
        assert insight.is_expired(MONDAY + HOUR)

    def test_too_short_periods_are_refused(self):
        with pytest.raises(ValueError, match="equal to 1 second"):
            Insight.price("SPY", timedelta(0), InsightDirection.UP)
        with pytest.raises(ValueError, match="barCount must be greater"):
            Insight.price("SPY", Resolution.DAILY, 0, InsightDirection.UP)

    def test_groups(self):
        first, second = Insight.group([price_insight("A"), price_insight("B")])
        assert first.group_id == second.group_id
        with pytest.raises(ValueError, match="assigned to a group"):
            Insight.group(first)


class TestConstruction:
    def targets(self, model, algorithm, fresh=True):
        """Holdings wished for; fresh insights make a rebalance due."""
        insights = list(algorithm.insights) if fresh else []
        made = model.create_targets(algorithm, insights)
        return {target.symbol: int(target.quantity) for target in made}

    def account(self, *insights):
        algorithm = Algorithm(Security("A"), Security("B"), Security("C"))
        emitted(algorithm, *insights)
        return algorithm

    def test_equal_weights_are_signed(self):
        down = InsightDirection.DOWN
        algorithm = self.account(price_insight("A"), price_insight("B", down))
        model = EqualWeightingPortfolioConstructionModel()
        assert self.targets(model, algorithm) == {"A": 50, "B": -50}

    def test_the_newest_insight_of_a_symbol_wins(self):
        algorithm = self.account(price_insight("A"))
        algorithm.utc_time_naive += MINUTE
        emitted(algorithm, price_insight("A", InsightDirection.DOWN))
        assert self.targets(EqualWeightingPortfolioConstructionModel(), algorithm) == {"A": -100}

    def test_a_bias_flattens_the_other_side(self):
        algorithm = self.account(price_insight("A"), price_insight("B", InsightDirection.DOWN))
        model = EqualWeightingPortfolioConstructionModel(portfolio_bias=PortfolioBias.LONG)
        assert self.targets(model, algorithm) == {"A": 100, "B": 0}

    def test_expired_insights_flatten_their_symbol(self):
        algorithm = self.account(price_insight("A", period=MINUTE), price_insight("B"))
        algorithm.utc_time_naive += 2 * MINUTE
        model = EqualWeightingPortfolioConstructionModel()
        assert self.targets(model, algorithm) == {"B": 100, "A": 0}
        assert self.targets(model, algorithm, fresh=False) == {}

    def test_weights_are_scaled_only_above_one(self):
        model = InsightWeightingPortfolioConstructionModel()
        algorithm = self.account(price_insight("A", weight=0.25), price_insight("B"))
        assert self.targets(model, algorithm) == {"A": 25}
        algorithm = self.account(price_insight("A", weight=1.5), price_insight("B", weight=0.5))
        model = InsightWeightingPortfolioConstructionModel()
        assert self.targets(model, algorithm) == {"A": 75, "B": 25}

    def test_confidence(self):
        algorithm = self.account(price_insight("A", confidence=0.3))
        model = ConfidenceWeightedPortfolioConstructionModel()
        assert self.targets(model, algorithm) == {"A": 30}

    def test_accumulation(self):
        algorithm = self.account(*(price_insight("A") for _ in range(3)))
        model = AccumulativeInsightPortfolioConstructionModel(percent=0.1)
        assert self.targets(model, algorithm) == {"A": 30}

    def test_rebalancing_waits_for_its_time(self):
        algorithm = self.account(price_insight("A"))
        model = EqualWeightingPortfolioConstructionModel(Resolution.DAILY)
        model.rebalance_on_insight_changes = False
        assert model.create_targets(algorithm, []) == []
        algorithm.utc_time_naive += DAY - MINUTE
        assert model.create_targets(algorithm, []) == []
        algorithm.utc_time_naive += MINUTE
        assert len(model.create_targets(algorithm, [])) == 1

    def test_security_changes_rebalance_and_expire(self):
        algorithm = self.account(price_insight("A"), price_insight("B"))
        model = EqualWeightingPortfolioConstructionModel()
        model.create_targets(algorithm, [])
        removed = SimpleNamespace(
            added_securities=[], removed_securities=[algorithm.securities["B"]]
        )
        algorithm.utc_time_naive += MINUTE
        model.on_securities_changed(algorithm, removed)
        assert self.targets(model, algorithm) == {"A": 100, "B": 0}

    def test_what_rebalances_must_be_known(self):
        assert rebalancing_function(DAY)(MONDAY) == MONDAY + DAY
        with pytest.raises(ValueError, match="rebalance must be"):
            rebalancing_function("weekly")

    def test_a_users_percentages(self):
        class Mine(PortfolioConstructionModel):
            def __init__(self):
                """Does not call the base class, as LEAN allows."""

            def should_create_target_for_insight(self, insight):
                return insight.symbol != "B"

            def determine_target_percent(self, active_insights):
                return {insight: 0.1 * i for i, insight in enumerate(active_insights, start=1)}

        algorithm = self.account(*(price_insight(symbol) for symbol in "ABC"))
        assert self.targets(Mine(), algorithm) == {"A": 10, "C": 20}


class TestTargets:
    def test_the_newest_target_replaces(self):
        targets = PortfolioTargetCollection()
        targets.add_range([PortfolioTarget("A", 5), PortfolioTarget("A", 7)])
        assert [target.quantity for target in targets] == [7]
        assert not targets.remove(PortfolioTarget("A", 7))
        assert targets.remove("A")
        assert targets.is_empty

    def test_reductions_come_first_then_the_largest(self):
        algorithm = Algorithm(Security("A"), Security("B", 100), Security("C"))
        wanted = [PortfolioTarget("A", 10), PortfolioTarget("B", 90), PortfolioTarget("C", 20)]
        targets = PortfolioTargetCollection()
        targets.add_range(wanted)
        ordered = targets.order_by_margin_impact(algorithm)
        assert [target.symbol for target in ordered] == ["B", "C", "A"]

    def test_fulfilled_targets_go(self):
        algorithm = Algorithm(Security("A", 10), Security("B"))
        targets = PortfolioTargetCollection()
        targets.add_range([PortfolioTarget("A", 10), PortfolioTarget("B", 1)])
        targets.clear_fulfilled(algorithm)
        assert targets.keys == ["B"]


class TestRisk:
    def flattened(self, model, *securities):
        algorithm = Algorithm(*securities)
        emitted(algorithm, *(price_insight(s.symbol, period=20 * DAY) for s in securities))
        algorithm.utc_time_naive += MINUTE
        found = [target.symbol for target in model.manage_risk(algorithm, [])]
        now = algorithm.utc_time_naive
        assert all(not algorithm.insights.has_active_insights(symbol, now) for symbol in found)
        return found

    def test_losers_and_winners(self):
        held = [
            Security("A", 10, 100, 101),
            Security("B", 10, 100, 106),
            Security("C", -9, 100, 90),
        ]
        assert self.flattened(MaximumDrawdownPercentPerSecurity(0.05), *held) == ["B", "C"]
        held = [Security("A", 10, 100, 90), Security("B", 10, 100, 99)]
        assert self.flattened(MaximumUnrealizedProfitPercentPerSecurity(0.05), *held) == ["A"]

    def test_trailing_stop_follows_the_best_value(self):
        model = TrailingStopRiskManagementModel(0.05)
        assert self.flattened(model, Security("A", 10, 120, 100)) == []
        assert self.flattened(model, Security("A", 10, 115, 100)) == []
        assert self.flattened(model, Security("A", 10, 113, 100)) == ["A"]

    def test_later_models_win_and_omitted_symbols_keep_their_target(self):
        class Halve(RiskManagementModel):
            def manage_risk(self, algorithm, targets):
                return [PortfolioTarget(t.symbol, t.quantity / 2) for t in targets[:1]]

        model = CompositeRiskManagementModel(Halve(), Halve())
        made = model.manage_risk(Algorithm(), [PortfolioTarget("A", 8), PortfolioTarget("B", 8)])
        assert {target.symbol: target.quantity for target in made} == {"A": 2, "B": 8}


class TestPipeline:
    DATA = SimpleNamespace(has_data=True)

    def test_from_forecast_to_order(self):
        algorithm = Algorithm(Security("A"), Security("B", 20))
        algorithm.open_orders = {"A": 30}
        framework = algorithm.framework
        framework.alpha = ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, DAY)
        framework.portfolio_construction = EqualWeightingPortfolioConstructionModel()
        framework.on_securities_changed(
            SimpleNamespace(
                added_securities=list(algorithm.securities.values()), removed_securities=[]
            )
        )
        framework.on_data(self.DATA)
        assert algorithm.orders == [("B", 30, True), ("A", 20, True)]
        assert algorithm.securities["A"].holdings.target.quantity == 50
        framework.on_data(self.DATA)
        assert framework.insights.total_count == 2  # not again before the period is over
        assert list(framework.insights.get_enumerator()) == list(framework.insights)

    def test_a_users_models_replace_every_stage(self):
        class Alpha:
            def update(self, algorithm, data):
                return [price_insight("A")]

        class Construction(PortfolioConstructionModel):
            def create_targets(self, algorithm, insights):
                return [PortfolioTarget(insight.symbol, 7.0) for insight in insights]

        class Risk(RiskManagementModel):
            def manage_risk(self, algorithm, targets):
                return [PortfolioTarget(target.symbol, 3) for target in targets]

        class Execution(ExecutionModel):
            def execute(self, algorithm, targets):
                for target in targets:
                    algorithm.market_order(target.symbol, target.quantity)

        algorithm = Algorithm(Security("A"))
        framework = algorithm.framework
        framework.alpha, framework.portfolio_construction = Alpha(), Construction()
        framework.risk_management, framework.execution = Risk(), Execution()
        seen = []
        framework.insights_generated += lambda source, event: seen.extend(event.insights)
        framework.on_data(self.DATA)
        assert algorithm.orders == [("A", 3, False)]
        assert [insight.source_model for insight in seen] == ["Alpha"]

    def test_nothing_is_forecast_without_data(self):
        algorithm = Algorithm(Security("A"))
        algorithm.framework.alpha = CompositeAlphaModel(
            ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, DAY)
        )
        algorithm.framework.on_data(SimpleNamespace(has_data=False))
        assert algorithm.insights.total_count == 0

    def test_emitted_insights_are_ignored_during_warm_up(self):
        algorithm = Algorithm(Security("A"))
        algorithm.is_warming_up = True
        emitted(algorithm, price_insight("A"))
        assert algorithm.insights.total_count == 0
        assert "ignored" in algorithm.errors[0]

    def test_several_models_make_a_composite(self):
        framework = Algorithm().framework
        for _ in range(3):
            framework.add_alpha(ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, DAY))
        assert isinstance(framework.alpha, CompositeAlphaModel)


class TestUniverses:
    def test_manual_symbols_become_one_universe(self):
        algorithm = Algorithm()
        algorithm.framework.universe_selection = ManualUniverseSelectionModel([])
        algorithm.framework.start()
        assert algorithm.universes == []

    def test_a_scheduled_model_needs_a_function(self):
        rule = SimpleNamespace(get_dates=None, name="every day")
        with pytest.raises(ValueError, match="selector must be a function"):
            ScheduledUniverseSelectionModel(rule, SimpleNamespace(name="midnight"), ["SPY"])


def test_small_differences_of_lots_are_not_ordered():
    algorithm = Algorithm(Security("A"))
    ImmediateExecutionModel().execute(algorithm, [PortfolioTarget("A", 0.5)])
    assert algorithm.orders == []
