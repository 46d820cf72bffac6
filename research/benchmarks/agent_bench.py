"""Do agents beat the simple rules that use the same forecast?

Rules (`sim.rules`) and agents (`research.agents`) trade the same real spans in the same
environment, from cash, at next opens. The forecaster that observes a span is refitted every new
year to the years before, agents are taught anew at the same dates, and nobody sees a later bar.

Every section prints one table. Sharpe ratios are of simple daily returns, risk-free rate 0. *CVaR*
is the mean loss of the worst 5 % of days, *traded* the value traded a day over equity, *costs* a
year, *held* the mean sum of absolute weights. The intervals are of the Sharpe ratio less that of
the best rule, and of the constant mix, on the same days (95 %, stationary block bootstrap, all
seeds together); which rule is best is known in hindsight only. *DSR* is the deflated Sharpe ratio:
the probability that the true ratio exceeds what the best of all variants tried, bands included,
has by chance. With several seeds, figures are their means, and a deviation between seeds follows
the ratio.

    python -m research.benchmarks.agent_bench --lean FOLDER      # LEAN's sample, five symbols
    python -m research.benchmarks.agent_bench --packaged         # the default run's span and caps
    python -m research.benchmarks.agent_bench --small FOLDER     # LEAN's sample, small accounts
    python -m research.benchmarks.agent_bench --tdqn FOLDER      # 15 stocks of the TDQN paper
    python -m research.benchmarks.agent_bench --ablation FOLDER  # LEAN's sample, sources of markets
    python -m research.benchmarks.agent_bench --pull FOLDER      # LEAN's sample, how strong a pull

`--lean` and `--ablation`: caps of a fifth, 5 bp; each rule has the band that was best up to 2012,
everything after that is out of sample. `--small`: Interactive Brokers' fees, 5 bp of slippage and
whole shares of adjusted prices; each rule has the band that was best over the whole span, in
hindsight, and the same is asked of markets imagined by the forecaster of 2013. `--ablation` teaches
each agent on each source of markets. `--pull` says how strongly the learned agent should be drawn
towards the analytic one: each pull is judged on every year up to 2012 by agents that were taught on
what came before it, and the strongest that is not worse by more than chance is chosen. `--results`
keeps every run as JSON, so that a bench that was stopped goes on; `--models` keeps forecasters and
observed markets.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from tqdm import tqdm

from models import provenance
from models.agent.agent import Agent
from models.agent.mean_variance import MeanVarianceConfig
from models.market.history import History
from models.seeding import streams
from research.agents import ANALYTIC, LEARNERS, PULLS, SOURCES, Lesson, agent_of, succession
from research.benchmarks.economic_content import LEAN_SYMBOLS
from research.conditions import conditions, option_parser
from research.figures import sharpe
from research.judging import (
    BARS_PER_YEAR,
    Figures,
    Run,
    deflated_sharpe,
    difference_interval,
    expected_best,
)
from research.real_markets import RealMarket, Refit, WalkForward, new_years, real_market, walk
from research.stocks import packaged_histories
from research.tdqn_data import load_all
from research.tdqn_protocol import PUBLISHED, SPLIT, STRATEGIES, TestSpan, sell_and_hold
from research.tdqn_protocol import RULES as TDQN_RULES
from research.workspace import load_histories, load_settings
from sim.accounting import Rules
from sim.costs import InteractiveBrokersCost, ProportionalCost
from sim.paths import Paths
from sim.residual_training import choose_pull
from sim.rewards import MeanVariance as MeanVarianceReward
from sim.rewards import along
from sim.rollout import Policy, rollout
from sim.rules import RULES, Rule

Floats = NDArray[np.float64]

COST = 0.0005
"""Of the traded value: about half the spread of a large stock, and its move until the fill."""
BANDS = (0.0, 0.1, 0.2, 0.3)
SMALL_BANDS = (0.0, 0.1, 0.2, 0.3, 0.4)
BAND = 0.2
"""Where none is chosen: that of the mean-variance agent."""
SMALL_EQUITY = (2_000.0, 10_000.0, 100_000.0)
HALF = np.datetime64("2013-01-01")
"""Up to here things may be chosen."""
LEAN_FIRST, LEAN_LAST = np.datetime64("2003-01-02"), np.datetime64("2021-03-30")
IMAGINED_MARKETS, IMAGINED_BARS = 64, 500
TDQN_YEARS = 6.01
"""From 2012 on, leap days included."""


class Store:
    """Results by what they depend on, one JSON file each.

    Args:
        folder: that keeps them; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, name: str, depends: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        """What was kept, else what `make` gives.

        Args:
            name: head of the file's name, for people.
            depends: everything that the result depends on.
            make: plain JSON values.
        """
        if self._folder is None:
            return make()
        key = provenance.key_for({"name": name, **depends})
        path = self._folder / f"{name.replace(' ', '-')}-{key}.json"
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
        made = make()
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(made, allow_nan=False), encoding="utf-8")
        part.replace(path)
        return made


