"""One seed, named streams of random numbers.

Every random choice of the project draws from one of the streams named here. A stream depends only
on the seed, the keys (which fit, which symbol, which retraining) and its own name, never on how
many numbers the others have used, so that a change in one place leaves the others alone and the
number of workers never changes a result.
"""

from __future__ import annotations

import hashlib

import numpy as np

NAMES = (
    "weights",
    "shuffle",
    "masks",
    "draws",
    "paths",
    "episodes",
    "replay",
)
"""Append only: a stream's place in this tuple fixes its numbers."""


def _key_words(key: int | str) -> tuple[int, ...]:
    """A key as 32-bit words, the same in every process (unlike `hash`)."""
    kind = "i" if isinstance(key, int | np.integer) else "s"
    digest = hashlib.sha256(f"{kind}:{key}".encode()).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))


def streams(seed: int, *keys: int | str) -> dict[str, np.random.Generator]:
    """Independent generators, one for each name in `NAMES`.

    Args:
        seed: the run's seed, >= 0.
        keys: what sets this use apart from others with the same seed, such as
            ``("forecaster", "2009-01-02")``; integers and strings are told apart.

    Returns:
        Fresh generators by name; the same arguments give the same numbers on every machine.

    Raises:
        ValueError: if the seed is not a whole number >= 0 or a key is neither int nor str.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number >= 0; received {seed!r}")
    words: list[int] = []
    for key in keys:
        if isinstance(key, bool) or not isinstance(key, int | np.integer | str):
            raise ValueError(f"seed key must be an int or a str; received {key!r}")
        words.extend(_key_words(key))
    children = np.random.SeedSequence([int(seed), *words]).spawn(len(NAMES))
    return {name: np.random.default_rng(child) for name, child in zip(NAMES, children, strict=True)}
