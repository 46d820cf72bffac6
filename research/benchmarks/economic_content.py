"""Is what simple rules live on there in the imagined markets?

Two tables for markets imagined from a span of real bars, beside that span and its block bootstrap.

*States.* Mean and variance of the next 1, 5 and 20 bars (in deviations of the stock's own daily
returns) given the states that simple rules use: above or below the 200-day average, low or high
EWMA variance (outer thirds of the real span), after a crash day (a fall of more than 2.5 EWMA
deviations), after a month of gains or losses (beyond one deviation of 20 bars). Standard errors
respect overlap and common days: blocks of 60 dates with all their stocks are resampled in the real
span, whole pairs of markets in the imagined ones. Printed: z of the difference, and the share of
cells within two standard errors.

*Rules.* Sharpe ratio, growth a year and mean deepest drawdown of accounts that start in cash and
trade an episode at next opens and 5 bp: constant mix, cap times min(1, running median of the EWMA
variance / EWMA variance), price above its 200-day average, both. Episodes of the real span
overlap; imagined ones begin somewhere in it, and indicators go on from the real bars before. One
line more gives the real span traded by one account throughout.

    python -m research.benchmarks.economic_content --lean FOLDER  # AAPL AIG BAC IBM SPY, 1998-2021
    python -m research.benchmarks.economic_content --tdqn FOLDER  # the training span, 2012-2017
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from models.agent.observation import Observer
from models.arrays import column
from models.forecast.config import ForecasterConfig
from models.market.features import LOOKBACK, FeatureTable
from models.market.history import CLOSE, OPEN, History
from models.seeding import streams
from research.conditions import conditions
from research.figures import drawdown, sharpe
from research.held_out import DEFAULT_BLEND, fit
from research.stocks import packaged_histories, stock_parser
from research.tdqn_data import load_all
from research.workspace import load_histories, load_settings
from sim.accounting import Account, Rules, step
from sim.baselines import BlockBootstrapSampler
from sim.blocks import stationary_rows
from sim.costs import ProportionalCost
from sim.dates import CommonDates
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths, PathSampler

AVERAGE_BARS, MONTH, CRASH, DECAY = 200, 20, 2.5, 0.94
HORIZONS = (1, 5, 20)
DATE_BLOCK, REPLICATES = 60.0, 400
COST = 0.0005
LEAN_SYMBOLS = "AAPL,AIG,BAC,IBM,SPY"

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Indicators:
    """What rules and states look at, known at each close, shape (R,) each.

    Attributes:
        above: whether the close is above the mean of the last `AVERAGE_BARS`.
        variance: EWMA (`DECAY`) of squared log returns.
        median: of all variances so far, this one included.
        surprise: log return over the EWMA deviation of the bar before; 0 in row 0.
        month: log return of `MONTH` bars over the EWMA deviation of as many.
    """

    above: Bools
    variance: Floats
    median: Floats
    surprise: Floats
    month: Floats

    @classmethod
    def of(cls, close: Floats) -> Indicators:
        """Of closes (R,), oldest first; NaN (or False) where there are not enough of them."""
        # Contiguous: NumPy's log of a column takes another path, one bit apart, at some addresses.
        close = np.ascontiguousarray(close)
        log_close = np.log(close)
        returns = pd.Series(np.diff(log_close, prepend=np.nan))
        variance = (returns**2).ewm(alpha=1.0 - DECAY).mean()
        deviation = np.sqrt(np.maximum(variance, 1e-12))
        month = pd.Series(log_close).diff(MONTH) / (deviation * np.sqrt(MONTH))
        return cls(
            above=(close > pd.Series(close).rolling(AVERAGE_BARS).mean()).to_numpy(),
            variance=variance.to_numpy(),
            median=variance.expanding().median().to_numpy(),
            surprise=(returns / deviation.shift()).to_numpy(),
            month=month.to_numpy(),
        )

    def rows(self, index: slice | NDArray[np.int64]) -> Indicators:
        """Those of chosen rows."""
        return Indicators(
            self.above[index],
            self.variance[index],
            self.median[index],
            self.surprise[index],
            self.month[index],
        )


def stacked(found: Sequence[Indicators]) -> Indicators:
    """Of several series of one length: (..., R) each."""
    return Indicators(
        *(
            np.stack([getattr(one, name) for one in found])
            for name in Indicators.__dataclass_fields__
        )
    )


STATES: Mapping[str, Callable[[Indicators, Floats], Bools]] = {
    "always": lambda i, thirds: np.ones(i.above.shape, bool),
    "above the 200-day average": lambda i, thirds: i.above,
    "below the 200-day average": lambda i, thirds: ~i.above,
    "low variance": lambda i, thirds: i.variance < thirds[..., :1],
    "high variance": lambda i, thirds: i.variance > thirds[..., 1:],
    "after a crash day": lambda i, thirds: i.surprise < -CRASH,
    "after a month of gains": lambda i, thirds: i.month > 1.0,
    "after a month of losses": lambda i, thirds: i.month < -1.0,
}
"""From indicators (..., R) and the thirds (..., 2) of a stock's variance to whether it holds."""


