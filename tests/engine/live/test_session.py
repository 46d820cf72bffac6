"""Paper trading of a project: its account on disk, restarts, and equality with the backtest."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from click.testing import CliRunner

from engine.cli import main
from engine.common.clock import NEW_YORK, from_utc
from engine.live.brokerage import PaperBrokerage
from engine.live.day_events import is_split
from engine.live.loop import LiveLoop
from engine.live.session import Options, run_project
from engine.live.state import DATABASE, AccountStore, StateLock, holder
from engine.live.status import status, told
from engine.report import build_report
from engine.report.metrics import metrics_table
from engine.report.results import by_session, load_backtest
from engine.run.runner import run_backtest
from tests.engine.folder import flat, write_folder

PROJECT = '''
from AlgorithmImports import *


class Rotating(QCAlgorithm):
    """Holds one or the other stock by the day of the month; sells short what it does not hold."""

    def initialize(self):
        self.set_start_date(2010, 1, 11)
        self.set_end_date(2010, 2, 5)
        self.set_cash(100000)
        self.names = ("ABC", "XYZ")
        for name in self.names:
            self.add_equity(name, Resolution.DAILY)
        self.set_benchmark("ABC")
        self.set_warm_up(3, Resolution.DAILY)

    def on_data(self, data):
        if self.is_warming_up or not data.bars:
            return
        for i, name in enumerate(self.names):
            self.set_holdings(name, 0.5 if (self.time.day // 2 + i) % 2 else -0.2)
        if self.time.day % 5 == 0:
            self.limit_order("ABC", 7, self.securities["ABC"].price - 2)
'''
WAVES = {
    "ABC": [(100 + i % 7, 107 + i % 3, 96 + i % 4, 101 + i % 5, 900_000) for i in range(30)],
    "XYZ": [(50 - i % 4, 52 + i % 3, 45 - i % 4, 51 - i % 6, 400_000) for i in range(30)],
}
FIRST, LAST = datetime(2010, 1, 11), datetime(2010, 2, 5)


@pytest.fixture
def project(tmp_path):
    write_folder(tmp_path / "data", WAVES)
    (tmp_path / "main.py").write_text(PROJECT)
    return tmp_path


def trade(project, run, last=LAST, first=FIRST, **named):
    results = project / "live" / run
    results.mkdir(parents=True)
    options = Options(
        data_folder=project / "data",
        store=project / "storage",
        state=project / "live" / "state",
        results=results,
        first=first,
        last=last,
        **named,
    )
    return run_project(project, options)


def account(project):
    """Cash, positions and open orders on disk."""
    store = AccountStore(project / "live" / "state", read_only=True)
    try:
        return store.cash, store.positions(), store.open_orders(), store.events()
    finally:
        store.close()


def fills_live(project):
    """(day, number, symbol, signed quantity, price) of every fill, and the times of day."""
    _, _, _, events = account(project)
    found = []
    for event in events:
        if event["status"] == "FILLED":
            time = from_utc(datetime.fromisoformat(event["time"]), NEW_YORK)
            found.append(
                (
                    time.date(),
                    event["order"],
                    event["ticker"],
                    Decimal(event["fill_quantity"]),
                    Decimal(event["fill_price"]),
                    time.time(),
                )
            )
    return found


def fills_backtest(project):
    result = run_backtest(project, data_folder=project / "data", store=project / "storage")
    assert not result.runtime_error
    return [
        (
            from_utc(event.utc_time, NEW_YORK).date(),
            event.order_id,
            event.symbol.value,
            event.fill_quantity_exact,
            event.fill_price_exact,
        )
        for event in result.order_events
        if event.status.is_fill
    ], result


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The project after a run from the first day to the last."""
    folder = tmp_path_factory.mktemp("unbroken")
    write_folder(folder / "data", WAVES)
    (folder / "main.py").write_text(PROJECT)
    trade(folder, "one")
    return folder


def test_a_replayed_run_gives_the_backtests_fills(unbroken):
    live = fills_live(unbroken)
    backtest, result = fills_backtest(unbroken)
    assert len(backtest) > 30
    assert sorted(fill[:5] for fill in live) == sorted(backtest)
    # A backtest on daily bars stamps them at the close; live they come with the minute's bar.
    assert {fill[5].isoformat() for fill in live} == {"09:31:00"}
    assert account(unbroken)[0] == result.algorithm.portfolio.cash_exact


