"""What is said of a proposal leads to the proposal."""

from dataclasses import replace

import numpy as np
import pytest

from algorithm.decision import action_name
from models.agent.account import exposure_features
from models.agent.mean_variance import outside_band
from models.agent.thresholds import Thresholds
from research.reasons import reasons
from tests.models.agent.outlooks import seen, standing
from tests.research.walks import WIDTH, agents

SYMBOLS = ["AAA", "BBB", "CCC"]


def cases(kind):
    """Outlooks and standings of single markets, with what the agent makes of them."""
    agent, outlook, held = agents()[kind], seen(width=WIDTH), standing()
    for market in range(len(outlook)):
        mine = replace(held, exposure=held.exposure[[market]])
        one = outlook.take(np.array([market]))
        yield agent, one, mine, reasons(agent, one, mine, SYMBOLS)


def followed(target, table, one, band):
    """Weights (1, S) that are proposed for a target beside what is held, within a band of caps."""
    aim = table[target].to_numpy()[None] / one.caps
    return outside_band(aim, table["held"].to_numpy()[None] / one.caps, band) * one.caps


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("mean_variance", "aim"),
        ("gradient", "target"),
        ("looker", "aim"),
        ("variance_target_ewma", "aim"),
    ],
)
def test_the_steps_end_at_the_proposal(kind, target):
    kept = 0
    for agent, outlook, one, said in cases(kind):
        band = said.table["band"].to_numpy() / 0.3
        wanted = agent.act(outlook, one) * one.caps
        np.testing.assert_allclose(followed(target, said.table, one, band), wanted, rtol=1e-12)
        np.testing.assert_allclose(said.table["held"], one.weights[0])
        kept += np.isnan(wanted).sum()
    assert 0 < kept < 60


def test_without_caps_the_optimum_solves_its_equations():
    for agent, outlook, _, said in cases("mean_variance"):
        free = said.table["uncapped"].to_numpy()
        earns = agent.config.aversion * outlook.covariance[0] @ free
        np.testing.assert_allclose(1e4 * earns, said.table["premium, bp"])
        deviation = said.table["deviation, %"].to_numpy() / 100
        np.testing.assert_allclose(deviation**2, np.diag(outlook.covariance[0]))
        np.testing.assert_allclose(said.table["correlation"], 0.3)
        if np.abs(free).sum() < 0.9 and (np.abs(free) < 0.3).all():
            np.testing.assert_allclose(said.table["aim"], free, rtol=1e-6)


def test_the_correction_is_what_lies_between_aim_and_target():
    for agent, _, one, said in cases("gradient"):
        low = -1.0 if agent.config.policy.allow_short else 0.0
        together = said.table["aim"] + said.table["correction"]
        together = np.clip(together, low * one.caps[0], one.caps[0])
        if np.abs(together).sum() < one.gross:
            np.testing.assert_allclose(said.table["target"], together, rtol=1e-12)
        assert (np.abs(said.table["correction"]) <= 0.5 * one.caps[0]).all()


def test_a_double_dqn_takes_the_action_of_most_value_that_beats_staying():
    for agent, outlook, one, said in cases("dqn"):
        account = exposure_features(one.exposure[0])
        np.testing.assert_array_equal(said.values, agent.q_values(outlook.observation[0], account))
        assert list(said.values.columns) == [action_name(a) for a in agent.actions]
        free = agent.with_hurdle(0.0)
        chosen = [action_name(a) for a in free.act(outlook, one)[0]]
        best = np.where(
            said.table["ahead of it, bp"] > 0,
            said.table["best action"],
            said.table["nearest to held"],
        )
        np.testing.assert_array_equal(best, chosen)
        assert "1.00 bp" in said.says
    flat = agent.with_hurdle(np.inf)
    assert "stays flat" in reasons(flat, outlook, one, SYMBOLS).says


def test_members_of_an_agreement_say_what_they_want():
    for agent, outlook, one, said in cases("agreement"):
        for kind, member in agent.members.items():
            wanted = member.act(outlook, one)[0] * one.caps[0]
            np.testing.assert_array_equal(said.table[kind], wanted)


def test_thresholds_that_no_market_paid_for_are_called_so():
    outlook, held = seen(width=WIDTH).take(np.array([0])), standing(markets=1)
    looker = agents()["looker"]
    assert "from 0.6 on" in reasons(looker, outlook, held, SYMBOLS).says
    never = looker.with_thresholds(Thresholds(looker.thresholds.config))
    said = reasons(never, outlook, held, SYMBOLS)
    assert "no markets paid for it" in said.says
    assert (said.table["aim"] == 0).all()


def test_a_stranger_is_refused():
    outlook, held = seen(width=WIDTH).take(np.array([0])), standing(markets=1)
    with pytest.raises(ValueError, match="agent must be of a kind that is known; received object"):
        reasons(object(), outlook, held, SYMBOLS)