@dataclass(frozen=True)
class Span:
    """What is traded: a real market, seen with one seed, under rules of its own.

    Attributes:
        market: the real span.
        refits: of its forecaster; agents are taught at their dates.
        rules: of every account.
        seed: of forecasters and agents.
    """

    market: RealMarket
    refits: list[Refit]
    rules: Rules
    seed: int

    def fingerprint(self) -> str:
        """Of the tape and the rules."""
        return provenance.key_for(
            {"tape": tape_fingerprint(self.market.paths), "rules": provenance.described(self.rules)}
        )


def tape_fingerprint(paths: Paths) -> str:
    """SHA-256 of what a policy may see and trade on."""
    digest = hashlib.sha256()
    for values in (paths.bars, paths.observations, paths.forecasts, paths.moments):
        digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Variant:
    """Something that trades.

    Attributes:
        name: a rule of `sim.rules`, or an agent of `research.agents`.
        band: of a rule; None for an agent, which has its own.
        source: of the markets that an agent is taught on.
    """

    name: str
    band: float | None = None
    source: str = "imagined"

    @property
    def is_rule(self) -> bool:
        """Whether it is one of the rules."""
        return self.band is not None

    def agent(self, lesson: Lesson) -> Agent:
        """The rule, or the agent after one lesson."""
        if self.band is not None:
            return Rule(self.name, self.band)
        return agent_of(self.name, lesson)

    def policy(self, span: Span) -> Policy:
        """For one pass over the span's market."""
        if self.band is not None:
            return Rule(self.name, self.band).act
        learner = functools.partial(agent_of, self.name)
        return succession(learner, span.refits, span.market, span.rules, span.seed, self.source)

    def depends(self) -> dict[str, Any]:
        """What its trades depend on besides the span."""
        code = ["models", "sim"] if self.is_rule else ["models", "sim", "research.agents"]
        return {
            "variant": provenance.described(self),
            "code": provenance.code_fingerprint(*code),
            "versions": provenance.versions(),
        }


def runs_of(policy: Policy, paths: Paths, rules: Rules) -> list[Run]:
    """What a policy does in every market of a tape, one account each."""
    done = rollout(policy, paths, rules)
    caps = rules.caps[paths.series] if rules.caps.size > 1 else rules.caps
    held = (np.abs(done.exposure) * np.broadcast_to(caps, paths.series.shape)[..., None]).sum(
        axis=1
    )
    return [
        Run(done.growth[b], done.turnover[b], done.costs[b], held[b]) for b in range(paths.n_paths)
    ]


def run_variant(variant: Variant, span: Span, store: Store) -> Run:
    """One variant on one span, from the store where it is there."""

    def make() -> dict[str, list[float]]:
        run = runs_of(variant.policy(span), span.market.paths, span.rules)[0]
        return {name: values.tolist() for name, values in dataclasses.asdict(run).items()}

    # The seed tells agents apart; a rule's seed is in the tape, if it reads the forecast at all.
    depends = {**variant.depends(), "span": span.fingerprint()}
    if not variant.is_rule:
        depends["seed"] = span.seed
    kept = store.get(variant.name, depends, make)
    return Run(**{name: np.array(values) for name, values in kept.items()})


Trials = dict[Variant, list[Run]]
"""Runs by variant, one for each seed."""