def test_restarts_over_night_change_nothing_on_a_host_of_another_time_zone(
    project, unbroken, monkeypatch
):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    for number, day in enumerate((12, 13, 20, 29)):
        trade(project, f"part {number}", datetime(2010, 1, day))
    trade(project, "rest", first=None)
    assert "was killed" not in (project / "live" / "rest" / "live.log").read_text()
    assert fills_live(project) == fills_live(unbroken)
    assert account(project)[:3] == account(unbroken)[:3]
    monkeypatch.undo()
    time.tzset()


def test_the_curve_of_the_report_goes_on_over_restarts(project, unbroken, monkeypatch):
    """Of a run that was stopped and one that was killed it is that of one that went on."""
    trade(project, "one", datetime(2010, 1, 15))
    killed = mock.Mock(side_effect=[None] * 9 + [KeyboardInterrupt])
    with monkeypatch.context() as patch:
        patch.setattr(PaperBrokerage, "save_open_orders", killed)
        with pytest.raises(KeyboardInterrupt):
            trade(project, "two", first=None)
    trade(project, "three", first=None)
    whole, parts = (
        load_backtest(each / "live" / run) for each, run in ((unbroken, "one"), (project, "three"))
    )
    pd.testing.assert_series_equal(whole.equity, parts.equity)
    pd.testing.assert_frame_equal(whole.fills, parts.fills)
    assert (len(whole.starts), len(parts.starts)) == (1, 3)
    alone = by_session(whole.charts["Strategy Equity"]["Equity"])
    pd.testing.assert_series_equal(whole.equity, alone, check_freq=False, rtol=1e-6)
    pd.testing.assert_series_equal(whole.benchmark, parts.benchmark)
    page = build_report(project / "live" / "three", data_folder=project / "data").read_text()
    assert "The run was started again 2 times" in page
    assert "LEAN's table begins with the last start" in page
    assert (project / "live" / "three" / "account.json").stat().st_size < 20_000


def test_a_benchmark_that_fails_at_a_start_ends_no_run(project):
    """LEAN asks for it at midnight, and it has an answer by then."""
    trade(project, "one", datetime(2010, 1, 12))
    source = PROJECT.replace('set_benchmark("ABC")', "set_benchmark(self.grown)")
    source = source.replace(
        "self.set_warm_up(3, Resolution.DAILY)",
        "self.schedule.on(self.date_rules.every_day(), self.time_rules.at(20, 0), self.begin)",
    )
    source += """
    first = None

    def begin(self):
        self.first = self.first or self.portfolio["ABC"].price

    def grown(self, time):
        return self.portfolio["ABC"].price / self.first
"""
    (project / "main.py").write_text(source)
    session = trade(project, "two", datetime(2010, 1, 14), first=None)
    assert session.live.told == ""
    path = project / "live" / "two" / "account.json"
    samples = [float(each[2]) for each in json.loads(path.read_text())["samples"]]
    closes = [row[3] for row in WAVES["ABC"]][5:9]
    assert samples[3:] == pytest.approx([0, closes[2] / closes[1], closes[3] / closes[1]])


def test_an_account_of_the_version_before_goes_on(project):
    """Its curve begins with the first start of this version."""
    trade(project, "one", datetime(2010, 1, 12))
    path = project / "live" / "state" / DATABASE
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE samples; PRAGMA user_version=1;")
    assert status(project / "live" / "state")["state"] == "stopped"
    trade(project, "two", datetime(2010, 1, 15), first=None)
    found = load_backtest(project / "live" / "two")
    assert [f"{time:%d %H:%M}" for time in found.starts] == ["12 16:00"]
    assert [day.day for day in found.equity.index] == [11, 12, 13, 14, 15]
    assert {time.day for time in found.fills["time"]} == {12, 13, 14, 15}
    figures = {row.name: row.strategy for row in metrics_table(found)}
    assert figures["Trades"] == len(found.fills) - 2
    late = found.fills[found.fills["time"].dt.day > 12]
    traded = float((late["quantity"].abs() * late["price"]).sum())
    churn = traded / 2 / found.equity.mean() * 252 / 4
    assert figures["Churn (turnover a year)"] == pytest.approx(churn)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA user_version=9;")
    with pytest.raises(ValueError, match="must be of version 3; it is of 9"):
        trade(project, "three", first=None)


