"""The report's figures against closed forms, and its reading of LEAN's files."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.report import metrics, summary
from engine.report.results import Backtest, by_session, load_backtest
from tests.engine.report_sample import sessions, unix, write_backtest


def backtest_of(equity, benchmark=None, fills=(), trades=None):
    days = sessions(len(equity))
    frame = pd.DataFrame(fills, columns=["time", "symbol", "quantity", "price", "fee"])
    other = None if benchmark is None else pd.Series(benchmark, index=days, dtype=float)
    series = pd.Series(equity, index=days, dtype=float)
    return Backtest("x", series, other, frame, {}, trades or {}, {}, {})


def table(backtest):
    return {row.name: row for row in metrics.metrics_table(backtest)}


def test_figures_of_a_small_run_by_hand():
    values = [100, 110, 99, 108.9, 130.68]
    r = np.array([0.1, -0.1, 0.1, 0.2])
    got = table(backtest_of(values))
    want = {
        "Cumulative return": 0.3068,
        "Annualised return": 1.3068 ** (252 / 4) - 1,
        "Best day": 0.2,
        "Worst day": -0.1,
        "Variance (annual)": r.var(ddof=1) * 252,
        "Deviation (annual)": r.std(ddof=1) * math.sqrt(252),
        "Maximum drawdown": -0.1,
        "Drawdown, peak to trough": 1,
        "Longest time under water": 2,
        "Sharpe ratio": r.mean() / r.std(ddof=1) * math.sqrt(252),
        "Sortino ratio": r.mean() / math.sqrt(0.01 / 4) * math.sqrt(252),
    }
    for name, value in want.items():
        assert got[name].strategy == pytest.approx(value, rel=1e-9), name
        assert math.isnan(got[name].benchmark)
    centred = r - r.mean()
    n, m2, m3 = 4, (centred**2).mean(), (centred**3).mean()
    skew = m3 / m2**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    assert got["Skewness"].strategy == pytest.approx(skew)


def test_benchmark_that_is_the_strategy_has_beta_one_and_no_information_ratio():
    values = [100, 110, 99, 108.9, 130.68]
    got = table(backtest_of(values, values))
    assert got["Beta"].strategy == pytest.approx(1)
    assert math.isnan(got["Information ratio"].strategy)
    assert got["Sharpe ratio"].strategy == got["Sharpe ratio"].benchmark


def test_doubled_returns_have_beta_two():
    r = np.array([0.01, -0.02, 0.015, 0.003, -0.004])
    base, doubled = (100 * np.cumprod([1, *(1 + k * r)]) for k in (1, 2))
    got = table(backtest_of(doubled, base))
    assert got["Beta"].strategy == pytest.approx(2)
    ratio = r.mean() / r.std(ddof=1) * math.sqrt(252)  # the difference is r itself
    assert got["Information ratio"].strategy == pytest.approx(ratio)


def test_flat_run_defines_no_ratio():
    got = table(backtest_of([100.0] * 5))
    assert got["Cumulative return"].strategy == 0
    assert got["Maximum drawdown"].strategy == 0
    for name in ("Sharpe ratio", "Sortino ratio", "Skewness", "Excess kurtosis"):
        assert math.isnan(got[name].strategy)


def test_trades_and_churn():
    day = pd.Timestamp("2009-01-05")
    fills = [(day, "A", 10, 5.0, 1.0), (day, "A", -10, 6.0, 1.0)]
    trades = {"totalNumberOfTrades": 1, "winRate": "1", "profitLossRatio": "0"}
    got = table(backtest_of([100.0] * 253, fills=fills, trades=trades))
    assert got["Trades"].strategy == 2
    assert got["Trades per session"].strategy == pytest.approx(2 / 252)
    assert got["Churn (turnover a year)"].strategy == pytest.approx((50 + 60) / 2 / 100)
    assert got["Profitability"].strategy == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1, 100), min_size=2, max_size=40))
def test_drawdown_lengths_against_a_slow_twin(values):
    series = pd.Series(values)
    under, longest, best, peak_at, span = 0, 0, 0.0, 0, 0
    for i, value in enumerate(values):
        peak = max(values[: i + 1])
        under = under + 1 if value < peak else 0
        longest = max(longest, under)
        if value / peak - 1 < best:
            best, peak_at = value / peak - 1, values.index(peak)
            span = i - peak_at
    assert metrics.longest_under_water(series) == longest
    assert metrics.peak_to_trough(series) == span


def test_paired_t_is_students():
    rng = np.random.default_rng(1)
    r, b = rng.normal(0, 0.01, (2, 200))
    equity, benchmark = (100 * np.cumprod([1, *(1 + x)]) for x in (r, b))
    t, n = metrics.paired_t(backtest_of(equity, benchmark))
    d = r - b
    assert n == 200
    assert t == pytest.approx(d.mean() / (d.std(ddof=1) / math.sqrt(n)))
    with pytest.raises(ValueError, match="needs a benchmark"):
        metrics.paired_t(backtest_of(equity))


# --- reading -------------------------------------------------------------------------------


def test_sessions_end_at_midnight_and_weekends_vanish():
    """Samples at every midnight, weekends and holidays included, as LEAN takes them."""
    nights = pd.date_range("2010-01-01", "2010-01-20")
    samples = pd.Series(np.arange(len(nights), dtype=float), index=nights)
    got = by_session(samples)
    # Monday the 4th ends at the midnight that begins the 5th; the 18th was a holiday.
    assert got.loc["2010-01-04"] == samples.loc["2010-01-05"]
    assert got.loc["2010-01-15"] == samples.loc["2010-01-16"]
    assert pd.Timestamp("2010-01-18") not in got.index
    assert got.index[0] < pd.Timestamp("2010-01-04")
    assert got.iloc[0] == 0
    assert got.index[-1] == pd.Timestamp("2010-01-19")


def test_sample_folder_reads_back(tmp_path):
    backtest = load_backtest(write_backtest(tmp_path, count=60))
    assert len(backtest.equity) == 61
    assert backtest.equity.iloc[0] == 100_000
    assert backtest.benchmark.iloc[0] == 100_000
    assert set(backtest.fills["symbol"]) <= {"AAPL", "GOOG", "IBM"}
    assert backtest.statistics["Total Orders"] == "62"
    # The fill at the close of a session is dated in New York.
    assert set(backtest.fills["time"].dt.hour) == {16}


def test_points_as_objects_and_pascal_case_are_read_too(tmp_path):
    """LEAN has written points as {x, y} and names in PascalCase."""
    folder = write_backtest(tmp_path, count=30)
    want = load_backtest(folder)
    path = folder / "123.json"
    result = json.loads(path.read_text())
    benchmark = result["charts"]["Benchmark"]["series"]["Benchmark"]
    benchmark["values"] = [{"x": x, "y": y} for x, y in benchmark["values"]]
    result["Charts"], result["Statistics"] = result.pop("charts"), result.pop("statistics")
    path.write_text(json.dumps(result))
    got = load_backtest(folder)
    pd.testing.assert_series_equal(got.benchmark, want.benchmark)
    assert got.statistics == want.statistics


def test_fills_come_from_orders_when_events_are_missing(tmp_path):
    folder = write_backtest(tmp_path, count=30)
    (folder / "123-order-events.json").unlink()
    path = folder / "123.json"
    result = json.loads(path.read_text())
    result["orders"] = {
        "1": {
            "symbol": {"value": "IBM", "id": "IBM R735QTJ8XC9X"},
            "price": 90.5,
            "quantity": -7.0,
            "lastFillTime": "2009-01-05T21:00:00Z",
        },
        "2": {"symbol": {"value": "IBM"}, "price": 0.0, "quantity": 5.0, "lastFillTime": None},
    }
    path.write_text(json.dumps(result))
    fills = load_backtest(folder).fills
    assert fills[["symbol", "quantity", "price"]].to_numpy().tolist() == [["IBM", -7.0, 90.5]]
    assert fills["time"].iloc[0] == pd.Timestamp("2009-01-05 16:00")


def write_account(folder, *samples):
    content = {"version": 1, "samples": samples, "fills": []}
    (folder / "account.json").write_text(json.dumps(content))


def test_an_account_may_start_twice_in_the_hour_that_clocks_repeat(tmp_path):
    folder = write_backtest(tmp_path, symbols=("AAPL",), count=20)
    closes = ("2009-11-02T21:00:00", "101", "2", ""), ("2009-11-03T21:00:00", "102", "3", "")
    for first, second in (("05:50", "06:10"), ("05:10", "06:10")):
        starts = [
            (f"2009-11-01T{time}:00", "100", "1", name)
            for time, name in ((first, "one"), (second, "two"))
        ]
        write_account(folder, *starts, *closes)
        found = load_backtest(folder)
        assert (list(found.equity), list(found.benchmark)) == ([100, 101, 102], [100, 200, 300])
        assert len(found.starts) == 2


def test_before_an_accounts_first_close_the_run_is_shown_as_it_is(tmp_path):
    """Started on a Saturday, stopped on Monday at noon."""
    folder = write_backtest(tmp_path, symbols=("AAPL",), count=20)
    alone = load_backtest(folder)
    write_account(folder, ("2009-01-03T15:00:00", "100000", "1", "one"))
    found = load_backtest(folder)
    pd.testing.assert_series_equal(found.equity, alone.equity)
    pd.testing.assert_frame_equal(found.fills, alone.fills)


def test_benchmark_without_a_first_price_starts_at_its_first_one(tmp_path):
    folder = write_backtest(tmp_path, count=30)
    path = folder / "123.json"
    result = json.loads(path.read_text())
    values = result["charts"]["Benchmark"]["series"]["Benchmark"]["values"]
    values[0][1] = 0.0
    path.write_text(json.dumps(result))
    benchmark = load_backtest(folder).benchmark
    assert benchmark.iloc[0] == benchmark.iloc[1] == 100_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "123.json").write_text("{"), r"123\.json must be JSON"),
        (lambda f: (f / "123.json").write_text("[]"), "must hold a JSON object"),
        (lambda f: (f / "123.json").write_text("{}"), "Strategy Equity"),
        (
            lambda f: (f / "123.json").write_text('{"state": {"RuntimeError": "no luck"}}'),
            "the run failed at its start, there is nothing to show: no luck",
        ),
        (lambda f: (f / "123.json").unlink(), "must hold one result .* found none"),
    ],
)
def test_unreadable_folders_are_named(tmp_path, change, message):
    folder = write_backtest(tmp_path, count=10)
    change(folder)
    with pytest.raises(ValueError, match=message):
        load_backtest(folder)


def test_malformed_timing_is_named(tmp_path):
    (tmp_path / "timing.json").write_text("{}")
    with pytest.raises(ValueError, match=r"timing\.json must hold"):
        summary.read_timing(tmp_path)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        load_backtest(tmp_path / "nothing")


# --- LEAN's table --------------------------------------------------------------------------


def test_benchmark_statistics_use_leans_conventions(tmp_path):
    """Of a benchmark that only grows: known net profit, CAR by 365-day years, no drawdown."""
    folder = write_backtest(tmp_path, count=120)
    path = folder / "123.json"
    result = json.loads(path.read_text())
    nights = pd.date_range("2009-01-02", periods=366)
    points = [[unix(t), 50 * (1 + 0.1 * i / 365)] for i, t in enumerate(nights)]
    result["charts"]["Benchmark"]["series"]["Benchmark"]["values"] = points
    path.write_text(json.dumps(result))
    got = summary.benchmark_statistics(load_backtest(folder), tmp_path)
    assert got["Start Equity"] == "100000"
    assert got["End Equity"] in ("110000", "110000.00", "110000.0")
    assert got["Net Profit"] == "10.000%"
    assert float(got["Compounding Annual Return"].rstrip("%")) == 10
    assert got["Drawdown"] == "0%"


def test_console_table_is_aligned_and_narrow(tmp_path):
    folder = write_backtest(tmp_path, count=60)
    text = summary.console(load_backtest(folder), tmp_path)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["Strategy", "Benchmark"]
    row = next(line for line in lines if line.startswith("Sharpe Ratio"))
    assert len(row) == len(lines[0])  # right-aligned under the heading


def test_stages_leave_the_rest_to_the_engine():
    parts = summary.stages({"agent": 3.0, "data": 1.0}, 10.0)
    assert list(parts.items()) == [("data", 1.0), ("agent", 3.0), ("engine", 6.0)]
    assert summary.timing_lines(parts)[-1].split() == ["total", "10.0", "s"]
    assert summary.timing_lines({}) == []


def test_trainings_say_how_many_were_spared():
    assert summary.trainings_line({}) == ""
    one = {"trainings": [{"time": "2009-01-02", "reused": False}]}
    assert summary.trainings_line(one) == "1 training, run anew."
    both = {"trainings": [{"reused": True}, {"reused": False}]}
    assert summary.trainings_line(both).startswith("2 trainings, 1 taken from the object store")
    half = {"trainings": [{"reused": False, "forecaster_reused": True}] * 3}
    assert summary.trainings_line(half) == (
        "3 trainings, of 3 the forecaster taken from the object store, the agent run anew."
    )


def test_facts_are_printed_as_a_table():
    facts = {"columns": ["real", "simulated"], "rows": [{"name": "kurtosis", "values": [6, None]}]}
    lines = summary.facts_lines({"facts": facts})
    assert lines[1].split() == ["real", "simulated"]
    assert lines[3].split() == ["kurtosis", "6.000", "-"]
    assert summary.facts_lines({}) == []


def test_the_real_bars_that_are_compared_with_come_first():
    facts = {"columns": ["real", "simulated"], "rows": [{"name": "kurtosis", "values": [6, None]}]}
    span = {"begin": "2006-01-12", "end": "2008-12-31", "bars": [748, 1748], "piece": 374}
    line = (
        "Real bars below: 2006-01-12 to 2008-12-31, 748 to 1,748 a symbol: where imagined markets"
    )
    lines = summary.facts_lines({"facts": facts, "span": span})
    assert lines[0] == f"{line} may start."
    assert lines[1] == ""
    assert lines[2:] == summary.facts_lines({"facts": facts})
    short = summary.facts_lines({"facts": facts, "span": span | {"bars": [251, 251]}})
    assert short[0].endswith("2008-12-31, 251 a symbol: where imagined markets may start.")
    assert short[1] == "Of less than a year, most differences are chance."
    assert summary.facts_lines({"span": span}) == []


def test_dependence_and_the_classifiers_verdict_are_printed_below_the_facts():
    rows = [{"name": "corr of daily returns", "values": [0.4, 0.3]}]
    told = {
        "columns": ["real", "simulated", "block bootstrap"],
        "auc": [None, 0.614, 0.5],
        "chance": 0.124,
        "windows": 90,
        "disjoint": 30,
        "used": [{"name": name} for name in ("a", "b", "c", "d")],
    }
    facts = {"columns": ["real", "simulated"], "rows": [{"name": "kurtosis", "values": [6, None]}]}
    found = {"facts": facts, "dependence": {"columns": facts["columns"], "rows": rows}}
    lines = summary.facts_lines(found | {"two_sample": told})
    assert lines[5] == "Symbols together (means over pairs)"
    assert lines[8].split() == ["corr", "of", "daily", "returns", "0.400", "0.300"]
    assert len(lines[1]) == len(lines[6])  # columns stand under each other
    assert "\n".join(lines).endswith(
        "Told from real windows, AUC: simulated 0.61, block bootstrap 0.50\n"
        "  (.50: cannot be told; chance \N{PLUS-MINUS SIGN} 0.12, 90 windows, 30 side by side)\n"
        "  by a, b, c"
    )
    assert summary.facts_lines({"two_sample": told})[0].startswith("Told from real")


@pytest.mark.parametrize(("auc", "says"), [(0.28, True), (0.45, False), (0.72, False)])
def test_a_classifier_that_was_misled_is_said_to_have_been(auc, says):
    """Below .5 by more than chance, which is .124."""
    told = {
        "columns": ["real", "simulated"],
        "auc": [None, auc],
        "chance": 0.124,
        "windows": 90,
        "disjoint": 30,
        "used": [],
    }
    line = summary.told_line({"two_sample": told})
    assert ("; well below: the classifier was misled; chance" in line) == says
