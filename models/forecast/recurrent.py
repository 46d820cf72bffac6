"""The forecasting network's compiled loops: an LSTM through bars, and its linear heads.

Series are last and contiguous, `kernels.LANES` of them at a time; see `models.kernels`.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from models.kernels import LANES, ONE_32, VECTOR, VECTORS, compiled, exp2_32, inlined, load, store

COLUMNS = 4
"""Columns of a matrix that a tile multiplies with: the gates of one unit."""

_LOG2_E = 1.4426950408889634
GATE_FACTORS = np.array([-1.0, -1.0, -2.0, -1.0]) * _LOG2_E
"""What weights of input, forget, candidate and output gate are multiplied by before a kernel takes
them: two to the power of what it then sums up is the exponential that the gate is made of."""

_OF_CELL = np.float32(-2.0 * _LOG2_E)


@inlined
def _multiply(factors, row, start, width, lanes, to):
    """Multiply lanes by `width` of a row's factors."""
    factor, target = factors[row, start : start + width], lanes[to]
    for lane in range(width):
        target[lane] *= factor[lane]


@intrinsic
def multiply_tile(typing_context, inputs, weights, start, depth, out):
    """out[c, lane] = sum over k of weights[start + k * COLUMNS + c] * inputs[k, lane].

    For `LANES` lanes. The sums stay in registers, which the compiler does not see to when the same
    is written as loops: this is what makes it as fast as a matrix product can be.
    """
    signature = types.void(inputs, weights, start, depth, out)

    def generate(context, builder, signature, arguments):
        vector = ir.VectorType(ir.FloatType(), VECTOR)
        multiply_add = builder.module.declare_intrinsic(
            f"llvm.fmuladd.v{VECTOR}f32", fnty=ir.FunctionType(vector, [vector] * 3)
        )
        of_inputs, of_weights, of_out = (
            context.make_array(signature.args[i])(context, builder, arguments[i]).data
            for i in (0, 1, 4)
        )
        first, depth = arguments[2], arguments[3]
        whole = first.type

        def lanes(pointer, offset, i):
            place = builder.gep(pointer, [builder.add(offset, ir.Constant(whole, i * VECTOR))])
            return builder.bitcast(place, vector.as_pointer())

        zero, zeros = ir.Constant(whole, 0), ir.Constant(vector, [0.0] * VECTOR)
        spread = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), [0] * VECTOR)
        unknown = ir.Constant(vector, ir.Undefined)
        before = builder.block
        loop, end = builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(whole)
        sums = [[builder.phi(vector) for _ in range(VECTORS)] for _ in range(COLUMNS)]
        row = builder.mul(k, ir.Constant(whole, LANES))
        read = [builder.load(lanes(of_inputs, row, i), align=4) for i in range(VECTORS)]
        column = builder.add(first, builder.mul(k, ir.Constant(whole, COLUMNS)))
        moved = []
        for c in range(COLUMNS):
            place = builder.add(column, ir.Constant(whole, c))
            weight = builder.load(builder.gep(of_weights, [place]))
            single = builder.insert_element(unknown, weight, ir.Constant(ir.IntType(32), 0))
            factor = builder.shuffle_vector(single, unknown, spread)
            moved.append(
                [
                    builder.call(multiply_add, [factor, x, total])
                    for x, total in zip(read, sums[c], strict=True)
                ]
            )
        following = builder.add(k, ir.Constant(whole, 1))
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, end)
        k.add_incoming(zero, before)
        k.add_incoming(following, loop)
        builder.position_at_end(end)
        for c in range(COLUMNS):
            for i in range(VECTORS):
                sums[c][i].add_incoming(zeros, before)
                sums[c][i].add_incoming(moved[c][i], loop)
                place = lanes(of_out, ir.Constant(whole, c * LANES), i)
                builder.store(moved[c][i], place, align=4)
        return context.get_dummy_value()

    return signature, generate


