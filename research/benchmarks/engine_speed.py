"""How fast is the engine's loop, and what does history cost in it?

Synthetic daily bars of New York's sessions, the same for all, in LEAN's format. Three algorithms:
five symbols over 21 years that are rebalanced now and then; the same with `history()` of the five's
last 60 bars on every bar; and a moving-average cross of 50 symbols. Each runs in a process of its
own; what is timed is the whole run, statistics made, in seconds of processor time, so that other
load on the machine counts little.

Beside it: the same on another checkout of this project (`--against FOLDER`), the cross in
backtrader, and all three in zipline, where they are installed, as `make bench` does. They are given
their data beforehand: backtrader frames that have been read, zipline a bundle, the ingestion of
which is told apart. The engine reads its files within the time. What else differs: the engine takes
Interactive Brokers' fees, checks margin, and keeps prices as decimals; the others are free of
costs and calculate in floats. Orders of a close fill at the next open, in zipline at the next
close; so those of the cross, which look at averages alone, are the same, and those that size by
the portfolio's value are not. zipline's averages are means of a window of `data.history`, as its
users write them.

    python -m research.benchmarks.engine_speed [--repeats N] [--against FOLDER] [--cases NAME...]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from exchange_calendars import get_calendar

from engine.data_import.lean_format import equity_bars, map_file
from research.conditions import ROOT, conditions, option_parser

START, END = "2000-01-03", "2020-12-31"
CROSS_START = "2015-01-02"
LONG = [f"L{i}" for i in range(5)]
WIDE = [f"W{i:02}" for i in range(50)]

ENGINE = """
import sys, tempfile, time
from datetime import datetime
from pathlib import Path
from engine.api.algorithm import QCAlgorithm
from engine.common.enums import Resolution
from engine.run.runner import run_algorithm

case, start, end, tickers = sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5].split(",")

class Measured(QCAlgorithm):
    def initialize(self):
        self.set_start_date(*map(int, start.split("-")))
        self.set_end_date(*map(int, end.split("-")))
        self.set_cash(1_000_000)
        self.symbols = [self.add_equity(t, Resolution.DAILY).symbol for t in tickers]
        self.count = self.answered = 0
        if case == "cross":
            self.pairs = {s: (self.sma(s, 10, Resolution.DAILY), self.sma(s, 30, Resolution.DAILY))
                          for s in self.symbols}

    def on_data(self, data):
        self.count += 1
        if case == "cross":
            for symbol, (fast, slow) in self.pairs.items():
                if not slow.is_ready:
                    continue
                above = fast.current.value > slow.current.value
                invested = self.portfolio[symbol].invested
                if above and not invested:
                    self.market_order(symbol, 100)
                elif invested and not above:
                    self.liquidate(symbol)
            return
        if case == "history":
            self.answered += len(self.history(self.symbols, 60, Resolution.DAILY))
        if self.count % 20 == 0:
            share = 0.1 + 0.05 * (self.count // 20 % 3)
            for symbol in self.symbols:
                self.set_holdings(symbol, share)

begin = time.process_time()
with tempfile.TemporaryDirectory() as store:
    result = run_algorithm(Measured, data_folder=Path(sys.argv[1]), store=Path(store))
print(time.process_time() - begin, result.statistics["Total Orders"], result.algorithm.count)
"""

BACKTRADER = """
import sys, time
from pathlib import Path
import backtrader, pandas

folder, start, end, tickers = Path(sys.argv[1]), sys.argv[3], sys.argv[4], sys.argv[5].split(",")

class Cross(backtrader.Strategy):
    def __init__(self):
        self.averages = {d: (backtrader.ind.SMA(d.close, period=10),
                             backtrader.ind.SMA(d.close, period=30)) for d in self.datas}

    def next(self):
        for data, (fast, slow) in self.averages.items():
            invested = self.getposition(data).size
            if fast[0] > slow[0] and not invested:
                self.buy(data, size=100)
            elif invested and not fast[0] > slow[0]:
                self.close(data)

frames = {}
for ticker in tickers:
    path = folder / "equity/usa/daily" / f"{ticker.lower()}.zip"
    names = ["time", "open", "high", "low", "close", "volume"]
    frame = pandas.read_csv(path, names=names, parse_dates=["time"], index_col="time")
    frame[["open", "high", "low", "close"]] /= 10_000
    frames[ticker] = frame.loc[start:end]
begin = time.process_time()
cerebro = backtrader.Cerebro(stdstats=False)
cerebro.broker.setcash(1_000_000)
for frame in frames.values():
    cerebro.adddata(backtrader.feeds.PandasData(dataname=frame))
cerebro.addstrategy(Cross)
run = cerebro.run()[0]
print(time.process_time() - begin, len(cerebro.broker.orders), len(run.data))
"""

ZIPLINE = """
import os, sys, tempfile, time
from pathlib import Path
import pandas
folder = Path(sys.argv[1])
case, start, end, tickers = sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5].split(",")
root = tempfile.TemporaryDirectory()
os.environ["ZIPLINE_ROOT"] = root.name
import zipline.api as api
from zipline.data import bundles
from zipline.finance import commission, slippage
from zipline.utils.calendar_utils import get_calendar

