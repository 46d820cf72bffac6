"""A walk is a rollout as long as nobody interferes, shows what trading sees, and knows no more."""

from dataclasses import fields, replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from algorithm.bars import BarBook
from algorithm.decision import FAN, AgentDecider
from algorithm.learning import LearningConfig
from algorithm.settings import Settings
from algorithm.training import Trainer
from engine.api.object_store import ObjectStore
from models.agent.agent import window_of
from models.agent.observation import Observer
from models.artifacts import ArtifactStore
from models.market.features import FeatureTable
from models.market.history import BAR_FIELDS, CLOSE, OPEN, History
from research import stepping
from research.real_markets import Refit, follow
from research.stepping import (
    ACCOUNTS,
    AGENTS,
    AT_THE_CAPS,
    BUY_AND_HOLD,
    YOURS,
    imagined_histories,
    opened,
)
from sim.costs import InteractiveBrokersCost
from sim.rollout import constant, rollout
from sim.rules import Rule
from tests.research.walks import DAYS, HISTORIES, REWARD, RULES, START, TINY, forecaster, walk

NAMES = ["AAA", "BBB"]


@pytest.fixture(scope="module")
def market():
    """The same span, observed without a walk."""
    tables = tuple(FeatureTable.of(one.until(one.time[START])) for one in HISTORIES)
    return follow(HISTORIES, [Refit(DAYS[START + 1], tables, forecaster())]).rows(0, 250).paths


def walked(one, overrides=None):
    """To its end."""
    while not one.done:
        one.step(None if overrides is None else overrides[one.row])
    return one


def equal_to(one, name, wanted, exposures=None):
    kept = one.record
    np.testing.assert_allclose(kept["equity", name], wanted.equity[0], rtol=1e-9)
    np.testing.assert_allclose(kept["reward", name], wanted.reward[0], rtol=1e-9, atol=1e-15)
    before = one.equity[name].to_numpy()[:-1]
    np.testing.assert_allclose(kept["costs", name], wanted.costs[0] * before, rtol=1e-9)
    if exposures is not None:
        held = wanted.exposure[0].T * one.rules.caps
        np.testing.assert_allclose(kept["held"], held, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["dqn", "gradient", "looker", "agreement"])
def test_without_a_word_of_the_person_it_is_the_rollout_of_the_agent(kind, market):
    one = walked(walk(kind))
    if window_of(one.agent) > 1:  # as the algorithm's memory of bars before the start
        market = replace(market, before=one.market.paths.before)
    wanted = rollout(one.agent.act, market, RULES, REWARD)
    assert one.bars == 250
    assert wanted.turnover[0].astype(bool).sum() > 3
    equal_to(one, YOURS, wanted, exposures=True)
    equal_to(one, AGENTS, wanted)
    equal_to(one, AT_THE_CAPS, rollout(constant(1.0), market, RULES, REWARD))
    equal_to(one, BUY_AND_HOLD, rollout(Rule("buy_and_hold").act, market, RULES, REWARD))
    assert not one.record["overridden"].any(axis=None)


def test_overrides_are_a_rollout_of_their_tape_and_leave_the_agents_account_alone(market):
    rng = np.random.default_rng(7)
    tape = rng.uniform(-1.0, 1.0, (250, 2)) * [0.4, 0.4]
    tape[rng.random((250, 2)) < 0.3] = np.nan
    one = walked(walk(), [dict(zip(NAMES, row, strict=True)) for row in tape])
    rows = iter(tape / RULES.caps)
    wanted = rollout(lambda outlook, standing: next(rows)[None], market, RULES, REWARD)
    equal_to(one, YOURS, wanted, exposures=True)
    equal_to(one, AGENTS, rollout(one.agent.act, market, RULES, REWARD))
    np.testing.assert_allclose(one.record["chosen"], tape, rtol=1e-12)
    assert one.record["overridden"].all(axis=None)