def test_an_order_is_on_disk_before_the_algorithm_hears_of_it(project):
    (project / "main.py").write_text(
        PROJECT
        + """
    def on_order_event(self, event):
        store = self.object_store.get_file_path("x")
        import pathlib, sqlite3
        path = pathlib.Path(store).parents[1] / "live" / "state" / "account.sqlite"
        with sqlite3.connect(path) as disk:
            rows = disk.execute(
                "SELECT count(*) FROM events WHERE order_id = ? AND id = ?",
                (event.order_id, event.id),
            ).fetchone()
            held = dict(disk.execute("SELECT ticker, quantity FROM positions").fetchall())
        quantity = self.portfolio[event.symbol].quantity
        assert rows == (1,), "the event is not on disk"
        assert float(held.get(event.symbol.value, 0)) == quantity, "the position is not on disk"
"""
    )
    session = trade(project, "one", datetime(2010, 1, 14))
    assert session.live.told == ""
    assert fills_live(project)


def test_a_kill_after_an_order_does_not_decide_again(project):
    """Killed in `on_data` between two orders: the first stands, no close is decided twice."""
    killer = PROJECT.replace(
        "-0.2)\n",
        """-0.2)
            if self.time.day == 12 and self.get_parameter("kill"):
                import os

                os._exit(9)
""",
        1,
    )
    (project / "main.py").write_text(killer)
    (project / "config.json").write_text('{"parameters": {"kill": "1"}}')
    root = Path(__file__).parents[3]
    command = [
        sys.executable, "-m", "engine", "live", str(project), "--data-folder",
        str(project / "data"), "--from", "2010-01-11", "--to", "2010-01-13",
    ]  # fmt: skip
    assert subprocess.run(command, cwd=root, capture_output=True, check=False).returncode == 9
    assert "killed" in told(project / "live" / "state")[0]
    _, _, waiting, before = account(project)
    assert [order["ticker"] for order in waiting] == ["ABC"]

    (project / "config.json").write_text('{"parameters": {}}')
    trade(project, "again", datetime(2010, 1, 13), first=None)
    log = (project / "live" / "again" / "live.log").read_text().splitlines()
    assert log[0].startswith(
        "2010-01-12 16:00:00 The run before was killed while orders were given"
    )
    events = account(project)[3]
    assert events[: len(before)] == before
    submitted = [e for e in events if e["status"] == "SUBMITTED" and e["time"][:10] == "2010-01-12"]
    assert [event["ticker"] for event in submitted] == ["ABC"]
    assert [
        e["order"] for e in events if e["status"] == "FILLED" and e["time"][:10] == "2010-01-13"
    ] == [waiting[0]["id"]]


def test_a_fill_is_written_with_its_account_or_not_at_all(project, monkeypatch):
    """The disk fails while the account of a fill is written: order and cash stay as before."""
    trade(project, "one", FIRST)
    before = account(project)
    (order,) = [content for content in before[2] if content["ticker"] == "ABC"]
    real = AccountStore.save_account

    def failing(self, cash, positions):
        real(self, cash, positions)
        if positions:
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(AccountStore, "save_account", failing)
    session = trade(project, "two", datetime(2010, 1, 12))
    assert "disk is full" in session.live.told
    monkeypatch.undo()
    assert account(project)[:3] == before[:3]
    trade(project, "three", datetime(2010, 1, 12), first=None)
    assert order["id"] in [fill[1] for fill in fills_live(project)]


def write_events(data):
    """A split of ABC and a dividend of XYZ over the long weekend from the 15th on."""
    write_folder(
        data,
        {"ABC": [*flat(100, 10), *flat(50, 20)], "XYZ": flat(40, 30)},
        factors={
            "ABC": "20100104,1,0.5,1\n20100115,1,0.5,100\n20501231,1,1,0\n",
            "XYZ": "20100104,0.95,1,1\n20100115,0.95,1,40\n20501231,1,1,0\n",
        },
    )


