import io
import json
import re
import string
from datetime import UTC, datetime

import numpy as np
import pytest

from models.artifacts import SCHEMA, ArtifactStore
from models.provenance import key_for, versions

DEPENDS = {
    "settings": {"units": "4"},
    "data": {"AAPL": ["2005-01-03", "2008-12-31"]},
    "parent": None,
}
KEY = key_for(DEPENDS)
END = datetime(2008, 12, 31, 16)
TRADING = datetime(2009, 1, 2)


class MemoryStore:
    """LEAN's object store in a dictionary, with its rules for keys."""

    def __init__(self, room=10**9):
        self.files = {}
        self.room = room

    @property
    def keys(self):
        return list(self.files)

    def contains_key(self, key):
        return key in self.files

    def read_bytes(self, key):
        return self.files[key]

    def save_bytes(self, key, contents):
        assert key.count(".") == 1, key
        assert "." in key.rsplit("/", 1)[-1], key
        assert isinstance(contents, bytes)
        if sum(map(len, self.files.values())) + len(contents) > self.room:
            return False
        self.files[key] = contents
        return True

    def delete(self, key):
        return self.files.pop(key, None) is not None


def parts():
    rng = np.random.default_rng(0)
    return {
        "forecaster": {"kernel": rng.normal(size=(3, 4)).astype(np.float32), "n": np.array(7)},
        "agent": {"weights": rng.normal(size=5), "about": np.frombuffer(b"{}", dtype=np.uint8)},
    }


@pytest.fixture
def lines():
    return []


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def artifacts(store, lines):
    made = ArtifactStore(store, report=lines.append)
    made.save(KEY, parts(), {"epochs": 3}, depends=DEPENDS, data_end=END)
    return made


def test_what_was_saved_is_loaded(artifacts, lines):
    found = artifacts.load(KEY, not_after=TRADING)
    for part, arrays in parts().items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(found.parts[part][name], array)
            assert found.parts[part][name].dtype == array.dtype
    assert (found.meta, found.data_end) == ({"epochs": 3}, END)
    assert found.manifest["depends"] == DEPENDS
    assert found.manifest["versions"] == versions()
    assert lines == []


def test_the_same_artifact_has_the_same_bytes(artifacts, store):
    before = dict(store.files)
    artifacts.save(KEY, parts(), {"epochs": 3}, depends=DEPENDS, data_end=END)
    assert store.files == before


def test_nothing_is_found_under_another_key(artifacts, lines):
    changed = {**DEPENDS, "settings": {"units": "5"}}
    assert key_for(changed) != KEY
    assert artifacts.load(key_for(changed), not_after=TRADING) is None
    assert lines == []


def test_the_key_is_fixed_and_does_not_depend_on_order():
    assert key_for(dict(reversed(DEPENDS.items()))) == KEY
    assert KEY == "fd98626b863389e89dbb83c122db7a98"


def manifest_path():
    return f"mirage/{KEY}/manifest.json"


def part_path(part="forecaster"):
    return f"mirage/{KEY}/{part}.npz"


def refuse_to_be_read(store):
    def read_bytes(key):
        if key.endswith("npz"):
            raise OSError("bad sector")
        return store.files[key]

    store.read_bytes = read_bytes


def edit_manifest(store, **changes):
    manifest = json.loads(store.files[manifest_path()])
    store.files[manifest_path()] = json.dumps({**manifest, **changes}).encode()


def truncate(store):
    store.files[part_path()] = store.files[part_path()][:-20]