def test_what_is_not_overridden_is_as_the_agent_proposes_to_this_account():
    one = walk()
    one.step({"BBB": -0.4})
    for row in range(60):
        now = one.look()
        done = one.step({"AAA": 0.05 * (row % 7)})
        np.testing.assert_array_equal(done.proposed, now.proposal)
        np.testing.assert_array_equal(done.chosen["BBB"], now.proposal["BBB"])
        assert done.chosen["AAA"] == pytest.approx(0.05 * (row % 7))
        assert done.overridden.tolist() == [True, False]
    kept = one.record
    assert len(kept) == 61
    assert kept["overridden"].to_numpy().sum(axis=0).tolist() == [60, 1]
    assert (kept["equity", YOURS] != kept["equity", AGENTS]).any()


def test_money_adds_up():
    """Cash moves by what is bought at the open and its fees; the rest is worth its closes."""
    free = replace(RULES, costs=InteractiveBrokersCost())
    one = walk(rules=free)
    shares = np.zeros(2)
    for row in range(40):
        now = one.look()
        done = one.step({"AAA": 0.4 * np.sin(row), "BBB": 0.3 * np.cos(row / 3)})
        shares += done.orders.to_numpy()
        then = one.look()
        cash = now.accounts.loc[YOURS, "cash"]
        spent = (done.orders * done.opens).sum() + done.costs
        assert then.accounts.loc[YOURS, "cash"] == pytest.approx(cash - spent, abs=1e-6)
        worth = shares * then.bars["close"]
        equity = then.accounts.loc[YOURS, "equity"]
        assert equity == pytest.approx(cash - spent + worth.sum(), abs=1e-6)
        np.testing.assert_allclose(then.held, worth / equity, atol=1e-12)
    np.testing.assert_allclose(shares, shares.round(), atol=1e-5)
    assert then.accounts.loc[YOURS, "costs"] == pytest.approx(one.record["costs", YOURS].sum())
    assert then.accounts.loc[YOURS, "gain"] == pytest.approx(equity / 1e5 - 1.0)
    assert then.accounts.loc[YOURS, "reward"] == pytest.approx(one.record["reward", YOURS].sum())


def changed_after(row):
    """Other bars after a row."""
    found = []
    for one in HISTORIES:
        bars = one.bars.copy()
        bars[row + 1 :] *= [1.3, 1.3, 1.3, 1.3, 2.0]
        found.append(History(one.symbol, one.time, bars))
    return found


def same(mine, theirs):
    for each in fields(mine):
        one, other = getattr(mine, each.name), getattr(theirs, each.name)
        if each.name == "reasons":
            assert one.says == other.says
            pd.testing.assert_frame_equal(one.table, other.table)
            if one.values is not None:
                pd.testing.assert_frame_equal(one.values, other.values)
        elif isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        elif isinstance(one, pd.Series):
            pd.testing.assert_series_equal(one, other)
        else:
            assert one == other


@pytest.mark.parametrize("kind", ["dqn", "looker"])
def test_nothing_that_is_shown_knows_a_later_bar(kind):
    one, other = walk(kind, bars=20), walk(kind, changed_after(START + 12), bars=20)
    for row in range(13):
        same(one.look(), other.look())
        overrides = {"AAA": 0.1} if row % 5 == 0 else {}
        one.step(overrides)
        other.step(overrides)
    assert (one.look().bars["close"] != other.look().bars["close"]).all()
    assert not one.look().fan.equals(other.look().fan)


@pytest.mark.parametrize("kind", ["dqn", "gradient", "looker"])
def test_it_shows_what_the_algorithm_decides_by(kind):
    one = walk(kind, draws=16)
    known = [history.until(history.time[START]) for history in HISTORIES]
    book = BarBook(NAMES, 1000)
    decider = AgentDecider(
        Observer(forecaster()),
        one.agent,
        [FeatureTable.of(past) for past in known],
        RULES,
        seed=1,
        draws=16,
        remembers=window_of(one.agent) - 1,
    )
    rng = np.random.default_rng(0)
    for row in range(START, START + 15):
        when = pd.Timestamp(HISTORIES[0].time[row]).to_pydatetime()
        if row > START:
            for history in HISTORIES:
                book.add(history.symbol, when, tuple(history.bars[row]))
            decider.catch_up(book)
        now = one.look()
        said = decider.decide(when, NAMES, dict(now.held))
        assert now.time == when
        np.testing.assert_allclose(now.fan, [said.fans[name] for name in NAMES], rtol=1e-12)
        np.testing.assert_allclose(now.observation, decider.outlook().observation[0], rtol=1e-6)
        wanted = [said.weights[name] for name in NAMES]
        np.testing.assert_allclose(now.proposal, wanted, rtol=1e-5, atol=1e-7)
        if kind == "dqn":
            values = pd.DataFrame(said.action_values).T
            pd.testing.assert_frame_equal(now.reasons.values, values)
        one.step({"AAA": float(rng.uniform(-0.3, 0.3))} if row % 2 else None)