def test_a_split_and_a_dividend_while_nothing_ran_are_made_good(tmp_path):
    """Friday's rows, a restart on Monday night: as if it had run on."""

    def folder(root):
        write_events(root / "data")
        (root / "main.py").write_text(
            PROJECT.replace("0.5 if (self.time.day // 2 + i) % 2 else -0.2", "0.3")
            .replace("if self.time.day % 5 == 0:", "if self.time.day == 14:")
            .replace("if self.is_warming_up or", "if self.time.day > 14 or self.is_warming_up or")
        )
        return root

    def final(root):
        cash, positions, waiting, _ = account(root)
        terms = [(order["quantity"], order["limit_price"]) for order in waiting]
        return cash, positions, terms

    whole = folder(tmp_path / "whole")
    trade(whole, "one", datetime(2010, 1, 20))
    parts = folder(tmp_path / "parts")
    trade(parts, "one", datetime(2010, 1, 15))
    store = AccountStore(parts / "live" / "state")
    store.note({"clock": datetime(2010, 1, 19, 3)})  # nothing ran over the long weekend
    store.close()
    session = trade(parts, "two", datetime(2010, 1, 20), first=None)
    told_of = [line for line in session.live.algorithm.qc_log_lines if "While nothing ran" in line]
    assert len(told_of) == 2
    assert final(parts) == final(whole)
    assert final(whole)[2] == [("14", "49.00")]


def test_an_event_that_a_killed_run_has_booked_is_not_booked_again(tmp_path, monkeypatch):
    """Killed when the account had followed a split and a dividend, before anybody heard of them."""

    class Killed(BaseException):
        pass

    def killed(self, step):
        splits = [split for split in step.slice.splits.values() if is_split(split)]
        if splits or step.slice.dividends:
            raise Killed
        told(self, step)

    def folder(root):
        write_events(root / "data")
        (root / "main.py").write_text(PROJECT)
        return root

    whole, parts = folder(tmp_path / "whole"), folder(tmp_path / "parts")
    trade(whole, "one", datetime(2010, 1, 21))
    told = LiveLoop._user_events
    monkeypatch.setattr(LiveLoop, "_user_events", killed)
    # The dividend is heard of after the kill: the same moment brings it with the split again.
    dividend = parts / "data" / "equity" / "usa" / "factor_files" / "xyz.csv"
    factors = dividend.read_text()
    dividend.unlink()
    seen = []
    for run in ("one", "two", "three"):
        with contextlib.suppress(Killed):
            trade(parts, run, datetime(2010, 1, 21))
        seen.append(account(parts)[:2])
        dividend.write_text(factors)
    assert seen[0][1] == seen[1][1] == seen[2][1]
    assert seen[0][0] != seen[1][0] == seen[2][0]
    assert seen[2] != account(whole)[:2]
    monkeypatch.undo()
    trade(parts, "four", datetime(2010, 1, 21))
    assert account(parts)[:2] == account(whole)[:2]


def test_a_dividend_that_is_heard_of_after_its_days_split_was_booked_is_paid(tmp_path, monkeypatch):
    """Killed at the split; the same moment brings both again, the dividend of the share before."""

    class Killed(BaseException):
        pass

    def killed(self, step):
        if any(map(is_split, step.slice.splits.values())):
            raise Killed
        user_events(self, step)

    user_events = LiveLoop._user_events
    both = "20100104,0.98,0.5,1\n20100115,0.98,0.5,100\n20501231,1,1,0\n"
    found = []
    for factors in (both, both.replace("0.98", "1")):
        root = tmp_path / str(len(found))
        write_events(root / "data")
        file = root / "data" / "equity" / "usa" / "factor_files" / "abc.csv"
        file.write_text(factors)
        (root / "main.py").write_text(PROJECT)
        if found:
            with monkeypatch.context() as patch, contextlib.suppress(Killed):
                patch.setattr(LiveLoop, "_user_events", killed)
                trade(root, "one", datetime(2010, 1, 18))
            store = AccountStore(root / "live" / "state")
            (held, _), cash = store.positions()["ABC"], store.cash
            store.close()
            file.write_text(both)
        trade(root, "two", datetime(2010, 1, 18), first=None if found else FIRST)
        found.append(account(root)[:2])
    assert found[0] == found[1]
    # Two dollars a share of before, which are one of each that there is now.
    assert found[1][0] - cash == held


