import pytest

from models.seeding import NAMES, streams


def first(seed, *keys):
    return {name: rng.integers(2**62) for name, rng in streams(seed, *keys).items()}


def test_the_same_arguments_give_the_same_numbers():
    assert first(1, "a", 2) == first(1, "a", 2)


def test_names_seeds_and_keys_all_set_streams_apart():
    found = [first(1), first(2), first(1, "a"), first(1, "b"), first(1, 1), first(1, "1")]
    numbers = [number for streams_ in found for number in streams_.values()]
    assert len(set(numbers)) == len(numbers) == len(found) * len(NAMES)


def test_streams_are_fixed_for_good():
    """Saved results name seeds: a change here would silently change what they mean."""
    assert NAMES[:4] == ("weights", "shuffle", "masks", "draws")
    assert streams(7, "forecaster")["weights"].random() == 0.3823008618188426


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1"])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number >= 0"):
        streams(seed)


def test_bad_keys_are_refused():
    with pytest.raises(ValueError, match=r"seed key must be an int or a str; received 1\.5"):
        streams(1, 1.5)
