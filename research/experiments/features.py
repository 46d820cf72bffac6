"""Which features, and which reward? Six agents on one real span, beside what learns nothing.

Features are groups that are shown to the forecaster's network and to the agent (the setting
`features`): *base* (bars and volatility), *technical* (with averages, MACD and the like: the
default) and *macro* (with outside series as well). Rewards are log growth and the differential
Sharpe ratio. The agent is `gradient`, the analytic optimum on the forecast plus what a network
learns, here under a weak pull: the stronger the pull, the less of either reward is left. Every
forecaster is refitted at new year to the four years before, agents are taught anew on markets it
imagines, and nobody sees a later bar. One forecaster serves both rewards.

    python -m research.experiments.features --seeds 1 2 3 4 5 6 7 8 9 10
    python -m research.experiments.features --lean FOLDER   # LEAN's sample, 2016 to 2018, with VIX

The packaged VIX begins in 2014, after the packaged stocks have ended: without `--lean` the macro
series are oil and the short rate. Both come from the project's data folder (`make data`).

One table: Sharpe ratios of simple daily returns (risk-free rate 0), growth a year, drawdown, value
traded a day, mean sum of absolute weights; mean ± deviation over seeds. *log score* (nats, higher
is better) and *CRPS* (percent, lower is better) are of the forecaster's next close, each bar out
of sample. Cells that are done are kept in `--cache`, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from models import provenance
from models.agent.mean_variance import MeanVariance
from models.forecast.config import ForecasterConfig
from models.market.groups import macro_of
from models.market.history import History
from models.market.macro import RATE, VIX, WTI
from research.agents import residual, succession
from research.benchmarks.agent_bench import Store, lean_histories, proportional, runs_of
from research.benchmarks.forecast_scores import forecaster_scores
from research.conditions import ROOT, conditions, option_parser
from research.judging import Figures, Run
from research.real_markets import RealMarket, Refit, WalkForward, new_years, real_market
from research.stocks import packaged_histories
from research.workspace import beside, load_macro
from sim.accounting import Rules
from sim.rewards import REWARDS
from sim.rollout import Policy
from sim.rules import Rule

PULL = 0.25
"""Of corrections towards the analytic policy: a quarter of what the agent has by default."""
UPDATES = (150, 50)
"""Of the network in a first lesson and a later one: sixty agents are taught here."""
BASE, TECHNICAL = ("bars", "volatility"), ("bars", "volatility", "technical")
RETURNS, SHARPE = "log_growth", "sharpe"
SHOWN_REWARDS = {RETURNS: "returns", SHARPE: "Sharpe"}
ANALYTIC, MIX = "analytic", "constant mix"
CODE = (
    "models",
    "sim",
    "research.agents",
    "research.real_markets",
    "research.experiments.features",
)


@dataclass(frozen=True)
class Stage:
    """Where the six agents trade.

    Attributes:
        title: of the span.
        histories: of the symbols, long enough for the first refit.
        macro: outside series that reach over them.
        first: day that is traded.
        last: likewise.
        cap: of each symbol.
        data_folder: that holds the outside series; None for the project's.
    """

    title: str
    histories: tuple[History, ...]
    macro: tuple[str, ...]
    first: np.datetime64
    last: np.datetime64
    cap: float
    data_folder: Path | None

    @property
    def sets(self) -> dict[str, tuple[str, ...]]:
        """Groups of features by their title."""
        return {
            "base": BASE,
            "technical": TECHNICAL,
            f"macro ({', '.join(self.macro)})": (*TECHNICAL, *self.macro),
        }

    @property
    def rules(self) -> Rules:
        """Of every account: five hundredths of a percent of what is traded."""
        return proportional(np.full(len(self.histories), self.cap))

    def shown(self, features: Sequence[str]) -> list[History]:
        """The histories beside the outside series of some groups of features."""
        series = load_macro(macro_of(features), data_folder=self.data_folder)
        return beside(self.histories, series)

    @property
    def dates(self) -> np.ndarray:
        """Of the refits."""
        return new_years(self.first, self.last)


def packaged_stage(data_folder: Path | None) -> Stage:
    """The default run's symbols and span."""
    return Stage(
        "AAPL GOOG IBM, 2009 to 2013-02",
        tuple(packaged_histories()),
        (WTI, RATE),
        np.datetime64("2009-01-02"),
        np.datetime64("2013-02-28"),
        0.32,
        data_folder,
    )