def flip_one_bit(store):
    data = bytearray(store.files[part_path()])
    data[len(data) // 2] ^= 1
    store.files[part_path()] = bytes(data)


def lose_a_part(store):
    del store.files[part_path("agent")]


def replace_with(data):
    def damage(store):
        import hashlib

        store.files[part_path()] = data
        manifest = json.loads(store.files[manifest_path()])
        manifest["parts"]["forecaster"] = {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        store.files[manifest_path()] = json.dumps(manifest).encode()

    return damage


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, r"forecaster has \d+ bytes, not what the manifest says"),
        (flip_one_bit, "forecaster does not match its checksum"),
        (lose_a_part, "agent is missing"),
        (
            lambda s: s.files.update({manifest_path(): b"{not json"}),
            r"manifest is not JSON \(Expecting property name .*\)",
        ),
        (
            lambda s: s.files.update({manifest_path(): b"\xff\xfe"}),
            r"manifest is not JSON \('utf-8' codec .*\)",
        ),
        (
            lambda s: s.files.update({manifest_path(): b"[]"}),
            "manifest is not a JSON object",
        ),
        (lambda s: s.files.update({manifest_path(): b"{}"}), r"manifest lacks schema \(int\)"),
        *(
            (
                lambda s, name=name: edit_manifest(s, **{name: None}),
                rf"manifest lacks {name} \({kind}\)",
            )
            for name, kind in (
                ("schema", "int"),
                ("key", "str"),
                ("depends", "dict"),
                ("meta", "dict"),
                ("data_end", "str"),
                ("versions", "dict"),
                ("parts", "dict"),
                ("checksum", "str"),
            )
        ),
        (
            lambda s: edit_manifest(s, schema=SCHEMA + 1),
            f"schema must be {SCHEMA}; received {SCHEMA + 1}",
        ),
        (
            lambda s: edit_manifest(s, depends={"units": 5}),
            "manifest belongs to another artifact",
        ),
        (lambda s: edit_manifest(s, key="0" * 32), "manifest belongs to another artifact"),
        (lambda s: edit_manifest(s, data_end="soon"), "data_end is no time: 'soon'"),
        (lambda s: edit_manifest(s, meta={"epochs": 4}), "manifest does not match its checksum"),
        (
            lambda s: edit_manifest(s, parts={"forecaster": 3}),
            r"forecaster has \d+ bytes, not what the manifest says",
        ),
        (
            lambda s: edit_manifest(s, parts={"../x": {}}),
            "part must hold letters, digits, '_', '-' and inner '/' only; received '../x'",
        ),
        (replace_with(b"no zip file at all"), r"forecaster cannot be read \(.*pickle.*\)"),
        (replace_with(b"PK\x03\x04 and no more"), r"forecaster cannot be read \(.*zip file\)"),
        (
            replace_with(npz(kernel=np.array([{}], dtype=object))),
            r"forecaster cannot be read \(Object arrays cannot be loaded .*\)",
        ),
        (
            replace_with(npz(kernel=np.array([1.0, np.nan]))),
            "forecaster/kernel holds NaN or infinity",
        ),
        (
            replace_with(npz(n=np.array(1), kernel=np.array([np.inf], dtype=np.float32))),
            "forecaster/kernel holds NaN or infinity",
        ),
    ],
)
def test_a_broken_artifact_is_reported_set_aside_and_not_used(
    artifacts, store, lines, damage, reason
):
    damage(store)
    held = {path for path in store.files if KEY in path}
    assert artifacts.load(KEY, not_after=TRADING) is None
    (line,) = lines
    assert re.fullmatch(f"artifact {KEY} is set aside and will be trained again: {reason}", line)
    assert {path.replace("mirage/", "mirage/quarantine/", 1) for path in held} == set(store.files)
    # What is trained anew takes its place.
    artifacts.save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    assert artifacts.load(KEY, not_after=TRADING) is not None


def test_an_artifact_that_cannot_be_read_is_reported_and_not_used(artifacts, store, lines):
    refuse_to_be_read(store)
    assert artifacts.load(KEY, not_after=TRADING) is None
    assert lines == [
        f"artifact {KEY} is set aside and will be trained again: "
        f"{part_path('agent')} cannot be read (bad sector)",
        *(
            f"{part_path(part)} cannot be kept in quarantine "
            f"({part_path(part)} cannot be read (bad sector)); it is deleted"
            for part in ("agent", "forecaster")
        ),
    ]
    assert list(store.files) == [f"mirage/quarantine/{KEY}/manifest.json"]


def test_what_quarantine_has_no_room_for_is_deleted(artifacts, store, lines):
    truncate(store)
    store.room = 0
    artifacts.set_aside(KEY, "why not")
    assert store.files == {}
    assert lines[0] == f"artifact {KEY} is set aside and will be trained again: why not"
    assert re.fullmatch(
        f"{part_path('agent')} cannot be kept in quarantine "
        rf"\(object store refused mirage/quarantine/{KEY}/agent.npz \(\d+ bytes\): "
        r"it is full or not writable\); it is deleted",
        lines[1],
    )
    assert len(lines) == 4


class WindowsStore(MemoryStore):
    """Lists keys as LEAN does on a system with backslashes."""

    @property
    def keys(self):
        return ["\\" + path.replace("/", "\\") for path in self.files]

    def read_bytes(self, key):
        return self.files[key.replace("\\", "/").lstrip("/")]

    def delete(self, key):
        return super().delete(key.replace("\\", "/").lstrip("/"))


