"""Makes a folder as a backtest leaves it, from a seeded random market; for the report's tests."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data_import import reference

ACTIONS = ("short", "flat", "long")


def sessions(count, start="2009-01-02"):
    days = reference.sessions()
    return days[days >= start][:count]


def unix(stamp):
    return int(stamp.tz_localize("America/New_York").timestamp())


def line(name, times, values):
    points = [[unix(t), round(float(v), 6)] for t, v in zip(times, values, strict=True)]
    return {"name": name, "unit": "$", "index": 0, "seriesType": 0, "values": points}


def chart(name, *series):
    return {"name": name, "series": {s["name"]: s for s in series}}


def write_backtest(folder, *, symbols=("AAPL", "GOOG", "IBM"), count=260, seed=3, parts=None):
    """Write result files and, unless `parts` is empty, diagnostics.json.

    Args:
        parts: names of the diagnostics' sections to write; None for all.
    """
    rng = np.random.default_rng(seed)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    days = sessions(count)
    scale = 0.012 * np.exp(0.4 * np.sin(np.arange(count) / 40))[:, None]
    returns = rng.standard_t(5, (count, len(symbols))) * scale + 0.0006
    prices = np.array([20.0, 300.0, 90.0, 50.0, 70.0])[: len(symbols)] * np.exp(
        returns.cumsum(axis=0)
    )
    closes = pd.DataFrame(prices, index=days, columns=list(symbols))
    midnights = days + timedelta(days=1)
    at_close = days + timedelta(hours=16)

    hold = np.repeat(rng.choice([-0.3, 0.0, 0.3], (count // 12 + 1, len(symbols))), 12, axis=0)
    weights = hold[:count] * (1 + 0.04 * rng.standard_normal((count, len(symbols))))
    weights = np.clip(weights, -0.32, 0.32)
    moves = closes.pct_change().fillna(0).to_numpy()
    held = np.vstack([np.zeros(len(symbols)), weights[:-1]])
    equity = 100_000 * np.cumprod(1 + (held * moves).sum(axis=1))
    benchmark = (closes / closes.iloc[0]).mean(axis=1).to_numpy() * 57.0

    events, held_shares = [], np.zeros(len(symbols))
    for i in range(1, count):
        for j, symbol in enumerate(symbols):
            if i == 1 or abs(hold[i, j] - hold[i - 1, j]) > 1e-9:
                target = np.floor(hold[i, j] * equity[i] / prices[i, j])
                if quantity := target - held_shares[j]:
                    held_shares[j] = target
                    events.append(
                        {
                            "symbol": f"{symbol} R735QTJ8XC9X",
                            "symbolValue": symbol,
                            "orderId": len(events) + 1,
                            "status": "filled",
                            "orderFeeAmount": 1.0,
                            "fillPrice": prices[i, j],
                            "fillQuantity": quantity,
                            "direction": "buy" if quantity > 0 else "sell",
                            "time": float(unix(days[i] + timedelta(hours=16))),
                        }
                    )
    start = days[0]
    candles = [[unix(start), *[100_000.0] * 4]]
    candles += [
        [unix(t), *[round(float(v), 2)] * 4] for t, v in zip(midnights, equity, strict=True)
    ]
    strategy = {"name": "Equity", "unit": "$", "index": 0, "seriesType": 2, "values": candles}
    charts = [
        chart("Strategy Equity", strategy),
        chart(
            "Benchmark",
            line("Benchmark", [start, *midnights], [benchmark[0], *benchmark]),
        ),
        chart(
            "Exposure", line("Equity - Long Ratio", midnights, np.full(count, 0.5))
        ),  # LEAN's own
        chart(
            "Weights",
            *[line(s, at_close, weights[:, j]) for j, s in enumerate(symbols)],
            *[line(f"{s} cap", at_close, np.full(count, 0.32)) for s in symbols],
        ),
    ]
    for j, symbol in enumerate(symbols):
        close = prices[:, j]
        values = rng.standard_normal((count, 3)).cumsum(axis=0) * 1e-4 + [[-1e-3, 0, 1e-3]]
        charts += [
            chart(
                f"Forecast {symbol}",
                line("Close", at_close, close),
                line("Mean", at_close, close * 1.0005),
                line("Lower", at_close, close * (1 - 2 * scale[:, 0])),
                line("Upper", at_close, close * (1 + 2 * scale[:, 0])),
            ),
            chart(
                f"Action values {symbol}",
                *[line(a, at_close, values[:, k]) for k, a in enumerate(ACTIONS)],
            ),
        ]
    result = {
        "charts": {c["name"]: c for c in charts},
        "orders": {},
        "statistics": STATISTICS,
        "totalPerformance": {
            "tradeStatistics": {
                "totalNumberOfTrades": 40,
                "winRate": "0.525",
                "profitLossRatio": "1.31",
            }
        },
        "algorithmConfiguration": {"parameters": {"seed": "1"}},
    }
    (folder / "123.json").write_text(json.dumps(result))
    (folder / "123-summary.json").write_text("{}")
    (folder / "123-order-events.json").write_text(json.dumps(events))
    document = diagnostics(rng, symbols, closes, scale)
    if parts is not None:
        document = {k: v for k, v in document.items() if k in ("version", *parts)}
    if parts is None or parts:
        (folder / "diagnostics.json").write_text(json.dumps(document))
        (folder / "timing.json").write_text('{"total": 118.4}')
    return folder


def diagnostics(rng, symbols, closes, scale):
    count = len(closes)
    times = [t.isoformat() for t in closes.index + timedelta(hours=16)]
    forecasts, paths = {}, {}
    for symbol in symbols:
        close = closes[symbol].to_numpy()
        previous = close[:-1]
        spread = scale[1:, 0]
        table = {
            "time": times[1:],
            "previous_close": previous.tolist(),
            "close": close[1:].tolist(),
        }
        table["mean"] = (previous * (1 + 0.15 * spread * rng.standard_normal(count - 1))).tolist()
        for name, z in (("q05", -2.0), ("q25", -0.75), ("q50", 0), ("q75", 0.75), ("q95", 2.0)):
            table[name] = (previous * (1 + z * spread)).tolist()
        forecasts[symbol] = table
        steps = rng.standard_t(5, (12, 60)) * 0.013
        simulated = np.hstack([np.ones((12, 1)), np.exp(steps.cumsum(axis=1))])
        ahead = min(61, count)
        real = close[-ahead:] / close[-ahead]
        paths[symbol] = {"real": real.tolist(), "simulated": simulated.round(5).tolist()}
    curve = lambda n, a, b: (a + b * np.exp(-np.arange(n) / (n / 4))).tolist()  # noqa: E731
    trainings = [
        {
            "time": times[i],
            "reused": i > 0 and i % 42 == 0,
            "artifact": f"mirage/{i}",
            "forecaster": {
                "epoch": list(range(1, 31 if i == 0 else 3)),
                "loss": curve(30 if i == 0 else 2, 2.1 + 0.01 * rng.standard_normal(), 0.8),
                "validation_loss": curve(30 if i == 0 else 2, 2.2 + 0.03 * rng.random(), 0.6),
            },
            "agent": {
                "update": list(range(0, 3000 if i == 0 else 200, 100)),
                "loss": curve(30 if i == 0 else 2, 1e-5, 4e-5),
                "claimed_value": (-np.array(curve(30 if i == 0 else 2, -2e-3, 4e-3))).tolist(),
                **held_out(rng, 2900 if i == 0 else 100, 4 if i == 0 else 1),
            },
        }
        for i in range(0, count, 21)
    ]
    names = ["real", "simulated", "block bootstrap", "GJR-GARCH"]
    rows = [
        ("excess kurtosis", [6.31, 5.12, 6.02, 3.9]),
        ("Hill index, top 5 % of |r|", [3.45, 3.6, 3.41, 4.2]),
        ("ACF of |r|, lag 1", [0.149, 0.121, 0.118, 0.17]),
        ("leverage, lags 1 to 10", [-0.029, -0.021, -0.004, -0.035]),
        ("corr(|r|, volume deviation)", [0.476, 0.441, 0.466, None]),
        ("distance: W1, 1 day", [None, 0.041, 0.047, 0.107]),
    ]
    counts = rng.multinomial(3 * (count - 1), np.full(20, 0.05))
    return {
        "version": 1,
        "algorithm": {
            "start": "2009-01-02",
            "end": "2013-02-28",
            "symbols": list(symbols),
            "seed": 1,
            "trade_mode": "insights",
            "parameters": {"cap": "0.32", "seed": "1", "symbols": ",".join(symbols)},
        },
        "timings": {
            "data": 1.9, "warm-up": 4.2, "forecaster": 58.1, "simulation": 11.6, "agent": 31.0,
        },
        "trainings": trainings,
        "forecasts": forecasts,
        "calibration": {
            "pit_counts": counts.tolist(),
            "coverage": [
                {"nominal": level, "empirical": level - 0.006, "n": 3 * (count - 1)}
                for level in (0.5, 0.8, 0.9, 0.95)
            ],
            "crps": 0.00853,
            "log_score": 2.51,
            "n": 3 * (count - 1),
        },
        "span": {"begin": "2006-01-12", "end": "2008-12-31", "bars": [748, 748], "piece": 374},
        "facts": {"columns": names, "rows": [{"name": n, "values": v} for n, v in rows]},
        **together(rng, list(symbols), names),
        "rivals": rivals(times),
        "paths": paths,
        "prices": {s: {"time": times, "close": closes[s].tolist()} for s in symbols},
    }  # fmt: skip


def rivals(times):
    """Two rules, one that ends 30 % up and one 30 % down."""
    rng = np.random.default_rng(5)
    rows = []
    for name, end in (("constant_mix", 1.3), ("mean_reversion", 0.7)):
        steps = 0.004 * rng.standard_normal(len(times) - 1)
        steps += (np.log(end) - steps.sum()) / len(steps)
        equity = 100_000 * np.exp(np.append(0.0, steps.cumsum()))
        says = f"What {name} does, <b>in words</b>."
        rows.append({"name": name, "says": says, "equity": equity.tolist(), "turnover": 12.5})
    return {"time": times, "rows": rows}


def together(rng, symbols, columns):
    """How symbols of imagined markets depend on each other, and whether they can be told."""
    told = {
        "bars": 60,
        "windows": 90,
        "disjoint": 30,
        "chance": 0.1215,
        "columns": columns[:3],
        "auc": [None, 0.6123, 0.5678],
        "used": [
            {"name": "corr volume, range", "family": "volume", "fall": 0.021, "alone": 0.38,
             "means": [0.61, 0.563, 0.495]},
            {"name": "mean lower wick", "family": "wicks", "fall": 0.015, "alone": 0.44,
             "means": [0.36, 0.35, 0.335]},
        ],
    }  # fmt: skip
    if len(symbols) < 2:
        return {"two_sample": told}

    def matrix(level):
        found = np.full((len(symbols), len(symbols)), level)
        np.fill_diagonal(found, 1.0)
        return found.tolist()

    def day(returns, **where):
        steps = 0.01 * rng.standard_normal((len(symbols), 41))
        steps[:, 20] = np.log1p(returns)
        closes = np.exp(np.hstack([np.zeros((len(symbols), 1)), steps.cumsum(axis=1)]))
        return {
            "date": None,
            "market": None,
            "searched": 720,
            "returns": list(returns),
            "deviations": [50 * value for value in returns],
            "closes": (closes / closes[:, 20:21]).round(5).tolist(),
            "day": 21,
            **where,
        }

    fall = [-0.08 + 0.01 * s for s in range(len(symbols))]
    return {
        "dependence": {
            "symbols": symbols,
            "columns": columns,
            "rows": [
                {"name": "corr of daily returns", "values": [0.456, 0.389, 0.479, -0.006]},
                {"name": "lower tail dependence, 5 %", "values": [0.373, 0.276, None, 0.046]},
            ],
            "maps": [
                {"name": name, "correlations": {"real": matrix(real), "simulated": matrix(ours)}}
                for name, real, ours in (("daily returns", 0.46, 0.39), ("volume", 0.41, -0.05))
            ],
        },
        "crisis": {
            "symbols": symbols,
            "real": day(fall, date="2008-09-29"),
            "simulated": day([0.02, *fall[1:]], market=4),
        },
        "two_sample": told,
    }


def held_out(rng, last, stages):
    """What a training's agent earns on paths kept from it, after each of its stages."""
    ends = np.linspace(last / stages, last, stages)
    rewards = 1e-4 * (1 - np.exp(-2 * ends / last)) + 1e-5 * rng.standard_normal(stages)
    return {
        "held_out_update": ends.round().tolist(),
        "held_out_reward": rewards.tolist(),
        "held_out_error": [2e-5] * stages,
    }


STATISTICS = {
    "Total Orders": "62",
    "Average Win": "1.20%",
    "Average Loss": "-0.91%",
    "Compounding Annual Return": "8.120%",
    "Drawdown": "11.300%",
    "Expectancy": "0.21",
    "Start Equity": "100000",
    "End Equity": "108531.22",
    "Net Profit": "8.531%",
    "Sharpe Ratio": "0.61",
    "Sortino Ratio": "0.77",
    "Probabilistic Sharpe Ratio": "31.2%",
    "Loss Rate": "48%",
    "Win Rate": "52%",
    "Profit-Loss Ratio": "1.31",
    "Alpha": "0.02",
    "Beta": "0.31",
    "Annual Standard Deviation": "0.121",
    "Annual Variance": "0.015",
    "Information Ratio": "-0.4",
    "Tracking Error": "0.17",
    "Treynor Ratio": "0.2",
    "Total Fees": "$62.00",
    "Estimated Strategy Capacity": "$25000000.00",
    "Lowest Capacity Asset": "AAPL R735QTJ8XC9X",
    "Portfolio Turnover": "4.20%",
    "Drawdown Recovery": "80",
    "OrderListHash": "00000000000000000000000000000000",
}