def _variance_share(i: Indicators) -> Floats:
    return np.minimum(1.0, i.median / np.maximum(i.variance, 1e-12))


RULES: Mapping[str, Callable[[Indicators], Floats]] = {
    "constant mix": lambda i: np.ones(i.variance.shape),
    "variance": _variance_share,
    "200-day average": lambda i: i.above.astype(float),
    "both": lambda i: np.where(i.above, _variance_share(i), 0.0),
}
"""From indicators (..., R) to the share of its cap that a symbol is held at."""


@dataclass(frozen=True)
class Markets:
    """Episodes of S symbols on common days, real or imagined.

    Attributes:
        bars: shape (N, S, T+1, 5); row 0 is known at the start.
        indicators: (N, S, T+1) each, with all bars before an episode taken into account.
        series: which history each symbol continues, shape (N, S).
        cluster: what is independent of one another: episodes of one number are not, shape (N,).
    """

    bars: Floats
    indicators: Indicators
    series: NDArray[np.int64]
    cluster: NDArray[np.int64]

    @classmethod
    def of_paths(cls, paths: Paths, histories: Sequence[History]) -> Markets:
        """Of a sampler's paths; pairs of markets share their start, and are one cluster."""
        n = paths.n_steps + 1
        found = []
        for path, s, row in zip(
            paths.each().bars[:, 0], paths.series.ravel(), paths.start_row.ravel(), strict=True
        ):
            close = np.concatenate([histories[s].close[:row], path[:, CLOSE]])
            found.append(Indicators.of(close).rows(slice(-n, None)))
        every = stacked(found)
        indicators = Indicators(
            *(
                getattr(every, name).reshape(paths.bars.shape[:3])
                for name in Indicators.__dataclass_fields__
            )
        )
        return cls(paths.bars, indicators, paths.series, np.arange(paths.n_paths) // 2)

    @classmethod
    def of_history(
        cls, histories: Sequence[History], first: int, bars: int, stride: int
    ) -> Markets:
        """Overlapping episodes of real bars on the histories' common dates.

        Args:
            histories: of S symbols.
            first: earliest of the common dates that is row 0 of an episode.
            bars: T.
            stride: dates between neighbouring episodes.
        """
        shared = shared_rows(histories)
        rows = list(shared.T)
        whole = [
            Indicators.of(history.close).rows(own)
            for history, own in zip(histories, rows, strict=True)
        ]
        starts = np.arange(first, len(shared) - bars, stride)
        index = starts[:, None] + np.arange(bars + 1)
        taken = np.stack(
            [history.bars[r][index] for history, r in zip(histories, rows, strict=True)], axis=1
        )
        every = [one.rows(index) for one in whole]
        indicators = Indicators(
            *(
                np.stack([getattr(one, name) for one in every], axis=1)
                for name in Indicators.__dataclass_fields__
            )
        )
        series = np.tile(np.arange(len(histories)), (len(starts), 1))
        return cls(taken, indicators, series, np.arange(len(starts)))


def shared_rows(histories: Sequence[History]) -> NDArray[np.int64]:
    """Rows (D, S) of the dates on which all histories have a bar, oldest first.

    Raises:
        ValueError: if there is no such date.
    """
    dates = CommonDates.of(histories)
    rows = dates.rows[dates.present.all(axis=1)]
    if not len(rows):
        raise ValueError("histories must have bars on common dates; they have none")
    return rows


@dataclass(frozen=True)
class Cells:
    """Sums over independent units (dates of a span, or clusters of markets) in every cell.

    Attributes:
        count: values of each unit in each state and horizon, shape (U, states, horizons).
        total: their sum.
        square: the sum of their squares.
    """

    count: Floats
    total: Floats
    square: Floats

    @staticmethod
    def _moments(count: Floats, total: Floats, square: Floats) -> Floats:
        n = np.maximum(count, 1.0)
        mean = total / n
        found = np.stack([mean, square / n - mean**2], axis=-1)
        return np.where(count[..., None] > 1, found, np.nan)

    def moments(self) -> Floats:
        """Mean and variance, shape (states, horizons, 2); NaN where a state never held."""
        return self._moments(*(x.sum(axis=0) for x in (self.count, self.total, self.square)))

    def errors(self, rng: np.random.Generator, block: float) -> Floats:
        """Standard errors of `moments`: units resampled in blocks of this mean length."""
        units = len(self.count)
        rows = stationary_rows(units, REPLICATES, units, block, rng)
        drawn = np.stack([np.bincount(row, minlength=units) for row in rows]).astype(float)
        sums = (np.tensordot(drawn, x, axes=1) for x in (self.count, self.total, self.square))
        return np.nanstd(self._moments(*sums), axis=0)


def cells(
    indicators: Indicators, returns: Floats, thirds: Floats, unit: NDArray[np.int64], units: int
) -> Cells:
    """Sums by unit of what came after each state.

    Args:
        indicators: (N, S, R) each.
        returns: log return into each row in deviations of its stock, (N, S, R); row 0 is not used.
        thirds: of each stock's variance, (N, S, 2).
        unit: of each row, broadcast to (N, S, R).
        units: U, how many there are.
    """
    n_rows = returns.shape[-1]
    total = np.cumsum(np.where(np.arange(n_rows) > 0, returns, 0.0), axis=-1)
    unit = np.broadcast_to(unit, returns.shape)
    found = np.zeros((3, units, len(STATES), len(HORIZONS)))
    for j, horizon in enumerate(HORIZONS):
        ahead = total[..., horizon:] - total[..., :-horizon]
        for i, holds in enumerate(STATES.values()):
            inside = holds(indicators, thirds)[..., :-horizon]
            at, values = unit[..., :-horizon][inside], ahead[inside]
            for k, weight in enumerate((np.ones_like(values), values, values**2)):
                found[k, :, i, j] = np.bincount(at, weight, minlength=units)
    return Cells(*found)


@dataclass(frozen=True)
class Scale:
    """What a stock's returns and variances are measured by: its real span.

    Attributes:
        deviation: of daily log returns, shape (S,).
        thirds: of the EWMA variance, shape (S, 2).
    """

    deviation: Floats
    thirds: Floats

    @classmethod
    def of(cls, histories: Sequence[History], first: int) -> Scale:
        """Of the rows from `first` on."""
        deviations = [history.log_returns[first:].std() for history in histories]
        thirds = [
            np.quantile(Indicators.of(history.close).variance[first:], (1 / 3, 2 / 3))
            for history in histories
        ]
        return cls(np.array(deviations), np.array(thirds))


def real_cells(histories: Sequence[History], first: int, scale: Scale) -> Cells:
    """Of the whole real span of every stock, by date."""
    dates = np.unique(np.concatenate([history.time[first:] for history in histories]))
    found = []
    for s, history in enumerate(histories):
        rows = slice(first, None)
        indicators = stacked([Indicators.of(history.close).rows(rows)])
        returns = history.log_returns[None, rows] / scale.deviation[s]
        unit = np.searchsorted(dates, history.time[rows])
        found.append(cells(indicators, returns, scale.thirds[s][None], unit[None], len(dates)))
    return Cells(*(sum(getattr(one, name) for one in found) for name in Cells.__dataclass_fields__))


def imagined_cells(markets: Markets, scale: Scale) -> Cells:
    """Of all symbols' shares of imagined markets, by cluster."""
    returns = np.diff(np.log(column(markets.bars, CLOSE)), axis=-1, prepend=np.nan)
    return cells(
        markets.indicators,
        returns / scale.deviation[markets.series][..., None],
        scale.thirds[markets.series],
        markets.cluster[:, None, None],
        int(markets.cluster.max()) + 1,
    )


def traded(markets: Markets, rule: Callable[[Indicators], Floats], cap: float) -> Floats:
    """Log growth of accounts that start each episode in cash, shape (N, T).

    Args:
        markets: N episodes of S symbols.
        rule: see `RULES`.
        cap: of each symbol, in (0, 1 / S].
    """
    n, s, rows = markets.bars.shape[:3]
    rules = Rules(
        np.full(s, cap), equity=1e5, buffer=0.0, band=0.0, lot_size=0, costs=ProportionalCost(COST)
    )
    targets = cap * rule(markets.indicators)
    opens, closes = markets.bars[..., OPEN], markets.bars[..., CLOSE]
    account, growth = Account.opened(np.full(n, rules.equity), s), np.empty((n, rows - 1))
    for t in range(rows - 1):
        done = step(
            account, targets[:, :, t], closes[:, :, t], opens[:, :, t + 1], closes[:, :, t + 1],
            rules,
        )  # fmt: skip
        account, growth[:, t] = done.account, done.growth
    return growth


@dataclass(frozen=True)
class Earned:
    """What a rule earned over episodes.

    Attributes:
        sharpe: annualised, risk-free rate 0, over all bars of all episodes.
        growth: mean log growth a year.
        drawdown: mean over episodes of the deepest.
        error: standard error of the Sharpe ratio.
    """

    sharpe: float
    growth: float
    drawdown: float
    error: float

    @classmethod
    def of(cls, growth: Floats, cluster: NDArray, block: float, rng: np.random.Generator) -> Earned:
        """From log growth (N, T); the error from clusters resampled in blocks."""
        simple = np.expm1(growth)
        clusters = int(cluster.max()) + 1
        sums = np.stack(
            [
                np.bincount(cluster, x.sum(axis=1), minlength=clusters)
                for x in (np.ones_like(simple), simple, simple**2)
            ]
        )
        rows = stationary_rows(clusters, REPLICATES, clusters, block, rng)
        count, total, square = sums[:, rows].sum(axis=-1)
        mean = total / count
        ratios = np.sqrt(252) * mean / np.sqrt(square / count - mean**2)
        return cls(
            sharpe(growth.ravel()),
            252 * float(growth.mean()),
            float(np.mean([drawdown(one) for one in growth])),
            float(ratios.std()),
        )

    def __str__(self) -> str:
        return (
            f"{self.sharpe:6.2f} ± {self.error:.2f}{100 * self.growth:8.1f} %"
            f"{100 * self.drawdown:7.1f} %"
        )


def simulators(histories: Sequence[History], options: argparse.Namespace) -> dict[str, PathSampler]:
    """Markets imagined by a forecaster that was fitted on the span, and its block bootstrap."""
    tables = [FeatureTable.of(history) for history in histories]
    forecaster = fit(tables, ForecasterConfig(), options.seed, options.models)
    observer = Observer(forecaster)
    found: dict[str, PathSampler] = {
        f"blend {blend:g}": ForecasterSampler(observer, tables, blend=blend)
        for blend in options.blends
    }
    return found | {"block bootstrap": BlockBootstrapSampler(tables)}


def states_table(real: Cells, imagined: Mapping[str, Cells], rng: np.random.Generator) -> str:
    """Moments in every cell, z of the differences, and how many are within two errors."""
    known, known_error = real.moments(), real.errors(rng, DATE_BLOCK)
    found, z = {}, {}
    for name, one in imagined.items():
        found[name] = one.moments()
        error = np.sqrt(known_error**2 + one.errors(rng, 1.0) ** 2)
        z[name] = (found[name] - known) / error
    lines = []
    for k, moment in enumerate(("mean", "variance")):
        lines.append(
            f"{moment + ' of the next bars':28s}{'bars':>5s}{'days':>7s}{'real':>9s}{'±':>7s}"
            + "".join(f"{name:>17s}{'z':>6s}" for name in imagined)
        )
        for i, state in enumerate(STATES):
            for j, horizon in enumerate(HORIZONS):
                row = (
                    f"{state if j == 0 else '':28s}{horizon:5d}{real.count[:, i, j].sum():7.0f}"
                    f"{known[i, j, k]:9.3f}{known_error[i, j, k]:7.3f}"
                )
                for name in imagined:
                    row += f"{found[name][i, j, k]:17.3f}{z[name][i, j, k]:6.1f}"
                lines.append(row)
        shares = (np.mean(np.abs(z[name][..., k]) <= 2.0) for name in imagined)
        lines.append(
            f"{'within two standard errors':56s}"
            + "".join(f"{100 * share:21.0f} %" for share in shares)
            + "\n"
        )
    return "\n".join(lines)


def rules_table(
    real: Markets,
    whole: Markets,
    imagined: Mapping[str, Markets],
    cap: float,
    rng: np.random.Generator,
    stride: int,
) -> str:
    """Every rule on every kind of markets."""
    bars = real.bars.shape[2] - 1
    kinds = {"real episodes": real} | dict(imagined)
    lines = [f"{'Sharpe, growth, drawdown':18s}" + "".join(f"{name:>32s}" for name in kinds)]
    for name, rule in RULES.items():
        row = f"{name:18s}"
        for kind, markets in kinds.items():
            block = max(bars / stride, 1.0) * 2 if kind == "real episodes" else 1.0
            row += f"{Earned.of(traded(markets, rule, cap), markets.cluster, block, rng)!s:>32s}"
        lines.append(row)
    for name, rule in RULES.items():
        growth = traded(whole, rule, cap)[0]
        lines.append(
            f"real span, one account: {name:18s}{sharpe(growth):6.2f}"
            f"{100 * np.expm1(252 * growth.mean()):8.1f} %{100 * drawdown(growth):7.1f} %"
        )
    return "\n".join(lines)


def report(title: str, histories: Sequence[History], options: argparse.Namespace) -> None:
    """Imagine, measure and print."""
    first = LOOKBACK + ForecasterConfig().window
    scale = Scale.of(histories, first)
    stride = 10
    rows = shared_rows(histories)
    since = int(np.argmax((rows >= first).all(axis=1)))
    real = Markets.of_history(histories, since, options.bars, stride)
    whole = Markets.of_history(histories, since, len(rows) - since - 1, len(rows))
    markets = {}
    for name, sampler in tqdm(simulators(histories, options).items(), desc=title, leave=False):
        rng = streams(options.seed, "economic", name)["paths"]
        paths = sampler.sample(options.paths, options.bars, rng)
        markets[name] = Markets.of_paths(paths, histories)
    print(
        f"\n{title}: {len(histories)} stocks, {options.paths} markets of {options.bars} bars, "
        f"{len(real.bars)} real episodes, cap {1 / len(histories):.3g}\n"
    )
    rng = streams(options.seed, "economic", "errors")["draws"]
    imagined = {name: imagined_cells(one, scale) for name, one in markets.items()}
    print(states_table(real_cells(histories, first, scale), imagined, rng))
    print(rules_table(real, whole, markets, 1 / len(histories), rng, stride))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = stock_parser(__doc__)
    parser.add_argument("--lean", type=Path, help="LEAN data folder with its sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paths", type=int, default=500, help="imagined markets")
    parser.add_argument("--bars", type=int, default=120, help="of an episode")
    parser.add_argument("--blends", type=float, nargs="+", default=[DEFAULT_BLEND, 0.0])
    parser.add_argument("--models", type=Path, help="folder that keeps fitted forecasters")
    options = parser.parse_args(arguments)
    if options.lean is None and options.tdqn is None and not options.packaged:
        parser.error("give --lean FOLDER, --tdqn FOLDER or --packaged")
    print(conditions("numpy", "tensorflow", "keras"), flush=True)
    if options.lean is not None:
        settings = load_settings(
            {"symbols": LEAN_SYMBOLS, "caps": "", "cap": "0.2", "start_date": "2003-01-02",
             "end_date": "2021-03-30", "warm_up_years": "5"}
        )  # fmt: skip
        report("LEAN's sample", load_histories(settings, data_folder=options.lean), options)
    if options.tdqn is not None:
        split = np.datetime64("2017-12-31")
        report("TDQN", [history.until(split) for history in load_all(options.tdqn)], options)
    if options.packaged:
        report("Packaged", packaged_histories(), options)


if __name__ == "__main__":
    main()
