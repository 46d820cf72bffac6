"""Reads the folder of a backtest, LEAN's or ours, into plain series.

Times in LEAN's charts are UTC seconds, values as of that moment. Everything the report shows by day
is taken as of the midnight (New York) that ends the day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from engine.data_import import reference
from engine.live.account_file import ACCOUNT
from engine.live.account_file import VERSION as ACCOUNT_VERSION

TIME_ZONE = "America/New_York"


@dataclass(frozen=True)
class Backtest:
    """What a backtest left behind.

    Attributes:
        name: the result file's id.
        equity: portfolio value by session, dollars; the first row, dated before the first session,
            is the starting value.
        benchmark: the benchmark on the same rows, rebased to the same start; None if it was not
            sampled.
        fills: one row per fill: time (New York, naive), symbol, quantity (signed), price, fee.
        statistics: LEAN's table, name to text.
        trades: LEAN's `totalPerformance.tradeStatistics`.
        charts: chart name to series name to values by New York time (naive).
        configuration: LEAN's `algorithmConfiguration`.
        error: what ended the run early, if anything did.
        starts: New York times at which the runs of a paper account began; `equity`, `benchmark` and
            `fills` are of all of them, the rest of the last. Empty for a backtest.
    """

    name: str
    equity: pd.Series
    benchmark: pd.Series | None
    fills: pd.DataFrame
    statistics: dict[str, str]
    trades: Mapping[str, Any]
    charts: dict[str, dict[str, pd.Series]]
    configuration: Mapping[str, Any]
    error: str = ""
    starts: tuple[datetime, ...] = ()

    @property
    def counted(self) -> pd.DataFrame:
        """The fills that `equity` tells of: an account of an older version had some before."""
        return self.fills[self.fills["time"] >= self.starts[0]] if self.starts else self.fills


def load_backtest(folder: Path) -> Backtest:
    """Read `<id>.json` and, if there, `<id>-order-events.json` and `account.json`.

    Raises:
        NothingToShowError: if the folder holds no result, or that of a run that failed at its start
            or has no trading day.
        ValueError: if it holds more than one, or one that is not LEAN's.
    """
    path = _result_path(folder)
    result = _json(path)
    if not isinstance(result, dict):
        raise ValueError(f"{path} must hold a JSON object; received {type(result).__name__}")
    charts = {str(name): _chart(chart) for name, chart in (_get(result, "charts") or {}).items()}
    error = str(_get(_get(result, "state") or {}, "runtimeError") or "")
    raw_equity = charts.get("Strategy Equity", {}).get("Equity")
    if error and (raw_equity is None or raw_equity.empty):
        raise NothingToShowError(
            f"{path}: the run failed at its start, there is nothing to show: {error}"
        )
    if raw_equity is None or raw_equity.empty:
        raise ValueError(
            f"{path} must be a LEAN backtest result with the chart Strategy Equity / Equity; "
            f"received charts {sorted(charts)}"
        )
    equity = by_session(raw_equity)
    raw_benchmark = charts.get("Benchmark", {}).get("Benchmark")
    performance = _get(result, "totalPerformance") or {}
    found = Backtest(
        name=path.stem,
        equity=equity,
        benchmark=_rebased(raw_benchmark, equity),
        fills=_fills(folder / f"{path.stem}-order-events.json", _get(result, "orders") or {}),
        statistics={str(k): str(v) for k, v in (_get(result, "statistics") or {}).items()},
        trades=_get(performance, "tradeStatistics") or {},
        charts=charts,
        configuration=_get(result, "algorithmConfiguration") or {},
        error=error,
    )
    account = folder / ACCOUNT
    return _of_account(found, account) if account.is_file() else found


def _of_account(run: Backtest, path: Path) -> Backtest:
    """A live run as a part of its account's whole life; see `engine.live.account_file`.

    What LEAN counts of closed trades is of the last run alone, so of several it is left out.

    Raises:
        ValueError: if the file is of another version, or malformed.
    """
    kept = _json(path)
    version = kept.get("version") if isinstance(kept, dict) else None
    if version != ACCOUNT_VERSION:
        raise ValueError(f"{path} must be of version {ACCOUNT_VERSION}; received {version!r}")
    try:
        samples = [(int(_utc(time).timestamp()), *values) for time, *values in kept["samples"]]
        equity = _series([(time, float(value)) for time, value, _, _ in samples])
        benchmark = _series([(time, float(value)) for time, _, value, _ in samples])
        starts = tuple(_local(time) for time, *_, name in samples if name)
        rows = [
            (_local(time), symbol, float(quantity), float(price), float(fee))
            for time, symbol, quantity, price, fee in kept["fills"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must hold samples and fills: {error}") from error
    if not starts:
        return run
    try:
        values = by_session(equity)
    except NoSessionError:
        # Before an account's first close its runs know more of their day.
        return run
    return replace(
        run,
        equity=values,
        benchmark=_rebased(benchmark, values),
        fills=_frame(rows),
        trades=run.trades if len(starts) == 1 else {},
        starts=starts,
    )


def _result_path(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError(f"{folder} must be the folder of a backtest; there is no such folder")
    endings = ("-summary", "-order-events", "-monitor-report", "-data-monitor-report")
    known = {"config", "diagnostics", "timing", Path(ACCOUNT).stem}
    found = [
        path
        for path in sorted(folder.glob("*.json"))
        if not path.stem.endswith(endings)
        and path.stem not in known
        and not path.stem.startswith(("data-monitor", "succeeded-", "failed-"))
        and (folder / f"{path.stem}-summary.json").is_file()
    ]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise (ValueError if found else NothingToShowError)(
            f"{folder} must hold one result <id>.json beside its <id>-summary.json; found {names}"
        )
    return found[0]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error


def _get(mapping: Mapping[str, Any], key: str) -> Any:
    """LEAN has written both camelCase and PascalCase over the years."""
    return mapping.get(key, mapping.get(key[0].upper() + key[1:]))


def _chart(chart: Mapping[str, Any]) -> dict[str, pd.Series]:
    series = _get(chart, "series") or {}
    return {str(name): _series(_get(each, "values") or []) for name, each in series.items()}


def _series(values: list[Any]) -> pd.Series:
    """Points `[unix, y]`, candles `[unix, o, h, l, c]` or `{x, y}`, as values by time."""
    points = [
        (point["x"], point.get("y")) if isinstance(point, dict) else (point[0], point[-1])
        for point in values
    ]
    frame = pd.DataFrame(points, columns=["x", "y"]).dropna()
    index = pd.to_datetime(frame["x"].astype("int64"), unit="s", utc=True)
    local = index.dt.tz_convert(TIME_ZONE).dt.tz_localize(None)
    series = pd.Series(frame["y"].astype(float).to_numpy(), index=pd.DatetimeIndex(local))
    return series[~series.index.duplicated(keep="last")].sort_index()


class NothingToShowError(ValueError):
    """A run left nothing to report of."""


class NoSessionError(NothingToShowError):
    """A run has no trading day."""


def by_session(samples: pd.Series) -> pd.Series:
    """Values at the end of each session that the samples span, after the starting value.

    Args:
        samples: values by New York time.

    Returns:
        Index: session dates, preceded by the last weekday before the first session.

    Raises:
        NoSessionError: if they span no session.
    """
    first, last = samples.index[0], samples.index[-1]
    days = _sessions(first.normalize(), last)
    # A sample at midnight tells of the day before; the run's last one tells of its own day.
    days = days[days + pd.Timedelta(days=1) <= last.ceil("D")]
    if days.empty:
        raise NoSessionError(f"the equity samples {first} to {last} span no trading day")
    ends = samples.reindex(days + pd.Timedelta(days=1), method="ffill").set_axis(days)
    before = pd.Series([samples.iloc[0]], index=[days[0] - pd.offsets.BDay(1)])
    return pd.concat([before, ends])


def _sessions(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    if first < pd.Timestamp(reference.FIRST_DAY) or last > pd.Timestamp(reference.LAST_DAY):
        return pd.bdate_range(first, last)
    return reference.sessions_between(first.normalize(), last.normalize())


def _rebased(samples: pd.Series | None, equity: pd.Series) -> pd.Series | None:
    """The benchmark by session, scaled to start where the equity starts.

    LEAN samples a benchmark as 0 until it has a price; such samples take the first real one.
    """
    if samples is None or (samples > 0).sum() < 2:
        return None
    samples = samples[samples > 0]
    ends = pd.DatetimeIndex(equity.index[1:]) + pd.Timedelta(days=1)
    stamps = [equity.index[0], *ends]
    values = samples.reindex(pd.DatetimeIndex(stamps), method="ffill").bfill().to_numpy()
    values[0] = samples.iloc[0]
    return pd.Series(values / values[0] * equity.iloc[0], index=equity.index)


def _fills(events_path: Path, orders: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    if events_path.is_file():
        for event in _json(events_path):
            quantity = float(_get(event, "fillQuantity") or 0)
            if quantity:
                symbol = _get(event, "symbolValue") or _ticker(_get(event, "symbol"))
                fee = float(_get(event, "orderFeeAmount") or 0)
                price = float(_get(event, "fillPrice"))
                rows.append((_local(_get(event, "time")), symbol, quantity, price, fee))
    else:
        for order in orders.values():
            time = _get(order, "lastFillTime")
            if time and float(_get(order, "price") or 0):
                symbol = _ticker(_get(order, "symbol"))
                quantity, price = float(_get(order, "quantity")), float(_get(order, "price"))
                rows.append((_local(time), symbol, quantity, price, float("nan")))
    return _frame(rows)


def _frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Fills in the order of time."""
    frame = pd.DataFrame(rows, columns=["time", "symbol", "quantity", "price", "fee"])
    return frame.sort_values("time", kind="stable").reset_index(drop=True)


def _ticker(symbol: Any) -> str:
    if isinstance(symbol, Mapping):
        return str(_get(symbol, "value") or _get(symbol, "id"))
    return str(symbol).split(" ")[0]


def _utc(time: float | str) -> pd.Timestamp:
    """A time in UTC seconds, or as text, which is UTC where it does not say."""
    if isinstance(time, int | float):
        return pd.Timestamp(time, unit="s", tz="UTC")
    stamp = pd.Timestamp(time)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp


def _local(time: float | str) -> datetime:
    return _utc(time).tz_convert(TIME_ZONE).tz_localize(None).to_pydatetime()
