"""Compiled loops beside slow ones in NumPy; no batch, order or number of threads changes a bit."""

import dataclasses
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import kernels
from models.forecast.density import OUTPUTS, DensityParameters
from models.forecast.inference import LSTMInference, Masks, RecurrentState
from models.forecast.recalibration import Memory
from models.forecast.scaling import CLIP, FeatureScaler
from models.forecast.traits import SeriesTraits, SymbolTraits
from models.forecast.weights import LSTMWeights
from models.market.features import FEATURES, FeatureState, features
from tests.models.synthetic import garch_bars, garch_table

N_FEATURES, UNITS = 5, 7
COUNTS = (1, kernels.LANES - 1, kernels.LANES, 2 * kernels.LANES + 3)
TABLE = garch_table("AAA", 700)


def network(seed=0) -> tuple[LSTMWeights, LSTMInference]:
    rng = np.random.default_rng(seed)
    shapes = LSTMWeights.shapes(N_FEATURES, UNITS)
    weights = LSTMWeights(**{name: rng.normal(0.0, 0.6, shape) for name, shape in shapes.items()})
    return weights, LSTMInference(weights)


def drawn(count, seed=1):
    """Hidden and cell states, inputs and masks of some series."""
    rng = np.random.default_rng(seed)
    hidden, cell = rng.normal(size=(2, count, UNITS)).astype(np.float32)
    inputs = rng.normal(0.0, 2.0, (count, N_FEATURES)).astype(np.float32)
    return hidden, cell, inputs, Masks.draw(count, N_FEATURES, UNITS, 0.3, rng)


def slow_step(weights, hidden, cell, inputs, masks):
    """The definition, in float64."""
    if masks is not None:
        inputs, hidden = inputs * masks.inputs, hidden * masks.recurrent
    gates = inputs.astype(float) @ weights.kernel + hidden.astype(float) @ weights.recurrent
    entering, forgetting, candidate, leaving = np.split(gates + weights.bias, 4, axis=1)
    sigmoid = [1.0 / (1.0 + np.exp(-gate)) for gate in (entering, forgetting, leaving)]
    cell = sigmoid[1] * cell + sigmoid[0] * np.tanh(candidate)
    return sigmoid[2] * np.tanh(cell), cell


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dropped", [False, True])
def test_a_step_is_the_definition(count, dropped):
    weights, fast = network()
    hidden, cell, inputs, masks = drawn(count)
    found = fast.step(hidden, cell, inputs, masks if dropped else None)
    wanted = slow_step(weights, hidden, cell, inputs, masks if dropped else None)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6)


def test_gates_far_from_zero_are_shut_or_open():
    weights, fast = network()
    hidden, cell, inputs, _ = drawn(3)
    for size in (1e2, 1e4, 1e30):
        found = fast.step(hidden, cell, inputs * np.float32(size), None)
        with np.errstate(over="ignore"):
            wanted = slow_step(weights, hidden, cell, inputs * size, None)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dropped", [False, True])
def test_outputs_are_the_definition(count, dropped):
    weights, fast = network()
    hidden, _, inputs, masks = drawn(count)
    read = hidden.astype(float) * (masks.outputs if dropped else 1.0)
    found = fast.outputs(hidden, inputs, masks.outputs if dropped else None)
    assert found.shape == (count, len(OUTPUTS))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, read @ weights.head + inputs @ weights.skip, atol=1e-5)


def test_a_window_is_its_steps_to_the_bit():
    _, fast = network()
    rng = np.random.default_rng(2)
    windows = rng.normal(size=(9, 6, N_FEATURES)).astype(np.float32)
    masks = drawn(9)[3]
    every, hidden, cell = fast.run(windows, masks)
    stepped = np.zeros((2, 9, UNITS), np.float32)
    for t in range(6):
        stepped = fast.step(*stepped, windows[:, t], masks)
        np.testing.assert_array_equal(every[:, t], stepped[0])
    np.testing.assert_array_equal((hidden, cell), stepped)
    np.testing.assert_array_equal(fast.settle(windows, masks), stepped)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 150), seed=st.integers(0, 10**6))