@compiled(
    "void(float32[:, :, ::1], int64[::1], float32[:, ::1], float32[:, ::1], float32[::1], boolean,"
    " float32[:, ::1], float32[:, ::1], float32[:, ::1], float32[:, ::1], float32[:, :, ::1])",
    fastmath={"contract"},
)
def lstm_steps(
    inputs, columns, hidden, cell, weights, masked, input_mask, hidden_mask, new_hidden, new_cell,
    every,
):  # fmt: skip
    """An LSTM through T bars of B series, in blocks of `LANES` series.

    The five transcendentals of a unit are powers of two, and sigmoids and tanh of a fraction share
    one division: new cell = [c (1 + i)(1 + g) + (1 - g)(1 + f)] / [(1 + i)(1 + g)(1 + f)] with
    i, f = exp(-gate) and g = exp(-2 candidate).

    Args:
        inputs: shape (T, N, B).
        columns: which F of the N are read.
        hidden: shape (H, B), before the first bar.
        cell: shape (H, B), likewise.
        weights: shape (H * (F + H + 1) * COLUMNS,): of each unit, input by input, hidden states and
            a one for the bias last, those of its input, forget, candidate and output gate, each
            multiplied by its factor (`GATE_FACTORS`).
        masked: whether there are masks.
        input_mask: factors of the inputs, shape (F, B); not read unless `masked`.
        hidden_mask: factors of the hidden states, shape (H, B), likewise.
        new_hidden: written to, shape (H, B); the same array as `hidden`, or another.
        new_cell: likewise.
        every: the hidden states after every bar are written to it, shape (T, H, B); none if T is 0.
    """
    steps, _, count = inputs.shape
    n_features, units = len(columns), hidden.shape[0]
    depth = n_features + units + 1
    read = np.zeros((depth, LANES), np.float32)
    state = np.zeros((units, LANES), np.float32)
    now = np.zeros((units, LANES), np.float32)
    factors = np.ones((units, LANES), np.float32)
    gates = np.empty((COLUMNS, LANES), np.float32)
    read[depth - 1] = ONE_32
    for start in range(0, count, LANES):
        width = min(LANES, count - start)
        for h in range(units):
            load(hidden, h, start, width, now, h)
            load(cell, h, start, width, state, h)
            if masked:
                load(hidden_mask, h, start, width, factors, h)
        for t in range(steps):
            for k in range(n_features):
                load(inputs[t], columns[k], start, width, read, k)
                if masked:
                    _multiply(input_mask, k, start, width, read, k)
            for h in range(units):
                for lane in range(LANES):
                    read[n_features + h, lane] = now[h, lane] * factors[h, lane]
            for h in range(units):
                multiply_tile(read, weights, h * depth * COLUMNS, depth, gates)
                for lane in range(LANES):
                    i = ONE_32 + exp2_32(gates[0, lane])
                    f = ONE_32 + exp2_32(gates[1, lane])
                    g = exp2_32(gates[2, lane])
                    o = ONE_32 + exp2_32(gates[3, lane])
                    both = i * (ONE_32 + g)
                    moved = (state[h, lane] * both + (ONE_32 - g) * f) / (both * f)
                    state[h, lane] = moved
                    c = exp2_32(_OF_CELL * moved)
                    now[h, lane] = (ONE_32 - c) / (o * (ONE_32 + c))
            if every.shape[0]:
                for h in range(units):
                    store(now, h, every[t], h, start, width)
        for h in range(units):
            store(now, h, new_hidden, h, start, width)
            store(state, h, new_cell, h, start, width)


@compiled(
    "void(float32[:, ::1], float32[:, ::1], int64[::1], float32[::1], boolean, float32[:, ::1],"
    " float64[:, ::1])"
)
def network_outputs(hidden, inputs, columns, weights, masked, hidden_mask, out):
    """Linear heads of B series: of masked hidden states and of inputs, in blocks of `LANES`.

    Args:
        hidden: shape (H, B).
        inputs: shape (N, B).
        columns: which F of the N are read.
        weights: shape (G * (H + F) * COLUMNS,), G groups of `COLUMNS` outputs.
        masked: whether there is a mask.
        hidden_mask: factors of the hidden states, shape (H, B); not read unless `masked`.
        out: written to, shape (N, B), N at most G * COLUMNS.
    """
    units, count = hidden.shape
    n_features = len(columns)
    depth = units + n_features
    read = np.zeros((depth, LANES), np.float32)
    found = np.empty((COLUMNS, LANES), np.float32)
    for start in range(0, count, LANES):
        width = min(LANES, count - start)
        for h in range(units):
            load(hidden, h, start, width, read, h)
            if masked:
                _multiply(hidden_mask, h, start, width, read, h)
        for k in range(n_features):
            load(inputs, columns[k], start, width, read, units + k)
        for first in range(0, out.shape[0], COLUMNS):
            multiply_tile(read, weights, first * depth, depth, found)
            for c in range(min(COLUMNS, out.shape[0] - first)):
                store(found, c, out, first + c, start, width)
