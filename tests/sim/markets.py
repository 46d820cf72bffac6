"""Synthetic tapes with known properties, for the tests of this folder."""

import numpy as np

from sim.paths import Paths


def tape_of(
    log_returns, observations=None, gap_share=0.3, price=50.0, innovations=None, series=None
):
    """Paths of one symbol each; closes follow log returns (B, T), a share of each over night.

    Observations (B, T+1, D) and innovations (B, T, 2) may come with the axis of the symbol.
    """
    log_returns = np.asarray(log_returns, dtype=float)
    log_returns = log_returns.reshape(len(log_returns), -1)
    b, t = log_returns.shape
    closes = price * np.exp(np.concatenate([np.zeros((b, 1)), np.cumsum(log_returns, 1)], axis=1))
    opens = closes.copy()
    opens[:, 1:] = closes[:, :-1] * np.exp(gap_share * log_returns)
    high, low = np.maximum(opens, closes) * 1.001, np.minimum(opens, closes) * 0.999
    bars = np.stack([opens, high, low, closes, np.full((b, t + 1), 1e6)], axis=-1)
    if observations is None:
        observations = np.zeros((b, t + 1, 1))
    series = np.zeros(b, np.int64) if series is None else np.asarray(series)
    if innovations is not None:
        innovations = np.reshape(innovations, (b, 1, t, 2))
    return Paths(
        bars[:, None],
        np.reshape(observations, (b, 1, t + 1, -1)),
        series[:, None],
        np.zeros((b, 1), np.int64),
        innovations,
    )


def random_tape(b=5, t=30, d=3, seed=0, volatility=0.02, known=False, **options):
    """Random walks and noise to look at; `known`: all of the returns are innovations."""
    rng = np.random.default_rng(seed)
    returns, seen = rng.normal(0, volatility, (b, t)), rng.normal(0, 1, (b, t + 1, d))
    if known:
        options["innovations"] = returns[..., None] * np.array([0.3, 0.7])
    return tape_of(returns, seen, **options)


def joined(paths, symbols):
    """Markets of several symbols each: neighbours of a tape of single ones, series 0..S-1."""
    b = paths.n_paths // symbols

    def shaped(value):
        return None if value is None else value.reshape(b, symbols, *value.shape[2:])

    return Paths(
        shaped(paths.bars),
        shaped(paths.observations),
        np.tile(np.arange(symbols), (b, 1)),
        shaped(paths.start_row),
        shaped(paths.innovations),
    )