def run_all(
    variants: Sequence[Variant], spans: Sequence[Span], store: Store, jobs: int, title: str
) -> Trials:
    """Every variant on every span."""
    tasks = [(variant, span) for variant in variants for span in spans]
    made = Parallel(n_jobs=jobs)(
        delayed(run_variant)(variant, span, store)
        for variant, span in tqdm(tasks, desc=title, leave=False)
    )
    found: Trials = {variant: [] for variant in variants}
    for (variant, _), run in zip(tasks, made, strict=True):
        found[variant].append(run)
    return found


def ratio(runs: Sequence[Run], bars: slice) -> float:
    """Mean Sharpe ratio over seeds of some bars."""
    return float(np.mean([Figures.of(run.part(bars)).sharpe for run in runs]))


def chosen(trials: Trials, bars: slice) -> Trials:
    """Every rule with the band that has the largest ratio on some bars; agents as they are."""
    best: dict[str, Variant] = {}
    for variant, runs in trials.items():
        if variant.is_rule and (
            variant.name not in best or ratio(runs, bars) > ratio(trials[best[variant.name]], bars)
        ):
            best[variant.name] = variant
    return {
        variant: runs
        for variant, runs in trials.items()
        if not variant.is_rule or best[variant.name] == variant
    }


def table(trials: Trials, shown: Trials, parts: Mapping[str, slice]) -> str:
    """Figures of the shown variants.

    Args:
        trials: everything that was tried: what ratios are deflated for.
        shown: rows, among them a constant mix.
        parts: stretches of bars by their title; the last one is the whole.
    """
    ratios = np.array([ratio(runs, slice(None)) for runs in trials.values()])
    by_chance = expected_best(ratios, len(trials)) if len(trials) > 1 else 0.0
    rules = [variant for variant in shown if variant.is_rule]
    best = max(rules, key=lambda variant: ratio(shown[variant], slice(None)))
    mix = next(variant for variant in rules if variant.name == "constant_mix")
    several = {variant.source for variant in shown if not variant.is_rule} - {"imagined"}

    head = f"{'':42s}{'':5s}" + "".join(f"{title:>27s}" for title in parts)
    lines = [
        head,
        f"{'':42s}{'band':>5s}"
        + f"{'Sharpe':>9s}{'growth':>8s}{'drawdown':>10s}" * len(parts)
        + f"{'CVaR':>8s}{'traded':>8s}{'costs':>8s}{'held':>6s}"
        + f"{'less best rule':>17s}{'less const. mix':>17s}{'DSR':>6s}",
    ]
    order = sorted(shown, key=lambda variant: -ratio(shown[variant], slice(None)))
    for variant in order:
        runs = shown[variant]
        label = variant.name if variant.is_rule else f"agent: {variant.name}"
        if several and not variant.is_rule:
            label += f", {variant.source}"
        line = f"{label:42s}" + ("     " if variant.band is None else f"{variant.band:5.1f}")
        for bars in parts.values():
            found = Figures.mean([Figures.of(run.part(bars)) for run in runs])
            line += f"{found.sharpe:9.2f}{100 * found.growth:6.1f} %{100 * found.drawdown:8.1f} %"
        line += (
            f"{100 * found.shortfall:6.2f} %{100 * found.turnover:6.2f} %"
            f"{100 * found.costs:6.2f} %{found.exposure:6.2f}"
        )
        for other in (best, mix):
            if other == variant:
                line += f"{'-':>17s}"
                continue
            mine, theirs = (np.stack([r.growth for r in shown[v]]) for v in (variant, other))
            low, high = difference_interval(mine, theirs)
            line += f"{f'{low:+.2f} .. {high:+.2f}':>17s}"
        line += f"{np.mean([deflated_sharpe(run.growth, by_chance) for run in runs]):6.2f}"
        if len(runs) > 1:
            line += f"  ± {np.std([sharpe(run.growth) for run in runs], ddof=1):.3f}"
        lines.append(line)
    lines.append(
        f"{len(trials)} variants tried; the best of as many without any edge has "
        f"{by_chance:.2f} by chance"
    )
    return "\n".join(lines)


def halves(market: RealMarket) -> dict[str, slice]:
    """Bars up to `HALF`, since then, and all."""
    middle = market.row_before(HALF)
    return {
        "to 2012": slice(0, middle),
        "from 2013": slice(middle, None),
        "whole": slice(None),
    }