calendar = get_calendar("XNYS")
start, end = pandas.Timestamp(start), pandas.Timestamp(end)
frames = []
for ticker in tickers:
    path = folder / "equity/usa/daily" / f"{ticker.lower()}.zip"
    names = ["time", "open", "high", "low", "close", "volume"]
    frame = pandas.read_csv(path, names=names, parse_dates=["time"], index_col="time")
    frame[["open", "high", "low", "close"]] /= 10_000
    frames.append(frame.loc[start:end])

def ingest(environ, assets, minutes, days, adjustments, *rest):
    known = {"symbol": tickers, "start_date": start, "end_date": end, "exchange": "NYSE"}
    assets.write(equities=pandas.DataFrame(known))
    days.write(enumerate(frames))
    adjustments.write()

begin = time.process_time()
bundles.register("measured", ingest, calendar_name="XNYS", start_session=start, end_session=end)
bundles.ingest("measured", show_progress=False)
ingestion = time.process_time() - begin

def initialize(context):
    api.set_commission(commission.NoCommission())
    api.set_slippage(slippage.NoSlippage())
    context.symbols = [api.symbol(ticker) for ticker in tickers]
    context.count = context.orders = 0

def handle_data(context, data):
    context.count += 1
    symbols = context.symbols
    if case == "cross":
        if context.count < 30:
            return
        closes = data.history(symbols, "close", 30, "1d").to_numpy()
        above = closes[-10:].mean(axis=0) > closes.mean(axis=0)
        held = context.portfolio.positions
        for symbol, rising in zip(symbols, above):
            invested = symbol in held
            if rising != invested:
                api.order(symbol, 100 if rising else -held[symbol].amount)
                context.orders += 1
        return
    if case == "history" and context.count >= 60:
        data.history(symbols, ["open", "high", "low", "close", "volume"], 60, "1d")
    if context.count % 20 == 0:
        share = 0.1 + 0.05 * (context.count // 20 % 3)
        for symbol in symbols:
            if api.order_target_percent(symbol, share):
                context.orders += 1

def analyze(context, _):
    ended.append(context)

ended = []
flat = pandas.Series(0.0, index=calendar.sessions_in_range(start, end))
begin = time.process_time()
from zipline import run_algorithm
run_algorithm(start, end, initialize, 1_000_000, handle_data, analyze=analyze, bundle="measured",
              trading_calendar=calendar, benchmark_returns=flat)
print(ingestion)
print(time.process_time() - begin, ended[0].orders, ended[0].count)
"""

CASES = {
    "loop": (START, LONG),
    "history": (START, LONG),
    "cross": (CROSS_START, WIDE),
}
OTHERS = {"backtrader": (BACKTRADER, {"cross"}), "zipline": (ZIPLINE, set(CASES))}
"""Other engines: the code that is run, and the cases that it knows."""


def write_data(folder: Path) -> None:
    """Random walks in LEAN's format, with the reference files of the packaged data."""
    random = np.random.default_rng(7)
    packaged = ROOT / "data"
    for name in ("market-hours", "symbol-properties", "alternative"):
        if (packaged / name).is_dir():
            (folder / name).symlink_to((packaged / name).resolve())
    usa = folder / "equity" / "usa"
    for name in ("daily", "map_files", "factor_files"):
        (usa / name).mkdir(parents=True)
    days = get_calendar("XNYS", start=START, end=END).sessions
    for ticker in (*LONG, *WIDE, "SPY"):
        close = 50 * np.exp(np.cumsum(random.normal(0, 0.01, len(days))))
        opened = close * np.exp(random.normal(0, 0.003, len(days)))
        frame = pd.DataFrame(
            {
                "open": opened,
                "high": np.maximum(opened, close) * 1.004,
                "low": np.minimum(opened, close) * 0.996,
                "close": close,
                "volume": random.integers(10**5, 10**7, len(days)),
            },
            index=days,
        )
        key = ticker.lower()
        (usa / "daily" / f"{key}.zip").write_bytes(equity_bars(ticker, frame))
        (usa / "map_files" / f"{key}.csv").write_bytes(map_file(ticker, "Q", date(2000, 1, 3)))
        factors = (
            "20000103,0.9123456,0.5,1\n20100105,0.95,0.5,50\n20150105,1,1,50\n20501231,1,1,0\n"
        )
        (usa / "factor_files" / f"{key}.csv").write_text(factors)


class Measured(NamedTuple):
    """Processor seconds of a run and of what went before it, orders, bars of one symbol."""

    seconds: float
    before: float
    orders: int
    bars: int


def run(code: str, root: Path, data: Path, case: str) -> Measured:
    """Run a case in a process of its own."""
    start, tickers = CASES[case]
    command = [sys.executable, "-c", code, str(data), case, start, END, ",".join(tickers)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{case} failed in {root}: {done.stderr[-2000:]}")
    before, seconds, orders, bars = ["0", *done.stdout.split()][-4:]
    return Measured(float(seconds), float(before), int(orders), int(bars))


def main() -> None:
    """Measure and print."""
    parser = option_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each (median)")
    parser.add_argument("--against", type=Path, help="another checkout, measured beside this one")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    print(conditions("numpy", "pandas", "backtrader", "zipline-reloaded"))
    for package in OTHERS:
        if find_spec(package) is None:
            print(f"{package} is not installed: not measured (`make bench` installs it)")
    print(f"processor seconds, median of {options.repeats}")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_data(data)
        for case in options.cases:
            rivals = [("engine", ENGINE, ROOT)]
            if options.against is not None:
                rivals.append((str(options.against), ENGINE, options.against))
            rivals += [
                (package, code, ROOT)
                for package, (code, cases) in OTHERS.items()
                if case in cases and find_spec(package) is not None
            ]
            # By turns, so that what else the machine does meets all of them.
            turns = [
                [run(code, root, data, case) for _, code, root in rivals]
                for _ in range(options.repeats)
            ]
            own = 0.0
            for (name, _, _), runs in zip(rivals, zip(*turns, strict=True), strict=True):
                seconds = statistics.median(one.seconds for one in runs)
                before = statistics.median(one.before for one in runs)
                own = own or seconds
                rate = runs[0].bars * len(CASES[case][1]) / seconds
                print(
                    f"{case:>8}  {name:<12.40}  {seconds:>7.2f} s  {rate:>9,.0f} bars/s  "
                    f"{runs[0].orders:>6} orders  {seconds / own:>5.2f} x"
                    + (f"  after {before:.2f} s of ingestion" if before else "")
                )


if __name__ == "__main__":
    main()
