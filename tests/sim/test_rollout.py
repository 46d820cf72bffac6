"""Experience and rollouts against one account at a time, and against an account by hand."""

from dataclasses import fields, replace

import numpy as np
import pytest

from models.agent.account import Standing, account_features
from models.agent.outlook import FORECAST, Outlook, prior_moments
from models.agent.replay import Transitions
from models.market.history import CLOSE, OPEN
from sim.accounting import (
    Account,
    Rules,
    control_variate,
    finite_growth,
    is_ruined,
    replay,
    step,
)
from sim.costs import InteractiveBrokersCost
from sim.experience import transitions
from sim.paths import Paths
from sim.rollout import constant, rollout
from tests.sim.honest import HonestAccount, HonestRules, exact
from tests.sim.markets import joined, random_tape, tape_of

RULES = Rules(np.array([0.6]), 100_000.0, costs=InteractiveBrokersCost())


TWO = Rules(np.array([0.95, 0.4]), 40_000.0, ruin=0.3)
"""A cap for each series, and ruin within reach."""


def violent(known=True):
    return random_tape(b=60, t=25, volatility=0.35, known=known, series=np.arange(60) % 2)


def contrary(outlook, standing):
    """A policy that depends on all it is shown."""
    return np.clip(outlook.observation[..., 0] - standing.exposure, -1.0, 1.0)


def bar_of(path, t):
    """Closes of t, opens and closes of t + 1, innovations: of one path, as one account sees."""
    bars = path.bars
    missed = (
        np.zeros((*bars.shape[:2], 2)) if path.innovations is None else path.innovations[:, :, t]
    )
    return (bars[:, :, t, CLOSE], bars[:, :, t + 1, OPEN], bars[:, :, t + 1, CLOSE], missed)


def slow_rollout(policy, paths, rules):
    """One account after the other, one bar after the other, on the kernel alone."""
    b, s, t_max = paths.n_paths, paths.n_symbols, paths.n_steps
    found = {name: np.zeros((b, t_max)) for name in KINDS} | {"exposure": np.zeros((b, s, t_max))}
    for i in range(b):
        path, own = paths.take([i]), replace(rules, caps=rules.caps[paths.series[i]])
        account, exposure = Account.opened(rules.equity, s), np.zeros((1, s))
        for t in range(t_max):
            now, opens, then, missed = bar_of(path, t)
            known = (
                Outlook.unforecast(path.observations[:, :, t])
                if path.forecasts is None
                else path.outlook(t)
            )
            target = policy(known, Standing(exposure, own.caps[None], own.gross))
            done = step(account, target * own.caps, now, opens, then, own)
            growth = finite_growth(done.growth, account.equity, own)[0]
            found["growth"][i, t] = growth
            noise = control_variate(account, done, now, opens, missed)
            found["controlled"][i, t] = growth - noise[0]
            before, account = account.equity[0], done.account
            if is_ruined(account.equity, own)[0]:
                found["equity"][i, t:] = rules.equity * np.exp(found["growth"][i].sum())
                break
            exposure = account.holdings * then / account.equity / own.caps
            found["exposure"][i, :, t] = exposure[0]
            found["turnover"][i, t] = np.abs(done.orders * now).sum() / before
            slipped = done.orders * (done.fills - opens)
            found["costs"][i, t] = (done.fees + slipped).sum() / before
            found["equity"][i, t] = account.equity[0]
    return found | {"reward": found["growth"]}


KINDS = ("controlled", "growth", "turnover", "costs", "equity")


def test_a_rollout_is_one_account_after_the_other():
    """Bit for bit; caps differ by series, and some are ruined on the way."""
    paths = violent()
    done, slow = rollout(contrary, paths, TWO), slow_rollout(contrary, paths, TWO)
    for name, value in slow.items():
        np.testing.assert_array_equal(getattr(done, name), value, err_msg=name)
    ruined = (done.exposure[:, 0, -1] == 0) & (done.turnover[:, -1] == 0)
    assert 3 < ruined.sum() < 50
    assert (done.equity[ruined, -1] < 0.3 * 40_000).all()


