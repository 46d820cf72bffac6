"""Decisions: what the agent's best action, the caps and the forecast make of a close."""

from datetime import datetime

import numpy as np
import pytest

from algorithm.bars import BarBook
from algorithm.decision import FAN, AgentDecider, action_name
from models.agent.account import account_features
from models.agent.observation import Observer
from models.agent.outlook import correlation_of
from models.agent.q_agent import QAgent, QAgentConfig
from models.forecast.config import ForecasterConfig
from models.forecast.recalibration import Memory
from models.limits import Caps
from models.market.features import FeatureTable
from models.market.history import History
from models.market.market_view import MarketView
from models.seeding import streams
from sim.accounting import Rules
from sim.path_sampler import ForecasterSampler
from sim.starts import newest_moments
from tests.models.synthetic import random_forecaster
from tests.sim.forecasting import TABLES, small_forecaster

NAMES = ("AAA", "BBB")
RULES = Rules.of(Caps(0.3, {"BBB": 0.05}), NAMES, equity=100_000.0)
ACTIONS = (-1.0, -0.5, 0.0, 1.0)
FLAT = {"AAA": 0.0, "BBB": 0.0}


def linear_agent(seed=0, hurdle=0.0):
    """A network with random weights: its actions depend on everything it sees."""
    width = len(Observer.names)
    config = QAgentConfig(width, actions=ACTIONS, units=(8,))
    rng = np.random.default_rng(seed)
    shapes = [(width + 1, 8), (8,), (8, len(ACTIONS)), (len(ACTIONS),)]
    weights = tuple(rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes)
    zeros, ones = np.zeros(width, np.float32), np.ones(width, np.float32)
    return QAgent(config, weights, weights, zeros, ones, 1.0, hurdle)


class Scripted:
    """An agent that asks for given exposures and remembers what it was shown."""

    stays_flat = False

    def __init__(self, *exposures):
        self.exposures = np.array([exposures])
        self.shown = []

    def act(self, outlook, standing):
        self.shown.append((outlook, standing))
        return self.exposures

    def to_arrays(self):
        return {}


@pytest.fixture(scope="module")
def observer():
    return Observer(random_forecaster(TABLES, ForecasterConfig(units=8, window=20, masks=4), 1))


@pytest.fixture(scope="module")
def trained():
    return Observer(small_forecaster())


def start(tables, bars_left):
    """Tables that end some bars earlier, and a book of all bars."""
    book = BarBook(NAMES, keep=10_000)
    early = []
    for table in tables:
        history = table.history
        for time, row in zip(history.time, history.bars, strict=True):
            book.add(table.symbol, time.astype("datetime64[us]").item(), tuple(row.tolist()))
        early.append(
            FeatureTable.of(
                History(table.symbol, history.time[:-bars_left], history.bars[:-bars_left])
            )
        )
    return early, book


def decider(observer, agent, bars_left=12, **options):
    early, book = start(TABLES, bars_left)
    settings = {"seed": 1, "draws": 32} | options
    made = AgentDecider(observer, agent, early, RULES, **settings)
    made.catch_up(book)
    return made


NOW = datetime(2030, 1, 1, 16)


def markets(observer, names=NAMES, bars_left=12):
    """The markets as a decider should see them, pushed on bar by bar."""
    early, book = start(TABLES, bars_left)
    window = observer.forecaster.config.window
    found = {}
    for table in early:
        memory = observer.forecaster.hindcast(table).memory_at(np.array([len(table) - 1]))
        view = MarketView.at([table], window=window)
        market = found[table.symbol] = observer.follow(view, memory)
        for _, row in book.later_than(table.symbol, table.history.data_end):
            market.push(np.array([row]))
    return [found[name] for name in names]


