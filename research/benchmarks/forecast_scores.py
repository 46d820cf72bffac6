"""Are the forecaster's one-step distributions as good as the standard ones?

One step ahead over a test span that no model was fitted on, close-to-close log returns, averaged
per name: coverage of the central 90 % interval, the mean absolute error of that of the central
50, 80, 90 and 95 %, Kolmogorov-Smirnov distance of the PIT from uniform, CRPS in percentage
points, log score (nats, of the plain log return). Baselines in the same run: historical simulation
(250 days), EWMA 0.94 with Gaussian errors, GARCH(1,1)-t and GJR-GARCH(1,1,1)-t of `arch`, their
parameters fitted on the training span and held fixed, as the forecaster's are.

    python -m research.benchmarks.forecast_scores --tdqn FOLDER  # fit 2012-2017, test 2018-2019
    python -m research.benchmarks.forecast_scores --packaged     # AAPL, GOOG, IBM as the default
                                                                 # run: fit 2005-2008, test to 2013
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from arch import arch_model
from scipy import special

from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.forecast.predictive import (
    crps_draws,
    crps_gaussian,
    crps_student_t,
    log_score_gaussian,
    log_score_student_t,
    pit_ks,
)
from models.market.features import FeatureTable
from models.market.history import History
from models.market.market_view import MarketView
from models.seeding import streams
from research.conditions import conditions
from research.stocks import FIRST_TRAINING, packaged_histories, parse, since, stock_parser
from research.tdqn_data import load_all

LEVELS = (0.5, 0.8, 0.9, 0.95)
SHOWN_LEVEL = 0.9
N_DRAWS = 512
CHUNK = 100  # windows in one batch of predictions


@dataclass(frozen=True)
class Scores:
    """Per test day of one name: PIT, CRPS (log return) and log score, each (n,)."""

    pit: np.ndarray
    crps: np.ndarray
    log_score: np.ndarray

    def coverage(self, level: float) -> float:
        """Share of the days that the central interval of a probability held."""
        tail = 0.5 * (1.0 - level)
        return float(np.mean((self.pit >= tail) & (self.pit <= 1.0 - tail)))

    def row(self) -> tuple[float, ...]:
        """Coverage at 90 %, mean error over `LEVELS`, PIT KS, CRPS in points, log score."""
        return (
            self.coverage(SHOWN_LEVEL),
            float(np.mean([abs(self.coverage(level) - level) for level in LEVELS])),
            pit_ks(self.pit),
            100.0 * float(self.crps.mean()),
            float(self.log_score.mean()),
        )


def historical_simulation(returns: np.ndarray, first: int, window: int = 250) -> Scores:
    """The last 250 returns as the forecast; its density is a Gaussian kernel's (Silverman)."""
    rows = np.arange(first, len(returns))
    draws = np.stack([returns[row - window : row] for row in rows])
    observed = returns[rows]
    pit = ((draws < observed[:, None]).sum(axis=1) + 0.5) / (window + 1)
    width = 0.9 * draws.std(axis=1, ddof=1) * window**-0.2
    kernels = log_score_gaussian(draws, width[:, None], observed[:, None])
    log_score = special.logsumexp(kernels, axis=1) - np.log(window)
    return Scores(pit, crps_draws(draws, observed), log_score)


def ewma(returns: np.ndarray, first: int, decay: float = 0.94) -> Scores:
    """Zero mean, RiskMetrics variance, Gaussian."""
    variance = np.empty(len(returns))
    variance[0] = np.var(returns[:250])
    for t in range(1, len(returns)):
        variance[t] = decay * variance[t - 1] + (1.0 - decay) * returns[t - 1] ** 2
    std, observed = np.sqrt(variance[first:]), returns[first:]
    zero = np.zeros_like(std)
    return Scores(
        special.ndtr(observed / std),
        crps_gaussian(zero, std, observed),
        log_score_gaussian(zero, std, observed),
    )


def garch(returns: np.ndarray, first: int, leverage: int) -> Scores:
    """GARCH(1,1)-t (leverage 0) or GJR-GARCH(1,1,1)-t (1), fitted on rows before `first`."""
    percent = 100.0 * returns
    model = arch_model(percent, mean="Constant", vol="GARCH", p=1, o=leverage, q=1, dist="t")
    fitted = model.fit(last_obs=first, disp="off")
    fixed = model.fix(fitted.params)
    std = fixed.conditional_volatility[first:] / 100.0
    df, mean = float(fitted.params["nu"]), float(fitted.params["mu"]) / 100.0
    scale = std * np.sqrt((df - 2.0) / df)
    observed = returns[first:]
    return Scores(
        special.stdtr(df, (observed - mean) / scale),
        crps_student_t(np.full_like(scale, mean), scale, np.full_like(scale, df), observed),
        log_score_student_t(mean, scale, df, observed),
    )


