"""Writes LEAN's result files, which `lean report` and our own report read.

``<id>.json`` holds everything, ``<id>-summary.json`` the figures with a thinned equity curve,
``<id>-order-events.json`` the events, ``<id>-log.txt`` what the algorithm logged, ``log.txt`` the
engine's own log and ``config`` the id. Each file is written beside its place and moved there.

A live run's ``<id>.json`` says besides what the account holds, and the events of each day (UTC)
are in ``<id>-<date>-order-events.json`` too. LEAN's thinned charts by day and hour
(``..._minute.json``, ``..._10minute.json``, ``..._second_<chart>.json``) are not written: all
samples are in ``<id>.json``.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.common.charting import Chart, unix_time
from engine.common.clock import second_fraction
from engine.common.decimals import round_half_even
from engine.common.durable import write_durably
from engine.common.enums import AccountType, AlgorithmStatus, BrokerageName
from engine.common.spans import time_span
from engine.orders.orders import Order, OrderEvent
from engine.statistics.formatting import grouped
from engine.statistics.inputs import Trade
from engine.statistics.order_hash import order_json
from engine.statistics.sampling import EQUITY, STRATEGY_EQUITY
from engine.statistics.summary import Performance, StatisticsResult

SUMMARY_DAYS = 7
SUMMARY_POINTS = 100


@dataclass(frozen=True)
class LiveRecord:
    """What a live run's files say besides.

    Attributes:
        running: it goes on.
        status: of the algorithm, in LEAN's words.
        holdings: by symbol, see `holding_json`; while it runs of all tradable securities.
        cash: by currency, see `cash_json`.
        currency, currency_symbol: of the account.
    """

    running: bool
    status: str
    holdings: Mapping[str, Any]
    cash: Mapping[str, Any]
    currency: str
    currency_symbol: str

    @classmethod
    def of(cls, algorithm: Any) -> LiveRecord:
        """What an algorithm says now."""
        running = algorithm.status == AlgorithmStatus.RUNNING
        securities = [
            security
            for security in algorithm.securities.values()
            if security.invested or (running and security.is_tradable)
        ]
        book = algorithm.portfolio.cash_book
        return cls(
            running,
            algorithm.status.net_name,
            {
                str(one.symbol.id): holding_json(one)
                for one in sorted(securities, key=lambda one: one.symbol.value)
            },
            {cash.symbol: cash_json(cash) for cash in book.values()},
            book.account_currency,
            book[book.account_currency].currency_symbol,
        )


@dataclass(frozen=True)
class RunRecord:
    """A finished run, or a live one as it stands.

    Attributes:
        id: number in the names of the files.
        name: of the algorithm.
        start_date, end_date: of the backtest, in the algorithm's time zone.
        charts: LEAN's and the algorithm's own.
        orders, order_events: all, in order.
        profit_loss: closed profits by UTC time.
        statistics: see :mod:`engine.statistics`.
        runtime_statistics: the banner's figures and those the algorithm set.
        parameters: the algorithm's.
        insights: all that were generated.
        logs: lines the algorithm logged, with their time.
        engine_log: lines of the engine.
        started, finished: wall clock, UTC.
        runtime_error, stack_trace: empty if the run succeeded.
        live: of a live run, None of a backtest.
    """

    id: int
    name: str
    start_date: datetime
    end_date: datetime
    charts: Mapping[str, Chart]
    orders: Sequence[Order]
    order_events: Sequence[OrderEvent]
    profit_loss: Mapping[datetime, Decimal]
    statistics: StatisticsResult
    runtime_statistics: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    insights: Sequence[Any] = ()
    logs: Sequence[str] = ()
    engine_log: Sequence[str] = ()
    started: datetime = datetime(1970, 1, 1)
    finished: datetime = datetime(1970, 1, 1)
    runtime_error: str = ""
    stack_trace: str = ""
    brokerage: BrokerageName = BrokerageName.DEFAULT
    account_type: AccountType = AccountType.MARGIN
    account_currency: str = "USD"
    tags: Sequence[str] = ()
    trading_days_per_year: int = 252
    live: LiveRecord | None = None


def banner(portfolio: Any, starting_value: Decimal, summary: Mapping[str, str]) -> dict[str, str]:
    """Return LEAN's runtime statistics, the line of figures above a running backtest.

    Args:
        portfolio: the account at the end.
        starting_value: before the first trade, in account currency.
        summary: LEAN's table.
    """
    equity = portfolio.total_portfolio_value_exact
    change = (equity - starting_value) / starting_value if starting_value else Decimal(0)
    return {
        "Equity": f"${grouped(equity)}",
        "Fees": f"-${grouped(portfolio.total_fees_exact)}",
        "Holdings": f"${grouped(portfolio.total_holdings_value_exact)}",
        "Net Profit": f"${grouped(portfolio.total_net_profit_exact)}",
        "Probabilistic Sharpe Ratio": summary.get("Probabilistic Sharpe Ratio", "0%"),
        "Return": f"{grouped(100 * change)} %",
        "Unrealized": f"${grouped(portfolio.total_unrealized_profit_exact)}",
        "Volume": f"${grouped(portfolio.total_sale_volume_exact)}",
    }


def write_results(folder: Path, record: RunRecord) -> Path:
    """Write all files of a run.

    Args:
        folder: made if it does not exist.
        record: the run.

    Returns:
        The path of ``<id>.json``.

    Raises:
        ValueError: if the folder cannot be written.
    """
    folder = Path(folder)
    main = folder / f"{record.id}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(main, result_json(record))
        _write_json(folder / f"{record.id}-summary.json", summary_json(record))
        if record.order_events:
            events = [event_json(event, record.id) for event in record.order_events]
            _write_json(folder / f"{record.id}-order-events.json", events)
            if record.live is not None:
                _write_days(folder, record, events)
        if record.insights:
            inner = folder / str(record.id)
            inner.mkdir(exist_ok=True)
            ordered = sorted(record.insights, key=lambda insight: insight.generated_time_utc_naive)
            _write_json(inner / "alpha-results.json", [insight_json(one) for one in ordered])
        _write_lines(folder / f"{record.id}-log.txt", record.logs)
        _write_lines(folder / "log.txt", record.engine_log)
        _write_json(folder / "config", _config_json(record))
    except OSError as error:
        raise ValueError(f"results folder {folder} must be writable: {error}") from error
    return main


def _write_days(folder: Path, record: RunRecord, events: Sequence[Mapping[str, Any]]) -> None:
    """Write the order events of each day (UTC) that has some, as LEAN's live trading does."""
    days: dict[str, list[Any]] = {}
    for event, content in zip(record.order_events, events, strict=True):
        days.setdefault(f"{event.utc_time_naive:%Y-%m-%d}", []).append(content)
    # Fills on bars that came late belong to days before the last.
    recent = sorted(days)[-3:]
    for day, found in days.items():
        path = folder / f"{record.id}-{day}-order-events.json"
        if day in recent or not path.exists():
            _write_json(path, found)


