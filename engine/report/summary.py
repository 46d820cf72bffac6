"""LEAN's table for strategy and benchmark, and the console's summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from engine.data_import.folder import write_atomically
from engine.report.metrics import YEAR
from engine.report.results import TIME_ZONE, Backtest

TIMING = "timing.json"
STAGES = ("data", "warm-up", "forecaster", "simulation", "agent")

# Rows of LEAN's table that a benchmark, which trades nothing, has too.
_FOR_BENCHMARK = (
    "Compounding Annual Return",
    "Drawdown",
    "Start Equity",
    "End Equity",
    "Net Profit",
    "Sharpe Ratio",
    "Sortino Ratio",
    "Probabilistic Sharpe Ratio",
    "Annual Standard Deviation",
    "Annual Variance",
    "Drawdown Recovery",
)


def lean_table(backtest: Backtest, data_folder: Path) -> list[tuple[str, str, str]]:
    """LEAN's statistics: name, strategy's text, benchmark's text ("" where it has none)."""
    theirs = benchmark_statistics(backtest, data_folder)
    return [(name, value, theirs.get(name, "")) for name, value in backtest.statistics.items()]


def benchmark_statistics(backtest: Backtest, data_folder: Path) -> dict[str, str]:
    """LEAN's statistics of the benchmark, had it been the portfolio.

    The samples of LEAN's chart Benchmark, rebased to the starting equity, go through the same code
    as the portfolio's. Empty if the run sampled no benchmark.
    """
    samples = backtest.charts.get("Benchmark", {}).get("Benchmark")
    if samples is None or (samples > 0).sum() < 3:
        return {}
    from decimal import Decimal

    from engine.statistics.inputs import StatisticsInputs
    from engine.statistics.interest_rate import InterestRates
    from engine.statistics.summary import summarize

    samples = samples[samples > 0]
    start = float(backtest.charts["Strategy Equity"]["Equity"].iloc[0])
    values = samples / samples.iloc[0] * start
    local = pd.DatetimeIndex(samples.index)
    times = local.tz_localize(TIME_ZONE, ambiguous=True, nonexistent="shift_forward")
    stamps = [t.to_pydatetime() for t in times.tz_convert("UTC").tz_localize(None)]
    changes = values.pct_change().fillna(0.0) * 100

    def points(series: pd.Series) -> list:
        return [(t, Decimal(repr(float(v)))) for t, v in zip(stamps, series, strict=True)]

    result = summarize(
        StatisticsInputs(
            equity=points(values),
            performance=points(changes),
            benchmark=points(values),
            turnover=[],
            starting_capital=Decimal(f"{start:.2f}").normalize() + 0,
            total_fees=Decimal(0),
            total_orders=0,
        ),
        InterestRates.load(data_folder),
    )
    return {name: result.summary[name] for name in _FOR_BENCHMARK}


def console(backtest: Backtest, data_folder: Path) -> str:
    """LEAN's table in plain text, at most 100 columns wide."""
    rows = lean_table(backtest, data_folder)
    if not rows:
        return "The result holds no statistics."
    short = [row for row in rows if len(row[1]) <= 20]
    name = max(len(row[0]) for row in rows)
    ours, theirs = (max([12, *(len(row[i]) for row in short)]) for i in (1, 2))
    head = f"{'':<{name}}  {'Strategy':>{ours}}  {'Benchmark':>{theirs}}"
    lines = [head, "-" * len(head)]
    for label, value, other in rows:
        if len(value) > 20:  # a hash, an identifier: over both columns
            lines.append(f"{label:<{name}}  {value:>{ours + 2 + theirs}}")
        else:
            lines.append(f"{label:<{name}}  {value:>{ours}}  {other:>{theirs}}".rstrip())
    return "\n".join(lines)


def facts_lines(diagnostics: Mapping[str, Any]) -> list[str]:
    """What was measured of simulated and real markets as plain text, if the run measured it.

    Stylised facts, dependence between symbols, and how well a classifier can tell them apart.
    """
    titles = {
        "facts": "Simulated markets beside the real one (stylised facts)",
        "dependence": "Symbols together (means over pairs)",
    }
    found = {name: diagnostics.get(name, {}) for name in titles}
    found = {name: table for name, table in found.items() if table.get("rows")}
    names = [row["name"] for table in found.values() for row in table["rows"]]
    lines = []
    for name, table in found.items():
        lines += ["", titles[name], *_grid(table, max(map(len, names)))]
    if told := told_line(diagnostics):
        lines += ["", told]
    span = span_line(diagnostics)
    return [*span.splitlines(), *lines] if span and lines else lines[1:]