def test_keys_may_be_listed_with_backslashes(lines):
    store = WindowsStore()
    made = ArtifactStore(store, report=lines.append)
    made.save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    truncate(store)
    assert made.load(KEY, not_after=TRADING) is None
    kept = {f"mirage/quarantine/{KEY}/{name}" for name in ("agent.npz", "forecaster.npz")}
    assert set(store.files) == kept | {f"mirage/quarantine/{KEY}/manifest.json"}
    made.save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    edit_manifest(store, schema=1)
    assert made.set_aside_other_forms() == 1
    assert not made.contains(KEY)
    assert made.clear() == 3
    assert store.files == {}


def test_a_prefix_may_hold_any_character_that_every_store_takes():
    store, prefix = WindowsStore(), f"X{string.ascii_letters}/{string.digits}_-"
    made = ArtifactStore(store, prefix)
    made.save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    assert f"{prefix}/{KEY}/manifest.json" in store.files
    assert made.clear() == 3


def test_a_probe_is_written_and_taken_away(store):
    saved = []

    def save_bytes(key, contents):
        saved.append((key, contents))
        store.files[key] = contents

    store.save_bytes = save_bytes
    ArtifactStore(store, "mine").check_writable()
    assert saved == [("mine/probe", b"probe")]
    assert store.files == {}


def test_an_artifact_without_a_manifest_does_not_exist(artifacts, store, lines):
    del store.files[manifest_path()]
    assert artifacts.load(KEY, not_after=TRADING) is None
    assert lines == []


