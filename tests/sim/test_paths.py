import numpy as np
import pytest

from sim.paths import Paths
from tests.sim.markets import random_tape, tape_of


def test_paths_know_their_size_and_returns():
    returns = np.array([[0.1, -0.2]])
    paths = tape_of(returns)
    assert (paths.n_paths, paths.n_steps) == (1, 2)
    np.testing.assert_allclose(paths.log_returns, returns)
    assert paths.take([0, 0]).n_paths == 2


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("bars", lambda x: x[:, :1], "bars must have shape"),
        ("bars", lambda x: x * np.array([1, 1, 1.5, 1, 1]), "low <= open, close <= high"),
        ("bars", lambda x: x * np.array([1, 1, 1, 1, 0]), "> 0"),
        ("bars", lambda x: np.where(x == x.max(), np.nan, x), "finite"),
        ("observations", lambda x: x[:, 1:], "observations must have shape"),
        ("observations", lambda x: x * np.inf, "observations must be finite"),
        ("series", lambda x: x[1:], "series must have shape"),
    ],
)
def test_bad_paths_are_refused(field, change, words):
    good = random_tape()
    fields = {k: getattr(good, k) for k in ("bars", "observations", "series", "start_row")}
    with np.errstate(invalid="ignore"):
        fields[field] = change(fields[field])
    with pytest.raises(ValueError, match=words):
        Paths(**fields)
