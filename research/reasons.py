"""What an agent bases a proposal on, by kind: action values where it has them, else its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from algorithm.decision import action_name
from models.agent.account import Standing, exposure_features
from models.agent.agent import Agent
from models.agent.agreement import Agreement
from models.agent.mean_variance import MeanVariance
from models.agent.outlook import Outlook
from models.agent.q_agent import QAgent
from models.agent.residual_agent import ResidualAgent
from models.agent.thresholds import ThresholdAgent
from sim.rules import RULES, Rule

Floats = NDArray[np.float64]

KEEP = "keep"
"""What an agent is said to want of a position that it leaves as it is."""


@dataclass(frozen=True)
class Reasons:
    """Why an agent proposes what it does, for S symbols at one close.

    Attributes:
        says: what kind of agent it is and the numbers that are the same for all symbols.
        table: its steps, a row for each symbol; units in the names of the columns, weights as
            shares of the portfolio. Of an analytic optimum: ``premium`` and ``deviation`` of the
            next return, ``trend``, mean ``correlation`` with the others, the optimum without
            (``uncapped``) and with caps (``aim``), what is ``held``, and the ``band`` within which
            that is kept. NaN in a column of targets: the position is kept.
        values: of each action, in units of the reward, a row for each symbol; None for an agent
            that has no such thing.
    """

    says: str
    table: pd.DataFrame
    values: pd.DataFrame | None = None


def reasons(agent: Agent, outlook: Outlook, standing: Standing, symbols: Sequence[str]) -> Reasons:
    """What an agent bases its proposal on.

    Args:
        agent: any of `algorithm.learning.AGENTS`.
        outlook: what is known, one market of S symbols.
        standing: where the account stands, and what binds it.
        symbols: S tickers.
    """
    if isinstance(agent, QAgent):
        return _of_values(agent, outlook, standing, symbols)
    if isinstance(agent, MeanVariance):
        says = f"mean-variance optimum, {_investor(agent)}"
        return Reasons(says, _optimum(agent, outlook, standing, symbols))
    if isinstance(agent, ResidualAgent):
        return _of_residual(agent, outlook, standing, symbols)
    if isinstance(agent, ThresholdAgent):
        return _of_probability(agent, outlook, standing, symbols)
    if isinstance(agent, Agreement):
        wanted = {kind: member.act(outlook, standing) for kind, member in agent.members.items()}
        return Reasons(
            "trades where all members want the same side: their targets",
            _frame(symbols, {kind: of * standing.caps for kind, of in wanted.items()}),
        )
    if isinstance(agent, Rule):
        steps = {
            "aim": agent.aim(outlook, standing) * standing.caps,
            "held": standing.weights,
            "band": agent.band * standing.caps,
        }
        return Reasons(RULES[agent.name].says, _frame(symbols, steps))
    raise ValueError(f"agent must be of a kind that is known; received {type(agent).__name__}")


def _of_values(
    agent: QAgent, outlook: Outlook, standing: Standing, symbols: Sequence[str]
) -> Reasons:
    """Of a double DQN: what each action is worth, each symbol alone."""
    account = exposure_features(standing.exposure[0])
    values = agent.q_values(outlook.observation[0], account)
    best = values.argmax(axis=1)
    stay = np.abs(agent.actions - account).argmin(axis=1)
    rows = np.arange(len(values))
    says = "double DQN: the action of most value after the hurdle; ties stay. "
    says += (
        "Its hurdle is infinite: it stays flat"
        if agent.stays_flat
        else f"Hurdle of a whole position: {1e4 * agent.hurdle:.2f} bp"
    )
    table = pd.DataFrame(
        {
            "best action": [action_name(agent.actions[a]) for a in best],
            "nearest to held": [action_name(agent.actions[a]) for a in stay],
            "ahead of it, bp": 1e4 * (values[rows, best] - values[rows, stay]),
        },
        index=list(symbols),
    )
    names = [action_name(exposure) for exposure in agent.actions]
    return Reasons(says, table, pd.DataFrame(values, index=list(symbols), columns=names))


def _of_residual(
    agent: ResidualAgent, outlook: Outlook, standing: Standing, symbols: Sequence[str]
) -> Reasons:
    """Of the gradient agent: the analytic part and what the network adds."""
    table = _optimum(agent.policy, outlook, standing, symbols)
    aim = agent.policy.aim(outlook, standing.caps, standing.gross)
    learned = {
        "correction": agent.correction(outlook, standing, aim) * standing.caps,
        "target": agent.target(outlook, standing) * standing.caps,
    }
    place = list(table.columns).index("aim") + 1
    for step, (name, weights) in enumerate(learned.items()):
        table.insert(place + step, name, weights[0])
    says = f"mean-variance optimum and a learned correction, {_investor(agent.policy)}"
    return Reasons(says, table)


def _of_probability(
    agent: ThresholdAgent, outlook: Outlook, standing: Standing, symbols: Sequence[str]
) -> Reasons:
    """Of a forest or a convolutional network: the chance of a rise and what it is traded on."""
    rule = agent.thresholds
    probability, deviation = agent.probability(outlook), outlook.column("deviation")
    table = _frame(
        symbols,
        {
            "chance of a rise": probability,
            "charged for costs": rule.charge(deviation),
            "aim": rule.exposures(probability, deviation) * standing.caps,
            "held": standing.weights,
            "band": rule.config.band * standing.caps,
        },
    )
    full = "never, no markets paid for it" if rule.full is None else f"from {rule.full:g} on"
    says = (
        f"chance of a rise over {rule.config.horizon} bars: nothing is held up to "
        f"{rule.config.flat:g}, a whole position {full}"
    )
    return Reasons(says, table)


def _optimum(
    policy: MeanVariance, outlook: Outlook, standing: Standing, symbols: Sequence[str]
) -> pd.DataFrame:
    """The steps of the mean-variance optimum."""
    premium = policy.premium(outlook)
    s = premium.shape[1]
    free = np.linalg.solve(outlook.covariance, premium[..., None] / policy.config.aversion)
    mean = (outlook.correlation.sum(axis=2) - 1.0) / max(s - 1, 1)
    return _frame(
        symbols,
        {
            "premium, bp": 1e4 * premium,
            "deviation, %": 100.0 * outlook.column("deviation"),
            "trend": outlook.trend,
            "correlation": mean,
            "uncapped": free[..., 0],
            "aim": policy.aim(outlook, standing.caps, standing.gross) * standing.caps,
            "held": standing.weights,
            "band": policy.config.band * standing.caps,
        },
    )


def _investor(policy: MeanVariance) -> str:
    config = policy.config
    return (
        f"aversion {config.aversion:.3g}, Sharpe ratio {config.sharpe_ratio:g} a year, trend "
        f"{config.trend:g}; no trade while held is within the band of it"
    )


def _frame(symbols: Sequence[str], columns: dict[str, Floats]) -> pd.DataFrame:
    """Columns (1, S), broadcast, as a frame of S rows."""
    shape = (1, len(symbols))
    return pd.DataFrame(
        {name: np.broadcast_to(values, shape)[0] for name, values in columns.items()},
        index=list(symbols),
    )
