"""What a paper account is on disk: cash, positions, orders and their events, in SQLite.

Written ahead (WAL) and synchronously (`synchronous=FULL`), in transactions: after a crash or a loss
of power there is what the last one that ended left. Money and quantities are decimal text. One
process at a time, see `StateLock`.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

from engine.common.durable import make_folders, sync_folder

DATABASE = "account.sqlite"
LOCK = "lock"
_VERSION = 3
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE positions (
    ticker TEXT PRIMARY KEY, quantity TEXT NOT NULL, average_price TEXT NOT NULL
);
CREATE TABLE orders (id INTEGER PRIMARY KEY, is_open INTEGER NOT NULL, content TEXT NOT NULL);
CREATE TABLE events (
    order_id INTEGER NOT NULL, id INTEGER NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (order_id, id)
);
"""
_SAMPLES = """
CREATE TABLE samples (
    time TEXT PRIMARY KEY, equity TEXT NOT NULL, benchmark TEXT NOT NULL, run TEXT NOT NULL
);
"""
_UPGRADES = {0: _SCHEMA + _SAMPLES, 1: _SAMPLES, 2: ""}
"""What brings a database of a version to that of now.

Version 3 notes what was followed of splits and dividends in a form that programs of version 2 would
not understand; `PaperBrokerage` reads both.
"""


class Sample(NamedTuple):
    """What an account was worth.

    Attributes:
        time: of a start or a close, UTC.
        equity: $.
        benchmark: its value, of a scale of its own.
        run: that started then; empty at a close.
    """

    time: datetime
    equity: Decimal
    benchmark: Decimal
    run: str


class StateError(OSError):
    """The state on disk cannot be read or written."""


class StateLock:
    """Keeps a state folder to one process.

    Args:
        folder: made if it does not exist.

    Raises:
        ValueError: if another process holds it; names that process.
    """

    def __init__(self, folder: Path) -> None:
        make_folders(folder)
        self._file: IO[str] = open(folder / LOCK, "a+", encoding="utf-8")  # noqa: SIM115
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = holder(folder)
            self._file.close()
            raise ValueError(
                f"state folder {folder} must be used by one live run at a time; process {owner} "
                "uses it"
            ) from None
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let others use the folder."""
        self._file.close()


def holder(folder: Path) -> int | None:
    """The process that uses a state folder, None if none does."""
    path = folder / LOCK
    if not path.is_file():
        return None
    with open(path, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = file.read().strip()
            return int(text) if text.isdigit() else -1
    return None


class AccountStore:
    """Reads and writes an account.

    Args:
        folder: of the state.
        read_only: for a look from another process; the account must exist.

    Raises:
        StateError: if the database cannot be opened.
        ValueError: if it is of another version.
    """

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self.path = folder / DATABASE
        if read_only and not self.path.is_file():
            raise ValueError(
                f"state folder {folder} must hold {DATABASE}; there is none (`engine live --state "
                "FOLDER` may have put it elsewhere)"
            )
        try:
            self._connection = sqlite3.connect(self.path, isolation_level=None)
            if read_only:
                self._connection.execute("PRAGMA query_only=ON")
            else:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=FULL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            raise StateError(f"{self.path} cannot be opened: {error}") from error
        self._depth = 0
        if version in _UPGRADES and not read_only:
            with self.transaction():
                for statement in filter(str.strip, _UPGRADES[version].split(";")):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version={_VERSION}")
            sync_folder(folder)
        elif not 0 < version <= _VERSION:
            raise ValueError(f"{self.path} must be of version {_VERSION}; it is of {version}")

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another one, a part of it.

        Raises:
            StateError: if it cannot be written.
        """
        if self._depth:
            yield
            return
        self._execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        finally:
            self._depth -= 1

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise StateError(f"{self.path} cannot be written: {error}") from error

    # Facts ----------------------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        """A fact by name, None if it was never noted."""
        row = self._execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def facts(self) -> dict[str, str]:
        """All facts."""
        return dict(self._execute("SELECT name, value FROM facts").fetchall())

    def note(self, facts: Mapping[str, Any]) -> None:
        """Note facts; times as ISO text, all else as text."""
        with self.transaction():
            for name, value in facts.items():
                text = value.isoformat() if isinstance(value, datetime) else str(value)
                self._execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, text))

    @property
    def cash(self) -> Decimal | None:
        """Cash in dollars, None before the first run."""
        text = self.fact("cash")
        return None if text is None else Decimal(text)

    # Account --------------------------------------------------------------------------------

    def positions(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Signed quantity and average price by ticker."""
        rows = self._execute("SELECT ticker, quantity, average_price FROM positions ORDER BY 1")
        return {ticker: (Decimal(quantity), Decimal(price)) for ticker, quantity, price in rows}

    def save_account(self, cash: Decimal, positions: Mapping[str, tuple[Decimal, Decimal]]) -> None:
        """Replace cash and positions."""
        with self.transaction():
            self.note({"cash": cash})
            self._execute("DELETE FROM positions")
            for ticker, (quantity, price) in positions.items():
                self._execute(
                    "INSERT INTO positions VALUES (?, ?, ?)", (ticker, str(quantity), str(price))
                )

    # Orders ---------------------------------------------------------------------------------

    @property
    def last_order_id(self) -> int:
        """Number of the latest order, 0 before the first."""
        (found,) = self._execute("SELECT COALESCE(MAX(id), 0) FROM orders").fetchone()
        return int(found)

    def open_orders(self) -> list[dict[str, Any]]:
        """Contents of the open orders by number."""
        rows = self._execute("SELECT content FROM orders WHERE is_open ORDER BY id")
        return [json.loads(content) for (content,) in rows]

    def orders(self) -> list[dict[str, Any]]:
        """Contents of all orders by number."""
        rows = self._execute("SELECT content FROM orders ORDER BY id")
        return [json.loads(content) for (content,) in rows]

    def events(self) -> list[dict[str, Any]]:
        """Contents of all order events in the order in which they came."""
        rows = self._execute("SELECT content FROM events ORDER BY rowid")
        return [json.loads(content) for (content,) in rows]

    def save_order(self, number: int, is_open: bool, content: Mapping[str, Any]) -> None:
        """Add or replace an order."""
        with self.transaction():
            self._execute(
                "INSERT OR REPLACE INTO orders VALUES (?, ?, ?)",
                (number, int(is_open), json.dumps(content)),
            )

    def add_event(self, order: int, number: int, content: Mapping[str, Any]) -> None:
        """Add an order event."""
        with self.transaction():
            self._execute(
                "INSERT OR REPLACE INTO events VALUES (?, ?, ?)",
                (order, number, json.dumps(content)),
            )

    # Samples --------------------------------------------------------------------------------

    def samples(self) -> list[Sample]:
        """What the account was worth at its starts and closes, in the order of time."""
        rows = self._execute("SELECT time, equity, benchmark, run FROM samples ORDER BY time")
        return [
            Sample(datetime.fromisoformat(time), Decimal(equity), Decimal(benchmark), run)
            for time, equity, benchmark, run in rows
        ]

    def add_sample(self, sample: Sample) -> None:
        """Add a sample; one of the same time is replaced."""
        time, equity, benchmark, run = sample
        with self.transaction():
            self._execute(
                "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)",
                (time.isoformat(), str(equity), str(benchmark), run),
            )