def lean_histories(folder: Path) -> list[History]:
    """LEAN's sample from 1998 on."""
    settings = load_settings(
        {"symbols": LEAN_SYMBOLS, "caps": "", "cap": "0.2", "start_date": str(LEAN_FIRST),
         "end_date": str(LEAN_LAST), "warm_up_years": "5"}
    )  # fmt: skip
    return load_histories(settings, data_folder=folder)


def spans_of(
    histories: Sequence[History],
    first: np.datetime64,
    last: np.datetime64,
    rules: Rules,
    options: argparse.Namespace,
) -> list[Span]:
    """The real span as seen with each seed."""
    found = []
    for seed in options.seeds:
        market, refits = real_market(
            histories,
            new_years(first, last),
            WalkForward(seed=seed),
            until=last,
            cache=options.models,
        )
        found.append(Span(market, refits, rules, seed))
    return found


def proportional(caps: Floats) -> Rules:
    """Accounts that trade any share of the caps for `COST`, and decide on bands themselves."""
    return Rules(caps, equity=1e5, buffer=0.0, band=0.0, lot_size=0, costs=ProportionalCost(COST))


def lean_rules() -> Rules:
    """Five symbols, a fifth each."""
    return proportional(np.full(5, 0.2))


def title_of(name: str, market: RealMarket) -> str:
    """A section's heading."""
    return (
        f"\n{name}: {' '.join(market.symbols)}, {market.dates[1]} to {market.dates[-1]}, "
        f"{market.paths.n_steps} bars\n"
    )


def report_lean(options: argparse.Namespace) -> str:
    """LEAN's sample."""
    spans = spans_of(lean_histories(options.lean), LEAN_FIRST, LEAN_LAST, lean_rules(), options)
    variants = [Variant(name, band) for name in options.rules for band in BANDS]
    variants += [Variant(name) for name in options.agents]
    trials = run_all(variants, spans, Store(options.results), options.jobs, "LEAN's sample")
    parts = halves(spans[0].market)
    return title_of("LEAN's sample", spans[0].market) + table(
        trials, chosen(trials, parts["to 2012"]), parts
    )


def report_packaged(options: argparse.Namespace) -> str:
    """The default run's span, its symbols and caps, on the packaged bars."""
    settings = load_settings()
    first, last = (np.datetime64(day) for day in (settings.run.start_date, settings.run.end_date))
    histories = packaged_histories()
    rules = proportional(settings.caps.for_symbols([one.symbol for one in histories]))
    spans = spans_of(histories, first, last, rules, options)
    variants = [Variant(name, BAND) for name in options.rules]
    variants += [Variant(name) for name in options.agents]
    trials = run_all(variants, spans, Store(options.results), options.jobs, "packaged")
    return title_of("Default run's span", spans[0].market) + table(
        trials, trials, {"whole": slice(None)}
    )


def small_rules(equity: float) -> Rules:
    """A small account at Interactive Brokers."""
    costs = InteractiveBrokersCost(slippage=COST)
    return Rules(np.full(5, 0.2), equity=equity, buffer=0.0, band=0.0, lot_size=1, costs=costs)


def report_small(options: argparse.Namespace) -> str:
    """Small accounts on LEAN's sample and on imagined markets."""
    spans = spans_of(lean_histories(options.small), LEAN_FIRST, LEAN_LAST, lean_rules(), options)
    market = spans[0].market
    lines = [title_of("Small accounts", market)]
    lines += [_small_head("real span")]
    store = Store(options.results)
    variants = [Variant(name, band) for name in options.rules for band in SMALL_BANDS]
    variants += [Variant(name) for name in options.agents]
    real: dict[float, dict[Variant, Figures]] = {}
    for equity in SMALL_EQUITY:
        own = [dataclasses.replace(span, rules=small_rules(equity)) for span in spans]
        trials = run_all(variants, own, store, options.jobs, f"{equity:,.0f} $")
        real[equity] = {
            variant: Figures.mean([Figures.of(run) for run in runs])
            for variant, runs in trials.items()
        }
    lines += _small_rows(real)

    lines += ["", _small_head(f"{IMAGINED_MARKETS} imagined markets of {IMAGINED_BARS} bars")]
    lines += _small_rows(_imagined_figures(variants, spans, store))
    return "\n".join(lines)