def test_a_decision_follows_from_the_bars_the_models_the_position_and_the_date(observer):
    """To the last bit; all symbols are decided together, whatever order they are asked about in."""
    agent, names = Scripted(1.0, -0.5), ("BBB", "AAA")
    found = decider(observer, agent, seed=7).decide(NOW, names, {"AAA": 0.1, "BBB": -0.01})
    ((outlook, standing),) = agent.shown
    together = markets(observer)
    np.testing.assert_array_equal(
        outlook.observation[0], np.concatenate([market.current() for market in together])
    )
    np.testing.assert_array_equal(
        outlook.forecast[0], np.concatenate([market.forecast for market in together])
    )
    np.testing.assert_array_equal(standing.exposure, [[0.1 / 0.3, -0.01 / 0.05]])
    np.testing.assert_array_equal(standing.caps, [[0.3, 0.05]])
    assert standing.gross == RULES.gross
    seen = markets(observer, names)
    rng = streams(7, "forecast", NOW.isoformat())["draws"]
    view = MarketView.concatenate([market.view for market in seen])
    memory = Memory.concatenate([market.memory for market in seen])
    assert (memory.count > 1).all()
    forecast = observer.forecaster.predict(view, 32, rng, memory)
    up = forecast.probability_up
    assert found.time == NOW
    assert found.weights == {"BBB": -0.025, "AAA": 0.3}
    assert found.confidences == {"BBB": 1 - up[0], "AAA": up[1]}
    assert found.action_values == {}
    for i, name in enumerate(names):
        assert found.magnitudes[name] == forecast.mean[i]
        np.testing.assert_array_equal(found.forecasts[name].parts, forecast.parts[i : i + 1])
        np.testing.assert_array_equal(found.fans[name], forecast.close_quantiles(FAN)[i])


def test_the_dependence_is_that_of_all_closes_up_to_now(observer):
    """As the whole histories have it, however many bars came after the training, and in whatever
    order the symbols' bars of a close came."""
    end = TABLES[0].history.data_end
    tables = [FeatureTable.of(table.history.until(end)) for table in TABLES]
    whole = correlation_of(newest_moments(tables))
    assert np.abs(whole[0, 0, 1]) > 0.01
    for bars_left in (1, 12):
        early, book = start(tables, bars_left)
        at_once, slowly = (
            AgentDecider(observer, Scripted(), early, RULES, seed=1, draws=16) for _ in range(2)
        )
        at_once.catch_up(book)
        growing = BarBook(NAMES, keep=10_000)
        for table in tables:
            for time, row in book.later_than(table.symbol, np.datetime64("1900-01-01")):
                growing.add(table.symbol, time, row)
                slowly.catch_up(growing)
                slowly.outlook()
        for made in (at_once, slowly):
            np.testing.assert_allclose(made.outlook().correlation, whole, atol=1e-12)


def test_what_was_seen_before_is_remembered_as_in_imagined_markets(observer):
    """At first real bars, as a market that starts now has them; then what came since."""
    early, book = start(TABLES, 3)
    options = {"seed": 1, "draws": 32, "remembers": 6}
    made = AgentDecider(observer, Scripted(1.0, 0.0), early, RULES, **options)
    source = ForecasterSampler(observer, early, blend=0.0, starts="latest", remembers=6)
    paths = source.sample(2, 1, np.random.default_rng(0))
    recent = made.outlook().recent(7)
    assert recent.shape == (1, 2, 7, observer.size)
    np.testing.assert_array_equal(recent, paths.outlook(0).recent(7)[:1])
    made.catch_up(book)
    later = made.outlook().recent(7)
    np.testing.assert_array_equal(later[:, :, :4], recent[:, :, 3:])
    np.testing.assert_array_equal(later[:, :, -1], made.outlook().observation)
    np.testing.assert_array_equal(later, made.outlook().recent(7))
    np.testing.assert_array_equal(made.outlook().recent(9)[:, :, :3], later[:, :, [0, 0, 0]])


class Shadows:
    """Remembers what it was shown since a time."""

    def __init__(self, since=datetime.min):
        self.reached, self.shown = since, []

    def close(self, *told):
        self.reached = told[0]
        self.shown.append(told)