def test_what_was_added_on_the_way_is_there_after_a_restart(project):
    """Held and ordered at a restart whose `initialize` does not know it."""
    adding = (
        PROJECT.replace('self.names = ("ABC", "XYZ")', 'self.names = ("ABC",)')
        .replace("        if self.is_warming_up or", """
        if self.time.day == 11 and not self.is_warming_up:
            self.add_equity("XYZ", Resolution.DAILY)
        if self.time.day == 12:
            self.market_order("XYZ", 5)
        if self.time.day == 13:
            self.limit_order("XYZ", -5, 500)
        if self.is_warming_up or""", 1)
    )  # fmt: skip
    (project / "main.py").write_text(adding)
    trade(project, "one", datetime(2010, 1, 13))
    session = trade(project, "two", datetime(2010, 1, 14), first=None)
    assert session.live.told == ""
    assert (
        "XYZ is held or ordered and initialize does not add it: it is added with daily bars; "
        in ("".join(session.live.algorithm.qc_log_lines))
    )
    _, positions, waiting, _ = account(project)
    assert positions["XYZ"][0] == 5
    assert [order["ticker"] for order in waiting if order["type"] == "LIMIT"] == ["XYZ"]


def test_a_second_process_is_refused_and_told_who_is_there(project):
    state = project / "live" / "state"
    lock = StateLock(state)
    try:
        import os

        assert holder(state) == os.getpid()
        with pytest.raises(ValueError, match=f"one live run at a time; process {os.getpid()}"):
            trade(project, "one")
    finally:
        lock.release()
    assert holder(state) is None


def test_a_new_account_needs_a_first_day_and_an_old_one_a_later_end(project):
    with pytest.raises(ValueError, match="--from must be given"):
        trade(project, "one", first=None)
    trade(project, "two", datetime(2010, 1, 13))
    with pytest.raises(ValueError, match="--to must be after the account's clock"):
        trade(project, "three", datetime(2010, 1, 12))


def test_leans_paper_brokerage_forgets(project):
    trade(project, "one", datetime(2010, 1, 13), brokerage="lean-paper")
    session = trade(project, "two", datetime(2010, 1, 13), brokerage="lean-paper")
    assert session.started < session.ended
    assert session.live.algorithm.transactions.get_order_by_id(1).created_time.day == 11
    assert not (project / "live" / "state" / DATABASE).exists()


def test_events_are_lines_of_json_with_the_runs_id(project):
    (project / "config.json").write_text('{"parameters": {"token": "s3cret"}}')
    trade(project, "one", datetime(2010, 1, 13))
    text = (project / "live" / "one" / "events.jsonl").read_text()
    events = [json.loads(line) for line in text.splitlines()]
    assert {event["run"] for event in events} == {"one"}
    assert {"start", "log", "order", "bars", "end"} == {event["event"] for event in events}
    assert "s3cret" not in text


def test_the_command_trades_and_status_and_report_tell(project):
    arguments = ["--data-folder", str(project / "data")]
    runner = CliRunner()
    found = runner.invoke(
        main,
        ["live", str(project), *arguments, "--from", "2010-01-11", "--to", "2010-01-19"],
        catch_exceptions=False,
    )
    assert found.exit_code == 0, found.output
    assert "Live paper trading to 2010-01-19 23:59" in found.output
    state = str(project / "live" / "state")
    lines = runner.invoke(main, ["status", state], catch_exceptions=False).output.splitlines()
    words = {line[:14].strip(): line[15:] for line in lines}
    assert words["Run"].endswith("(stopped)")
    assert words["Feed"] == "replay"
    assert words["Last bars"] == "ABC    2010-01-19 16:00:00, 0:00:00 old"
    assert words["Waits"].startswith("MarketOnOpen ")
    found = runner.invoke(main, ["status", state, "--json"], catch_exceptions=False)
    known = json.loads(found.output)
    assert known["state"] == "stopped"
    assert known["last_bars"]["XYZ"] == {"end": "2010-01-19T21:00:00", "age": 0.0}
    assert known["open_orders"][0]["type"] == "MARKET_ON_OPEN"
    assert known["positions"].keys() == {"ABC", "XYZ"}
    assert Decimal(known["cash"]) == account(project)[0]
    (folder,) = [p for p in (project / "live").iterdir() if p.name != "state"]
    _results_are_as_leans_live_writes_them(folder, known)
    report = build_report(folder, data_folder=project / "data")
    assert report.is_file()


