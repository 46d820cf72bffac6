"""One source into one data folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from engine.data_import import lean_format, reference
from engine.data_import.corporate_actions import factor_rows, infer_actions
from engine.data_import.folder import DataFolder, Outcome
from engine.data_import.series import EquitySeries, IndexSeries, RateSeries, Series, Source
from engine.data_import.validation import Finding, clean_bars, clean_values


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        folder: the data folder.
        source: the source's name.
        series: one line per series: what it is, its span, its corporate actions, the outcome.
        findings: odd rows of the source and what was done about them.
    """

    folder: Path
    source: str
    series: list[tuple[str, Outcome]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """Groups of files with that outcome."""
        return sum(1 for _, each in self.series if each == outcome)

    @property
    def unchanged(self) -> bool:
        """Whether the folder already held exactly this."""
        return self.count("unchanged") == len(self.series)

    def __str__(self) -> str:
        if self.unchanged:
            return f"Market data in {self.folder} is unchanged ({len(self.series)} series)."
        width = max(len(line) for line, _ in self.series)
        rows = [f"  {line:<{width}}  {outcome}" for line, outcome in self.series]
        lines = [f"Market data from {self.source} into {self.folder}:", *rows]
        if self.count("kept"):
            lines.append(
                "  kept = the folder holds other files in these places; they were left alone. "
                "Use another --data-folder to have the packaged data too."
            )
        if self.findings:
            lines.append("Odd in the source, and what was done:")
            lines += [f"  {finding}" for finding in self.findings]
        return "\n".join(lines)


def import_data(source: Source, folder: Path) -> ImportReport:
    """Read a source, check it, and write it in LEAN's format.

    Args:
        source: yields the series.
        folder: LEAN's data folder; made if it is missing.

    Returns:
        What was written, what was odd.

    Raises:
        ValueError: if the source or the folder cannot be used; nothing half-written is left.
    """
    series = source.load()
    target = DataFolder(folder)
    report = ImportReport(folder, source.name)
    calendar = reference.sessions()
    # Render everything before the first write: a source that turns out bad leaves the folder alone.
    groups = [_render(each, calendar, report) for each in series]
    groups += [
        (
            f"NYSE calendar {reference.FIRST_DAY[:4]} to {reference.LAST_DAY[:4]}",
            {"market-hours/market-hours-database.json": reference.market_hours()},
        ),
        (
            "symbol properties",
            {
                "symbol-properties/symbol-properties-database.csv": reference.symbol_properties(),
                "symbol-properties/security-database.csv": reference.security_database(),
            },
        ),
    ]
    for line, files in groups:
        report.series.append((line, target.put(files)))
    target.close(source.name, map(str, report.findings))
    return report


def _render(
    series: Series, calendar: pd.DatetimeIndex, report: ImportReport
) -> tuple[str, dict[str, bytes]]:
    """A line for the report and the files of one series."""
    if isinstance(series, EquitySeries):
        return _equity(series, calendar, report)
    if isinstance(series, IndexSeries):
        bars, findings = clean_bars(series.symbol, series.bars, calendar)
        report.findings += findings
        files = {lean_format.index_path(series.symbol): lean_format.index_bars(series.symbol, bars)}
        return f"{series.symbol:<6} {_span(bars)}, {series.description}", files
    if isinstance(series, RateSeries):
        rates, findings = clean_values("interest rate", series.values)
        report.findings += findings
        # LEAN looks rates up from 1998 on.
        rates = rates[rates.index >= reference.FIRST_DAY]
        path = "alternative/interest-rate/usa/interest-rate.csv"
        return f"rate   {_span(rates)}, {series.description}", {
            path: lean_format.interest_rate_file(rates)
        }
    name = series.path.split("/")[-1]
    values, findings = clean_values(name, series.values)
    report.findings += findings
    content = lean_format.values_file(values)
    return f"{name:<6} {_span(values)}", {f"alternative/{series.path}.csv": content}


def _equity(
    series: EquitySeries, calendar: pd.DatetimeIndex, report: ImportReport
) -> tuple[str, dict[str, bytes]]:
    symbol = series.symbol
    report.findings += [Finding(symbol, note) for note in series.notes]
    bars, findings = clean_bars(symbol, series.bars, calendar)
    actions, odd = infer_actions(symbol, bars, series.adjustment)
    report.findings += findings + odd
    first = bars.index[0].date()
    daily, mapping, factors = lean_format.equity_paths(symbol)
    files = {
        daily: lean_format.equity_bars(symbol, bars),
        mapping: lean_format.map_file(symbol, series.exchange, first),
        factors: lean_format.factor_file(factor_rows(first, actions)),
    }
    splits = sum(1 for action in actions if action.split != 1)
    dividends = sum(1 for action in actions if action.dividend)
    line = (
        f"{symbol:<6} {_span(bars)}, {_plural(splits, 'split')}, {_plural(dividends, 'dividend')}"
    )
    return line, files


def _span(rows: pd.DataFrame | pd.Series) -> str:
    return f"{rows.index[0]:%Y-%m-%d} to {rows.index[-1]:%Y-%m-%d}, {len(rows):>5,} rows"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