def test_shadow_accounts_are_shown_every_close_once(observer):
    """Each with what was known there, whether it was decided on or not."""
    early, book = start(TABLES, 12)
    agent, options = Scripted(0.0, 0.0), {"seed": 1, "draws": 16}
    at_once, slowly = Shadows(), Shadows()
    made = AgentDecider(observer, agent, early, RULES, shadows=at_once, **options)
    made.catch_up(book)
    made.catch_up(book)
    ends = {table.symbol: table.history.time[-12:].tolist() for table in TABLES}
    assert len(at_once.shown) == len(set(ends["AAA"]) | set(ends["BBB"]))
    time, outlook, opens, closes = at_once.shown[-1]
    assert time == book.newest("BBB")[0] != book.newest("AAA")[0]
    last = [table.history.bars[-1] for table in TABLES]
    assert opens.tolist() == [last[0][3], last[1][0]]
    assert closes.tolist() == [last[0][3], last[1][3]]
    made.decide(time, NAMES, FLAT)
    assert outlook is agent.shown[0][0]
    made = AgentDecider(observer, agent, early, RULES, shadows=slowly, **options)
    growing = BarBook(NAMES, keep=10_000)
    bars = [(end, table.symbol, row) for table in early for end, row in book.later_than(
        table.symbol, np.datetime64("1900-01-01"))]  # fmt: skip
    for end, name, row in sorted(bars):
        growing.add(name, end, row)
        if end > early[0].history.data_end.astype("datetime64[us]").item():
            made.catch_up(growing)
            made.decide(end, [name], FLAT)
    assert [told[0] for told in slowly.shown] == [told[0] for told in at_once.shown]
    for one, other in zip(slowly.shown, at_once.shown, strict=True):
        np.testing.assert_array_equal(one[1].forecast, other[1].forecast)
        np.testing.assert_array_equal(one[1].correlation, other[1].correlation)
        np.testing.assert_array_equal(one[3], other[3])


def test_what_shadow_accounts_have_seen_they_are_not_shown_again(observer):
    early, book = start(TABLES, 12)
    end = book.newest("AAA")[0]
    shadows = Shadows(since=end)
    options = {"seed": 1, "draws": 16, "shadows": shadows}
    AgentDecider(observer, Scripted(0.0, 0.0), early, RULES, **options).catch_up(book)
    assert shadows.shown
    assert min(told[0] for told in shadows.shown) > end


def test_a_position_that_is_kept_has_no_target_and_its_own_side(observer):
    agent = Scripted(np.nan, np.nan)
    found = decider(observer, agent).decide(NOW, NAMES, {"AAA": -0.1, "BBB": 0.0})
    assert all(np.isnan(weight) for weight in found.weights.values())
    up = found.forecasts["AAA"].probability_up[0]
    assert found.confidences == {"AAA": 1 - up, "BBB": 0.5}


def test_a_market_is_kept_as_wide_as_the_forecasters_window(observer):
    kept = decider(observer, Scripted())._markets["BBB"].view.windows
    np.testing.assert_array_equal(kept, markets(observer)[1].view.windows)
    assert kept.shape[1] == observer.forecaster.config.window


def test_there_must_be_a_cap_for_every_symbol(observer):
    early, _ = start(TABLES, 12)
    rules = Rules([0.5, 0.25, 0.1], 1e4)
    with pytest.raises(ValueError, match="a cap for each of 2 symbols; received 3"):
        AgentDecider(observer, Scripted(), early, rules, seed=7, draws=16)


def test_weights_are_the_greedy_actions_times_each_symbols_own_cap(observer):
    agent = linear_agent()
    decision = decider(observer, agent).decide(NOW, NAMES, FLAT)
    seen = np.concatenate([market.current() for market in markets(observer)])
    values = agent.q_values(seen, account_features([0.0, 0.0], RULES.caps))
    best = np.array(ACTIONS)[values.argmax(axis=1)]
    assert [decision.weights[name] for name in NAMES] == (best * [0.3, 0.05]).tolist()
    for name, row in zip(NAMES, values, strict=True):
        assert list(decision.action_values[name]) == ["short", "short 0.5", "flat", "long"]
        assert list(decision.action_values[name].values()) == row.tolist()


