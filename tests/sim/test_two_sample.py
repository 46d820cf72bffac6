import functools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from sim.two_sample import (
    BOOSTING,
    FOREST,
    auc,
    balanced,
    fold_of_groups,
    ks_distance,
    two_sample_test,
)
from sim.windows import Statistics


def statistics(seed, count=240, shift=0.0, families=("x", "x", "y")):
    """Three independent normals, the second of them shifted."""
    values = np.random.default_rng(seed).normal(size=(count, 3))
    values[:, 1] += shift
    return Statistics(values, ("a", "b", "c"), families)


GROUPS = np.repeat(np.arange(6), 40)


@functools.cache
def tell(shift, **options):
    chosen = {"seed": 1, "folds": 3, "repeats": 1, "classifiers": (BOOSTING,)} | options
    return two_sample_test(statistics(0), statistics(1, shift=shift), GROUPS, GROUPS, **chosen)


def test_auc_equals_scikit_learns_with_ties():
    rng = np.random.default_rng(0)
    real, imagined = rng.integers(0, 5, 40), rng.integers(1, 7, 30)
    label = np.repeat([0, 1], [40, 30])
    want = roc_auc_score(label, np.concatenate([real, imagined]))
    assert auc(real, imagined) == pytest.approx(want)
    assert auc(imagined, real) == pytest.approx(1 - want)


def test_ks_distance_equals_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=50), rng.normal(0.3, 1.5, 70).round(1)
    assert ks_distance(x, y) == pytest.approx(stats.ks_2samp(x, y).statistic)


def test_equal_windows_are_not_told_apart_and_shifted_ones_are():
    assert tell(0.0).auc[BOOSTING] == pytest.approx(0.5, abs=0.08)
    found = tell(2.0)
    # Two normals two deviations apart: Phi(2 / sqrt 2) at best.
    assert 0.87 < found.auc[BOOSTING] < stats.norm.cdf(np.sqrt(2)) + 0.03


def test_a_forest_tells_them_apart_as_well_and_repeats_have_a_spread():
    found = tell(2.0, classifiers=(FOREST,), repeats=2, shuffles=0)
    assert 0.87 < found.auc[FOREST] < 0.96
    assert 0 < found.spread[FOREST] < 0.02
    assert found.used == {}
    assert found.families == {}


def test_what_was_used_is_what_differs():
    found = tell(2.0)
    assert next(iter(found.used)) == "b"
    assert found.used["b"] > 0.3
    assert max(abs(found.used[name]) for name in "ac") < 0.05
    assert found.families["x"] == pytest.approx(found.used["b"], abs=0.06)
    assert abs(found.families["y"]) < 0.05
    assert found.alone["b"] == pytest.approx(stats.norm.cdf(np.sqrt(2)), abs=0.04)
    assert found.distance["b"] == pytest.approx(2 * stats.norm.cdf(1) - 1, abs=0.08)
    assert found.means["b"] == pytest.approx((0, 2), abs=0.2)


def test_statistics_that_tell_together_count_as_a_family():
    """Neither of two copies is missed alone."""
    real, imagined = statistics(0), statistics(1, shift=2.0)
    copied = [
        Statistics(kind.values[:, [0, 1, 1]], ("a", "b", "copy"), ("x", "y", "y"))
        for kind in (real, imagined)
    ]
    found = two_sample_test(
        *copied, GROUPS, GROUPS, seed=1, folds=3, repeats=1, classifiers=(BOOSTING,)
    )
    assert found.families["y"] > 0.3


def test_the_same_seed_gives_the_same_verdict():
    again = tell.__wrapped__
    assert tell(2.0) == again(2.0)
    assert tell(2.0) != again(2.0, seed=2)


def test_groups_are_recognised_by_nobody():
    """Stocks differ, both kinds of one stock do not: held-out stocks must not be told apart."""
    rng = np.random.default_rng(0)
    level = rng.normal(0, 10, 6)[GROUPS][:, None]
    kinds = [Statistics(rng.normal(size=(240, 1)) + level, ("level",), ("x",)) for _ in range(2)]
    found = two_sample_test(
        *kinds, GROUPS, GROUPS, seed=1, folds=6, repeats=2, classifiers=(BOOSTING,), shuffles=0
    )  # fmt: skip
    assert found.auc[BOOSTING] == pytest.approx(0.5, abs=0.07)


def test_balanced_takes_as_many_of_either_kind_from_common_groups():
    real, imagined = np.array(list("aaabbc")), np.array(list("abbbbdd"))
    left, right = balanced(real, imagined, np.random.default_rng(0))
    assert real[left].tolist() == imagined[right].tolist() == ["a", "b", "b"]
    assert len(set(right)) == 3
    with pytest.raises(ValueError, match="must share groups"):
        balanced(np.array(["a"]), np.array(["b"]), np.random.default_rng(0))


def test_folds_hold_whole_groups_of_about_equal_number():
    groups = np.repeat(np.arange(7), 3)
    fold = fold_of_groups(groups, 3, np.random.default_rng(0))
    assert all(len(set(fold[groups == g])) == 1 for g in range(7))
    assert sorted(len(set(groups[fold == k])) for k in range(3)) == [2, 2, 3]
    with pytest.raises(ValueError, match=r"folds must lie in 2..7, .*received 8"):
        fold_of_groups(groups, 8, np.random.default_rng(0))


def test_bad_input_is_named():
    one = statistics(0)
    other = Statistics(one.values, ("a", "b", "d"), one.families)
    with pytest.raises(ValueError, match=r"same statistics; received \['c', 'd'\]"):
        two_sample_test(one, other, GROUPS, GROUPS, seed=1)
    with pytest.raises(ValueError, match=r"one for each of 240 windows; received \(239,\)"):
        two_sample_test(one, one, GROUPS, GROUPS[1:], seed=1)
    with pytest.raises(ValueError, match=r"classifiers must be of .*received \['tree'\] and 1"):
        tell(0.0, classifiers=("tree",))
    with pytest.raises(ValueError, match="scores to compare; received 0 and 2"):
        auc([], [1, 2])