def _results_are_as_leans_live_writes_them(folder, known):
    """Positions, cash and state; the events of each day (UTC) in a file of their own."""
    (summary,) = folder.glob("*-summary.json")
    run = summary.name.partition("-")[0]
    whole = json.loads((folder / f"{run}.json").read_text())
    money = {"symbol": "USD", "conversionRate": 1, "currencySymbol": "$"}
    amount = whole["cash"]["USD"].pop("amount")
    assert amount == whole["cash"]["USD"].pop("valueInAccountCurrency")
    assert amount == pytest.approx(float(known["cash"]))
    assert whole["cash"] == {"USD": money}
    assert (whole["accountCurrency"], whole["accountCurrencySymbol"]) == ("USD", "$")
    held = {key.split()[0]: cells for key, cells in whole["holdings"].items()}
    assert {key: cells["q"] for key, cells in held.items()} == {
        key: float(cells["quantity"]) for key, cells in known["positions"].items()
    }
    for cells in held.values():
        assert cells.keys() == {"a", "q", "p", "v", "u", "up"}
    assert whole["state"]["Status"] == "Stopped"
    days = sorted(folder.glob(f"{run}-2010-*-order-events.json"))
    assert days[-1].name == f"{run}-2010-01-19-order-events.json"
    by_day = [event for path in days for event in json.loads(path.read_text())]
    assert by_day == json.loads((folder / f"{run}-order-events.json").read_text())


def test_what_the_algorithm_raises_ends_the_command_with_one_line(project):
    """Once; what the algorithm itself says of an error is shown, whatever its words."""
    nonsense = 'self.log("Runtime Error: none"); self.nonsense('
    (project / "main.py").write_text(PROJECT.replace("self.set_holdings(", nonsense))
    found = CliRunner().invoke(
        main,
        ["live", str(project), "--data-folder", str(project / "data"), "--from", "2010-01-11",
         "--to", "2010-01-12"],
    )  # fmt: skip
    assert found.exit_code == 1
    last = found.output.splitlines()[-1]
    assert last.startswith("error: the algorithm stopped: AttributeError")
    assert "main.py, line" in last
    shown = [line for line in found.output.splitlines() if "Error" in line]
    assert [line[20:] for line in shown[:-1]] == ["Runtime Error: none"]


def test_status_without_an_account_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"must hold {DATABASE}"):
        told(tmp_path)


def test_a_restart_within_the_session_keeps_the_orders(project, unbroken):
    """Stopped at noon of two days, each time going on at once: closes come out the same."""
    quitting = (
        PROJECT.replace(
            "        self.set_warm_up(",
            "        daily, noon = self.date_rules.every_day(), self.time_rules.noon\n"
            "        self.schedule.on(daily, noon, self.leave)\n"
            "        self.set_warm_up(",
        )
        + """
    def leave(self):
        if not self.is_warming_up and self.time.day in (13, 27):
            self.quit("lunch")
"""
    )
    (project / "main.py").write_text(quitting)
    for run in ("one", "two", "three"):
        session = trade(project, run)
    ended = from_utc(session.ended, NEW_YORK)
    assert (ended.month, ended.day) == (2, 5)

    assert fills_live(project) == fills_live(unbroken)
    assert account(project)[:3] == account(unbroken)[:3]