def test_what_a_series_gives_does_not_depend_on_its_batch(count, seed):
    _, fast = network()
    hidden, cell, inputs, masks = drawn(count, seed)
    together = fast.step(hidden, cell, inputs, masks)
    outputs = fast.outputs(hidden, inputs, masks.outputs)
    rows = np.random.default_rng(seed).integers(0, count, 5)
    chosen = masks.take(rows)
    apart = fast.step(hidden[rows], cell[rows], inputs[rows], chosen)
    np.testing.assert_array_equal(apart[0], together[0][rows])
    np.testing.assert_array_equal(apart[1], together[1][rows])
    again = fast.outputs(hidden[rows], inputs[rows], chosen.outputs)
    np.testing.assert_array_equal(again, outputs[rows])
    for row in rows[:2]:
        alone = fast.step(hidden[[row]], cell[[row]], inputs[[row]], masks.take(np.array([row])))
        np.testing.assert_array_equal(alone[0][0], together[0][row])


@settings(max_examples=10, deadline=None)
@given(count=st.integers(2, 150), seed=st.integers(0, 10**6))
def test_features_of_a_series_do_not_depend_on_its_batch(count, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(250, 600, count)
    together = FeatureState.at(TABLE, rows)
    picked = rng.integers(0, count, 3)
    apart = together.take(picked)
    for step in (1, 2, 3):
        bars = TABLE.history.bars[rows + step]
        np.testing.assert_array_equal(apart.push(bars[picked]), together.push(bars)[picked])


def test_threads_change_no_bit():
    """Parts of a batch in several threads give what the whole gives in one."""
    _, fast = network()
    count = 1000
    hidden, cell, inputs, masks = drawn(count)
    rows = np.random.default_rng(3).integers(250, 600, count)
    bars = TABLE.history.bars[rows + 1]

    def work(part):
        state = FeatureState.at(TABLE, rows[part])
        stepped = fast.step(hidden[part], cell[part], inputs[part], masks.take(part))
        return (*stepped, state.push(bars[part]))

    whole = work(np.arange(count))
    for threads in (1, 2, 3, 7):
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(work, np.array_split(np.arange(count), 2 * threads + 1)))
        for i, wanted in enumerate(whole):
            np.testing.assert_array_equal(np.concatenate([one[i] for one in found]), wanted)


def test_nothing_drifts_in_a_thousand_bars():
    """Prices fall to a thousandth and rings turn many times over; averages stay exact."""
    later = garch_bars(1000, seed=5)
    later[:, :4] *= np.geomspace(1.0, 1e-3, 1000)[:, None] * TABLE.history.close[-1] / later[0, 0]
    slow = features(np.concatenate([TABLE.history.bars, later]))[len(TABLE) :]
    state = FeatureState.at(TABLE, [len(TABLE) - 1])
    fast = np.concatenate([state.push(bar[None]) for bar in later])
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0, -1.0])
@pytest.mark.parametrize("field", range(5))
def test_what_follows_from_a_number_that_is_no_price_is_not_finite(wrong, field):
    bars = TABLE.history.bars[[300, 301]].copy()
    bars[0, field] = wrong
    rows = FeatureState.at(TABLE, [299, 300]).push(bars)
    assert np.isnan(rows[0]).any()
    assert np.isfinite(rows[1]).all()


def element_wise(function, kind):
    @numba.njit(f"void({kind}[::1], {kind}[::1])", error_model="numpy")
    def run(x, out):
        for i in range(len(x)):
            out[i] = function(x[i])

    def call(x):
        out = np.empty_like(x)
        run(x, out)
        return out

    return call


def test_the_logarithm_is_within_a_unit_in_the_last_place():
    log = element_wise(kernels.log, "float64")
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [np.exp(rng.uniform(-700, 700, 5000)), rng.uniform(0.5, 2.0, 5000), [1.0, 2.0**-1022]]
    )
    exact = np.log(x.astype(np.longdouble))
    assert (np.abs(log(x) - exact) <= np.spacing(np.abs(exact.astype(float)))).all()
    assert log(np.array([1.0]))[0] == 0.0
    assert np.isnan(log(np.array([0.0, -1.0, np.nan, np.inf, -np.inf, 1e-310]))).all()