def joint(b=40, s=3, t=20, volatility=0.4, seed=0):
    """Markets of several symbols with innovations and forecasts of nothing in particular."""
    paths = joined(random_tape(b=b * s, t=t, volatility=volatility, known=True, seed=seed), s)
    forecasts = np.random.default_rng(seed).normal(0.5, 1.0, (b, s, t + 1, len(FORECAST)))
    return replace(paths, forecasts=forecasts, moments=np.tile(prior_moments(s), (b, 1, 1)))


THREE = Rules(
    np.array([0.5, 0.3, 0.6]), 40_000.0, 0.9, ruin=0.6, costs=InteractiveBrokersCost(slippage=0.001)
)


def portfolio(outlook, standing):
    """Depends on everything, asks for more than the gross cap, keeps some positions."""
    wanted = outlook.observation[..., 0] - standing.exposure + outlook.correlation.sum(axis=2)
    wanted = np.clip(wanted + outlook.column("mean") * standing.caps, -1.0, 1.0)
    return np.where(outlook.column("deviation") > 1.5, np.nan, wanted)


def test_a_rollout_of_several_symbols_is_one_account_after_the_other():
    """Bit for bit, with a gross cap that binds, slippage, kept positions and ruin on the way."""
    paths = joint()
    done, slow = rollout(portfolio, paths, THREE), slow_rollout(portfolio, paths, THREE)
    for name in ("reward", "growth", "exposure", "equity"):
        np.testing.assert_array_equal(getattr(done, name), slow[name], err_msg=name)
    for name in ("controlled", "turnover", "costs"):  # sums over symbols
        np.testing.assert_allclose(getattr(done, name), slow[name], rtol=1e-12, err_msg=name)
    ruined = (done.exposure[:, :, -1] == 0).all(axis=1) & (done.turnover[:, -1] == 0)
    assert 3 < ruined.sum() < 35
    gross = np.abs(done.exposure * THREE.caps[:, None]).sum(axis=1)
    assert (gross[:, 0] > 0.8).any()
    assert (done.costs[:, 0] > 0).all()


@pytest.mark.parametrize("known", [True, False])
def test_an_account_with_several_symbols_is_replayed_to_the_same_equity(known):
    """The decisions of one market, on the kernel's own replay."""
    paths = joint(b=1, t=30, volatility=0.03)
    if not known:
        paths = replace(paths, forecasts=None, moments=None, innovations=None)
    moves = np.random.default_rng(1).uniform(-1, 1, (30, 1, 3))
    moves[5:8] = np.nan
    turns = iter(moves)
    done = rollout(lambda outlook, standing: next(turns), paths, THREE)
    decisions = np.concatenate([moves[:, 0] * THREE.caps, np.full((1, 3), np.nan)])
    curve = replay(decisions, np.moveaxis(paths.bars[0], 0, 1), THREE)
    np.testing.assert_allclose(done.equity[0], curve[1:], rtol=1e-12)
    np.testing.assert_allclose(np.exp(np.cumsum(done.growth[0])) * 40_000, curve[1:], rtol=1e-12)


def test_symbols_in_another_order_earn_the_same():
    paths, order = joint(b=8, s=3, volatility=0.03), [2, 0, 1]
    other = Paths(
        *(getattr(paths, name)[:, order] for name in (*TAPE, "innovations", "forecasts")),
        paths.moments[:, order][:, :, order],
    )
    one, two = rollout(portfolio, paths, THREE), rollout(portfolio, other, THREE)
    np.testing.assert_allclose(two.equity, one.equity, rtol=1e-9)
    np.testing.assert_allclose(two.exposure, one.exposure[:, order], atol=1e-9)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda o, s: np.full(s.exposure.shape, 1.1), r"lie in \[-1, 1\] or be NaN"),
        (lambda o, s: np.zeros(len(s)), r"exposures must have shape \(40, 3\)"),
    ],
)
def test_a_policy_that_asks_for_the_impossible_is_told(asked, words):
    with pytest.raises(ValueError, match=words):
        rollout(asked, joint(), THREE)