def _imagined_figures(
    variants: Sequence[Variant], spans: Sequence[Span], store: Store
) -> dict[float, dict[Variant, Figures]]:
    """Means over markets imagined by the forecaster of the second half, by size of account."""
    found: dict[float, dict[Variant, list[Figures]]] = {
        equity: {variant: [] for variant in variants} for equity in SMALL_EQUITY
    }
    for span in spans:
        refit = next(one for one in span.refits if one.date >= HALF)
        rng = streams(span.seed, "agent bench", "imagined")["paths"]
        paths = SOURCES["imagined"](refit).sample(IMAGINED_MARKETS, IMAGINED_BARS, rng)
        tape = tape_fingerprint(paths)
        for equity in SMALL_EQUITY:
            rules = small_rules(equity)
            for variant in tqdm(variants, desc=f"imagined, {equity:,.0f} $", leave=False):

                def make(
                    variant=variant, rules=rules, paths=paths, refit=refit, seed=span.seed
                ) -> dict[str, float]:
                    policy = variant.agent(Lesson(refit, variant.source, rules, seed)).act
                    runs = runs_of(policy, paths, rules)
                    return dataclasses.asdict(Figures.mean([Figures.of(run) for run in runs]))

                depends = {
                    **variant.depends(),
                    "tape": tape,
                    "rules": provenance.described(rules),
                    "seed": None if variant.is_rule else span.seed,
                }
                kept = store.get(f"imagined {variant.name}", depends, make)
                found[equity][variant].append(Figures(**kept))
    return {
        equity: {variant: Figures.mean(figures) for variant, figures in by_variant.items()}
        for equity, by_variant in found.items()
    }


def _small_head(title: str) -> str:
    sizes = "".join(f"{f'{equity:,.0f} $':>42s}   " for equity in SMALL_EQUITY)
    columns = f"{'no band':>10s}{'band':>6s}{'Sharpe':>8s}{'drawdown':>10s}{'costs':>8s}{'':3s}"
    return f"{title:36s}{sizes}".rstrip() + f"\n{'':36s}" + (columns * len(SMALL_EQUITY)).rstrip()


def _small_rows(found: Mapping[float, Mapping[Variant, Figures]]) -> list[str]:
    """One row a rule, with its best band for each size of account, and one an agent."""

    def best(name: str, equity: float) -> Variant:
        own = [variant for variant in found[equity] if variant.name == name and variant.is_rule]
        return max(own, key=lambda variant: found[equity][variant].sharpe)

    rows = []
    middle = SMALL_EQUITY[1]
    names = dict.fromkeys(variant.name for variant in found[middle] if variant.is_rule)
    for name in names:
        row = f"{name:36s}"
        for equity in SMALL_EQUITY:
            figures, variant = found[equity], best(name, equity)
            row += (
                f"{figures[Variant(name, 0.0)].sharpe:10.2f}{variant.band:6.1f}"
                f"{_small_cell(figures[variant])}"
            )
        rows.append((found[middle][best(name, middle)].sharpe, row))
    for variant in found[middle]:
        if not variant.is_rule:
            row = f"{f'agent: {variant.name}':36s}"
            for equity in SMALL_EQUITY:
                row += f"{'':16s}{_small_cell(found[equity][variant])}"
            rows.append((found[middle][variant].sharpe, row))
    return [row.rstrip() for _, row in sorted(rows, key=lambda pair: -pair[0])]


def _small_cell(figures: Figures) -> str:
    return f"{figures.sharpe:8.2f}{100 * figures.drawdown:8.1f} %{100 * figures.costs:6.2f} %   "


def report_tdqn(options: argparse.Namespace) -> str:
    """The TDQN paper's protocol."""
    histories = load_all(options.tdqn)
    files = {path.stem: path for path in Path(options.tdqn).glob("*.csv")}
    store = Store(options.results)
    found: dict[tuple[str, bool], dict[str, list[float]]] = {}
    for seed in options.seeds:
        settings = WalkForward(years=TDQN_YEARS, seed=seed)
        refits = walk(histories, np.array([SPLIT]), settings, cache=options.models)
        spans = [TestSpan.of(files[one.symbol], refits) for one in histories]
        for span in tqdm(spans, desc=f"TDQN, seed {seed}", leave=False):
            _add_tdqn(found, span, refits, seed, options, store)
    return _tdqn_tables(found)