def forecaster_scores(
    forecaster: Forecaster, history: History, start: np.datetime64, seed: int
) -> Scores:
    """The forecaster's scores on the bars from `start` on, parameters held fixed.

    What moves is the correction by outcomes, each forecast knowing those before it.
    """
    rows = np.flatnonzero(history.time >= start) - 1
    table = FeatureTable.of(history)
    rng = streams(seed, "scores", history.symbol)["draws"]
    window, hindcast = forecaster.config.window, forecaster.hindcast(table)
    pieces = []
    for chunk in np.array_split(rows, max(1, len(rows) // CHUNK)):
        view = MarketView.at_rows(table, chunk, window=window)
        forecast = forecaster.predict(view, N_DRAWS, rng, hindcast.memory_at(chunk))
        y = history.log_returns[chunk + 1]
        pieces.append((forecast.pit(y), forecast.crps(y), forecast.log_score(y)))
    pit, crps, log_score = (np.concatenate(part) for part in zip(*pieces, strict=True))
    return Scores(pit, crps, log_score)


BASELINES: dict[str, Callable[[np.ndarray, int], Scores]] = {
    "historical simulation, 250 days": historical_simulation,
    "EWMA .94, Gaussian": ewma,
    "GARCH(1,1)-t": lambda returns, first: garch(returns, first, 0),
    "GJR-GARCH(1,1,1)-t": lambda returns, first: garch(returns, first, 1),
}


def baseline_rows(histories: Sequence[History], start: np.datetime64) -> Iterator[tuple]:
    """Name and rows (n_names, 5) of each baseline."""
    for name, score in BASELINES.items():
        rows = []
        for history in histories:
            first = int(np.searchsorted(history.time, start)) - 1
            rows.append(score(history.log_returns[1:], first).row())
        yield name, np.array(rows)


def report(
    title: str,
    histories: Sequence[History],
    fit_from: np.datetime64,
    start: np.datetime64,
    config: ForecasterConfig,
    seeds: Sequence[int],
) -> None:
    """Fit, score and print one table."""
    print(f"\n{title}: {len(histories)} names, test from {start}")
    print(
        f"{'model':34s} {'covers 90%':>10s} {'error':>7s} {'PIT KS':>7s} {'CRPS %':>8s} "
        f"{'log score':>9s}"
    )

    def line(name: str, rows: np.ndarray) -> None:
        covered, error, ks, crps, log_score = rows.mean(axis=0)
        print(f"{name:34s} {covered:10.3f} {error:7.3f} {ks:7.3f} {crps:8.4f} {log_score:9.4f}")

    for name, rows in baseline_rows(histories, start):
        line(name, rows)
    before = start - np.timedelta64(1, "ns")
    tables = [FeatureTable.of(since(history.until(before), fit_from)) for history in histories]
    every = []
    for seed in seeds:
        began = time.perf_counter()
        forecaster = Forecaster.fit(tables, config, seed=seed)
        took = time.perf_counter() - began
        rows = np.array(
            [forecaster_scores(forecaster, history, start, seed).row() for history in histories]
        )
        line(f"Mirage, seed {seed} ({took:.0f} s fit)", rows)
        every.append(rows.mean(axis=0))
    line(f"Mirage, mean of {len(seeds)} seeds", np.array(every))
    if len(seeds) > 1:
        print(
            f"{'  deviation between seeds':34s} "
            + " ".join(
                f"{value:{width}.4f}"
                for value, width in zip(np.std(every, axis=0), (10, 7, 7, 8, 9), strict=True)
            )
        )


def main() -> None:
    """Score and print."""
    parser = stock_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parse(parser)
    print(conditions("numpy", "tensorflow", "keras", "arch"))
    print(f"seeds {arguments.seeds}")
    config = ForecasterConfig()
    if arguments.tdqn is not None:
        report(
            "TDQN stocks",
            load_all(arguments.tdqn),
            np.datetime64("2012-01-01"),
            np.datetime64("2018-01-01", "ns"),
            config,
            arguments.seeds,
        )
    if arguments.packaged:
        report(
            "Default run",
            packaged_histories(),
            FIRST_TRAINING,
            np.datetime64("2009-01-02", "ns"),
            config,
            arguments.seeds,
        )


if __name__ == "__main__":
    main()