def test_a_model_trained_past_the_start_is_refused(artifacts):
    assert artifacts.load(KEY, not_after=END) is not None
    message = (
        f"artifact {KEY} must be trained on data up to 2008-06-30T00:00:00 at most; "
        "received one trained up to 2008-12-31T16:00:00"
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        artifacts.load(KEY, not_after=datetime(2008, 6, 30))
    with pytest.raises(ValueError, match=r"to 2008-12-31T15:59:59\.999999 at most"):
        artifacts.load(KEY, not_after=np.datetime64(END) - np.timedelta64(1, "us"))
    with pytest.raises(ValueError, match=r"^time must have no time zone; received 2009-01-02T00:"):
        artifacts.load(KEY, not_after=TRADING.replace(tzinfo=UTC))


@pytest.mark.parametrize("room", [0, 200, 900])
def test_a_full_store_is_an_error_and_leaves_nothing_behind(room):
    store = MemoryStore(room)
    refused = (
        rf"^object store refused mirage/{KEY}/\w+\.\w+ \(\d+ bytes\): it is full or not writable$"
    )
    with pytest.raises(OSError, match=refused):
        ArtifactStore(store).save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    assert store.files == {}


def test_a_store_that_raises_is_named_and_leaves_nothing_behind(store):
    def save_bytes(key, contents):
        if key.endswith("json"):
            raise PermissionError("read-only")
        store.files[key] = contents
        return True

    store.save_bytes = save_bytes
    message = f"object store could not write {manifest_path()}: read-only"
    with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
        ArtifactStore(store).save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    assert store.files == {}


def test_saving_again_removes_parts_that_are_gone(artifacts, store):
    artifacts.save(KEY, {"agent": parts()["agent"]}, {}, depends=DEPENDS, data_end=END)
    assert part_path("forecaster") not in store.files
    assert set(artifacts.load(KEY, not_after=TRADING).parts) == {"agent"}


def test_clear_deletes_what_is_ours_and_nothing_else(artifacts, store):
    store.files["other/x.bin"] = b"1"
    store.files["mirage-2/x.bin"] = b"1"
    assert artifacts.clear() == 3
    assert sorted(store.files) == ["mirage-2/x.bin", "other/x.bin"]


def test_keys_may_be_a_method_too(store):
    class Methods(MemoryStore):
        def keys(self):
            return list(self.files)

    made = ArtifactStore(Methods())
    made.save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    assert made.clear() == 3


NAMES = "must hold letters, digits, '_', '-' and inner '/' only; received"


@pytest.mark.parametrize("name", ["a.b", "", "/a", "a/", "a b", "ä"])
def test_names_that_no_store_would_take_are_refused(store, name):
    with pytest.raises(ValueError, match=re.escape(f"prefix {NAMES} {name!r}")):
        ArtifactStore(store, name)
    made = ArtifactStore(store, "A-z/09_")
    with pytest.raises(ValueError, match=re.escape(f"part {NAMES} {name!r}")):
        made.save(KEY, {"good": {}, name: {}}, {}, depends=DEPENDS, data_end=END)
    with pytest.raises(ValueError, match=re.escape(f"key {NAMES} {name!r}")):
        made.contains(name)
    assert store.files == {}


def test_bad_values_are_refused(store):
    made = ArtifactStore(store)

    def refused(message, key=KEY, arrays=None, meta=None, end=END):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            made.save(key, arrays or parts(), meta or {}, depends=DEPENDS, data_end=end)

    objects = {"forecaster": {"x": np.array([{}])}}
    refused("array forecaster/x must hold numbers; received object", arrays=objects)
    refused(f"key must be the hash of what it depends on; received '{'0' * 32}'", key="0" * 32)
    refused("time must have no time zone; received 2009", end=TRADING.replace(tzinfo=UTC))
    refused("artifact facts must be plain JSON values: Out of range", meta={"loss": np.nan})
    assert store.files == {}


def test_what_is_kept_is_small_the_same_in_any_order_and_can_be_read_by_people(store):
    made = ArtifactStore(store)
    array = np.arange(60_000.0).reshape(200, 300) % 7

    def saved(arrays):
        made.save(KEY, {"x": arrays}, {}, depends=DEPENDS, data_end=np.datetime64("2008-12-31"))
        return store.files[part_path("x")]

    first = saved({"b": array, "a": array[:2]})
    assert first == saved({"a": array[:2], "b": np.asfortranarray(array)})
    assert len(first) < array.nbytes / 20
    assert saved({"a": array[:1]}) != first
    text = store.files[manifest_path()].decode()
    assert text.startswith('{\n "checksum": "')
    assert json.loads(text)["data_end"] == "2008-12-31T00:00:00.000000"
    assert made.load(KEY, TRADING).data_end == datetime(2008, 12, 31)


def test_artifacts_of_another_form_are_set_aside_with_one_line(artifacts, store, lines):
    """Of three, two are old: theirs go to quarantine, the present one stays."""
    now = dict(store.files)
    for key, schema in (("a" * 32, 2), ("b" * 32, 3)):
        store.files |= {path.replace(KEY, key): data for path, data in now.items()}
        old = f"mirage/{key}/manifest.json"
        store.files[old] = json.dumps(json.loads(store.files[old]) | {"schema": schema}).encode()
    assert artifacts.set_aside_other_forms() == 2
    assert lines == [
        "artifacts of another form (schema 2, 3; this version reads 4) are set aside under "
        "mirage/quarantine, 2 in all; what they held is trained anew when it is needed"
    ]
    assert {path: data for path, data in store.files.items() if KEY in path} == now
    others = [path for path in store.files if KEY not in path]
    assert len(others) == 2 * len(now)
    assert all(path.startswith("mirage/quarantine/") for path in others)
    assert artifacts.set_aside_other_forms() == 0
    assert len(lines) == 1


@pytest.mark.parametrize("data", [b"{not json", b"\xff\xfe", b"[]", b"{}", b'{"schema": null}'])
def test_a_manifest_that_is_none_is_left_to_loading(artifacts, store, lines, data):
    """The rest is looked at all the same."""
    store.files["mirage/" + "a" * 32 + "/manifest.json"] = b'{"schema": 1}'
    store.files["mirage/zzz/manifest.json"] = b'{"schema": "two"}'
    store.files["mirage/notes/about.json"] = b'{"schema": 1}'
    store.files[manifest_path()] = data
    assert artifacts.set_aside_other_forms() == 2
    assert lines[0].startswith("artifacts of another form (schema 1, two; this version")
    assert store.files[manifest_path()] == data
    assert "mirage/notes/about.json" in store.files


def test_a_manifest_that_cannot_be_read_is_left_to_loading(artifacts, store, lines):
    def read_bytes(key):
        raise OSError("bad sector")

    store.read_bytes = read_bytes
    assert artifacts.set_aside_other_forms() == 0
    assert lines == []
    assert artifacts.load(KEY, not_after=TRADING) is None
    assert lines[0].endswith(f"trained again: {manifest_path()} cannot be read (bad sector)")


def test_without_a_listener_reports_go_nowhere(store):
    made = ArtifactStore(store)
    made.save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    truncate(store)
    assert made.load(KEY, not_after=TRADING) is None