def lean_stage(folder: Path, data_folder: Path | None) -> Stage:
    """LEAN's sample as far as the packaged VIX reaches: from its first day to its last year."""
    begin, end = np.datetime64("2014-01-06"), np.datetime64("2019-01-01")
    known = [history.until(end) for history in lean_histories(folder)]
    histories = tuple(one.tail(int((one.time >= begin).sum())) for one in known)
    return Stage(
        "AAPL AIG BAC IBM SPY, 2016 to 2018",
        histories,
        (VIX, WTI, RATE),
        np.datetime64("2016-01-04"),
        np.datetime64("2018-12-31"),
        0.2,
        data_folder,
    )


@dataclass(frozen=True)
class Cell:
    """What one seed gave with one set of features.

    Attributes:
        runs: by who traded: `ANALYTIC`, the rewards, and `MIX`.
        log_score: mean of the forecaster's, nats.
        crps: likewise, percent.
    """

    runs: Mapping[str, Run]
    log_score: float
    crps: float

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        runs = {
            name: {key: values.tolist() for key, values in dataclasses.asdict(run).items()}
            for name, run in self.runs.items()
        }
        return {"runs": runs, "log_score": self.log_score, "crps": self.crps}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Cell:
        """The inverse of `to_json`."""
        runs = {
            name: Run(**{key: np.array(values) for key, values in run.items()})
            for name, run in kept["runs"].items()
        }
        return cls(runs, kept["log_score"], kept["crps"])


def cell(stage: Stage, features: tuple[str, ...], seed: int, cache: Path | None) -> Cell:
    """One seed with one set of features, from the cache where it is there."""
    histories = stage.shown(features)
    settings = WalkForward(seed=seed, config=ForecasterConfig(features=features))

    def make() -> dict[str, Any]:
        market, refits = real_market(
            histories, stage.dates, settings, until=stage.last, cache=cache
        )
        return _made(stage, histories, market, refits, seed).to_json()

    depends = {
        "code": provenance.code_fingerprint(*CODE),
        "versions": provenance.versions(),
        "settings": provenance.described(settings),
        "bars": [one.fingerprint() for one in histories],
        "dates": [str(day) for day in [*stage.dates, stage.last]],
        "rules": provenance.described(stage.rules),
        "pull": PULL,
        "updates": UPDATES,
    }
    kept = Store(cache).get(f"features {len(features)} seed {seed}", depends, make)
    return Cell.from_json(kept)


def _made(
    stage: Stage,
    histories: Sequence[History],
    market: RealMarket,
    refits: Sequence[Refit],
    seed: int,
) -> Cell:
    policies: dict[str, Callable[[], Policy]] = {
        MIX: lambda: Rule("constant_mix", 0.2).act,
        ANALYTIC: lambda: MeanVariance().act,
    }
    for name in SHOWN_REWARDS:
        learner = residual(PULL, REWARDS[name](MeanVariance().config.aversion), UPDATES)
        policies[name] = partial(succession, learner, refits, market, stage.rules, seed)
    runs = {name: runs_of(make(), market.paths, stage.rules)[0] for name, make in policies.items()}
    scores = [
        forecaster_scores(refit.forecaster, history.until(end), start, seed)
        for refit, start, end in _spans(refits, stage.last)
        for history in histories
    ]
    return Cell(
        runs,
        float(np.concatenate([one.log_score for one in scores]).mean()),
        100.0 * float(np.concatenate([one.crps for one in scores]).mean()),
    )


def _spans(
    refits: Sequence[Refit], last: np.datetime64
) -> list[tuple[Refit, np.datetime64, np.datetime64]]:
    """Each refit, the first time its forecasts are of, and the last."""
    tick = np.timedelta64(1, "ns")
    starts = [np.datetime64(refit.date, "ns") for refit in refits]
    ends = [*(start - tick for start in starts[1:]), np.datetime64(last + 1, "ns") - tick]
    return list(zip(refits, starts, ends, strict=True))


Cells = Mapping[str, Sequence[Cell]]
"""By title of the set of features: one for each seed."""