def _add_tdqn(
    found: dict[tuple[str, bool], dict[str, list[float]]],
    span: TestSpan,
    refits: list[Refit],
    seed: int,
    options: argparse.Namespace,
    store: Store,
) -> None:
    """Sharpe ratios of all policies on one stock, by (policy, at close) and symbol."""
    tape = tape_fingerprint(span.market.paths)
    code = provenance.code_fingerprint("models", "sim", "research.tdqn_protocol")
    policies: dict[str, tuple[Callable[[], Policy], dict[str, Any]]] = {
        "sell_and_hold": (_always(sell_and_hold), {"versions": provenance.versions()})
    }
    for variant in [Variant(name, BAND) for name in options.rules]:
        rule = Rule(variant.name, BAND, allow_short=True)
        policies[variant.name] = (_always(rule.act), variant.depends())
    for variant in [Variant(name) for name in options.agents]:
        traded = Span(span.market, refits, TDQN_RULES, seed)
        policies[f"agent: {variant.name}"] = (
            functools.partial(variant.policy, traded),
            {**variant.depends(), "seed": seed},
        )
    for label, (policy, known) in policies.items():
        for at_close in (True, False):

            def make(policy=policy, at_close=at_close) -> float:
                return float(np.nan_to_num(sharpe(span.growth(policy(), at_close=at_close))))

            depends = {**known, "protocol": code, "tape": tape, "at_close": at_close}
            name = f"tdqn {span.symbol} {label.replace(':', '')}"
            value = store.get(name, depends, make)
            found.setdefault((label, at_close), {}).setdefault(span.symbol, []).append(value)


def _always(policy: Policy) -> Callable[[], Policy]:
    """The same policy for every pass: one without a memory."""
    return lambda: policy


def _tdqn_tables(found: Mapping[tuple[str, bool], Mapping[str, Sequence[float]]]) -> str:
    """Buy and hold beside the paper's, then means over the stocks."""
    hold = {symbol: np.mean(values) for symbol, values in found["buy_and_hold", True].items()}
    symbols = list(hold)
    lines = [
        "\nTDQN's protocol: 15 stocks, each alone, 2018 and 2019, .1 %\n",
        f"{'Sharpe ratio of buy and hold':34s}{'here':>9s}{'published':>11s}",
    ]
    for symbol in symbols:
        lines.append(f"{symbol:34s}{hold[symbol]:9.3f}{PUBLISHED[symbol][0]:11.3f}")
    lines += [
        "",
        f"{'mean of the stocks':34s}{'at close':>9s}{'next open':>11s}{'above buy and hold':>20s}"
        f"{'t of difference':>17s}",
    ]
    for column, strategy in enumerate(STRATEGIES):
        values = np.array([PUBLISHED[symbol][column] for symbol in symbols])
        lines.append(
            f"{f'paper: {strategy}':34s}{values.mean():9.3f}{'':11s}"
            f"{_against(values, np.array([PUBLISHED[s][0] for s in symbols]))}"
        )
    labels = dict.fromkeys(label for label, _ in found)
    mean = {
        key: np.array([np.mean(values[symbol]) for symbol in symbols])
        for key, values in found.items()
    }
    for label in sorted(labels, key=lambda label: -mean[label, True].mean()):
        lines.append(
            f"{label:34s}{mean[label, True].mean():9.3f}{mean[label, False].mean():11.3f}"
            f"{_against(mean[label, True], mean['buy_and_hold', True])}"
        )
    return "\n".join(lines)


def _against(values: Floats, hold: Floats) -> str:
    """On how many stocks a policy is ahead of buy and hold, and the paired t statistic."""
    difference = values - hold
    deviation = difference.std(ddof=1)
    t = difference.mean() / deviation * np.sqrt(len(values)) if deviation > 0 else 0.0
    return f"{f'{(difference > 0).sum()} of {len(values)}':>20s}{t:17.2f}"


