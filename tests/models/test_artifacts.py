import io
import json
from datetime import datetime

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
        (truncate, "bytes, not what the manifest says"),
        (flip_one_bit, "does not match its checksum"),
        (lose_a_part, "agent is missing"),
        (lambda s: s.files.update({manifest_path(): b"{not json"}), "manifest is not JSON"),
        (lambda s: s.files.update({manifest_path(): b"\xff\xfe"}), "manifest is not JSON"),
        (lambda s: s.files.update({manifest_path(): b"[]"}), "not a JSON object"),
        (lambda s: s.files.update({manifest_path(): b"{}"}), r"manifest lacks schema"),
        (
            lambda s: edit_manifest(s, schema=SCHEMA + 1),
            f"schema must be {SCHEMA}; received {SCHEMA + 1}",
        ),
        (lambda s: edit_manifest(s, depends={"units": 5}), "belongs to another artifact"),
        (lambda s: edit_manifest(s, key="0" * 32), "belongs to another artifact"),
        (lambda s: edit_manifest(s, data_end="soon"), "data_end is no time"),
        (lambda s: edit_manifest(s, parts={"forecaster": 3}), "not what the manifest says"),
        (lambda s: edit_manifest(s, parts={"../x": {}}), "part must hold letters"),
        (replace_with(b"no zip file at all"), "cannot be read"),
        (replace_with(npz(kernel=np.array([{}], dtype=object))), "cannot be read"),
        (replace_with(npz(kernel=np.array([1.0, np.nan]))), "forecaster/kernel holds NaN"),
    ],
)
def test_a_broken_artifact_is_reported_set_aside_and_not_used(
    artifacts, store, lines, damage, reason
):
    damage(store)
    held = {path for path in store.files if KEY in path}
    assert artifacts.load(KEY, not_after=TRADING) is None
    assert len(lines) == 1
    assert KEY in lines[0]
    assert reason in lines[0]
    assert "\n" not in lines[0]
    assert {path.replace("mirage/", "mirage/quarantine/", 1) for path in held} == set(store.files)
    # What is trained anew takes its place.
    artifacts.save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    assert artifacts.load(KEY, not_after=TRADING) is not None


def test_an_artifact_that_cannot_be_read_is_reported_and_not_used(artifacts, store, lines):
    refuse_to_be_read(store)
    assert artifacts.load(KEY, not_after=TRADING) is None
    assert "bad sector" in lines[0]
    assert not artifacts.contains(KEY)


def test_an_artifact_without_a_manifest_does_not_exist(artifacts, store, lines):
    del store.files[manifest_path()]
    assert artifacts.load(KEY, not_after=TRADING) is None
    assert lines == []


def test_a_model_trained_past_the_start_is_refused(artifacts):
    assert artifacts.load(KEY, not_after=END) is not None
    with pytest.raises(ValueError, match=r"up to 2008-06-30T00:00:00 at most.*2008-12-31T16:00:00"):
        artifacts.load(KEY, not_after=datetime(2008, 6, 30))
    with pytest.raises(ValueError, match="trained up to"):
        artifacts.load(KEY, not_after=np.datetime64("2008-06-30"))


@pytest.mark.parametrize("room", [0, 200, 900])
def test_a_full_store_is_an_error_and_leaves_nothing_behind(room):
    store = MemoryStore(room)
    with pytest.raises(OSError, match=r"object store refused mirage/.*full or not writable"):
        ArtifactStore(store).save(KEY, parts(), {}, depends=DEPENDS, data_end=END)
    assert store.files == {}


def test_a_store_that_raises_is_named_and_leaves_nothing_behind(store):
    def save_bytes(key, contents):
        if key.endswith("json"):
            raise PermissionError("read-only")
        store.files[key] = contents
        return True

    store.save_bytes = save_bytes
    with pytest.raises(OSError, match=r"could not write mirage/.*manifest.json: read-only"):
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


def test_bad_names_and_values_are_refused(store):
    with pytest.raises(ValueError, match=r"prefix must hold letters.*received 'a\.b'"):
        ArtifactStore(store, "a.b")
    made = ArtifactStore(store)
    with pytest.raises(ValueError, match="part must hold letters"):
        made.save(KEY, {"v1.0": {}}, {}, depends=DEPENDS, data_end=END)
    bad = {"forecaster": {"x": np.array([{}])}}
    with pytest.raises(ValueError, match="forecaster/x must hold numbers"):
        made.save(KEY, bad, {}, depends=DEPENDS, data_end=END)
    with pytest.raises(ValueError, match="must be plain JSON values"):
        key_for({"seed": np.float64("nan")})
    with pytest.raises(ValueError, match="key must be the hash of what it depends on"):
        made.save("0" * 32, parts(), {}, depends=DEPENDS, data_end=END)
    assert store.files == {}


def test_artifacts_of_another_form_are_set_aside_with_one_line(artifacts, store, lines):
    """Of three, two are old: theirs go to quarantine, the present one stays."""
    now = dict(store.files)
    for key, schema in (("a" * 32, 2), ("b" * 32, 3)):
        store.files |= {path.replace(KEY, key): data for path, data in now.items()}
        old = f"mirage/{key}/manifest.json"
        store.files[old] = json.dumps(json.loads(store.files[old]) | {"schema": schema}).encode()
    assert artifacts.set_aside_other_forms() == 2
    assert lines == [
        "2 artifacts of another form (schema 2, 3; this version reads 4) are set aside under "
        "mirage/quarantine; models are trained anew"
    ]
    assert {path: data for path, data in store.files.items() if KEY in path} == now
    others = [path for path in store.files if KEY not in path]
    assert len(others) == 2 * len(now)
    assert all(path.startswith("mirage/quarantine/") for path in others)
    assert artifacts.set_aside_other_forms() == 0
    assert len(lines) == 1


def test_a_manifest_that_is_none_is_left_to_loading(artifacts, store, lines):
    store.files[manifest_path()] = b"{not json"
    assert artifacts.set_aside_other_forms() == 0
    assert lines == []
