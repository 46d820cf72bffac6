"""Decisions: what the agent is shown, and what becomes of what it picks."""

from datetime import datetime

import numpy as np
import pytest

from algorithm.bars import BarBook
from algorithm.decision import FAN, AgentDecider, action_name
from models.agent.account import account_features
from models.agent.observation import Observer
from models.forecast.config import ForecasterConfig
from models.market.features import FeatureTable
from models.market.market_view import MarketView
from models.seeding import streams
from sim.accounting import Rules
from tests.models.synthetic import garch_table, random_forecaster

SMALL = ForecasterConfig(units=4, window=20, masks=4)
NAMES = ("AAA", "BBB", "CCC")
TABLES = [garch_table(name, 320, seed) for seed, name in enumerate(NAMES)]
PAST = [FeatureTable.of(table.history.until(table.history.time[299])) for table in TABLES]
OBSERVER = Observer(random_forecaster(PAST[:2], SMALL, seed=1))
RULES = Rules([0.5, 0.25, 0.1], 1e4)
NOW = datetime(2009, 1, 2, 16)


class Scripted:
    """An agent that picks given actions and remembers what it was shown."""

    actions = np.array([-1.0, -0.5, 0.0, 1.0])

    def __init__(self, *picks):
        self.picks = np.array(picks)
        self.shown = []

    def act(self, observations, account):
        self.shown.append((observations, account))
        return self.picks

    def q_values(self, observations, account):
        self.shown.append((observations, account))
        return np.arange(4.0) + 10.0 * np.arange(len(account))[:, None]


def bar(table, row):
    return table.history.time[row].astype("datetime64[us]").item(), tuple(table.history.bars[row])


def decider(agent, draws=16):
    return AgentDecider(OBSERVER, agent, PAST, RULES, seed=7, draws=draws)


def market(i, rows):
    """The market of a symbol as the decider should see it after these further bars."""
    followed = OBSERVER.follow(MarketView.at([PAST[i]], window=SMALL.window))
    for row in rows:
        followed.push(TABLES[i].history.bars[[row]])
    return followed


def test_a_decision_follows_from_the_bars_the_models_the_position_and_the_date():
    agent = Scripted(1, 3)
    taken = decider(agent)
    book = BarBook(NAMES, keep=50)
    # The book holds bars that were trained on too, and is read more than once.
    for row in range(280, 310):
        for table in TABLES:
            book.add(table.symbol, *bar(table, row))
        if row in (299, 300, 305):
            taken.catch_up(book)
    taken.catch_up(book)
    found = taken.decide(NOW, ["CCC", "AAA"], {"AAA": 0.3, "BBB": 0.1, "CCC": -0.05})

    markets = [market(2, range(300, 310)), market(0, range(300, 310))]
    seen = np.concatenate([one.current() for one in markets])
    for observation, account in agent.shown:
        np.testing.assert_array_equal(observation, seen)
        np.testing.assert_array_equal(account, account_features([-0.05, 0.3], [0.1, 0.5]))
    assert len(agent.shown) == 2
    rng = streams(7, "forecast", NOW.isoformat())["draws"]
    view = MarketView.concatenate([one.view for one in markets])
    forecast = OBSERVER.forecaster.predict(view, 16, rng)
    assert found.time == NOW
    assert found.weights == {"CCC": -0.05, "AAA": 0.5}
    assert found.magnitudes == dict(zip(("CCC", "AAA"), forecast.mean, strict=True))
    up = forecast.probability_up
    assert found.confidences == {"CCC": 1 - up[0], "AAA": up[1]}
    assert found.action_values == {
        "CCC": {"short": 0.0, "short 0.5": 1.0, "flat": 2.0, "long": 3.0},
        "AAA": {"short": 10.0, "short 0.5": 11.0, "flat": 12.0, "long": 13.0},
    }
    for i, name in enumerate(("CCC", "AAA")):
        np.testing.assert_array_equal(found.forecasts[name].parts, forecast.parts[i : i + 1])
        np.testing.assert_array_equal(found.fans[name], forecast.close_quantiles(FAN)[i])
        assert len(found.fans[name]) == len(FAN) == 5


def test_a_decision_to_be_flat_is_no_view_on_the_forecast():
    found = decider(Scripted(2)).decide(NOW, ["BBB"], {"BBB": 0.1})
    assert found.weights == {"BBB": 0.0}
    assert found.confidences == {"BBB": 0.5}


def test_another_date_draws_other_forecasts():
    both = [
        decider(Scripted(2)).decide(t, ["BBB"], {"BBB": 0.0}) for t in (NOW, NOW.replace(day=5))
    ]
    assert both[0].magnitudes != both[1].magnitudes
    assert both[0].magnitudes == decider(Scripted(2)).decide(NOW, ["BBB"], {"BBB": 0.0}).magnitudes


def test_a_market_is_kept_as_wide_as_the_forecasters_window():
    (view,) = [m.view for name, m in decider(Scripted(2))._markets.items() if name == "BBB"]
    assert view.windows.shape[1] == SMALL.window


def test_there_must_be_a_cap_for_every_symbol():
    with pytest.raises(ValueError, match="zip"):
        AgentDecider(OBSERVER, Scripted(), PAST, Rules([0.5, 0.25], 1e4), seed=7, draws=16)


@pytest.mark.parametrize("shape", [(1, 4), (2, 3)])
def test_values_must_be_of_every_symbol_and_action(shape):
    agent = Scripted(1, 3)
    agent.q_values = lambda observations, account: np.zeros(shape)
    with pytest.raises(ValueError, match="zip"):
        decider(agent).decide(NOW, ["CCC", "AAA"], dict.fromkeys(NAMES, 0.0))


@pytest.mark.parametrize(
    ("share", "name"),
    [(1.0, "long"), (-1.0, "short"), (0.0, "flat"), (0.5, "long 0.5"), (-0.25, "short 0.25")],
)
def test_an_action_is_named_by_its_side_and_its_share_of_the_cap(share, name):
    assert action_name(share) == name
