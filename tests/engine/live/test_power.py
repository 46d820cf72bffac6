"""A loss of power: what was not synced is lost, and what an order rests on was."""

import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from engine.api.object_store import ObjectStore
from engine.live.state import AccountStore
from tests.engine.folder import write_folder
from tests.engine.live.test_session import PROJECT, WAVES, trade

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="which file is synced is seen in /proc only"
)


class Disk:
    """Watches files move, folders appear and both being synced; can lose what was not."""

    def __init__(self, monkeypatch):
        self._replace, self._fsync, self._mkdir = os.replace, os.fsync, os.mkdir
        self._synced: set[int] = set()
        self.pending: list[tuple[Path, bytes | None]] = []
        self.unwritten: set[Path] = set()
        for name in ("replace", "fsync", "mkdir"):
            monkeypatch.setattr(os, name, getattr(self, name))

    def replace(self, source, target):
        source, target = Path(source), Path(target)
        before = target.read_bytes() if target.exists() else None
        if source.stat().st_ino not in self._synced:
            self.unwritten.add(target)
        else:
            self.unwritten.discard(target)
        self._replace(source, target)
        self.pending.append((target, before))

    def mkdir(self, path, *rest, **named):
        self._mkdir(path, *rest, **named)
        self.pending.append((Path(path), None))

    def fsync(self, handle):
        self._fsync(handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_dir():
            self.pending = [each for each in self.pending if each[0].parent.resolve() != path]
        else:
            self._synced.add(os.fstat(handle).st_ino)

    def lose_power(self):
        for target, before in reversed(self.pending):
            if target.is_dir():
                shutil.rmtree(target)
            elif before is None:
                target.unlink(missing_ok=True)
            else:
                target.write_bytes(before)
        for target in self.unwritten:
            if target.exists():
                os.truncate(target, target.stat().st_size // 2)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.mark.parametrize("durable", [True, False])
def test_what_a_durable_store_has_saved_outlives_a_loss_of_power(tmp_path, disk, durable):
    store = ObjectStore(tmp_path / "store", durable=durable)
    store.save("mirage/state", "one")
    store.save("mirage/state", "two")
    disk.lose_power()
    after = ObjectStore(tmp_path / "store")
    if durable:
        assert after.read("mirage/state") == "two"
    else:
        assert not after.contains_key("mirage/state")


def test_nothing_is_unsynced_when_an_order_or_a_fill_is_recorded(tmp_path, disk, monkeypatch):
    """State of the algorithm, result files and folders; the account itself is SQLite's to sync."""
    write_folder(tmp_path / "data", WAVES)
    saving = PROJECT.replace(
        "        for i, name in enumerate(self.names):\n            self.set_holdings",
        '        self.object_store.save(f"a/{self.time:%d}", str(self.time))\n'
        "        for i, name in enumerate(self.names):\n            self.set_holdings",
    )
    (tmp_path / "main.py").write_text(saving)
    (tmp_path / "live").mkdir()
    disk.pending.clear()
    seen = []
    real = AccountStore.save_order

    def save_order(self, number, is_open, content):
        lost = [path for path, _ in disk.pending if "one" not in path.parts]
        seen.append((content["status"], lost, set(disk.unwritten)))
        (synchronous,) = self._connection.execute("PRAGMA synchronous").fetchone()
        (mode,) = self._connection.execute("PRAGMA journal_mode").fetchone()
        assert (synchronous, mode) == (2, "wal")
        real(self, number, is_open, content)

    monkeypatch.setattr(AccountStore, "save_order", save_order)
    session = trade(tmp_path, "one", datetime(2010, 1, 14), speed=1e9)
    assert session.live.told == ""
    assert {status for status, _, _ in seen} >= {"SUBMITTED", "FILLED"}
    assert all(not lost and not unwritten for _, lost, unwritten in seen)
    assert (tmp_path / "storage" / "a" / "13").is_file()