def result_json(record: RunRecord) -> dict[str, Any]:
    """Return the content of ``<id>.json``."""
    rolling = {
        key: _performance_json(value)
        for key, value in record.statistics.rolling_performances.items()
    }
    return {
        "rollingWindow": {key: value | {"closedTrades": []} for key, value in rolling.items()},
        "charts": {name: chart.as_json() for name, chart in record.charts.items()},
        "orders": {str(order.id): json.loads(order_json(order)) for order in record.orders},
        "profitLoss": {
            time.strftime("%Y-%m-%dT%H:%M:%SZ"): value
            for time, value in sorted(record.profit_loss.items())
        },
        **_shared_json(record),
        "totalPerformance": _performance_json(record.statistics.total_performance),
        **_account_json(record.live),
    }


def _account_json(live: LiveRecord | None) -> dict[str, Any]:
    if live is None:
        return {}
    return {
        "holdings": dict(live.holdings),
        "cash": dict(live.cash),
        "accountCurrency": live.currency,
        "accountCurrencySymbol": live.currency_symbol,
    }


def holding_json(security: Any) -> dict[str, Any]:
    """Return LEAN's JSON of a holding: average price, quantity, price, value, unrealized profit.

    Zeros are left out.
    """
    holding = security.holdings
    tick = str(security.symbol_properties.minimum_price_variation_exact)
    digits = len(tick.partition(".")[2].rstrip("0"))
    profit = round_half_even(holding.unrealized_profit_exact, 2)
    percent = round_half_even(holding.unrealized_profit_percent_exact * 100, 2)
    found = {
        "a": round_half_even(holding.average_price_exact, digits),
        "q": holding.quantity_exact,
        "p": round_half_even(holding.price_exact, digits),
        "v": _shortly_rounded(holding.holdings_value_exact),
        "u": _shortly_rounded(profit),
        "up": _shortly_rounded(percent),
    }
    return {key: value for key, value in found.items() if value}