def test_powers_of_two_have_the_stated_error():
    exp2 = element_wise(kernels.exp2_32, "float32")
    x = np.random.default_rng(0).uniform(-25, 25, 20_000).astype(np.float32)
    assert np.abs(exp2(x) / np.exp2(x.astype(float)) - 1.0).max() < 2e-7
    whole = np.arange(-25.0, 26.0, dtype=np.float32)
    np.testing.assert_array_equal(exp2(whole), np.exp2(whole))
    far = np.array([25.0, 26.0, np.inf, -25.0, -130.0, -np.inf], np.float32)
    np.testing.assert_array_equal(exp2(far), exp2(np.repeat(far[[0, 3]], 3)))
    assert np.isnan(exp2(np.array([np.nan], np.float32)))[0]


def test_the_exponential_of_float64_has_the_stated_error():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-30, 30, 4000), rng.normal(0, 0.01, 4000), [0.0, 700, -700]])
    exp = element_wise(kernels.exp, "float64")
    np.testing.assert_allclose(exp(x), np.exp(x), rtol=4e-16)
    np.testing.assert_array_equal(exp(np.array([900.0, -900.0])), exp(np.array([700.0, -700.0])))
    assert np.isnan(exp(np.array([np.nan])))[0]


def test_functions_of_float32_have_the_stated_errors():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-16, 16, 4000), rng.normal(0, 0.01, 4000), [0.0]])
    x = x.astype(np.float32)
    exact = x.astype(float)
    exp, log, tanh, softplus, expm1, asinh = (
        element_wise(getattr(kernels, f"{name}_32"), "float32")
        for name in ("exp", "log", "tanh", "softplus", "expm1", "asinh")
    )
    bound = 2e-7 + np.abs(exact) * np.finfo(np.float32).eps
    assert (np.abs(exp(x) / np.exp(exact) - 1.0) < bound).all()
    np.testing.assert_array_equal(exp(np.float32([90, -90])), exp(np.float32([200, -200])))
    assert np.isnan(exp(np.array([np.nan], np.float32)))[0]
    positive = np.exp(np.concatenate([rng.uniform(-80, 80, 4000), rng.normal(0, 0.01, 4000)]))
    positive = positive.astype(np.float32)
    np.testing.assert_allclose(log(positive), np.log(positive.astype(float)), rtol=3e-7)
    assert log(np.ones(1, np.float32))[0] == 0.0
    np.testing.assert_allclose(tanh(x), np.tanh(exact), rtol=0, atol=2e-7)
    np.testing.assert_allclose(softplus(x), np.logaddexp(0, exact), rtol=1e-6)
    far = (10.0 * x).astype(np.float32)
    np.testing.assert_allclose(asinh(far), np.arcsinh(far.astype(float)), rtol=0, atol=1e-6)
    above = np.exp(rng.uniform(-40, 4, 4000)).astype(np.float32)
    np.testing.assert_allclose(expm1(above), np.expm1(above.astype(float)), rtol=4e-6)


def test_holding_and_scaling_windows_is_clipping_and_scaling_them():
    rng = np.random.default_rng(0)
    n = len(FEATURES)
    scaler = FeatureScaler(rng.normal(size=n), rng.uniform(0.5, 2.0, n))
    bounds = np.sort(rng.normal(0.0, 3.0, (70, 2, n)), axis=1)
    windows = rng.normal(0.0, 9.0, (70, 4, n))
    wanted = scaler.scaled(np.clip(windows, bounds[:, :1], bounds[:, 1:]))
    found = scaler.held(windows, bounds)
    assert found.dtype == np.float32
    assert np.abs(wanted).max() == CLIP
    np.testing.assert_array_equal(found, wanted)
    for wrong in (np.nan, np.inf, -np.inf):
        windows[65, 3, 7] = wrong
        with pytest.raises(ValueError, match=f"price_volume must be finite; received {wrong}"):
            scaler.held(windows, bounds)


def traits_of(count):
    """Traits that tell series apart."""
    start, n = DensityParameters.initial().joined(), len(FEATURES)
    every = SymbolTraits(
        tuple(str(k) for k in range(count - 1)),
        np.arange(count * 2.0 * n).reshape(count, 2, n),
        np.arange(1.0 * count),
        DensityParameters.split(start + np.arange(count)[:, None]),
    )
    return SeriesTraits(np.arange(count), every)


