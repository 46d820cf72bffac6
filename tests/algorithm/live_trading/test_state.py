import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithm.live_trading.state import SCHEMA, StateError, StateStore
from engine.api.object_store import ObjectStore

FIRST, SECOND, THIRD = {"n": 1}, {"n": 2, "text": "é"}, {"n": 3, "of": [1.5, None]}


class Memory:
    """A store that may crash in the middle of a write and notes what was flushed."""

    def __init__(self):
        self.held, self.flushed, self.room, self.crash_after = {}, [], True, None

    def contains_key(self, key):
        return key in self.held

    def read(self, key):
        return self.held[key]

    def save(self, key, text):
        if not self.room:
            return False
        if self.crash_after is not None:
            self.held[key] = text[: self.crash_after]
            raise KeyboardInterrupt
        self.held[key] = text
        return True

    def get_file_path(self, key):
        self.flushed.append(key)
        return key


def test_the_newest_document_comes_back_and_each_was_on_disk():
    memory = Memory()
    store = StateStore(memory, "mirage/live")
    assert store.load() is None
    for document in (FIRST, SECOND, THIRD):
        store.save(document)
        assert StateStore(memory, "mirage/live").load() == document
    assert memory.flushed == ["mirage/live-b.json", "mirage/live-a.json", "mirage/live-b.json"]


def test_a_restart_goes_on_counting():
    memory = Memory()
    for document in (FIRST, SECOND, THIRD):
        store = StateStore(memory, "s")
        store.load()
        store.save(document)
    assert StateStore(memory, "s").load() == THIRD


@given(st.integers(0, 400))
def test_a_crash_within_a_write_leaves_the_document_before(cut):
    memory, said = Memory(), []
    uncut = Memory()
    unhurt, store = StateStore(uncut, "s"), StateStore(memory, "s")
    for document in (FIRST, SECOND):
        unhurt.save(document)
        store.save(document)
    unhurt.save(THIRD)
    memory.crash_after = cut
    with pytest.raises(KeyboardInterrupt):
        store.save(THIRD)
    whole = cut >= len(uncut.held["s-b.json"])
    found = StateStore(memory, "s", said.append).load()
    assert found == (THIRD if whole else SECOND)
    assert len(said) == (0 if whole else 1)
    memory.crash_after = None
    after = StateStore(memory, "s")
    after.load()
    after.save(FIRST)
    assert StateStore(memory, "s").load() == FIRST


@pytest.mark.parametrize("change", [lambda t: t.replace("1", "7", 1), lambda t: "", lambda t: "[]"])
def test_a_state_that_nothing_is_left_of_is_no_fresh_start(change):
    memory = Memory()
    StateStore(memory, "s").save(FIRST)
    memory.held["s-b.json"] = change(memory.held["s-b.json"])
    with pytest.raises(StateError, match=r"cannot be read \(s-b.json: .*or delete it"):
        StateStore(memory, "s").load()


def test_another_layout_is_refused_by_name(monkeypatch):
    memory = Memory()
    monkeypatch.setattr("algorithm.live_trading.state.SCHEMA", SCHEMA + 1)
    StateStore(memory, "s").save(FIRST)
    monkeypatch.undo()
    with pytest.raises(StateError, match=f"must have schema {SCHEMA}; received {SCHEMA + 1}"):
        StateStore(memory, "s").load()


def test_a_store_without_room_is_an_error_and_nothing_is_lost():
    memory = Memory()
    store = StateStore(memory, "s")
    store.save(FIRST)
    memory.room = False
    with pytest.raises(OSError, match=r"the object store refused s-a.json; is there room\?"):
        store.save(SECOND)
    memory.room = True
    assert StateStore(memory, "s").load() == FIRST
    store.save(THIRD)
    assert StateStore(memory, "s").load() == THIRD


def test_what_json_cannot_say_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        StateStore(Memory(), "s").save({"n": float("nan")})


def test_the_engines_object_store_will_do(tmp_path):
    store = ObjectStore(tmp_path)
    for document in (FIRST, SECOND, THIRD):
        StateStore(store, "mirage/live/state").load()
        one = StateStore(store, "mirage/live/state")
        one.load()
        one.save(document)
    assert StateStore(ObjectStore(tmp_path), "mirage/live/state").load() == THIRD
    assert "body" in json.loads((tmp_path / "mirage/live/state-a.json").read_text("utf-8"))