def table(stage: Stage, cells: Cells) -> str:
    """The figures of everyone, means and deviations over seeds."""
    columns = ("Sharpe ratio", "growth %", "drawdown %", "traded % a day", "held")
    head = f"{'features':24s}{'trades':22s}" + "".join(f"{name:>16s}" for name in columns)
    lines = [stage.title, "", head + f"{'log score':>18s}{'CRPS %':>18s}"]
    some = next(iter(cells.values()))
    lines.append(f"{'':24s}{MIX:22s}" + _row([some[0].runs[MIX]]))
    for title, found in cells.items():
        for name, shown in {ANALYTIC: ANALYTIC, **SHOWN_REWARDS}.items():
            label = shown if name == ANALYTIC else f"gradient, {shown}"
            line = f"{title:24s}{label:22s}" + _row([one.runs[name] for one in found])
            if name == ANALYTIC:
                line += _spread([one.log_score for one in found], 4, 18)
                line += _spread([one.crps for one in found], 4, 18)
            lines.append(line)
    return "\n".join(lines)


def _row(runs: Sequence[Run]) -> str:
    every = [Figures.of(run) for run in runs]
    shown = (
        ([one.sharpe for one in every], 2),
        ([100 * one.growth for one in every], 1),
        ([100 * one.drawdown for one in every], 1),
        ([100 * one.turnover for one in every], 1),
        ([one.exposure for one in every], 2),
    )
    return "".join(_spread(values, digits, 16) for values, digits in shown)


def _spread(values: Sequence[float], digits: int, width: int) -> str:
    text = f"{np.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1):.{digits}f}"
    return f"{text:>{width}s}"


def picture(stage: Stage, cells: Cells, path: Path) -> None:
    """Sharpe ratios and log scores of every seed, one dot each, beside their means."""
    plt.style.use(ROOT / "research" / "notebooks" / "mirage.mplstyle")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), width_ratios=(3, 2))
    rng = np.random.default_rng(0)
    traders = {ANALYTIC: ANALYTIC, **{k: f"gradient, {v}" for k, v in SHOWN_REWARDS.items()}}
    for place, (name, label) in enumerate(traders.items()):
        for k, found in enumerate(cells.values()):
            values = [Figures.of(one.runs[name]).sharpe for one in found]
            at = k + 0.26 * (place - 1)
            _dots(left, at, values, f"C{place + 1}", label if k == 0 else None, rng)
    mix = Figures.of(next(iter(cells.values()))[0].runs[MIX]).sharpe
    left.axhline(mix, color="C0", linewidth=1.0, linestyle="--", label=MIX)
    for k, found in enumerate(cells.values()):
        _dots(right, k, [one.log_score for one in found], "C1", None, rng)
    for axes, title in (
        (left, f"Sharpe ratio after costs, {stage.title}"),
        (right, "Log score of the next close, nats"),
    ):
        axes.set_title(title)
        axes.set_xticks(range(len(cells)), list(cells))
        axes.grid(visible=False, axis="x")
    left.legend(ncols=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _dots(
    axes: Any,
    at: float,
    values: Sequence[float],
    colour: str,
    label: str | None,
    rng: np.random.Generator,
) -> None:
    """Values about a place, and a bar at their mean."""
    spread = at + rng.uniform(-0.06, 0.06, len(values))
    axes.scatter(spread, values, s=16, color=colour, alpha=0.6, linewidths=0, label=label)
    axes.hlines(np.mean(values), at - 0.11, at + 0.11, color=colour, linewidth=2)


def run(stage: Stage, seeds: Sequence[int], cache: Path | None, processes: int) -> Cells:
    """Every set of features with every seed."""
    tasks = [(title, seed) for seed in seeds for title in stage.sets]
    made = Parallel(n_jobs=processes)(
        delayed(cell)(stage, stage.sets[title], seed, cache)
        for title, seed in tqdm(tasks, desc="cells", leave=False)
    )
    found: dict[str, list[Cell]] = {title: [] for title in stage.sets}
    for (title, _), one in zip(tasks, made, strict=True):
        found[title].append(one)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cells, print the table and draw the picture."""
    parser = option_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--lean", type=Path, help="LEAN data folder with its sample")
    parser.add_argument("--data-folder", type=Path, help="with the outside series")
    parser.add_argument("--cache", type=Path, help="folder that keeps cells and forecasters")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=Path("features.png"))
    options: argparse.Namespace = parser.parse_args(arguments)
    print(conditions("numpy", "tensorflow", "keras"), flush=True)
    if options.lean is None:
        stage = packaged_stage(options.data_folder)
    else:
        stage = lean_stage(options.lean, options.data_folder)
    cells = run(stage, options.seeds, options.cache, options.processes)
    print(table(stage, cells), flush=True)
    picture(stage, cells, options.picture)


if __name__ == "__main__":
    main()
