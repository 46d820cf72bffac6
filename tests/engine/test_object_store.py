"""The object store: LEAN's key rules, atomic files, clear errors."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.object_store import ObjectStore, check_key
from engine.common.net_exceptions import ArgumentException


@pytest.mark.parametrize("key", ["a", "models/agent", "a b_#-$=/c.json", "/led/", "a\\b"])
def test_legal_keys(key):
    assert check_key(key) == key.replace("\\", "/").strip("/")


@pytest.mark.parametrize("key", ["", "../up", "a/../b", "a..b", "a.b/c", "ä", "a:b", "a//b"])
def test_illegal_keys(key):
    with pytest.raises(ArgumentException, match="LocalObjectStore: path is not supported: "):
        check_key(key)


@given(st.text(max_size=20))
def test_no_key_leaves_the_folder(key):
    try:
        parts = check_key(key).split("/")
    except ValueError:
        return
    assert parts
    assert all(part not in ("", ".", "..") for part in parts)


def test_round_trips(tmp_path):
    store = ObjectStore(tmp_path / "store")
    assert not store.contains_key("a/b")
    assert store.save("a/b", "grüße")
    assert store.save_bytes("c.bin", b"\0\1")
    assert store.save_json("d", {"x": [1, 2.5]})
    assert store.read("a/b") == "grüße"
    assert store.read_bytes("c.bin") == b"\0\1"
    assert store.read_json("d") == {"x": [1, 2.5]}
    assert store.keys == ["a/b", "c.bin", "d"]
    assert store.keys.count == 3
    assert store.delete("c.bin")
    assert not store.delete("c.bin")
    # A second store over the same folder sees what the first saved.
    assert ObjectStore(tmp_path / "store").keys == ["a/b", "d"]
    # LEAN empties its memory, not the folder.
    store.clear()
    assert store.keys == ["a/b", "d"]
    assert (store.max_files, store.max_size) == (10_000, 10 * 1024**3)


def test_pascal_case_names_work(tmp_path):
    store = ObjectStore(tmp_path)
    store.Save("a", "1")
    assert store.ContainsKey("a")
    with pytest.raises(AttributeError):
        _ = store.unknown


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(KeyError, match="nothing"):
        ObjectStore(tmp_path).read("nothing")


def test_a_path_can_be_written_by_others(tmp_path):
    store = ObjectStore(tmp_path)
    path = store.get_file_path("models/weights.h5")
    with open(path, "wb") as stream:
        stream.write(b"w")
    assert store.save("models/weights.h5")
    assert store.read_bytes("models/weights.h5") == b"w"


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    store = ObjectStore(tmp_path)
    store.save("key", "old")

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ValueError, match="cannot be written: disk full"):
        store.save("key", "new")
    monkeypatch.undo()
    assert store.read("key") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_an_unwritable_store_is_named(tmp_path):
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(ValueError, match=r"object store .*store cannot be written"):
        ObjectStore(tmp_path / "store").save("key", "x")


def test_limits_refuse_without_raising(tmp_path):
    store = ObjectStore(tmp_path, max_bytes=10, max_files=2)
    assert store.save("a", "12345")
    assert not store.save("b", "123456")
    assert store.save("b", "12345")
    assert not store.save("c", "")
    assert store.save("a", "1234"), "replacing a key frees what it held"