def test_states_and_masks_are_chosen_as_rows_are():
    hidden, cell, inputs, masks = drawn(6)
    traits, memory = traits_of(6), Memory(np.arange(24.0).reshape(6, 2, 2), np.arange(6.0))
    state = RecurrentState(hidden, cell, masks, inputs, np.arange(6.0), traits, memory)
    rows = np.array([5, 0, 5])
    taken = state.take(rows)
    assert len(taken) == 3
    for name in ("hidden", "cell", "scaled", "volatility"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(state, name)[rows])
    for name in ("rows", "ranges", "anchors"):
        np.testing.assert_array_equal(getattr(taken.traits, name), getattr(traits, name)[rows])
    np.testing.assert_array_equal(taken.traits.density.joined(), traits.density.joined()[rows])
    np.testing.assert_array_equal(taken.memory.sums, memory.sums[rows])
    np.testing.assert_array_equal(taken.memory.count, memory.count[rows])
    for name in ("inputs", "recurrent", "outputs"):
        np.testing.assert_array_equal(getattr(taken.masks, name), getattr(masks, name)[rows])
    both = RecurrentState.concatenate([state.take(rows), state.take(rows[:1])])
    assert both.masks is None
    for name in ("hidden", "cell", "scaled", "volatility"):
        of_both = getattr(state, name)[[*rows, rows[0]]]
        np.testing.assert_array_equal(getattr(both, name), of_both)
    np.testing.assert_array_equal(both.traits.anchors, traits.anchors[[*rows, rows[0]]])
    np.testing.assert_array_equal(both.memory.count, memory.count[[*rows, rows[0]]])
    taken.hidden[:] = 0.0
    np.testing.assert_array_equal(state.hidden, hidden)
    assert dataclasses.replace(state, masks=None).take(rows).masks is None


def test_kernels_are_compiled_where_nothing_can_be_kept(monkeypatch):
    """A read-only installation, and no home to write to: compiled anew by each process."""
    njit, asked = numba.njit, []

    def refusing(*signature, cache=False, **options):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*signature, **options)

    monkeypatch.setattr(numba, "njit", refusing)

    @kernels.compiled("int64(int64)")
    def successor(x):
        return x + 1

    assert asked == []
    assert [successor(1), successor(2)] == [2, 3]
    assert asked == [True, False]


def test_shapes_that_do_not_fit_are_named():
    """Compiled loops would read past the end of an array."""
    _, fast = network()
    hidden, cell, inputs, masks = drawn(4)
    for words, call in (
        (r"inputs must have shape \(4, 5\); received \(4, 6\)",
         lambda: fast.step(hidden, cell, np.ones((4, 6), np.float32), None)),
        (r"cell must have shape \(4, 7\); received \(3, 7\)",
         lambda: fast.step(hidden, cell[:3], inputs, None)),
        (r"masks.inputs must have shape \(4, 5\); received \(2, 5\)",
         lambda: fast.step(hidden, cell, inputs, masks.take(np.arange(2)))),
        (r"inputs must have shape \(B, W, 5\); received \(4, 3, 4\)",
         lambda: fast.run(np.ones((4, 3, 4), np.float32))),
        (r"inputs must have shape \(4, 5\); received \(3, 5\)",
         lambda: fast.outputs(hidden, inputs[:3], None)),
        (r"hidden must have shape \(4, 7\); received \(4, 6\)",
         lambda: fast.outputs(hidden[:, :6], inputs, None)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            call()
    n = len(FEATURES)
    scaler = FeatureScaler(np.zeros(n), np.ones(n))
    with pytest.raises(ValueError, match=rf"bounds must have shape \(3, 2, {n}\)"):
        scaler.held(np.ones((3, 4, n)), np.ones((2, 2, n)))
    with pytest.raises(ValueError, match=rf"windows must have shape \(B, W, {n}\); .*\(3, 4, 2\)"):
        scaler.held(np.ones((3, 4, 2)), np.ones((3, 2, n)))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("NUMBA_ENABLE_AVX", "0", "None None"),
        ("NUMBA_CPU_NAME", "generic", "generic"),
        ("NUMBA_CPU_FEATURES", "+sse2", "None +sse2"),
    ],
)
def test_what_numba_is_told_of_the_processor_stays(name, value, told):
    code = (
        "from models import kernels; from numba import config; "
        "print(config.CPU_NAME, config.CPU_FEATURES)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == told