def test_who_asks_for_a_forecast_where_there_is_none_is_told():
    with pytest.raises(ValueError, match="outlook must have a forecast for its mean"):
        rollout(lambda outlook, standing: outlook.column("mean"), random_tape(), RULES)


def slow_transitions(paths, rules, actions, rng):
    """One account, one action at a time, on the kernel alone."""
    n = paths.n_paths * paths.n_steps
    ordered = np.asarray(actions)[rng.integers(len(actions), size=n)]
    drift = np.exp(rng.normal(0.0, 0.5 * rules.band, n))
    exposures = np.clip(ordered * (1.0 - rules.buffer) * drift, -1.0, 1.0)
    rows = []
    for k in range(n):
        i, t = divmod(k, paths.n_steps)
        path, cap = paths.take([i]), rules.caps[paths.series[i, 0]]
        own, (now, opens, then, missed) = replace(rules, caps=cap), bar_of(path, t)
        account = Account.at_weights([[exposures[k] * cap]], now, rules.equity)
        outcomes = []
        for action in actions:
            done = step(account, np.array([[action * cap]]), now, opens, then, own)
            growth = finite_growth(done.growth, account.equity, own)
            ruined = is_ruined(done.account.equity, own)[0]
            equity = 1.0 if ruined else done.account.equity[0]
            weight = 0.0 if ruined else done.account.holdings[0, 0] * then[0, 0] / equity
            known = control_variate(account, done, now, opens, missed)
            outcomes.append(((growth - known)[0], account_features(weight, cap), ruined))
        reward, after, ruined = zip(*outcomes, strict=True)
        rows.append(
            (
                path.observations[0, 0, t],
                account_features(exposures[k] * cap, cap),
                reward,
                path.observations[0, 0, t + 1],
                after,
                ruined,
            )
        )
    return Transitions(*(np.array(column, np.float32) for column in zip(*rows, strict=True)))


def test_transitions_are_one_account_and_one_action_after_the_other():
    """Bit for bit; caps differ by series, and some are ruined."""
    paths, actions = violent(), (-1.0, 0.0, 0.5, 1.0)
    found = transitions(paths, TWO, actions, np.random.default_rng(3))
    slow = slow_transitions(paths, TWO, actions, np.random.default_rng(3))
    for item in fields(Transitions):
        mine, want = getattr(found, item.name), getattr(slow, item.name)
        np.testing.assert_array_equal(mine, want, err_msg=item.name)
    assert found.terminated.any()


@pytest.mark.parametrize(("equity", "rate"), [(2_000.0, 1 / 600), (100_000.0, 0.005 / 100)])
def test_experience_and_judgement_pay_the_fees_of_the_accounts_size(equity, rate):
    """A quiet market at 100 $ a share: 16.7 basis points of what 2,000 $ trade at a cap of .32."""
    paths = tape_of(np.zeros((20, 3)), price=100.0)
    rules = Rules(np.array([0.32]), equity, buffer=0.03, band=0.1)
    done = rollout(constant(1.0), paths, rules)
    lots = np.floor(equity * 0.32 * 0.97 / 100.0)
    assert equity - done.equity[:, -1] == pytest.approx(rate * lots * 100.0)
    found = transitions(paths, rules, (0.0, 1.0), np.random.default_rng(0))
    flat = found.account[:, 0] == 0.0
    assert 10 < flat.sum() < 50
    paid = -np.expm1(found.reward[flat, 1]) * equity / (lots * 100.0)
    np.testing.assert_allclose(paid, rate, rtol=1e-3)
    np.testing.assert_array_equal(found.reward[flat, 0], 0.0)