def test_a_close_is_told_as_it_is():
    one = walk()
    for _ in range(3):
        one.step()
    now, row = one.look(), START + 3
    assert now is one.look()
    assert now.time == HISTORIES[0].time[row]
    for s, history in enumerate(HISTORIES):
        np.testing.assert_array_equal(now.bars.iloc[s][list(BAR_FIELDS)], history.bars[row])
        move = history.close[row] / history.close[row - 1] - 1
        assert now.bars.iloc[s]["move"] == pytest.approx(move)
    assert (np.diff(now.fan.to_numpy(), axis=1) > 0).all()
    assert list(now.fan.columns) == list(FAN)
    assert list(now.accounts.index) == list(ACCOUNTS)
    assert [close.row for close in one.looked] == [3]
    first = walk().look()
    close = HISTORIES[1].close
    assert first.bars.loc["BBB", "move"] == pytest.approx(close[START] / close[START - 1] - 1)
    assert first.bars.loc["BBB", "open"] == HISTORIES[1].bars[START, OPEN]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"BBB": 0.41}, r"BBB: weight must lie in \[-0.4, 0.4\], its cap; received 0.41"),
        ({"AAA": -0.6}, r"AAA: weight must lie in \[-0.5, 0.5\], its cap; received -0.6"),
        ({"AAA": float("inf")}, "AAA: weight must lie"),
        ({"AAA": None}, "AAA: weight must be a number; received None"),
        ({"CCC": 0.1}, "an override must name one of AAA, BBB; received 'CCC'"),
        (
            {"AAA": 0.5, "BBB": -0.4},
            "AAA, BBB: absolute weights must sum to at most 0.8, the gross cap; received 0.9",
        ),
    ],
)
def test_what_the_rules_forbid_is_refused_and_nothing_moves(overrides, said):
    one = walk(bars=5)
    one.step({"AAA": 0.5})
    before = one.look()
    with pytest.raises(ValueError, match=said):
        one.step(overrides)
    assert one.row == 1
    assert one.look() is before
    one.step({"AAA": 0.5, "BBB": float("nan")})


def test_it_ends_with_the_market():
    one = walked(walk(bars=3))
    assert one.row == one.bars == 3
    assert one.look().time == HISTORIES[0].time[START + 3]
    with pytest.raises(ValueError, match="a walk must have bars left; received a step after 3"):
        one.step()
    assert walk(bars=None).bars == 600 - 1 - START
    with pytest.raises(ValueError, match="bars must be at least 1; received 0"):
        walk(bars=0)
    with pytest.raises(ValueError, match="rules must have a cap for each of 2 symbols; received 1"):
        walk(rules=replace(RULES, caps=np.array([0.5])))
    with pytest.raises(ValueError, match=r"histories must share a date up to .* and one after"):
        walk(histories=[one.until(one.time[START]) for one in HISTORIES])


def test_a_ruined_account_ends_the_walk_as_it_ends_a_rollout(market):
    wild = replace(RULES, ruin=0.97)
    one = walk(rules=wild)
    while not one.done:
        done = one.step({"AAA": 0.4, "BBB": 0.4})
    tape = np.array([[0.4, 0.4]]) / RULES.caps
    wanted = rollout(lambda outlook, standing: tape, market, wild, REWARD)
    assert one.row < 250
    assert done.ruined
    assert one.look().accounts.loc[YOURS, "equity"] == pytest.approx(wanted.equity[0, -1])
    np.testing.assert_allclose(one.record["reward", YOURS], wanted.reward[0, : one.row])
    assert (one.look().held == 0).all()
    with pytest.raises(ValueError, match="the account is ruined"):
        one.step()


