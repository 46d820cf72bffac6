"""Can a classifier tell imagined windows from real ones?

The classifier two-sample test of Lopez-Paz & Oquab (2017, "Revisiting classifier two-sample
tests"). Windows of two kinds are described by the same statistics (`sim.windows`); a classifier
learns to tell them apart on some groups (stocks, or eras of a market) and is judged on the others.
An area under the ROC curve (AUC) of .5 says that it cannot, 1 that it always can.

What is reported is the plain AUC, not max(AUC, 1 - AUC): under equality the plain one scatters
around .5 and may come out below, the folded one is above .5 by its own noise. It is worked out
within each fold and averaged over folds, since scores of classifiers that were fitted on
different folds are not on one scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits

from sim.windows import (
    Statistics,
)

Floats = NDArray[np.float64]

BOOSTING, FOREST = "boosting", "forest"


def _boosting(seed: int) -> Any:
    return HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=20,
        l2_regularization=1.0, early_stopping=False, random_state=seed,
    )  # fmt: skip


def _forest(seed: int) -> Any:
    return RandomForestClassifier(
        n_estimators=200, min_samples_leaf=3, max_features="sqrt", random_state=seed, n_jobs=1
    )


CLASSIFIERS: Mapping[str, Callable[[int], Any]] = {BOOSTING: _boosting, FOREST: _forest}
"""What tells windows apart, by name: a seed to an unfitted classifier of scikit-learn."""


@dataclass(frozen=True)
class Told:
    """How well one kind of windows is told from another.

    Attributes:
        auc: by classifier, mean over repeats.
        spread: by classifier, standard deviation over repeats; 0 for one repeat.
        used: what a statistic is worth to the first classifier: how much its AUC on held-out
            groups falls when the statistic is shuffled there; by statistic, largest first.
        families: likewise for all statistics of a family shuffled together, which also shows what
            several statistics tell in common.
        alone: AUC of each statistic alone, above .5 where imagined windows have larger values.
        distance: Kolmogorov-Smirnov distance of each statistic alone.
        means: of each statistic, real and imagined.
    """

    auc: Mapping[str, float]
    spread: Mapping[str, float]
    used: Mapping[str, float]
    families: Mapping[str, float]
    alone: Mapping[str, float]
    distance: Mapping[str, float]
    means: Mapping[str, tuple[float, float]]


def auc(real: ArrayLike, imagined: ArrayLike) -> float:
    """Area under the ROC curve: P(imagined > real) + P(equal) / 2.

    Args:
        real: scores, shape (N,).
        imagined: shape (M,).

    Raises:
        ValueError: if one is empty.
    """
    low, high = np.asarray(real, dtype=np.float64), np.asarray(imagined, dtype=np.float64)
    if not (low.size and high.size):
        raise ValueError(
            f"both kinds must have scores to compare; received {low.size} and {high.size}"
        )
    ranks = rankdata(np.concatenate([low, high]))[low.size :]
    return float((ranks.mean() - 0.5 * (high.size + 1)) / low.size)


def ks_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Largest distance of two empirical distribution functions, in [0, 1]."""
    a, b = np.sort(np.asarray(x, dtype=np.float64)), np.sort(np.asarray(y, dtype=np.float64))
    at = np.concatenate([a, b])
    gap = np.searchsorted(a, at, "right") / a.size - np.searchsorted(b, at, "right") / b.size
    return float(np.abs(gap).max())


