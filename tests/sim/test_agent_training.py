"""Training, judging and the curriculum: what is put together from parts tested elsewhere."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from models.agent.q_agent import QAgentConfig
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import JudgingConfig, train_agent, train_on_imagined
from sim.costs import ProportionalCost
from sim.curriculum import Stage
from sim.experience import transitions
from sim.paths import Paths
from sim.rewards import MeanVariance
from sim.rollout import greedy, rollout
from tests.sim.markets import random_tape, tape_of

RULES = Rules(np.array([0.5]), 1e5, buffer=0.0, lot_size=0, costs=ProportionalCost(0.001))
CONFIG = QAgentConfig(3, units=(8,), batch_size=64)


def train(b=20, rules=RULES, updates=50, paths=None, config=CONFIG, **options):
    paths = random_tape(b=b, known=True) if paths is None else paths
    return train_agent(paths, rules, config, updates, streams(3, "short"), **options)


def test_training_repeats_and_goes_on():
    """The same seed gives the same agent; a warm start keeps memory and scaling."""
    first, again = train(), train()
    np.testing.assert_array_equal(first.agent.target[0], again.agent.target[0])
    np.testing.assert_array_equal(first.held_out_reward, again.held_out_reward)
    size = len(first.memory)
    later = train(previous=first.agent, memory=first.memory)
    assert len(later.memory) == 2 * size
    np.testing.assert_array_equal(later.agent.mean, first.agent.mean)


def drifting():
    """Prices that rise by five volatilities a day: every agent claims much and earns it."""
    rng = np.random.default_rng(0)
    returns = rng.normal(0.005, 0.001, (20, 30))
    return tape_of(returns, rng.normal(0, 1, (20, 31, 3)))


def test_a_judgement_is_what_the_chosen_hurdle_earns_on_paths_not_learned_from():
    paths = drifting()
    done = train(paths=paths, updates=400)
    (judgement,) = done.judgements
    assert judgement.update == done.curve.update[-1] == 400
    assert done.agent.hurdle == done.hurdles[done.chosen]
    assert not done.agent.stays_flat
    assert done.chosen == np.argmax(done.held_out_reward - 2.0 * done.held_out_error)
    # The held-out paths are those that the memory does not know.
    learned = {tuple(row) for row in done.memory.contents().observation}
    unseen = [i for i in range(20) if tuple(paths.observations[i, 0, 0]) not in learned]
    assert len(unseen) == round(0.25 * 10) * 2
    assert all(2 * (i // 2) in unseen for i in unseen)  # pairs stay together
    again = rollout(greedy(done.agent), paths.take(unseen), RULES).controlled.mean(axis=1)
    assert done.held_out_reward[done.chosen] == pytest.approx(again.mean(), rel=1e-12)
    pairs = again.reshape(-1, 2).mean(axis=1)
    error = pairs.std(ddof=1) / np.sqrt(len(pairs))
    assert done.held_out_error[done.chosen] == pytest.approx(error, rel=1e-9)
    assert done.held_out_reward[done.chosen] > 0.5 * 0.005 * 0.9


def test_staying_flat_is_a_candidate_that_earns_exactly_nothing():
    done = train()
    assert done.hurdles[0] == 0.0
    assert done.hurdles[-1] == np.inf
    assert (np.diff(done.hurdles) >= 0).all()
    assert done.held_out_reward[-1] == done.held_out_error[-1] == 0.0


def test_an_agent_that_loses_under_every_hurdle_stays_flat():
    """Prices fall on held-out paths alone: whatever was learned does not pay."""
    paths = drifting()
    learned = {tuple(row) for row in train(paths=paths).memory.contents().observation}
    unseen = [i for i in range(20) if tuple(paths.observations[i, 0, 0]) not in learned]
    returns = paths.log_returns[:, 0].copy()
    returns[unseen] *= -1
    done = train(paths=tape_of(returns, paths.observations), updates=400)
    assert (done.held_out_reward[:-1] < 0).all()
    assert done.agent.stays_flat
    assert done.chosen == len(done.hurdles) - 1
    assert rollout(greedy(done.agent), paths, RULES).mean_turnover == 0.0


@pytest.mark.parametrize("rules", [RULES, Rules(np.array([0.32, 0.1]), 2_000.0)])
def test_what_is_learned_is_the_experience_of_the_rules_accounts(rules):
    """Cash, caps and fees: the memory of a training is that of its rules."""
    paths = random_tape(b=20, known=True, series=np.arange(20) // 10)
    done = train(rules=rules, paths=paths)
    rng = streams(3, "short")["episodes"]
    order = rng.permutation(10)
    held_out = np.concatenate([[2 * pair, 2 * pair + 1] for pair in order[:2]])
    learned = np.setdiff1d(np.arange(20), held_out)
    want = transitions(paths.take(learned), rules, CONFIG.actions, rng)
    np.testing.assert_array_equal(done.memory.contents().reward, want.reward)
    np.testing.assert_array_equal(done.memory.contents().next_account, want.next_account)


class Sampler:
    """Random tapes from the generator that is passed in."""

    def sample(self, n_paths, n_steps, rng):
        seed = int(rng.integers(2**31))
        return random_tape(n_paths, n_steps, seed=seed, known=True)


class Journal:
    """A progress that writes down what it and its reporters hear, and in which stage."""

    def __init__(self):
        self.lines = []

    @contextmanager
    def stage(self, name, total=None):
        self.lines.append((name, total))
        yield SimpleNamespace(
            update=lambda step, **metrics: self.lines.append((name, step, sorted(metrics)))
        )
        self.lines.append((name, "done"))


STAGES = (Stage(16, 5, 25), Stage(8, 10, 50))


@pytest.mark.parametrize("warm", [False, True])
def test_a_curriculum_is_its_stages_one_after_the_other(warm):
    """Each stage goes on with the agent, the memory and the streams of the one before."""
    start = train().agent if warm else None
    done = train_on_imagined(Sampler(), RULES, CONFIG, STAGES, streams(1), previous=start)
    rngs, agent, memory, parts = streams(1), start, None, []
    for stage in STAGES:
        paths = Sampler().sample(stage.n_paths, stage.n_steps, rngs["paths"])
        part = train_agent(paths, RULES, CONFIG, stage.updates, rngs, previous=agent, memory=memory)
        agent, memory = part.agent, part.memory
        parts.append(part)
    for a, b in zip(done.agent.target, agent.target, strict=True):
        np.testing.assert_array_equal(a, b)
    assert done.agent.hurdle == agent.hurdle
    np.testing.assert_array_equal(done.curve.update, [25, 50, 75])
    for name in ("loss", "claimed_value"):
        want = np.concatenate([getattr(part.curve, name) for part in parts])
        np.testing.assert_array_equal(getattr(done.curve, name), want)
    assert [judgement.update for judgement in done.judgements] == [25, 75]
    for judgement, part in zip(done.judgements, parts, strict=True):
        for name, want in (("hurdles", "hurdles"), ("reward", "held_out_reward")):
            np.testing.assert_array_equal(getattr(judgement, name), getattr(part, want))
        assert judgement.chosen == part.chosen


def test_a_curriculum_tells_what_it_is_doing():
    journal = Journal()
    train_on_imagined(Sampler(), RULES, CONFIG, STAGES, streams(1), progress=journal)
    heard = ["claimed_value", "loss"]
    assert journal.lines == [
        ("simulation", None),
        ("simulation", "done"),
        ("agent", 25),
        ("agent", 25, heard),
        ("agent", "done"),
        ("simulation", None),
        ("simulation", "done"),
        ("agent", 50),
        ("agent", 25, heard),
        ("agent", 50, heard),
        ("agent", "done"),
    ]


def test_judging_follows_its_configuration():
    """Half the pairs held out, two quantiles of the claims, no confidence asked for."""
    judging = JudgingConfig(held_out=0.5, confidence=0.0, hurdle_quantiles=(0.2, 0.4))
    done = train(paths=drifting(), updates=400, judging=judging)
    assert len(done.memory) == 10 * 30
    assert len(done.hurdles) == 4
    assert done.chosen == np.argmax(done.held_out_reward)
    # What pays by any mean does not by a bound a billion errors below it.
    assert not done.agent.stays_flat
    assert train(
        paths=drifting(), updates=400, judging=JudgingConfig(confidence=1e9)
    ).agent.stays_flat


def test_hurdles_of_actions_with_degrees_are_claims_for_a_whole_exposure():
    """Each quantile keeps that share of the held-out rows that claim anything flat."""
    config = replace(CONFIG, actions=(-0.5, -0.25, 0.0, 0.25, 0.5))
    paths = drifting()
    done = train(paths=paths, updates=400, config=config)
    learned = {tuple(row) for row in done.memory.contents().observation}
    unseen = [i for i in range(20) if tuple(paths.observations[i, 0, 0]) not in learned]
    rows = paths.observations[unseen, 0, :-1].reshape(-1, 3)
    flat = np.zeros((len(rows), 1))
    active = [(done.agent.choose(rows, flat, h) != 2).mean() for h in done.hurdles]
    want = active[0] * (1 - np.array([0.5, 0.75, 0.9, 0.97]))
    np.testing.assert_allclose(active[1:-1], want, atol=0.02)
    assert active[0] > 0.5


def test_training_and_judging_go_by_the_reward():
    """A premium that log growth takes and an aversion of a thousand leaves."""
    rng = np.random.default_rng(0)
    returns = rng.normal(0.002, 0.02, (20, 30))
    paths = tape_of(returns, rng.normal(0, 1, (20, 31, 3)))
    missed = np.stack([0.3 * (returns - 0.002), 0.7 * (returns - 0.002)], axis=-1)
    paths = replace(paths, innovations=missed[:, None])
    bold, timid = (
        train(paths=paths, updates=800, reward=reward) for reward in (None, MeanVariance(1000.0))
    )
    assert rollout(greedy(bold.agent), paths, RULES).exposure.mean() > 0.5
    assert np.abs(rollout(greedy(timid.agent), paths, RULES).exposure).mean() < 0.05
    (judgement,) = bold.judgements
    assert judgement.reward[judgement.chosen] > 0


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: train(b=3), "paths must be at least 4"),
        (lambda: train(config=QAgentConfig(2)), "paths must have 2 observations"),
        (lambda: train_on_imagined(Sampler(), RULES, CONFIG, (), streams(0)), "at least one stage"),
        (lambda: JudgingConfig(held_out=0.0), r"held_out must lie in \(0, 1\); received 0.0"),
        (lambda: JudgingConfig(confidence=-1.0), "confidence"),
        (lambda: JudgingConfig(hurdle_quantiles=(0.5, 0.5)), "hurdle_quantiles must ascend"),
        (lambda: JudgingConfig(hurdle_quantiles=(0.5, 1.0)), "hurdle_quantiles"),
    ],
)
def test_bad_input_is_named(act, words):
    with pytest.raises(ValueError, match=words):
        act()


def joint_tape(markets=20, symbols=3, t=30, seed=0):
    """Markets whose symbols see alike numbers: the market's in column 0, their own beside it."""
    alone = random_tape(b=markets * symbols, t=t, known=True, seed=seed)
    names = ("bars", "observations", "series", "start_row", "innovations")
    shaped = [
        getattr(alone, name).reshape(markets, symbols, *getattr(alone, name).shape[2:])
        for name in names
    ]
    seen = shaped[1].copy()
    seen[..., 0] = np.arange(markets)[:, None, None]
    return Paths(shaped[0], seen, *shaped[2:])