def test_a_ruined_twin_stands_still(market):
    wild = replace(RULES, ruin=0.97)
    one = walked(walk(rules=wild), [{"AAA": 0.0, "BBB": 0.0}] * 250)
    assert one.row == 250
    wanted = rollout(constant(1.0), market, wild, REWARD)
    np.testing.assert_allclose(one.record["equity", AT_THE_CAPS], wanted.equity[0])
    assert (one.record["equity", YOURS] == 1e5).all()


def test_symbols_meet_on_common_dates_and_are_forecast_by_all_of_their_bars():
    keep = np.arange(len(HISTORIES[1])) != START + 2
    other = HISTORIES[1]
    gap = [HISTORIES[0], History("BBB", other.time[keep], other.bars[keep])]
    one, whole = walk(histories=gap, bars=10), walk(bars=10)
    one.step(), one.step()
    whole.step(), whole.step(), whole.step()
    assert one.look().time == whole.look().time
    pd.testing.assert_series_equal(one.look().fan.loc["AAA"], whole.look().fan.loc["AAA"])
    mine, theirs = one.look().observation.loc["AAA"], whole.look().observation.loc["AAA"]
    pd.testing.assert_series_equal(mine, theirs)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ArtifactStore(ObjectStore(tmp_path_factory.mktemp("store")), report=print)


def test_models_are_those_of_the_first_training_and_are_kept(store, monkeypatch):
    settings = Settings.from_parameters(TINY)
    first = opened(settings, HISTORIES, store, bars=5)
    assert first.times[0].date() == date(2016, 7, 1)
    assert first.kind == "dqn"

    def refused(*arguments, **named):
        raise AssertionError("trained again")

    monkeypatch.setattr("algorithm.training.fit_forecaster", refused)
    monkeypatch.setattr("algorithm.training.learn_to_trade", refused)
    again = opened(settings, HISTORIES, store, bars=5)
    same(first.look(), again.look())
    rules = settings.rules(100_000, 1.0)
    tables = [FeatureTable.of(one.until(first.times[0]).tail(429)) for one in HISTORIES]
    models = Trainer(settings.learning(), store).train(
        tables, rules, now=pd.Timestamp("2016-07-01").to_pydatetime()
    )
    assert models.reused
    np.testing.assert_array_equal(models.agent.online[0], first.agent.online[0])
    imagined = opened(settings, HISTORIES, store, bars=5, imagined=2)
    same(first.look(), imagined.look())
    walked(imagined)
    assert imagined.row == 5


def test_an_imagined_market_goes_on_from_what_is_known():
    tables = [FeatureTable.of(one.until(one.time[START])) for one in HISTORIES]
    found = imagined_histories(tables, forecaster(), LearningConfig(), 30, 4)
    again = imagined_histories(tables, forecaster(), LearningConfig(), 30, 4)
    other = imagined_histories(tables, forecaster(), LearningConfig(), 30, 5)
    for one, twin, third, real in zip(found, again, other, HISTORIES, strict=True):
        np.testing.assert_array_equal(one.bars[: START + 1], real.bars[: START + 1])
        np.testing.assert_array_equal(one.bars, twin.bars)
        assert (one.close[START + 1 :] != third.close[START + 1 :]).all()
        assert len(one) == START + 31
        days = pd.DatetimeIndex(one.time[START + 1 :])
        assert (days.dayofweek < 5).all()
        assert len(pd.bdate_range(days[0], days[-1])) == 30
        gaps = np.abs(np.log(one.bars[START + 1 :, OPEN] / one.bars[START:-1, CLOSE]))
        assert gaps.max() < 0.3
    with pytest.raises(ValueError, match="bars must be at least 1; received 0"):
        imagined_histories(tables, forecaster(), LearningConfig(), 0, 4)


def test_default_length_is_a_year():
    assert stepping.BARS == 252