def test_a_rollout_equals_an_honest_account_in_exact_decimals():
    paths = random_tape(b=2, t=40, series=[1, 0])
    rules = Rules(np.array([0.2, 0.8]), 5_000.0)
    moves = np.random.default_rng(0).choice([-1.0, 0.0, 0.5, 1.0], (40, 2))
    turns = iter(moves)
    done = rollout(lambda outlook, standing: next(turns)[:, None], paths, rules)
    for i in range(2):
        cap = rules.caps[paths.series[i, 0]]
        account = HonestAccount(exact(5_000.0))
        prices = [[exact(p) for p in bar] for bar in paths.bars[i, 0]]
        for t in range(40):
            now, then = prices[t], prices[t + 1]
            target = {"X": exact(moves[t, i] * cap)}
            bar = ({"X": now[CLOSE]}, {"X": then[OPEN]}, {"X": then[CLOSE]})
            account.bar(target, *bar, HonestRules(exact(cap)))
        assert done.equity[i, -1] == pytest.approx(
            float(account.equity({"X": then[CLOSE]})), rel=1e-9
        )


def test_experience_is_of_one_symbol_and_says_so():
    two = joint(b=2, s=2)
    with pytest.raises(ValueError, match=r"pass paths.each\(\); received 2 symbols"):
        transitions(two, RULES, (0.0, 1.0), np.random.default_rng(0))
    transitions(two.each(), RULES, (0.0, 1.0), np.random.default_rng(0))


TAPE = ("bars", "observations", "series", "start_row")


def test_buy_and_hold_trades_once_and_flat_never():
    paths = random_tape(b=3, t=20, volatility=0.002)  # too calm to drift over the cap
    held = rollout(constant(1.0), paths, Rules(np.array([0.6]), 1e5, band=1.0))
    assert (held.turnover[:, 0] > 0.9 * 0.6).all()
    assert (held.turnover[:, 1:] == 0).all()
    flat = rollout(constant(0.0), paths, RULES)
    assert flat.mean_reward == flat.mean_turnover == 0.0
    np.testing.assert_allclose(flat.equity, 100_000.0)
    np.testing.assert_allclose(held.equity, 1e5 * np.exp(held.reward.cumsum(axis=1)))


def test_ruin_ends_a_path_and_spares_the_others():
    paths = tape_of([[0.9, 0.9, 0.1], [0.0, 0.0, 0.0]])
    done = rollout(constant(-1.0), paths, Rules(np.array([0.95]), 1e5, ruin=0.5))
    assert done.reward[0, 0] < np.log(0.5)
    assert (done.reward[0, 1:] == 0).all()
    assert (done.exposure[0] == 0).all()
    assert done.exposure[1, 0, -1] == pytest.approx(-0.97, abs=0.01)


def test_transitions_pair_each_row_with_the_next_and_know_every_reward():
    paths = random_tape(b=6, t=10, d=2)
    rules = Rules(np.array([1.0]), 1e5, buffer=0.0, band=0.0, lot_size=0)
    found = transitions(paths, rules, (-1.0, 0.0, 1.0), np.random.default_rng(0))
    assert isinstance(found, Transitions)
    assert len(found) == 60
    np.testing.assert_array_equal(found.observation[10:20], paths.observations[1, 0, :-1])
    np.testing.assert_array_equal(found.next_observation[10:20], paths.observations[1, 0, 1:])
    flat = np.abs(found.account[:, 0]) < 1e-6
    assert 10 < flat.sum() < 30
    bars = paths.bars[:, 0]
    day = bars[:, 1:, CLOSE] / bars[:, 1:, OPEN]
    gap = bars[:, 1:, OPEN] / bars[:, :-1, CLOSE]
    gain = (gap * (day - 1)).ravel()[flat]  # a long of 100,000 $ at the last close
    np.testing.assert_allclose(np.expm1(found.reward[flat, 2]), gain, atol=2e-4)
    np.testing.assert_array_equal(found.reward[flat, 1], 0.0)
    np.testing.assert_allclose(found.next_account[flat, 1, 0], 0.0, atol=1e-6)