@pytest.mark.parametrize(("sent", "told_of_the_end"), [("SIGINT", True), ("SIGTERM", False)])
def test_signals_end_a_paced_run(project, sent, told_of_the_end):
    (project / "main.py").write_text(
        PROJECT
        + """
    def on_warmup_finished(self):
        self.log("ready")

    def on_end_of_algorithm(self):
        self.object_store.save("end", "told")
"""
    )
    command = [
        sys.executable, "-m", "engine", "live", str(project), "--data-folder",
        str(project / "data"), "--from", "2010-01-11", "--to", "2010-01-13", "--speed", "1x",
    ]  # fmt: skip
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, bufsize=1) as live:
        assert any("ready" in line for line in live.stdout)
        assert holder(project / "live" / "state") == live.pid
        live.send_signal(getattr(signal, sent))
        live.wait(timeout=20)
    assert live.returncode == 0
    assert told(project / "live" / "state")[0].endswith("(stopped)")
    (folder,) = [path for path in (project / "live").iterdir() if path.name != "state"]
    assert list(folder.glob("*-summary.json"))
    assert (project / "storage" / "end").is_file() is told_of_the_end


def test_a_paced_run_can_be_looked_at_while_it_goes_on(project):
    """Results are there from the first close on, and are one run's in the end."""
    (project / "main.py").write_text(
        PROJECT
        + """
    def on_order_event(self, event):
        import pathlib
        folder = pathlib.Path(__file__).parent / "live" / "one"
        if self.time.day > 11:
            assert len(list(folder.glob("*-summary.json"))) == 1
"""
    )
    session = trade(project, "one", datetime(2010, 1, 14), speed=1e9)
    assert session.live.told == ""
    assert build_report(project / "live" / "one", data_folder=project / "data").is_file()


@pytest.mark.parametrize(
    ("named", "rule"),
    [
        ({"speed": 0.0}, "--speed must be > 0"),
        ({"speed": float("nan")}, "--speed must be > 0"),
        ({"brokerage": "mine"}, "--brokerage must be paper or lean-paper; received 'mine'"),
    ],
)
def test_options_that_are_wrong_are_refused(project, named, rule):
    with pytest.raises(ValueError, match=rule):
        trade(project, "one", **named)
    assert not (project / "live" / "state").exists()


def test_status_tells_what_the_algorithm_tells_and_how_old_it_is(project):
    (project / "main.py").write_text(
        PROJECT.replace(
            "        if self.time.day % 5 == 0:",
            '        self.set_runtime_statistic("Models trained", "2010-01-10T08:00:00")\n'
            '        self.set_runtime_statistic("Targets", "ABC 3")\n'
            "        if self.time.day % 5 == 0:",
        )
    )
    trade(project, "one", datetime(2010, 1, 12))
    lines = told(project / "live" / "state")
    assert "Models trained 2010-01-10 08:00:00, 2 d 8 h ago" in lines
    assert "Targets        ABC 3" in lines


def test_of_a_feed_of_now_ages_go_on_after_the_run(project):
    trade(project, "one", datetime(2010, 1, 12))
    store = AccountStore(project / "live" / "state")
    store.note({"feed": "folder"})
    store.close()
    age = status(project / "live" / "state")["last_bars"]["ABC"]["age"]
    then = datetime(2010, 1, 12, 21)
    assert abs(age - (datetime.now(UTC).replace(tzinfo=None) - then).total_seconds()) < 60


@pytest.mark.parametrize("brokerage", ["paper", "lean-paper"])
def test_a_start_that_fails_in_initialize_leaves_no_account(project, brokerage):
    (project / "main.py").write_text(PROJECT.replace("self.set_cash(100000)", "1 / 0"))
    session = trade(project, "one", datetime(2010, 1, 12), brokerage=brokerage)
    assert "division by zero" in session.live.told
    assert not (project / "live" / "state").exists()
    (project / "main.py").write_text(PROJECT)
    trade(project, "two", datetime(2010, 1, 12), brokerage=brokerage)
    assert (project / "live" / "state").is_dir()


def test_of_many_symbols_status_shows_some_and_the_oldest(project):
    trade(project, "one", datetime(2010, 1, 12))
    store = AccountStore(project / "live" / "state")
    newest = {f"S{i:02}": f"2010-01-12T21:00:{i:02}" for i in range(1, 12)} | {"OLD": "2010-01-04"}
    store.note({"newest": json.dumps({"A": "2010-01-12T21:00:00"} | newest)})
    store.close()
    lines = told(project / "live" / "state")
    (rest,) = [line for line in lines if " more; " in line]
    assert rest.strip() == "and 5 more; the oldest is OLD's, of 2010-01-03 19:00:00"