def balanced(
    real: NDArray, imagined: NDArray, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Equally many windows of both kinds from every group that has both.

    Args:
        real: group of each window, shape (N,).
        imagined: shape (M,).
        rng: chooses where there are more than needed.

    Returns:
        Chosen windows of either kind, in the same order of groups.
    """
    chosen: tuple[list[NDArray], list[NDArray]] = ([], [])
    for group in np.intersect1d(real, imagined):
        found = [np.flatnonzero(kind == group) for kind in (real, imagined)]
        count = min(len(rows) for rows in found)
        for rows, into in zip(found, chosen, strict=True):
            into.append(np.sort(rng.permutation(rows)[:count]))
    if not chosen[0]:
        raise ValueError("real and imagined windows must share groups; they share none")
    return np.concatenate(chosen[0]), np.concatenate(chosen[1])


def fold_of_groups(groups: NDArray, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold for every window, whole groups together and about equally many in each.

    Raises:
        ValueError: unless there are at least as many groups as folds, and two folds.
    """
    names, index = np.unique(groups, return_inverse=True)
    if not 2 <= folds <= len(names):
        raise ValueError(
            f"folds must lie in 2..{len(names)}, the number of groups; received {folds}"
        )
    of_group = np.empty(len(names), dtype=np.int64)
    of_group[rng.permutation(len(names))] = np.arange(len(names)) % folds
    return of_group[index]


def two_sample_test(
    real: Statistics,
    imagined: Statistics,
    real_groups: Sequence[Any] | NDArray,
    imagined_groups: Sequence[Any] | NDArray,
    *,
    seed: int,
    folds: int = 5,
    repeats: int = 3,
    classifiers: Sequence[str] = (BOOSTING, FOREST),
    shuffles: int = 2,
) -> Told:
    """Try to tell imagined windows from real ones.

    Windows that overlap, or come from one stock, must be in one group: folds are of whole groups,
    so that nothing is recognised, only told apart. Every repeat has folds, choices of windows (as
    many of either kind from each group) and classifier seeds of its own.

    Args:
        real: statistics of N real windows.
        imagined: of M imagined windows, the same statistics.
        real_groups: group of each real window, N of them: numbers or names.
        imagined_groups: likewise, M of them, of the same groups.
        seed: fixes everything.
        folds: of groups.
        repeats: over which AUC is averaged.
        classifiers: of `CLASSIFIERS`.
        shuffles: of each statistic and family, in each fold, for what the first classifier used;
            0 to leave that out.

    Raises:
        ValueError: naming what does not fit together.
    """
    if real.names != imagined.names:
        raise ValueError(
            "real and imagined windows must have the same statistics; received "
            f"{sorted(set(real.names) ^ set(imagined.names))} in one of them"
        )
    groups = np.asarray(real_groups), np.asarray(imagined_groups)
    for kind, found in zip((real, imagined), groups, strict=True):
        if found.shape != (len(kind),):
            raise ValueError(
                f"groups must be one for each of {len(kind)} windows; received {found.shape}"
            )
    unknown = set(classifiers) - set(CLASSIFIERS)
    if unknown or not classifiers or repeats < 1:
        raise ValueError(
            f"classifiers must be of {sorted(CLASSIFIERS)} and repeats >= 1; received "
            f"{list(classifiers)} and {repeats}"
        )
    every = [_columns(real.names), _families(real.families)]
    found_auc: dict[str, list[float]] = {name: [] for name in classifiers}
    drops: list[list[Floats]] = [[], []]
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        chosen = balanced(*groups, rng)
        values = np.concatenate([real.values[chosen[0]], imagined.values[chosen[1]]])
        label = np.repeat([0, 1], [len(rows) for rows in chosen])
        group = np.concatenate([g[rows] for g, rows in zip(groups, chosen, strict=True)])
        fold = fold_of_groups(group, folds, rng)
        model_seed = int(rng.integers(2**31 - 1))
        for name in classifiers:
            of_folds = []
            for k in range(folds):
                held = fold == k
                model = CLASSIFIERS[name](model_seed).fit(values[~held], label[~held])
                score = _score(model, values[held], label[held])
                of_folds.append(score)
                if shuffles and name == classifiers[0]:
                    for into, sets in zip(drops, every, strict=True):
                        into.append(
                            score - _shuffled(model, values[held], label[held], sets, shuffles, rng)
                        )
            found_auc[name].append(float(np.mean(of_folds)))
    kept = balanced(*groups, np.random.default_rng([seed, 0]))
    pairs = {
        name: (real.values[kept[0], i], imagined.values[kept[1], i])
        for i, name in enumerate(real.names)
    }
    used, families = (
        dict(sorted(zip(sets, np.mean(drop, axis=0).tolist(), strict=True), key=lambda x: -x[1]))
        if drop
        else {}
        for sets, drop in zip(every, drops, strict=True)
    )
    return Told(
        auc={name: float(np.mean(found)) for name, found in found_auc.items()},
        spread={
            name: float(np.std(found, ddof=1)) if repeats > 1 else 0.0
            for name, found in found_auc.items()
        },
        used=used,
        families=families,
        alone={name: auc(*pair) for name, pair in pairs.items()},
        distance={name: ks_distance(*pair) for name, pair in pairs.items()},
        means={name: (float(x.mean()), float(y.mean())) for name, (x, y) in pairs.items()},
    )


def quick_test(
    real: Statistics,
    imagined: Statistics,
    real_groups: Sequence[Any] | NDArray,
    imagined_groups: Sequence[Any] | NDArray,
    *,
    seed: int,
    most: int = 600,
    folds: int = 3,
    repeats: int = 1,
    shuffles: int = 1,
) -> Told:
    """The test in a second or two: gradient boosting alone, at most so many windows.

    Args:
        real: as in `two_sample_test`; likewise the next three.
        imagined: of imagined windows.
        real_groups: of real windows; at least as many groups as folds.
        imagined_groups: of imagined windows.
        seed: fixes everything.
        most: windows of either kind that are looked at, chosen at random.
        folds: of groups.
        repeats: as in `two_sample_test`.
        shuffles: as in `two_sample_test`.

    Raises:
        ValueError: as `two_sample_test`.
    """
    rng = np.random.default_rng([seed, 1])
    kinds, groups = [], []
    for kind, group in ((real, real_groups), (imagined, imagined_groups)):
        rows = np.sort(rng.permutation(len(kind))[:most])
        kinds.append(kind.take(rows))
        groups.append(np.asarray(group)[rows])
    # Threads gain nothing on so few rows, and wait for each other for minutes on a busy machine.
    with threadpool_limits(1, user_api="openmp"):
        return two_sample_test(
            kinds[0], kinds[1], groups[0], groups[1],
            seed=seed, folds=folds, repeats=repeats, classifiers=(BOOSTING,), shuffles=shuffles,
        )  # fmt: skip


def _columns(names: Sequence[str]) -> dict[str, list[int]]:
    return {name: [i] for i, name in enumerate(names)}


def _families(families: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i, family in enumerate(families):
        found.setdefault(family, []).append(i)
    return found


def _score(model: Any, values: Floats, label: NDArray) -> float:
    likely = model.predict_proba(values)[:, 1]
    return auc(likely[label == 0], likely[label == 1])


def _shuffled(
    model: Any,
    values: Floats,
    label: NDArray,
    sets: Mapping[str, list[int]],
    shuffles: int,
    rng: np.random.Generator,
) -> Floats:
    """AUC with each set of columns shuffled over windows, mean over shuffles, (len(sets),)."""
    found = np.zeros(len(sets))
    for _ in range(shuffles):
        # All sets in one batch: a classifier's call costs more than its rows.
        batch = np.repeat(values[None], len(sets), axis=0)
        for changed, columns in zip(batch, sets.values(), strict=True):
            changed[:, columns] = values[rng.permutation(len(values))][:, columns]
        likely = model.predict_proba(batch.reshape(-1, values.shape[1]))[:, 1]
        for i, of_set in enumerate(likely.reshape(len(sets), -1)):
            found[i] += auc(of_set[label == 0], of_set[label == 1]) / shuffles
    return found
