"""How fast is the engine's loop, and what does history cost in it?

Synthetic daily bars, the same for all, in LEAN's format. Three algorithms: five symbols over 21
years that are rebalanced now and then; the same with `history()` of the five's last 60 bars on
every bar; and a moving-average cross of 50 symbols. Each runs in a process of its own; what is
timed is the whole run, data read and statistics made, in seconds of processor time, so that other
load on the machine counts little.

Beside it: the same on another checkout of this project (`--against FOLDER`), and the cross in
backtrader where it is installed, as `make bench` does.

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

import numpy as np
import pandas as pd

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
        self.bars = 0
        self.averages = {d: (backtrader.ind.SMA(d.close, period=10),
                             backtrader.ind.SMA(d.close, period=30)) for d in self.datas}

    def next(self):
        self.bars += 1
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
    frames[ticker] = frame.loc[start:end]
begin = time.process_time()
cerebro = backtrader.Cerebro(stdstats=False)
cerebro.broker.setcash(1e9)
for frame in frames.values():
    cerebro.adddata(backtrader.feeds.PandasData(dataname=frame))
cerebro.addstrategy(Cross)
run = cerebro.run()[0]
print(time.process_time() - begin, 0, run.bars)
"""

CASES = {
    "loop": (START, LONG),
    "history": (START, LONG),
    "cross": (CROSS_START, WIDE),
}


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
    days = pd.bdate_range(START, END)
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


def run(code: str, root: Path, data: Path, case: str) -> tuple[float, int, int]:
    """Processor seconds of a run, its orders and its bars of one symbol."""
    start, tickers = CASES[case]
    command = [sys.executable, "-c", code, str(data), case, start, END, ",".join(tickers)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{case} failed in {root}: {done.stderr[-2000:]}")
    seconds, orders, bars = done.stdout.split()[-3:]
    return float(seconds), int(orders), int(bars)


def main() -> None:
    """Measure and print."""
    parser = option_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each (median)")
    parser.add_argument("--against", type=Path, help="another checkout, measured beside this one")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    print(conditions("numpy", "pandas", "backtrader"))
    print(f"processor seconds, median of {options.repeats}")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_data(data)
        for case in options.cases:
            rivals = [("engine", ENGINE, ROOT)]
            if options.against is not None:
                rivals.append((str(options.against), ENGINE, options.against))
            if case == "cross" and find_spec("backtrader") is not None:
                rivals.append(("backtrader", BACKTRADER, ROOT))
            # By turns, so that what else the machine does meets all of them.
            turns = [
                [run(code, root, data, case) for _, code, root in rivals]
                for _ in range(options.repeats)
            ]
            own = 0.0
            for (name, _, _), runs in zip(rivals, zip(*turns, strict=True), strict=True):
                seconds = statistics.median(one for one, _, _ in runs)
                _, orders, bars = runs[0]
                own = own or seconds
                rate = bars * len(CASES[case][1]) / seconds
                print(
                    f"{case:>8}  {name:<12.40}  {seconds:>7.2f} s  {rate:>9,.0f} bars/s  "
                    f"{orders:>6} orders  {seconds / own:>5.2f} x"
                )


if __name__ == "__main__":
    main()