def _shortly_rounded(value: Decimal) -> Decimal:
    """A figure with the digits that LEAN shows of it; what is at most 1 keeps all."""
    if value <= 1:
        return value
    if value <= 100:
        return round_half_even(value, 2 if value <= 10 else 1)
    return Decimal(int(value))


def cash_json(cash: Any) -> dict[str, Any]:
    """Return LEAN's JSON of an amount of money."""
    return {
        "symbol": cash.symbol,
        "amount": cash.amount_exact,
        "conversionRate": cash.conversion_rate_exact,
        "currencySymbol": cash.currency_symbol,
        "valueInAccountCurrency": cash.value_in_account_currency_exact,
    }


def summary_json(record: RunRecord) -> dict[str, Any]:
    """Return the content of ``<id>-summary.json``."""
    charts: dict[str, Any] = {}
    equity = record.charts.get(STRATEGY_EQUITY)
    if equity is not None:
        chart = equity.as_json()
        series = chart["series"].get(EQUITY)
        if series is not None:
            chart["series"] = {EQUITY: series | {"values": _thinned(series["values"])}}
            charts[STRATEGY_EQUITY] = chart
    total = _performance_json(record.statistics.total_performance) | {"closedTrades": []}
    return {
        "rollingWindow": None,
        "totalPerformance": total,
        "charts": charts,
        **_shared_json(record),
    }


