"""Puts the report together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.data_import.folder import write_atomically
from engine.live.journal import EVENTS
from engine.report import joint_figures, market_figures, model_figures, page, rivals, style, verdict
from engine.report.diagnostics import load_diagnostics
from engine.report.metrics import Metric, metrics_table
from engine.report.page import Section, swatch
from engine.report.results import Backtest, load_backtest
from engine.report.summary import lean_table, read_timing, span_line, stages, trainings_line

NO_DIAGNOSTICS = (
    "No data: the folder holds no diagnostics.json with this part. The algorithm writes it to the "
    "object store (mirage/diagnostics.json); a run of python -m engine backtest copies it here."
)


def build_report(
    folder: Path, output: Path | None = None, *, data_folder: Path = Path("data")
) -> Path:
    """Write one self-contained HTML file about a backtest.

    Args:
        folder: a backtest's folder as LEAN or `python -m engine backtest` leaves it; with
            `diagnostics.json` the report also shows forecasts, simulations and training.
        output: the file; by default `report.html` in the folder.
        data_folder: where the risk-free rate for the benchmark's LEAN statistics is.

    Returns:
        The file written.

    Raises:
        ValueError: if the folder holds no readable result or malformed diagnostics.
    """
    backtest = load_backtest(folder)
    diagnostics = load_diagnostics(folder)
    document = _page(folder, backtest, diagnostics, data_folder)
    path = output or folder / "report.html"
    write_atomically(path, document.encode())
    return path


def _page(
    folder: Path, backtest: Backtest, diagnostics: Mapping[str, Any], data_folder: Path
) -> str:
    rows = metrics_table(backtest)
    said, tone = verdict.sentence(backtest, rows)
    symbols = _symbols(backtest, diagnostics)
    sections = [
        _performance(backtest),
        _rivals(backtest, diagnostics),
        _metrics(backtest, rows, data_folder),
        _trades(backtest, diagnostics, symbols),
        _exposure(backtest),
        _forecasts(backtest, diagnostics),
        _calibration(diagnostics),
        _simulation(diagnostics),
        _together(diagnostics),
        _training(diagnostics),
        *_actions(backtest),
        _time(folder, diagnostics),
    ]
    algorithm = diagnostics.get("algorithm", {})
    settings = algorithm.get("parameters") or backtest.configuration.get("parameters") or {}
    footer = page.parameters(settings) + (
        f"<p>From the results in {page.text(folder.name)} (run {page.text(backtest.name)}). "
        "Past or simulated performance does not promise a future one.</p>"
    )
    kind = "Paper trading" if (folder / EVENTS).is_file() else "Backtest"
    title = f"{kind} of {', '.join(symbols)}" if symbols else kind
    return page.render(
        title,
        said,
        tone,
        [page.text(each) for each in verdict.caveats(backtest, diagnostics)],
        _tiles(verdict.by_name(rows)),
        sections,
        footer,
    )


def _symbols(backtest: Backtest, diagnostics: Mapping[str, Any]) -> list[str]:
    named = diagnostics.get("algorithm", {}).get("symbols") or []
    return list(dict.fromkeys([*map(str, named), *sorted(backtest.fills["symbol"].unique())]))


def _tiles(table: dict[str, Metric]) -> list[tuple[str, str, str]]:
    shown = (
        "Cumulative return",
        "Annualised return",
        "Sharpe ratio",
        "Maximum drawdown",
        "Deviation (annual)",
        "Trades",
    )
    tiles = []
    for name in shown:
        metric = table[name]
        kind = metric.kind
        theirs = page.number(metric.benchmark, kind)
        other = f"benchmark {theirs}" if theirs != page.DASH else ""
        if name == "Trades":
            other = (
                f"churn {page.number(table['Churn (turnover a year)'].strategy, 'times')} a year"
            )
        ours = page.number(metric.strategy, kind)
        if kind == "percent" and math.isfinite(metric.strategy):
            ours = style.signed(f"{metric.strategy:.1%}")
            if theirs != page.DASH:
                other = f"benchmark {style.signed(f'{metric.benchmark:.1%}')}"
        elif name == "Sharpe ratio" and math.isfinite(metric.strategy):
            ours = style.signed(f"{metric.strategy:.2f}")
            if theirs != page.DASH:
                other = f"benchmark {style.signed(f'{metric.benchmark:.2f}')}"
        tiles.append((name, ours, other))
    return tiles


def _performance(backtest: Backtest) -> Section:
    lead = (
        f"Value of {swatch(style.STRATEGY, 'the strategy')} and of "
        f"{swatch(style.BENCHMARK, 'the benchmark')}, both from the same starting value (dotted), "
        "at the end of each session; below, how far each stands under its own peak. In every "
        "picture, drag to zoom and double-click to return."
    )
    if (again := len(backtest.starts) - 1) > 0:
        times = "once" if again == 1 else f"{again:,} times"
        lead += f" The run was started again {times} ({swatch(style.MUTED, 'dashed')})."
    return Section("performance", "Performance", page.plot(market_figures.equity(backtest)), lead)


def _rivals(backtest: Backtest, diagnostics: Mapping[str, Any]) -> Section:
    known = rivals.rivals_of(diagnostics)
    lead = (
        "What simple rules earned in shadow accounts of the same size, under the same caps and "
        "costs, on the same bars: the caps are nobody's merit or fault. Which rule was best is "
        "known in hindsight only. Point at a name for the rule."
    )
    body = page.plot(rivals.picture(backtest, known)) + rivals.table(backtest, known)
    body += rivals.promotions(diagnostics.get("promotions", []))
    return Section("rivals", "Beside simple rules", body, lead, NO_DIAGNOSTICS)


def _last_run(backtest: Backtest, what: str) -> str:
    """That something is of the last run alone, where the account had several."""
    if len(backtest.starts) < 2:
        return ""
    return f" {what} with the last start, {backtest.starts[-1]:%Y-%m-%d %H:%M}."


def _metrics(backtest: Backtest, rows: list[Metric], data_folder: Path) -> Section:
    cells = [
        [
            page.text(m.name),
            page.number(m.strategy, m.kind),
            page.number(m.benchmark, m.kind),
        ]
        for m in rows
    ]
    tips = [m.definition for m in rows]
    ours = page.table(("", "Strategy", "Benchmark"), cells, tips=tips, kind="pair")
    lean = [
        [page.text(name), page.text(value), page.text(other)]
        for name, value, other in lean_table(backtest, data_folder)
    ]
    theirs = page.table(("LEAN's statistics", "Strategy", "Benchmark"), lean, kind="pair")
    if not lean:
        theirs = '<p class="missing">The result file holds no statistics of LEAN.</p>'
    lead = (
        "Left: from daily returns, risk-free rate zero. Right: LEAN's own table, with LEAN's "
        "conventions (samples at every midnight, weekends included; a risk-free rate), and the "
        "same conventions applied to the benchmark. Point at a name for its definition."
    ) + _last_run(backtest, "LEAN's table begins")
    listing = page.definitions([(m.name, m.definition) for m in rows])
    return Section("metrics", "Figures", page.columns(ours + listing, theirs), lead)


def _trades(backtest: Backtest, diagnostics: Mapping[str, Any], symbols: list[str]) -> Section:
    prices = {
        symbol: closes
        for symbol in symbols
        if (closes := market_figures.prices_of(backtest, diagnostics, symbol)) is not None
    }
    traded = backtest.counted.groupby("symbol").size()
    counts = ", ".join(f"{page.text(s)} {int(traded.get(s, 0)):,}" for s in symbols)
    lead = (
        f"Closing price while {swatch(style.UP, 'long')}, {swatch(style.DOWN, 'short')} or "
        f"{swatch(style.FLAT, 'flat')}; triangles are fills, bought below the line and "
        "sold above it. "
        f"Fills: {counts or 'none'}."
    )
    body = page.plot(market_figures.trades(backtest, prices, symbols))
    missing = (
        "No prices: neither diagnostics.json nor a chart “Forecast …” of the result holds closes. "
        f"There were {len(backtest.counted):,} fills."
    )
    return Section("trades", "Trades on price", body, lead, missing)


def _exposure(backtest: Backtest) -> Section:
    lead = (
        f"Share of the portfolio held in each symbol, {swatch(style.UP, 'long')} or "
        f"{swatch(style.DOWN, 'short')}, and the cap (dotted) that orders must keep it under. A "
        "price can carry a position over its cap between two sessions; it is then trimmed."
    ) + _last_run(backtest, "These pictures begin")
    missing = "No data: the run plotted no chart with a series per symbol and one “<symbol> cap”."
    return Section(
        "exposure", "Exposure", page.plot(market_figures.exposure(backtest)), lead, missing
    )


def _forecasts(backtest: Backtest, diagnostics: Mapping[str, Any]) -> Section:
    tables = model_figures.forecast_tables(backtest, diagnostics)
    lead = (
        "Return of the next session as forecast at the close before: mean (line) and intervals "
        f"({swatch(style.tint(style.STRATEGY, 0.45), '50 %')} and "
        f"{swatch(style.tint(style.STRATEGY, 0.2), '90 %')}), and what came: "
        f"{swatch(style.INK, 'inside')} or {swatch(style.DOWN, 'outside')} the wider interval. "
        f"The last {model_figures.FORECASTS_SHOWN} sessions."
    )
    if not diagnostics.get("forecasts"):
        lead = lead.replace("intervals (", "the plotted interval (")
    return Section(
        "forecasts", "Forecasts", page.plot(model_figures.forecasts(tables)), lead, NO_DIAGNOSTICS
    )


def _calibration(diagnostics: Mapping[str, Any]) -> Section:
    calibration = diagnostics.get("calibration", {})
    rows = [
        [
            f"{row['nominal']:.0%} interval",
            f"{row['empirical']:.1%}",
            style.signed(f"{100 * (row['empirical'] - row['nominal']):+.1f} pp"),
            f"± {196 * math.sqrt(row['nominal'] * (1 - row['nominal']) / max(row['n'], 1)):.1f} pp",
        ]
        for row in calibration.get("coverage", ())
    ]
    coverage = page.table(("Interval", "Covered", "Error", "Chance (95 %)"), rows) if rows else ""
    scores = [
        f"{name} {calibration[key]:.4g}"
        for key, name in (("crps", "CRPS"), ("log_score", "log score"))
        if key in calibration
    ]
    if scores:
        kinds = " and ".join(scores)
        coverage += (
            f"<p class='lead'>Mean {kinds} of the next log return over {calibration.get('n', 0):,} "
            "forecasts (lower CRPS is better; compare only on the same days).</p>"
        )
    picture = page.plot(model_figures.pit_histogram(calibration))
    lead = (
        "If the forecasts tell the truth, what comes falls evenly over their quantiles: every bar "
        "stands at 1, most within the grey band (95&nbsp;% of chance; "
        f"{swatch(style.ACCENT, 'outside it')}), and an interval covers what it claims."
    )
    body = page.columns(picture, coverage) if picture or coverage else ""
    return Section("calibration", "Calibration", body, lead, NO_DIAGNOSTICS)


def _simulation(diagnostics: Mapping[str, Any]) -> Section:
    picture = page.plot(model_figures.paths(diagnostics))
    facts, told = diagnostics.get("facts"), diagnostics.get("two_sample")
    grid = _facts_table(facts, "Stylised fact") if facts and facts["rows"] else ""
    lead = (
        f"Closes {swatch(style.tint(style.SIMULATED, 0.5), 'simulated')} from the close of a "
        f"training on, rebased to 1, and {swatch(style.INK, 'what came')}. "
    )
    if "crisis" in diagnostics:
        lead += (
            "The panels show the same markets: all symbols of one are drawn together. The market "
            f"with the {swatch(style.ACCENT, 'worst day')} is the one shown below. "
        )
    lead += (
        "Then stylised facts of daily returns: the simulator closest to the real market is "
        f"{swatch(style.tint(style.UP, 0.3), 'marked')}."
    )
    span = _span(diagnostics) if told or grid else ""
    if told:
        body = picture + span + _can_they_be_told(told) + page.columns(grid, _two_sample(told))
    elif grid:
        body = (
            picture
            + span
            + grid
            + (
                "<p class='lead'>Whether a classifier can tell imagined windows from real ones was "
                "not tried: the run did not do it, or its bars are too few.</p>"
            )
        )
    else:
        body = picture
    return Section("simulation", "Simulated markets", body, lead, NO_DIAGNOSTICS)


def _span(diagnostics: Mapping[str, Any]) -> str:
    """Which real bars are compared with, and why no others; "" if it is not known."""
    said = span_line(diagnostics)
    if not said:
        return ""
    below = "" if "crisis" not in diagnostics else ", and of correlations and the worst day below"
    return (
        f"<p class='lead'><b>Like with like.</b> {page.text(said)} Those before, which only warm "
        "up features and the network's window, may be of another era and are left out: of the "
        "real column, of the days of the block bootstrap, of what GJR-GARCH is fitted to, of the "
        f"classifier's windows{below}. Stylised facts are of pieces of "
        f"{diagnostics['span']['piece']:,} bars, real and simulated.</p>"
    )


def _can_they_be_told(told: Mapping[str, Any]) -> str:
    return (
        f"<p class='lead'><b>Can they be told apart?</b> A classifier is given statistics of "
        f"{told['bars']}-bar windows of single symbols, real ones and "
        "simulated ones that start at the same closes, and judged on stretches of time that it "
        "was not fitted on. AUC 0.5: it cannot tell which are real; 1: always; below 0.5 what it "
        "learned on other stretches misled it, which is no way to tell them either. The block "
        "bootstrap, made of real days, is the yardstick. It rests on "
        f"{told['windows']:,} real windows, of which only {told['disjoint']:,} do not overlap: "
        f"chance alone moves the AUC by ± {told['chance']:.2f} (grey) or more, and another seed "
        "by some 0.05. The simulators have seen these very bars, which makes them look better "
        "than they would beside later ones.</p>"
    )


def _two_sample(told: Mapping[str, Any]) -> str:
    columns = [str(name) for name in told["columns"]]
    rows, tips = [], []
    for each in told["used"]:
        larger = "larger" if each["alone"] > 0.5 else "smaller"
        tips.append(
            f"Alone it gives an AUC of {each['alone']:.2f}: imagined windows have {larger} values. "
            f"Family: {each.get('family', 'none')}."
        )
        numbers = [page.number(value, "fact") for value in each["means"]]
        fall = style.signed(f"{each['fall']:.3f}")
        rows.append([page.text(each["name"]), fall, *numbers])
    used = page.table(["Statistic used most", "AUC falls by", *columns], rows, tips=tips)
    note = (
        "<p class='lead'>How much the AUC falls when a statistic is shuffled, and its mean over "
        "windows. Statistics that tell the same share the credit."
    )
    if told["auc"][1] is not None and told["auc"][1] <= 0.5 + told["chance"]:
        note += " The classifier could not tell, so what it used says little."
    note += "</p>"
    return page.plot(joint_figures.told_apart(told)) + used + note


def _together(diagnostics: Mapping[str, Any]) -> Section:
    """How symbols depend on each other; with one symbol, a sentence."""
    title = "Symbols together"
    dependence, crisis = diagnostics.get("dependence"), diagnostics.get("crisis")
    if not dependence and not crisis:
        missing = NO_DIAGNOSTICS
        if len(diagnostics.get("paths", {})) == 1:
            missing = "The run has one symbol: there is no dependence between symbols to show."
        return Section("together", title, "", missing=missing)
    body = ""
    if dependence:
        body += page.plot(joint_figures.correlations(dependence))
        body += page.columns(_facts_table(dependence, "Mean over pairs"), _HOW_TO_READ)
    if crisis:
        words = page.text(joint_figures.crisis_words(crisis))
        body += (
            f"<p class='lead'><b>One imagined crisis.</b> {words} Deviations are those of each "
            "symbol's real daily returns in these bars, for both. Imagined markets take their "
            "noise from real days, so a crisis may look like one that was. One day is an anecdote "
            "that shows what imagined crises look like; the table above is the measurement.</p>"
        ) + page.plot(joint_figures.crisis(crisis))
    lead = (
        "An imagined market holds all symbols at once. Correlations between them should look "
        "alike in real bars and in imagined ones, and so should the days on which everything falls."
    )
    return Section("together", title, body, lead)


_HOW_TO_READ = (
    "<p class='lead'><b>Deviation of volume</b>: log volume less the mean of the 20 bars before. "
    "<b>Corr when both fall (rise)</b>: over the days on which both symbols are in their worst "
    "(best) fifth; under a normal law both would be alike and well below the correlation "
    "itself. <b>Tail dependence</b>: the chance that the other symbol has one of its worst (best) "
    "5&nbsp;% of days when one has; 5&nbsp;% if they were independent. <b>Dispersion</b>: "
    "deviation between symbols on a day. <b>Co-jump</b>: a day on which two symbols or "
    "more move by over three of their deviations.</p>"
    "<p class='lead'>The block bootstrap takes whole real days, so it keeps what happens on one "
    "day by construction: it is the yardstick, not a rival. GJR-GARCH models know one symbol "
    "each: what no dependence looks like. The tails rest on a few dozen real days, so "
    "differences of .1 there can be chance.</p>"
)


def _facts_table(facts: Mapping[str, Any], title: str) -> str:
    rows = []
    for row in facts["rows"]:
        values = np.array([math.nan if v is None else v for v in row["values"]], dtype=float)
        cells = [page.number(value, "fact") for value in values]
        # A row without a real value is itself a distance to the real market.
        distance = np.abs(values - values[0]) if np.isfinite(values[0]) else np.abs(values)
        distance[0] = np.nan
        if np.isfinite(distance).sum() > 1:
            best = int(np.nanargmin(distance))
            cells[best] = f'<span class="best">{cells[best]}</span>'
        rows.append([page.text(row["name"]), *cells])
    return page.table([title, *facts["columns"]], rows)


def _training(diagnostics: Mapping[str, Any]) -> Section:
    records = diagnostics.get("trainings", [])
    lead = trainings_line(diagnostics)
    missing = NO_DIAGNOSTICS
    if records:
        missing = f"{lead} None left its curves."
        lead += "".join(f" {says}" for says in model_figures.curves_explained(records))
    return Section(
        "training", "Training", page.plot(model_figures.trainings(records)), lead, missing
    )


def _actions(backtest: Backtest) -> list[Section]:
    """No section without data: of the agents only the double DQN has a value for every action."""
    body = page.plot(market_figures.action_values(backtest))
    if not body:
        return []
    lead = (
        "What the agent expects of each action above the mean of all actions (21-session mean): "
        "the further the lines are apart, the surer it is."
    )
    return [Section("actions", "Action values", body, lead)]


def _time(folder: Path, diagnostics: Mapping[str, Any]) -> Section:
    parts = stages(diagnostics.get("timings", {}), read_timing(folder))
    total = sum(parts.values())
    lead = f"{total:,.1f} s in all."
    missing = "No data: neither diagnostics.json nor timing.json says where the time went."
    return Section(
        "time", "Where the time went", page.plot(model_figures.timings(parts)), lead, missing
    )
