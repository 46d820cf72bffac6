"""What agents are taught on, and who trades when."""

import dataclasses
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from models.agent.account import Standing
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from models.market.features import FeatureTable
from research import agents
from research.agents import (
    SOURCES,
    Lesson,
    RealSpanSampler,
    Succession,
    agent_of,
    succession,
)
from research.real_markets import Refit, follow
from sim.accounting import Rules
from sim.costs import ProportionalCost
from tests.sim.forecasting import HISTORIES, small_forecaster

DAYS = HISTORIES[0].time.astype("datetime64[D]")
RULES = Rules(np.array([0.5, 0.5]), equity=1e5)


@pytest.fixture(scope="module")
def refit():
    """As of day 560, but for the forecaster, which these tests ask for nothing in particular."""
    tables = tuple(FeatureTable.of(one.until(DAYS[559])) for one in HISTORIES)
    return Refit(DAYS[560], tables, small_forecaster())


@dataclass(frozen=True)
class Fixed:
    """Always asks for one exposure."""

    exposure: float
    stays_flat: bool = False

    def act(self, outlook, standing):
        return np.full(standing.exposure.shape, self.exposure)

    def to_arrays(self):
        return {}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_makes_observed_markets_of_what_is_known(refit, source):
    lesson = Lesson(refit, source, RULES, 1)
    paths = lesson.sampler.sample(4, 12, np.random.default_rng(0))
    assert paths.bars.shape == (4, 2, 13, 5)
    assert paths.start_row.max() < 560
    outlook = paths.outlook(3)
    assert outlook.forecast.shape == (4, 2, 8)
    assert (outlook.column("deviation") > 0).all()
    assert lesson.sampler is lesson.sampler


def test_real_stretches_are_the_real_bars_as_the_forecaster_sees_them(refit):
    sampler = RealSpanSampler(refit)
    paths = sampler.sample(5, 30, np.random.default_rng(1))
    whole = follow([t.history for t in refit.tables], [Refit(DAYS[220], *astuple(refit)[1:])])
    for k in range(5):
        rows = paths.start_row[k]
        for s, one in enumerate(HISTORIES):
            np.testing.assert_array_equal(paths.bars[k, s], one.bars[rows[s] : rows[s] + 31])
    first = whole.paths.start_row[0, 0]
    row = int(paths.start_row[0, 0] - first)
    np.testing.assert_allclose(
        paths.forecasts[0], whole.paths.forecasts[0, :, row : row + 31], rtol=1e-9
    )
    longest = sampler.sample(1, 560 - 220, np.random.default_rng(0))
    assert longest.start_row[0, 0] == 219
    with pytest.raises(ValueError, match="n_steps must be at most 340, the span; received 341"):
        sampler.sample(1, 341, np.random.default_rng(0))


def astuple(refit):
    return refit.date, refit.tables, refit.forecaster


def test_agents_follow_upon_each_other_at_their_rows():
    policy = Succession([Fixed(0.1), Fixed(0.2), Fixed(0.3)], [0, 2, 3])
    standing = Standing(np.zeros((1, 2)), np.full((1, 2), 0.5))
    asked = [policy(None, standing)[0, 0] for _ in range(5)]
    assert asked == [0.1, 0.1, 0.2, 0.3, 0.3]
    for rows in ([1], [0, 0], [0, 2]):
        with pytest.raises(ValueError, match="begins must ascend from 0, one for each of"):
            Succession([Fixed(0.1)] * (2 if rows == [0, 0] else 1), rows)


def test_an_agent_is_taught_at_every_refit_and_knows_the_one_before(refit, monkeypatch):
    market = follow(HISTORIES, [refit])
    lessons = []

    def learner(lesson):
        lessons.append(lesson)
        return Fixed(0.1 * len(lessons))

    monkeypatch.setattr(agents, "LEARNERS", {"taught": learner})
    later = [
        refit,
        Refit(DAYS[580], *astuple(refit)[1:]),
        Refit(DAYS[599] + 1, *astuple(refit)[1:]),
    ]
    policy = succession(partial(agent_of, "taught"), later, market, RULES, 7, "GJR-GARCH")
    standing = Standing(np.zeros((1, 2)), np.full((1, 2), 0.5))
    asked = [policy(None, standing)[0, 0] for _ in range(market.paths.n_steps)]
    assert asked == [0.1] * 20 + [0.2] * (len(asked) - 20)
    assert [lesson.previous for lesson in lessons] == [None, Fixed(0.1)]
    assert {(lesson.seed, lesson.source) for lesson in lessons} == {(7, "GJR-GARCH")}


def test_the_learned_band_is_wider_where_trading_costs_more(refit):
    """As the strategy learns it; on the same markets."""
    dear = Rules(np.array([0.5, 0.5]), equity=1e5, costs=ProportionalCost(0.05))
    free, costly = (
        agent_of("mean_variance, learned band", Lesson(refit, "imagined", rules, 1))
        for rules in (RULES, dear)
    )
    assert free.config.band < costly.config.band
    assert costly.config == dataclasses.replace(MeanVarianceConfig(), band=costly.config.band)


def test_names_that_are_none_are_refused(refit):
    assert isinstance(agent_of("mean_variance", Lesson(refit, "imagined", RULES, 1)), MeanVariance)
    with pytest.raises(
        ValueError, match=r"agent must be one of mean_variance.*; received 'oracle'"
    ):
        agent_of("oracle", Lesson(refit, "imagined", RULES, 1))
    with pytest.raises(ValueError, match=r"source must be one of imagined, .*; received 'dreams'"):
        Lesson(refit, "dreams", RULES, 1)


def test_of_refits_before_the_first_row_the_last_one_trades(refit, monkeypatch):
    market = follow(HISTORIES, [refit]).rows(10, 40)
    monkeypatch.setattr(agents, "LEARNERS", {"dated": lambda one: Fixed(one.refit.date)})
    days = DAYS[[560, 565, 570, 571, 580]]
    policy = succession(
        partial(agent_of, "dated"),
        [Refit(day, *astuple(refit)[1:]) for day in days],
        market,
        RULES,
        1,
    )
    # Row 0 is the close of day 569, where the refit of day 570 decides.
    assert policy.begins == [0, 1, 10]
    assert [agent.exposure for agent in policy.agents] == list(days[2:])
