"""Are rollouts still calibrated many bars out?

From every tenth bar of the test span the next 60 bars are imagined, and the real return and
realised volatility over 5, 20 and 60 bars are ranked among the imagined ones: coverage of the
central 50, 80, 90 and 95 % intervals, Kolmogorov-Smirnov distance of the ranks (PIT) from uniform,
their mean (.5 where nothing leans), CRPS in percentage points. Parameters are fitted to 2017 on
other stocks (`research.held_out`); a rollout knows its stock's bars up to its start and nothing
newer. Rivals in the same run, their parameters fitted on the stock's own bars to 2017:
GJR-GARCH(1,1,1)-t simulated, EWMA .94 with independent Gaussian returns, and the overlapping
returns of the last 500 bars.

Windows overlap and stocks share their days: two test years hold some eight independent returns of
60 bars, whatever the number of starts. So beside the error stands how uncertain a coverage is at
least: its standard error, mean over the four, from blocks of starts twice as long as the rollouts,
drawn anew for all stocks together (circular block bootstrap; Politis and Romano 1992). Two years
hold four such blocks, which is too few to see all of it: it may be half as large again.

    python -m research.benchmarks.rollout_calibration --tdqn FOLDER [--models FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from arch.bootstrap import CircularBlockBootstrap
from numpy.typing import NDArray
from tqdm import tqdm

from models.agent.observation import Observer
from models.arrays import column
from models.forecast.config import ForecasterConfig
from models.forecast.predictive import crps_draws, pit_ks
from models.market.features import FeatureTable
from models.market.history import CLOSE, History
from models.seeding import streams
from research.conditions import conditions
from research.held_out import DEFAULT_BLEND, ROTATIONS, Stock, stocks_of
from research.stocks import FIRST_TRAINING, packaged_histories, parse, since, stock_parser
from research.tdqn_data import load_all
from sim.baselines import GarchFit
from sim.path_sampler import ForecasterSampler

LEVELS = (0.5, 0.8, 0.9, 0.95)
HORIZONS = (5, 20, 60)
STEPS = max(HORIZONS)
HISTORICAL_BARS = 500
DECAY = 0.94
RESAMPLES = 400

Floats = NDArray[np.float64]


def horizon_statistics(returns: Floats, horizon: int) -> dict[str, Floats]:
    """Return and realised volatility over the first bars of paths (..., T), (...) each.

    Realised volatility is the root of the sum of squared bar returns (Andersen et al. 2003).
    """
    near = returns[..., :horizon]
    return {"return": near.sum(axis=-1), "volatility": np.sqrt((near**2).sum(axis=-1))}


def pit_of_draws(draws: Floats, observed: Floats) -> Floats:
    """Rank of each observation (n,) among its draws (n, m), in (0, 1); ties count half."""
    below = (draws < observed[:, None]).sum(axis=1) + 0.5 * (draws == observed[:, None]).sum(axis=1)
    return (below + 0.5) / (draws.shape[1] + 1)


def covered(pit: Floats) -> Floats:
    """Share of observations within the central interval of each of `LEVELS`."""
    return np.array([np.mean(np.abs(pit - 0.5) <= 0.5 * level) for level in LEVELS])


@dataclass(frozen=True)
class Ranked:
    """One model's rollouts against what came, of one stock, statistic and horizon.

    Attributes:
        pit: of each start, shape (n,).
        crps: likewise, in the statistic's own unit.
    """

    pit: Floats
    crps: Floats


def garch_rollouts(
    past: History, history: History, rows: NDArray[np.int64], paths: int, rng: np.random.Generator
) -> Floats:
    """GJR-GARCH fitted on the past alone, filtered to each start, simulated: (n, paths, STEPS)."""
    fit = GarchFit.of(past.log_returns[1:], True)
    residual = history.log_returns[1:] - fit.mean
    variance = np.empty_like(residual)
    variance[: len(fit.variance)] = fit.variance
    for t in range(len(fit.variance), len(residual)):
        variance[t] = fit.next_variance(residual[t - 1], variance[t - 1])
    filtered = replace(fit, residual=residual, variance=variance)
    found, _ = filtered.simulate(np.repeat(rows - 1, paths), STEPS, rng)
    return found.reshape(len(rows), paths, STEPS)


def ewma_rollouts(
    past: History, history: History, rows: NDArray[np.int64], paths: int, rng: np.random.Generator
) -> Floats:
    """Independent Gaussian returns of the EWMA variance known at each start."""
    square = history.log_returns[1:] ** 2
    variance = np.empty(len(square))
    last = square[: len(past) - 1].mean()
    for t, value in enumerate(square):
        last = DECAY * last + (1.0 - DECAY) * value
        variance[t] = last
    noise = rng.standard_normal((len(rows), paths, STEPS))
    return np.sqrt(variance[rows - 1])[:, None, None] * noise


def historical_rollouts(
    past: History, history: History, rows: NDArray[np.int64], paths: int, rng: np.random.Generator
) -> Floats:
    """All stretches of `STEPS` returns within the last `HISTORICAL_BARS` before each start."""
    returns = history.log_returns[1:]
    recent = np.stack([returns[row - HISTORICAL_BARS : row] for row in rows])
    return np.lib.stride_tricks.sliding_window_view(recent, STEPS, axis=1)


Rollouts = Callable[[History, History, NDArray, int, np.random.Generator], Floats]
RIVALS: dict[str, Rollouts] = {
    "GJR-GARCH(1,1,1)-t": garch_rollouts,
    "EWMA .94, independent": ewma_rollouts,
    "last 500 bars": historical_rollouts,
}


def mirage_rollouts(
    stock: Stock, rows: NDArray[np.int64], paths: int, blend: float, seed: int
) -> Floats:
    """Imagined from each start with what was known then: (n, paths, STEPS)."""
    observer, found = Observer(stock.forecaster), []
    # As every parameter, fitted up to the split.
    feedback = ForecasterSampler(observer, [stock.past], blend=blend).feedback
    for row in rows:
        known = FeatureTable.of(stock.history.until(stock.history.time[row]))
        sampler = ForecasterSampler(observer, [known], blend=blend, starts="latest")
        sampler.feedback = feedback
        rng = streams(seed, "rollouts", stock.symbol, int(row))["paths"]
        closes = sampler.sample(paths, STEPS, rng).bars.reshape(paths, STEPS + 1, 5)
        found.append(np.diff(np.log(column(closes, CLOSE)), axis=1))
    return np.stack(found)


def ranked(draws: Floats, observed: Floats) -> dict[tuple[str, int], Ranked]:
    """By statistic and horizon.

    Args:
        draws: imagined returns, shape (n, m, STEPS).
        observed: those that came, shape (n, STEPS).
    """
    found = {}
    for horizon in HORIZONS:
        of_draws = horizon_statistics(draws, horizon)
        for name, real in horizon_statistics(observed, horizon).items():
            each = of_draws[name]
            found[name, horizon] = Ranked(pit_of_draws(each, real), crps_draws(each, real))
    return found


def starts_of(stock: Stock, stride: int) -> NDArray[np.int64]:
    """Rows of the starts: from the last bar before the test span, as long as `STEPS` follow."""
    return np.arange(len(stock.past) - 1, len(stock.history) - STEPS, stride)


def models(
    stocks: Sequence[Stock], blends: Sequence[float], paths: int, stride: int, seed: int
) -> Iterator[tuple[str, Stock, dict[tuple[str, int], Ranked]]]:
    """Every model on every stock, one after the other."""
    for stock in stocks:
        rows = starts_of(stock, stride)
        ahead = rows[:, None] + np.arange(1, STEPS + 1)
        observed = stock.history.log_returns[ahead]
        for blend in blends:
            draws = mirage_rollouts(stock, rows, paths, blend, seed)
            yield f"Mirage, blend {blend:g}", stock, ranked(draws, observed)
        for name, rollouts in RIVALS.items():
            rng = streams(seed, "rollouts", name, stock.symbol)["paths"]
            draws = rollouts(stock.past.history, stock.history, rows, paths, rng)
            yield name, stock, ranked(draws, observed)


def uncertainty(each: Sequence[Ranked], block: int) -> float:
    """Standard error of coverages over stocks, mean over `LEVELS`; too low where blocks are few.

    Args:
        each: of every stock, starts in order; as many are taken as all have.
        block: starts that are drawn together, >= 1.
    """
    shortest = min(len(one.pit) for one in each)
    together = np.column_stack([one.pit[:shortest] for one in each])
    drawn = CircularBlockBootstrap(block, together, seed=1)
    return float(drawn.apply(lambda pit: covered(pit.ravel()), RESAMPLES).std(axis=0).mean())


def line(name: str, each: Sequence[Ranked], block: int) -> str:
    """One row of a table, over stocks; `block` as `uncertainty` has it."""
    pit = np.concatenate([one.pit for one in each])
    shares = covered(pit)
    own = [np.abs(covered(one.pit) - LEVELS).mean() for one in each]
    return (
        f"{name:24s}"
        + "".join(f"{share:7.3f}" for share in shares)
        + f"{np.abs(shares - LEVELS).mean():8.3f}{uncertainty(each, block):7.3f}"
        + f"{np.mean(own):10.3f}"
        + f"{pit_ks(pit):8.3f}{np.mean([pit_ks(one.pit) for one in each]):10.3f}{pit.mean():10.3f}"
        + f"{100 * np.mean([one.crps.mean() for one in each]):9.3f}"
    )


def report(title: str, stocks: Sequence[Stock], options: argparse.Namespace) -> None:
    """Roll out, rank and print."""
    found: dict[str, dict[tuple[str, int], list[Ranked]]] = {}
    total = len(stocks) * (len(options.blends) + len(RIVALS))
    runs = models(stocks, options.blends, options.paths, options.stride, options.seed)
    for name, _, of_stock in tqdm(runs, total=total, desc=title, leave=False):
        for key, one in of_stock.items():
            found.setdefault(name, {}).setdefault(key, []).append(one)
    count = sum(len(starts_of(stock, options.stride)) for stock in stocks)
    block = 2 * -(-STEPS // options.stride)
    print(f"\n{title}: {len(stocks)} stocks, {count} starts, {options.paths} paths from each")
    for statistic, horizon in ((s, h) for s in ("return", "volatility") for h in HORIZONS):
        print(
            f"\n{statistic + f', {horizon} bars':24s}"
            + "".join(f"{f'{100 * level:g} %':>7s}" for level in LEVELS)
            + f"{'error':>8s}{'one +-':>7s}{'a stock':>10s}{'PIT KS':>8s}{'a stock':>10s}"
            + f"{'mean PIT':>10s}{'CRPS, %':>9s}"
        )
        for name, results in found.items():
            print(line(name, results[statistic, horizon], block))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = stock_parser(__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paths", type=int, default=256, help="from each start")
    parser.add_argument("--stride", type=int, default=10, help="bars between starts")
    parser.add_argument("--blends", type=float, nargs="+", default=[DEFAULT_BLEND, 0.0])
    parser.add_argument("--models", type=Path, help="folder that keeps fitted forecasters")
    options = parse(parser, arguments)
    print(conditions("numpy", "tensorflow", "keras", "arch"), flush=True)
    config = ForecasterConfig()
    if options.tdqn is not None:
        split = np.datetime64("2017-12-31")
        stocks = stocks_of(
            load_all(options.tdqn),
            split,
            config,
            options.seed,
            rotations=ROTATIONS,
            cache=options.models,
        )
        report("TDQN", stocks, options)
    if options.packaged:
        spans = [since(history, FIRST_TRAINING) for history in packaged_histories()]
        split = np.datetime64("2009-01-01")
        stocks = stocks_of(spans, split, config, options.seed, rotations=1, cache=options.models)
        report("Default run", stocks, options)


if __name__ == "__main__":
    main()
