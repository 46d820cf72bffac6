import dataclasses
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.forecast.density import OUTPUTS, BarDensity
from models.forecast.distributions import NUMPY
from models.forecast.inference import LSTMInference, Masks
from models.forecast.network import (
    TENSORFLOW,
    Architecture,
    CompiledTrainer,
    MCDropoutLSTM,
    VariationalLSTM,
    initial_weights,
    trainer,
)
from models.forecast.weights import LSTMWeights, NetworkWeights

FEATURES, UNITS, WINDOW, BATCH = 5, 6, 12, 4
SMALL = Architecture(FEATURES, UNITS, WINDOW, 4, BATCH, drift_penalty=1.0, weight_penalty=1e-3)


def weights(seed=0):
    rng = np.random.default_rng(seed)
    made = initial_weights(FEATURES, UNITS, rng)
    skip, head = (0.1 * rng.normal(size=x.shape) for x in (made.lstm.skip, made.lstm.head))
    return NetworkWeights(dataclasses.replace(made.lstm, skip=skip, head=head), made.density)


def arrays(found):
    """All arrays of some weights, by name."""
    return found.lstm.by_name() | {f"density_{n}": x for n, x in found.density.by_name().items()}


def batch(seed=1):
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(BATCH, WINDOW, 5)) * 0.01
    parts[..., 2:4] = np.abs(parts[..., 2:4])
    parts[0, :, 2] = 0.0
    return {
        "inputs": rng.normal(size=(BATCH, WINDOW, FEATURES)),
        "volatility": np.full((BATCH, WINDOW), 0.01),
        "parts": parts,
        "weight": np.ones((BATCH, WINDOW)),
    }


def masks(seed=2, rate=0.3, count=BATCH):
    return Masks.draw(count, FEATURES, UNITS, rate, np.random.default_rng(seed))


def tensors(*arrays):
    return [tf.constant(array, tf.float32) for array in arrays]


@pytest.fixture(scope="module")
def small() -> CompiledTrainer:
    return trainer(SMALL)


def test_without_dropout_the_layer_is_keras_lstm():
    made, inputs = weights().lstm, batch()["inputs"]
    layer = VariationalLSTM(UNITS)
    layer.build((None, WINDOW, FEATURES))
    reference = keras.layers.LSTM(UNITS, return_sequences=True)
    reference.build((None, WINDOW, FEATURES))
    layer.set_weights([made.kernel, made.recurrent, made.bias])
    reference.set_weights([made.kernel, made.recurrent, made.bias])
    ones = tensors(np.ones((BATCH, FEATURES)), np.ones((BATCH, UNITS)))
    (x,) = tensors(inputs)
    np.testing.assert_allclose(layer(x, *ones), reference(x), atol=1e-5)


@pytest.mark.parametrize("dropped", [False, True])
def test_numpy_and_keras_give_the_same_outputs(small, dropped):
    made, inputs = weights(), batch()["inputs"].astype(np.float32)
    mask = masks() if dropped else None
    ones = Masks(np.ones((BATCH, FEATURES)), np.ones((BATCH, UNITS)), np.ones((BATCH, UNITS)))
    given = mask or ones
    with small.borrow(made):
        theirs = small.model(
            *tensors(inputs), tuple(tensors(given.inputs, given.recurrent, given.outputs))
        )
    network = LSTMInference(made.lstm)
    hidden, *_ = network.run(inputs, mask)
    ours = network.outputs(hidden, inputs, None if mask is None else mask.outputs[:, None])
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_advancing_bar_by_bar_equals_running_the_window():
    network, mask = LSTMInference(weights().lstm), masks()
    inputs = batch()["inputs"].astype(np.float32)
    _, hidden, cell = network.run(inputs[:, :7], mask)
    for t in range(7, WINDOW):
        hidden, cell = network.step(hidden, cell, inputs[:, t], mask)
    np.testing.assert_array_equal(hidden, network.run(inputs, mask)[1])


def test_masks_keep_the_mean_and_drop_their_share():
    drawn = masks(count=5000, rate=0.3)
    for mask in (drawn.inputs, drawn.recurrent, drawn.outputs):
        assert set(np.unique(mask)) == {0.0, np.float32(1 / 0.7)}
        assert abs((mask == 0).mean() - 0.3) < 4 * np.sqrt(0.21 / mask.size)


