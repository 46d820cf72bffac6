"""Walks on small synthetic histories, by agents of every kind that no training led to."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from algorithm.learning import AgentCurve
from algorithm.training import TrainedAgent, TrainedModels
from models.agent.account import GRADED
from models.agent.agreement import Agreement
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from models.agent.observation import Observer
from models.agent.q_agent import QAgent, QAgentConfig, initial_weights
from models.agent.residual_agent import ResidualAgentConfig, new_agent, with_weights
from models.agent.thresholds import ThresholdAgent, ThresholdConfig, Thresholds
from models.forecast.config import ForecasterConfig
from research.stepping import Walk
from sim.accounting import Rules
from sim.costs import InteractiveBrokersCost
from sim.rewards import MeanVariance as MeanVarianceReward
from sim.rules import Rule
from tests.models.synthetic import random_forecaster
from tests.sim.forecasting import HISTORIES, TABLES

WIDTH = len(Observer.names)
START = 320
"""Row of the last known bar; both histories have the same dates."""
DAYS = HISTORIES[0].time.astype("datetime64[D]")
RULES = Rules(
    np.array([0.5, 0.4]), equity=1e5, gross=0.8, costs=InteractiveBrokersCost(slippage=0.0005)
)
REWARD = MeanVarianceReward(6.0)

TINY = {
    "symbols": "AAA,BBB",
    "start_date": "2016-07-01",
    "end_date": "2016-08-20",
    "warm_up_years": "1.7",
    "agent": "dqn",
    "forecaster_units": "4",
    "forecaster_window": "20",
    "forecaster_epochs": "1",
    "paths": "16",
    "path_bars": "10",
    "agent_units": "4",
    "agent_updates": "25",
    "forecast_draws": "16",
}
"""Settings under which models are trained in a moment."""


@dataclass(frozen=True)
class Looker(ThresholdAgent):
    """Thinks that what it saw rise goes on; looks back some bars, before the start too."""

    window: int = 7

    def probability(self, outlook):
        seen = outlook.recent(self.window)[..., Observer.names.index("log_return")]
        return 0.5 + 0.3 * np.tanh(seen.mean(axis=2, dtype=np.float64))

    def to_arrays(self):
        return {}


def _weights(shapes, seed):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes)


@cache
def agents():
    """By kind."""
    network = QAgentConfig(observation_width=WIDTH, actions=GRADED, units=(6,))
    rng = np.random.default_rng(3)
    layers = [*initial_weights(network, rng)[:-2], *_weights([(6, 9), (9,)], 4)]
    zero, one = np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32)
    quick = MeanVarianceConfig(sharpe_ratio=2.0, band=0.05)
    config = ResidualAgentConfig(observation_width=WIDTH, policy=quick, units=(6, 6))
    untrained = new_agent(config, rng.normal(size=(50, WIDTH)).astype(np.float32), rng)
    analytic, rule = MeanVariance(quick), Rule("variance_target_ewma", band=0.1)
    return {
        "dqn": QAgent(network, tuple(layers), tuple(layers), zero, one, 100.0, hurdle=1e-4),
        "mean_variance": analytic,
        "gradient": with_weights(untrained, _weights(config.shapes, 5)),
        "looker": Looker(Thresholds(ThresholdConfig(full=(0.6,), band=0.1), 0.0005, 0.6)),
        "variance_target_ewma": rule,
        "agreement": Agreement({"mean_variance": analytic, "variance_target_ewma": rule}),
    }


@cache
def forecaster():
    """Of random weights: what it has learned does not matter here."""
    config = ForecasterConfig(units=8, window=20, masks=2)
    return random_forecaster(TABLES, config, seed=1)


def models(kind):
    """As a training gives them, up to the last known bar."""
    trained = TrainedAgent(agents()[kind], "agent", AgentCurve(), False, np.empty(0))
    end = HISTORIES[0].time[START]
    return TrainedModels(forecaster(), "forecaster", False, {kind: trained}, kind, end)


def walk(kind="mean_variance", histories=HISTORIES, rules=RULES, bars=250, draws=16):
    """At its start."""
    return Walk(models(kind), histories, rules, reward=REWARD, seed=1, draws=draws, bars=bars)