def span_line(diagnostics: Mapping[str, Any]) -> str:
    """Which real bars imagined markets are compared with; "" if it is not known."""
    span = diagnostics.get("span")
    if not span:
        return ""
    fewest, most = span["bars"]
    each = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    said = (
        f"Real bars below: {span['begin']} to {span['end']}, {each} a symbol: where imagined "
        "markets may start."
    )
    if fewest < YEAR:
        said += "\nOf less than a year, most differences are chance."
    return said


def _grid(table: Mapping[str, Any], width: int) -> list[str]:
    """A table with a column per market, its first one of the given width."""
    columns = [max(len(str(name)), 9) for name in table["columns"]]

    def line(name: str, cells: list[str]) -> str:
        padded = (f"{cell:>{size}}" for cell, size in zip(cells, columns, strict=True))
        return f"{name:<{width}}  " + "  ".join(padded)

    head = line("", [str(name) for name in table["columns"]])
    rows = [
        line(row["name"], ["-" if value is None else f"{value:.3f}" for value in row["values"]])
        for row in table["rows"]
    ]
    return [head, "-" * len(head), *rows]


def told_line(diagnostics: Mapping[str, Any]) -> str:
    """How well a classifier tells simulated windows from real ones; "" if it was not tried."""
    told = diagnostics.get("two_sample")
    if not told:
        return ""
    known = zip(told["columns"], told["auc"], strict=True)
    found = ", ".join(f"{name} {value:.2f}" for name, value in known if value is not None)
    misled = any(auc is not None and auc < 0.5 - told["chance"] for auc in told["auc"])
    below = "well below: the classifier was misled; " if misled else ""
    used = ", ".join(each["name"] for each in told["used"][:3])
    return (
        f"Told from real windows, AUC: {found}\n"
        f"  (.50: cannot be told; {below}chance \N{PLUS-MINUS SIGN} {told['chance']:.2f}, "
        f"{told['windows']} windows, "
        f"{told['disjoint']} side by side)" + (f"\n  by {used}" if used else "")
    )


def trainings_line(diagnostics: Mapping[str, Any]) -> str:
    """How many trainings there were, and how many the object store spared; "" if none is known."""
    records = diagnostics.get("trainings", [])
    if not records:
        return ""
    reused = sum(bool(record.get("reused")) for record in records)
    half = sum(
        bool(record.get("forecaster_reused")) and not record.get("reused") for record in records
    )
    count = f"{len(records):,} training{'' if len(records) == 1 else 's'}"
    if not reused + half:
        return f"{count}, run anew."
    parts = []
    if reused:
        parts.append(f"{reused:,} taken from the object store: what they depend on is unchanged")
    if half:
        parts.append(f"of {half:,} the forecaster taken from the object store, the agent run anew")
    return f"{count}, {'; '.join(parts)}."


def write_timing(folder: Path, total: float) -> None:
    """Record the seconds of the whole run for the report."""
    write_atomically(folder / TIMING, (json.dumps({"total": round(total, 3)}) + "\n").encode())


def read_timing(folder: Path) -> float | None:
    """Seconds of the whole run, if it was recorded.

    Raises:
        ValueError: if the record is malformed.
    """
    path = folder / TIMING
    if not path.is_file():
        return None
    try:
        total = float(json.loads(path.read_text(encoding="utf-8"))["total"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} must hold {{"total": seconds}}: {error!r}') from error
    return total


def stages(timings: Mapping[str, float], total: float | None) -> dict[str, float]:
    """Seconds by stage in the order of the run; the engine's share is what no stage claims."""
    known = {name: float(timings[name]) for name in STAGES if name in timings}
    known |= {name: float(value) for name, value in timings.items() if name not in known}
    if total is not None:
        known["engine"] = max(total - sum(known.values()), 0.0)
    return known


def timing_lines(parts: Mapping[str, float]) -> list[str]:
    """Where the time went, one line per stage."""
    total = sum(parts.values())
    if total <= 0:
        return []
    width = max(len(name) for name in parts)
    lines = [f"  {name:<{width}}  {s:>8.1f} s  {s / total:>5.0%}" for name, s in parts.items()]
    return ["Where the time went", *lines, f"  {'total':<{width}}  {total:>8.1f} s"]
