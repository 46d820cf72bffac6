"""Random outlooks and standings for the tests of agents."""

import numpy as np

from models.agent.account import Standing
from models.agent.outlook import FORECAST, Outlook


def seen(seed=0, markets=20, symbols=3, width=4) -> Outlook:
    rng = np.random.default_rng(seed)
    forecast = rng.normal(size=(markets, symbols, len(FORECAST)))
    forecast[..., :4] = np.exp(rng.normal(np.log(0.015), 0.4, (markets, symbols, 4)))
    observation = rng.normal(size=(markets, symbols, width)).astype(np.float32)
    correlation = np.where(np.eye(symbols, dtype=bool), 1.0, 0.3)
    return Outlook(observation, forecast, np.tile(correlation, (markets, 1, 1)))


def standing(seed=1, markets=20, symbols=3) -> Standing:
    rng = np.random.default_rng(seed)
    return Standing(rng.uniform(-1.0, 1.0, (markets, symbols)), np.full((1, symbols), 0.3), 0.9)