def test_two_draws_differ_and_the_seed_repeats_them():
    """Keras 3: call-time dropout repeats itself under `predict`; ours must not."""
    network, inputs = LSTMInference(weights().lstm), batch()["inputs"]
    first, again, other = (network.run(inputs, masks(seed))[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_the_loss_is_the_same_density_in_tensorflow_and_numpy(small):
    made, data = weights(), batch()
    mask = masks()
    with small.borrow(made):
        reported = small.step(**data, masks=mask, learning_rate=0.0)
    network = LSTMInference(made.lstm)
    inputs = data["inputs"].astype(np.float32)
    hidden, *_ = network.run(inputs, mask)
    outputs = network.outputs(hidden, inputs, mask.outputs[:, None])[:, SMALL.burn_in :]
    density = BarDensity(NUMPY, outputs, data["volatility"][:, SMALL.burn_in :], made.density)
    log_density = density.log_density(data["parts"][:, SMALL.burn_in :]).sum(axis=-1)
    assert np.isclose(reported, -log_density.mean(), rtol=1e-4)


def test_steps_without_weight_teach_nothing(small):
    made, data = weights(), batch()
    data["weight"][:, 8:] = 0.0
    changed = {name: value.copy() for name, value in data.items()}
    changed["parts"][:, 8:] = 0.05
    found = []
    for given in (data, changed):
        with small.borrow(made):
            small.step(**given, masks=masks(), learning_rate=0.01)
            found.append(arrays(small.weights()))
    for name in found[0]:
        np.testing.assert_array_equal(found[0][name], found[1][name])


def test_training_lowers_the_loss_and_repeats_itself(small):
    data, runs = batch(), []
    for _ in range(2):
        with small.borrow(weights()):
            losses = [small.step(**data, masks=masks(i), learning_rate=0.01) for i in range(40)]
            runs.append((losses, arrays(small.weights())))
    assert np.mean(runs[0][0][-5:]) < np.mean(runs[0][0][:5]) - 0.5
    assert runs[0][0] == runs[1][0]
    for name, value in runs[0][1].items():
        np.testing.assert_array_equal(value, runs[1][1][name])


def test_retraining_compiles_nothing(small):
    with small.borrow(weights()):
        small.step(**batch(), masks=masks(), learning_rate=0.01)
    traces = small._step.experimental_get_tracing_count()
    again = trainer(SMALL)
    with again.borrow(weights(3)):
        again.step(**batch(4), masks=masks(5), learning_rate=0.02)
    assert again is small
    assert small._step.experimental_get_tracing_count() == traces == 1


def test_fresh_weights_forecast_the_baseline():
    made = initial_weights(FEATURES, UNITS, np.random.default_rng(0)).lstm
    network, inputs = LSTMInference(made), batch()["inputs"]
    hidden, *_ = network.run(inputs)
    assert np.array_equal(network.outputs(hidden, inputs, None), np.zeros((BATCH, WINDOW, 10)))
    rows = made.recurrent @ made.recurrent.T
    np.testing.assert_allclose(rows, np.eye(UNITS), atol=1e-6)


def test_every_output_and_parameter_is_trained():
    model = MCDropoutLSTM(FEATURES, UNITS)
    data, mask = batch(), masks()
    (x, parts, volatility) = tensors(data["inputs"], data["parts"], data["volatility"])
    model.assign(weights())
    with tf.GradientTape() as tape:
        outputs = model(x, tuple(tensors(mask.inputs, mask.recurrent, mask.outputs)))
        density = BarDensity(TENSORFLOW, outputs, volatility, model.density)
        loss = -tf.reduce_mean(density.log_density(parts))
    shared = model.density.by_name().values()
    gradients = tape.gradient(loss, [*shared, model.head.kernel])
    assert all(np.abs(np.array(g)).min() > 0 for g in gradients[:-1])
    assert (np.abs(np.array(gradients[-1])).max(axis=0) > 0).all()
    assert gradients[-1].shape == (UNITS, len(OUTPUTS))


def test_weights_that_left_the_trainer_are_copies_that_nobody_can_change(small):
    with small.borrow(weights()):
        taken = small.weights()
        kept = {name: value.copy() for name, value in arrays(taken).items()}
        small.step(**batch(), masks=masks(), learning_rate=0.05)
        moved = small.weights()
    for name, value in arrays(taken).items():
        np.testing.assert_array_equal(value, kept[name])
        assert not value.flags.writeable
    assert np.abs(moved.lstm.kernel - taken.lstm.kernel).max() > 1e-4


def test_a_borrowed_trainer_waits_for_nobody_else(small):
    """A second thread gets the trainer only when the first one has given it back."""
    entered, order = threading.Event(), []

    def second():
        entered.set()
        with small.borrow(weights(1)):
            order.append("second")

    with small.borrow(weights()):
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait()
        thread.join(0.2)
        np.testing.assert_array_equal(small.weights().lstm.kernel, weights().lstm.kernel)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_trainer_serves_only_its_borrower(small):
    with pytest.raises(RuntimeError, match="must be borrowed by the thread that uses it"):
        small.weights()
    with (
        small.borrow(weights()),
        pytest.raises(RuntimeError, match="given back before"),
        small.borrow(weights()),
    ):
        pass


def test_weights_of_a_wrong_shape_are_named():
    made = weights().lstm
    with pytest.raises(ValueError, match=r"weight head must have shape \(6, 10\).*\(5, 10\)"):
        dataclasses.replace(made, head=made.head[:5])
    with pytest.raises(ValueError, match=r"weight bias must have shape \(24,\) for 5 features"):
        dataclasses.replace(made, bias=made.bias[:-1])
    with pytest.raises(
        ValueError, match=r"weight kernel must have two axes; received shape \(3,\)"
    ):
        LSTMWeights(np.zeros(3), made.recurrent, made.bias, made.skip, made.head)