def test_what_is_held_counts_in_exposures_of_each_cap(observer):
    """The same exposure, not the same weight, is the same account to the agent."""
    agent = linear_agent(seed=3)
    values = [
        decider(observer, agent).decide(NOW, NAMES, {"AAA": 0.3 * e, "BBB": 0.05 * e}).action_values
        for e in (0.0, 0.5, 0.5)
    ]
    assert values[1] == values[2] != values[0]
    swapped = decider(observer, agent).decide(NOW, NAMES, {"AAA": 0.05 * 0.5, "BBB": 0.3 * 0.5})
    assert swapped.action_values != values[1]


def test_only_symbols_with_a_bar_are_decided_on(observer):
    both = decider(observer, linear_agent()).decide(NOW, NAMES, FLAT)
    one = decider(observer, linear_agent()).decide(NOW, ("BBB",), FLAT)
    assert set(one.weights) == set(one.forecasts) == set(one.fans) == {"BBB"}
    assert one.weights["BBB"] == both.weights["BBB"]


def test_a_decider_that_was_started_later_sees_nearly_the_same(trained):
    """The recurrent state of 12 more bars is all that differs, and it fades."""
    long, short = (decider(trained, linear_agent(), bars_left=n) for n in (12, 1))
    ours, theirs = (d.decide(NOW, NAMES, FLAT).action_values for d in (long, short))
    for name in NAMES:
        np.testing.assert_allclose(
            list(ours[name].values()), list(theirs[name].values()), atol=2e-2
        )


def test_catching_up_in_pieces_or_twice_is_the_same_as_at_once(observer):
    early, book = start(TABLES, 6)
    agent = linear_agent()
    whole = AgentDecider(observer, agent, early, RULES, seed=1, draws=32)
    whole.catch_up(book)
    pieces = AgentDecider(observer, agent, early, RULES, seed=1, draws=32)
    growing = BarBook(NAMES, keep=10_000)
    for table in TABLES:
        for time, row in book.later_than(table.symbol, np.datetime64("1900-01-01")):
            growing.add(table.symbol, time, row)
            pieces.catch_up(growing)
            pieces.catch_up(growing)
    ours, theirs = (d.decide(NOW, NAMES, FLAT) for d in (whole, pieces))
    assert ours.action_values == theirs.action_values
    assert ours.fans == theirs.fans


def test_a_decision_is_repeatable_and_its_draws_change_with_the_day_only(observer):
    made = decider(observer, linear_agent())
    first, again = made.decide(NOW, NAMES, FLAT), made.decide(NOW, NAMES, FLAT)
    other = made.decide(datetime(2030, 1, 2, 16), NAMES, FLAT)
    assert first.fans == again.fans != other.fans
    assert first.weights == other.weights


def test_the_forecast_is_told_as_mean_confidence_and_fan(observer):
    made = decider(observer, linear_agent(), draws=256)
    decision = made.decide(NOW, NAMES, FLAT)
    for name, table in zip(NAMES, TABLES, strict=True):
        forecast = decision.forecasts[name]
        assert forecast.last_close.tolist() == [table.history.close[-1]]
        assert decision.magnitudes[name] == forecast.mean[0]
        assert list(decision.fans[name]) == sorted(decision.fans[name])
        np.testing.assert_allclose(
            forecast.cdf(np.log(np.array([decision.fans[name]]) / forecast.last_close))[0],
            FAN,
            atol=1e-6,
        )
        up, weight = forecast.probability_up[0], decision.weights[name]
        wanted = up if weight > 0 else 1 - up if weight < 0 else 0.5
        assert decision.confidences[name] == wanted


def test_an_agent_that_has_learned_nothing_stays_flat_at_even_odds(observer):
    agent = linear_agent(hurdle=np.inf)
    decision = decider(observer, agent).decide(NOW, NAMES, {"AAA": 0.3, "BBB": 0.0})
    assert decision.weights == FLAT
    assert decision.confidences == {"AAA": 0.5, "BBB": 0.5}


@pytest.mark.parametrize(
    ("exposure", "name"),
    [(0.0, "flat"), (1.0, "long"), (-1.0, "short"), (0.5, "long 0.5"), (-0.25, "short 0.25")],
)
def test_actions_have_names(exposure, name):
    assert action_name(exposure) == name