def report_ablation(options: argparse.Namespace) -> str:
    """The same agents taught on different markets, beside the rules."""
    spans = spans_of(lean_histories(options.ablation), LEAN_FIRST, LEAN_LAST, lean_rules(), options)
    variants = [Variant(name, band) for name in options.rules for band in BANDS]
    variants += [
        Variant(name, source=source) for name in options.agents for source in options.sources
    ]
    trials = run_all(variants, spans, Store(options.results), options.jobs, "ablation")
    parts = halves(spans[0].market)
    return title_of("Ablation", spans[0].market) + table(
        trials, chosen(trials, parts["to 2012"]), parts
    )


def slice_rewards(runs: Sequence[Run], slices: Sequence[slice]) -> Floats:
    """What the investor's reward is a bar in each of N slices, mean over seeds, shape (N,)."""
    reward = MeanVarianceReward(MeanVarianceConfig().aversion)
    earned = np.mean([along(reward, run.growth) for run in runs], axis=0)
    return np.array([earned[bars].mean() for bars in slices])


def report_pull(options: argparse.Namespace) -> str:
    """How strong a pull walk-forward slices of LEAN's sample ask for: years before `HALF`."""
    spans = spans_of(lean_histories(options.pull), LEAN_FIRST, LEAN_LAST, lean_rules(), options)
    market = spans[0].market
    pulls = {pull: Variant(name) for name, pull in PULLS.items()} | {np.inf: Variant(ANALYTIC)}
    store = Store(options.results)
    trials = run_all(list(pulls.values()), spans, store, options.jobs, "pulls")
    begins = [0] + [market.row_before(one.date) for one in spans[0].refits[1:] if one.date <= HALF]
    years = [slice(*pair) for pair in itertools.pairwise(begins)]
    choice = choose_pull(list(pulls), lambda pull: slice_rewards(trials[pulls[pull]], years))
    unit = 1e4 * BARS_PER_YEAR
    lines = [
        title_of("Pull", market),
        f"reward a year in basis points, {len(years)} years up to 2012",
        "",
        f"{'pull':>8s}{'reward':>9s}{'best less it':>14s}{'error':>8s}{'best in':>9s}",
    ]
    best = choice.scores.mean(axis=1).argmax()
    most = choice.scores.argmax(axis=0)
    for i, pull in enumerate(choice.pulls):
        behind = choice.scores[best] - choice.scores[i]
        lines.append(
            f"{pull:8.2f}{unit * choice.scores[i].mean():9.0f}{unit * behind.mean():14.1f}"
            f"{unit * choice.error[i]:8.1f}{(most == i).sum():6d} of {len(years)}"
            + ("  chosen" if i == choice.chosen else "")
        )
    return "\n".join(lines)


SECTIONS: Mapping[str, Callable[[argparse.Namespace], str]] = {
    "lean": report_lean,
    "packaged": report_packaged,
    "small": report_small,
    "tdqn": report_tdqn,
    "ablation": report_ablation,
    "pull": report_pull,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sections asked for and print their tables."""
    parser = option_parser(__doc__)
    for name in ("lean", "small", "ablation", "pull"):
        parser.add_argument(f"--{name}", type=Path, help="LEAN data folder with its sample")
    parser.add_argument("--packaged", action="store_true", help="the default run's span")
    parser.add_argument("--tdqn", type=Path, help="folder of the TDQN csv files")
    parser.add_argument("--agents", nargs="*", default=list(LEARNERS), choices=list(LEARNERS))
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    parser.add_argument("--sources", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--results", type=Path, help="folder that keeps runs")
    parser.add_argument("--models", type=Path, help="folder that keeps forecasters and markets")
    options = parser.parse_args(arguments)
    asked = [name for name in SECTIONS if getattr(options, name)]
    if not asked:
        parser.error(f"give one of {', '.join(f'--{name}' for name in SECTIONS)}")
    for needed in ("constant_mix", "buy_and_hold"):
        if needed not in options.rules:
            parser.error(f"--rules must hold {needed}: others are measured by it")
    print(conditions("numpy", "tensorflow", "keras", "arch"), flush=True)
    for name in asked:
        print(SECTIONS[name](options), flush=True)


if __name__ == "__main__":
    main()