def test_markets_are_held_out_whole_and_their_pairs_are_the_unit_of_error():
    paths = joint_tape()
    done = train(paths=paths)
    learned = np.unique(done.memory.contents().observation[:, 0]).astype(int)
    assert len(done.memory) == len(learned) * 3 * 30
    unseen = np.setdiff1d(np.arange(20), learned)
    assert len(unseen) == 4
    np.testing.assert_array_equal(unseen[1::2], unseen[0::2] + 1)
    assert (unseen[0::2] % 2 == 0).all()
    again = rollout(greedy(done.agent), paths.take(unseen).each(), RULES)
    of_pair = again.controlled.mean(axis=1).reshape(2, 6).mean(axis=1)
    assert done.held_out_reward[done.chosen] == pytest.approx(of_pair.mean(), rel=1e-9)
    want = of_pair.std(ddof=1) / np.sqrt(2)
    assert done.held_out_error[done.chosen] == pytest.approx(want, rel=1e-9, abs=1e-15)


def test_a_memory_too_small_for_all_shares_keeps_some_of_each_market():
    paths = joint_tape(markets=40)
    small = replace(CONFIG, memory=30 * 30)
    done = train(paths=paths, config=small)
    assert len(done.memory) == 30 * 30
    kept = done.memory.contents().observation[:, 0]
    assert len(np.unique(kept)) > 15  # of 30 markets learned from, 30 of 90 shares