def _thinned(candles: list[list[Any]]) -> list[list[Any]]:
    """Merge candles so that few remain: at most one per some days."""
    days = min(SUMMARY_DAYS, len(candles) // SUMMARY_POINTS)
    if days <= 1:
        return candles
    merged: list[list[Any]] = []
    until = candles[0][0]
    for candle in candles:
        if not merged or candle[0] >= until:
            merged.append(list(candle))
            until = candle[0] + days * 86400
            continue
        last = merged[-1]
        last[0], last[4] = candle[0], candle[4]
        last[2], last[3] = max(last[2], candle[2]), min(last[3], candle[3])
    return merged


def _shared_json(record: RunRecord) -> dict[str, Any]:
    return {
        "statistics": dict(record.statistics.summary),
        "runtimeStatistics": dict(sorted(record.runtime_statistics.items())),
        "state": {
            "StartTime": record.started.strftime("%Y-%m-%d %H:%M:%S"),
            "EndTime": (
                ""
                if record.live is not None and record.live.running
                else record.finished.strftime("%Y-%m-%d %H:%M:%S")
            ),
            "RuntimeError": record.runtime_error,
            "StackTrace": record.stack_trace,
            "LogCount": str(len(record.logs)),
            "OrderCount": str(len(record.orders)),
            "InsightCount": str(len(record.insights)),
            "Name": record.name,
            "Hostname": platform.node(),
            "Status": _status(record),
        },
        "serverStatistics": _server_json(record.finished - record.started),
        "algorithmConfiguration": {
            "name": record.name,
            "tags": list(record.tags),
            "accountCurrency": record.account_currency,
            "brokerage": int(record.brokerage),
            "accountType": int(record.account_type),
            "parameters": dict(record.parameters),
            "outOfSampleMaxEndDate": None,
            "outOfSampleDays": 0,
            "startDate": record.start_date.strftime("%Y-%m-%d %H:%M:%S"),
            "endDate": record.end_date.strftime("%Y-%m-%d %H:%M:%S"),
            "tradingDaysPerYear": record.trading_days_per_year,
        },
    }


def _status(record: RunRecord) -> str:
    if record.runtime_error:
        return "RuntimeError"
    return "Completed" if record.live is None else record.live.status


def _server_json(elapsed: timedelta) -> dict[str, str]:
    hours, rest = divmod(elapsed.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return {
        "OS": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Hostname": platform.node(),
        "Up Time": f"{elapsed.days}d {hours:02d}:{minutes:02d}:{seconds:02d}",
    }


def _performance_json(performance: Performance) -> dict[str, Any]:
    return {
        "tradeStatistics": performance.trade_statistics.as_json(),
        "portfolioStatistics": performance.portfolio_statistics.as_json(),
        "closedTrades": [_trade_json(trade) for trade in performance.closed_trades],
    }


def _trade_json(trade: Trade) -> dict[str, Any]:
    return {
        "id": trade.id,
        "symbols": [
            {"value": symbol.value, "id": str(symbol.id), "permtick": symbol.value}
            for symbol in trade.symbols
        ],
        "entryTime": _utc(trade.entry_time),
        "entryPrice": trade.entry_price,
        "direction": int(trade.direction),
        "quantity": trade.quantity,
        "exitTime": _utc(trade.exit_time),
        "exitPrice": trade.exit_price,
        "profitLoss": trade.profit_loss,
        "totalFees": trade.total_fees,
        "mae": trade.mae,
        "mfe": trade.mfe,
        "duration": time_span(trade.duration),
        "endTradeDrawdown": trade.end_trade_drawdown,
        "isWin": trade.is_win,
        "orderIds": list(trade.order_ids),
    }


def event_json(event: OrderEvent, run_id: int) -> dict[str, Any]:
    """Return LEAN's JSON of an order event; unset optional fields are left out."""
    result: dict[str, Any] = {
        "id": f"{run_id}-{event.order_id}-{event.id}",
        "algorithmId": str(run_id),
        "orderId": event.order_id,
        "orderEventId": event.id,
        "symbol": str(event.symbol.id),
        "symbolValue": event.symbol.value,
        "symbolPermtick": event.symbol.id.symbol,
        "time": float(unix_time(event.utc_time_naive)),
        "status": _camel(event.status.net_name),
    }
    fee = event.order_fee.value
    if fee.currency != "QCC":
        result["orderFeeAmount"] = fee.amount_exact
        result["orderFeeCurrency"] = fee.currency
    result |= {
        "fillPrice": event.fill_price_exact,
        "fillPriceCurrency": event.fill_price_currency,
        "fillQuantity": event.fill_quantity_exact,
        "direction": _camel(event.direction.net_name),
    }
    if event.message:
        result["message"] = event.message
    result["isAssignment"] = event.is_assignment
    result["quantity"] = event.quantity_exact
    for key, value in (
        ("stopPrice", event.stop_price_exact),
        ("limitPrice", event.limit_price_exact),
    ):
        if value is not None:
            result[key] = value
    return result


def insight_json(insight: Any) -> dict[str, Any]:
    """Return LEAN's JSON of an insight."""
    return {
        "id": insight.id.replace("-", ""),
        "groupId": insight.group_id,
        "sourceModel": insight.source_model,
        "generatedTime": float(unix_time(insight.generated_time_utc_naive)),
        "createdTime": float(unix_time(insight.generated_time_utc_naive)),
        "closeTime": float(unix_time(insight.close_time_utc_naive)),
        "symbol": str(insight.symbol.id),
        "ticker": insight.symbol.value,
        "type": _camel(insight.type.net_name),
        "reference": insight.reference_value,
        "direction": _camel(insight.direction.net_name),
        "period": insight.period.total_seconds(),
        "magnitude": insight.magnitude,
        "confidence": insight.confidence,
        "weight": insight.weight,
        "tag": insight.tag,
    }


def _config_json(record: RunRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "algorithm-language": "Python",
        "parameters": dict(record.parameters),
    }


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _utc(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}{second_fraction(time)}Z"


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise ValueError(f"result values must be JSON; received {type(value).__name__}")


def _write_json(path: Path, value: Any) -> None:
    write_durably(path, json.dumps(value, default=_number) + "\n")


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    write_durably(path, "".join(f"{line}\n" for line in lines))
