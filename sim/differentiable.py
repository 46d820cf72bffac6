"""The accounting kernel once more, for gradients: a twin of `sim.accounting.step` in TensorFlow.

The values are the kernel's own, to rounding: caps, gross cap, buffer, band, whole lots, slippage,
fees, fills at the next open, value at its close (`models.limits`, `sim.accounting`, `sim.costs`
say what each of these is). So what an agent is trained through is what it is traded under.

The gradients are the true ones wherever those exist and say something. Where trading is all or
nothing the true gradient is zero almost everywhere, and a gradient that pays attention to that
learns nothing. There, and nowhere else, it is that of a smoother account (straight-through
estimation: Bengio, Léonard and Courville, arXiv 1308.3432):

- *Whole lots*: shares are rounded for the value, fractional for the gradient.
- *No-trade bands*, those of the rules and the caller's own (`keep`, NaN in the kernel): what stays
  where it is does not depend on its target, which is true. With `follow` it moves with the target
  by that share, as if it had been brought so far free of costs: straight through at 1. That never
  lacks a gradient, but forgets that today's trade is tomorrow's position and what the next trade
  costs (`sim.residual_training` goes from the one to the other).
- *Minimum fees*: up to where the fee per share takes over, the fee is constant with a jump at zero.
  In the gradient it is proportional to the order, at the rate that the order pays: trades made
  smaller stand for trades made more seldom. Below one share it falls to nothing.
- *At kinks* (no order, a target just at a cap) the gradient is one of the two sides' or their
  mean, as TensorFlow has it.

What lies beyond a cap has no gradient, which is true. Everything is float64, elementwise over
accounts; tensors have shapes (B, S) or (B,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from models.limits import SHORT_LIMIT, TOLERANCE, uniform_lot
from sim.accounting import Rules
from sim.costs import CostModel, InteractiveBrokersCost, ProportionalCost, ZeroCost


@dataclass(frozen=True)
class Terms:
    """What of `Rules` is the same in every account, and what a compiled graph has built in.

    Attributes:
        gross: bound on the sum of absolute weights.
        buffer: orders are sized at (1 - buffer) of the cap.
        band: no rebalancing inside band·cap.
        lot_size: 0 for fractional shares, else shares in a lot.
        costs: one of `sim.costs`.
    """

    gross: float
    buffer: float
    band: float
    lot_size: float
    costs: CostModel

    @classmethod
    def of(cls, rules: Rules) -> Terms:
        """Those of given rules.

        Raises:
            ValueError: for a cost model that has no twin here, or lots that differ.
        """
        if type(rules.costs) not in (ZeroCost, ProportionalCost, InteractiveBrokersCost):
            raise ValueError(
                "costs must be ZeroCost, ProportionalCost or InteractiveBrokersCost to be "
                f"differentiated; received {rules.costs!r}"
            )
        lot = uniform_lot(rules.lot_size)
        if not isinstance(lot, float):
            raise ValueError(
                f"lot_size must be one for all symbols to be differentiated; received {lot!r}"
            )
        return cls(rules.gross, rules.buffer, rules.band, lot, rules.costs)


class TensorAccount(NamedTuple):
    """State of B accounts, as `sim.accounting.Account`: cash (B,), holdings (B, S), equity (B,)."""

    cash: tf.Tensor
    holdings: tf.Tensor
    equity: tf.Tensor


class TensorSettled(NamedTuple):
    """What one bar did to B accounts, as `sim.accounting.Settled`.

    Fields are the account at the close, orders, fills and fees (B, S), and growth (B,), which is
    -inf, without a gradient, where equity fell to zero or below.
    """

    account: TensorAccount
    orders: tf.Tensor
    fills: tf.Tensor
    fees: tf.Tensor
    growth: tf.Tensor


def at_weights(weights: tf.Tensor, closes: tf.Tensor, equity: tf.Tensor) -> TensorAccount:
    """Accounts that hold given weights (B, S) at closes (B, S), in fractional shares."""
    holdings = weights * equity[:, None] / closes
    return TensorAccount(equity - _total(holdings * closes), holdings, equity)


def step(
    account: TensorAccount,
    targets: tf.Tensor,
    closes: tf.Tensor,
    next_opens: tf.Tensor,
    next_closes: tf.Tensor,
    caps: tf.Tensor,
    terms: Terms,
    keep: tf.Tensor | None = None,
    follow: float | tf.Tensor = 0.0,
) -> TensorSettled:
    """Decide at the closes of t, fill at the opens of t+1, value at the closes of t+1.

    Args:
        account: B accounts at the close of t, equity > 0.
        targets: target weights (exposure × cap), shape (B, S), finite.
        closes: closes of t, shape (B, S).
        next_opens: opens of t+1, shape (B, S).
        next_closes: closes of t+1, shape (B, S).
        caps: of each account's symbols, shape (B, S) or (1, S), > 0.
        terms: what else binds the accounts.
        keep: where a position is kept whatever its target (the kernel's NaN), shape (B, S), bool.
        follow: share by which kept positions move with their targets in the gradient, in [0, 1].
    """
    orders = plan(account, targets, closes, caps, terms, keep, follow)
    return settle(account, orders, next_opens, next_closes, terms)


def plan(
    account: TensorAccount,
    targets: tf.Tensor,
    closes: tf.Tensor,
    caps: tf.Tensor,
    terms: Terms,
    keep: tf.Tensor | None = None,
    follow: float | tf.Tensor = 0.0,
) -> tf.Tensor:
    """Orders of shape (B, S), as `models.limits.size_orders`; arguments as of `step`."""
    per_share = closes / account.equity[:, None]
    current = account.holdings * per_share
    asked = targets if keep is None else tf.where(keep, current, targets)
    wanted = _cap_weights(asked, caps, terms.gross) * (1.0 - terms.buffer)
    near = tf.abs(wanted - current) <= tf.maximum(terms.band * caps, TOLERANCE)
    near &= tf.equal(wanted > TOLERANCE, current > TOLERANCE)
    near &= tf.equal(wanted < -TOLERANCE, current < -TOLERANCE)
    allowed = current <= caps * (1.0 + TOLERANCE)
    allowed &= current >= tf.minimum(caps, _double(SHORT_LIMIT)) * -(1.0 + TOLERANCE)
    kept = allowed & (near if keep is None else near | keep)
    final = tf.where(kept, current, wanted)
    if tf.is_tensor(follow) or follow:
        goal = wanted
        if keep is not None:
            aimed = _cap_weights(targets, caps, terms.gross) * (1.0 - terms.buffer)
            goal = tf.where(keep & kept, aimed, wanted)
        final = _valued(final, tf.where(kept, current + follow * (goal - current), wanted))
    if targets.shape[-1] != 1:
        free = min(terms.gross * (1.0 - terms.buffer), SHORT_LIMIT)
        bound = tf.reduce_max(_total(caps)) > free
        fitted = tf.where(bound, _fit_growth(final, current, terms), final)
        kept &= tf.equal(fitted, final)
        final = fitted
    return _orders(final, kept, account.holdings, per_share, terms.lot_size)


def settle(
    account: TensorAccount,
    orders: tf.Tensor,
    opens: tf.Tensor,
    closes: tf.Tensor,
    terms: Terms,
) -> TensorSettled:
    """Fill orders at the opens of a bar and value the accounts at its closes; all (B, S)."""
    fills, fees = _costs(orders, opens, closes, terms.costs)
    holdings = account.holdings + orders
    cash = account.cash - _total(orders * fills + fees)
    equity = cash + _total(holdings * closes)
    solvent = equity > 0.0
    growth = tf.math.log(tf.where(solvent, equity, _double(1.0)) / account.equity)
    growth = tf.where(solvent, growth, _double(float("-inf")))
    return TensorSettled(TensorAccount(cash, holdings, equity), orders, fills, fees, growth)


def control_variate(
    account: TensorAccount,
    done: TensorSettled,
    closes: tf.Tensor,
    opens: tf.Tensor,
    innovations: tf.Tensor,
) -> tf.Tensor:
    """What of a step's growth nobody could have known, shape (B,).

    As `sim.accounting.control_variate`, summed over the symbols of an account. Weights that a
    decision made do not depend on what it could not know, so neither this nor its gradient has
    any mean: rewards less this have gradients of the same mean and less noise.

    Args:
        account: before the step.
        done: what the step did.
        closes: before the step, shape (B, S).
        opens: at which it filled, shape (B, S).
        innovations: gap and intraday log returns less their conditional means, shape (B, S, 2).
    """
    old = account.holdings * closes / account.equity[:, None]
    at_open = account.cash + _total(account.holdings * opens)
    solvent = at_open > 0.0
    new = done.account.holdings * opens / tf.where(solvent, at_open, _double(1.0))[:, None]
    missed = _total(old * innovations[..., 0] + new * innovations[..., 1])
    return tf.where(solvent, missed, _double(0.0))


def _total(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=-1)


def _double(value: float) -> tf.Tensor:
    return tf.constant(value, tf.float64)


@tf.custom_gradient
def _valued(value: tf.Tensor, leads: tf.Tensor) -> tuple[tf.Tensor, object]:
    """One tensor's value with the gradient of another."""
    return tf.identity(value), lambda upstream: (tf.zeros_like(upstream), upstream)


def _cap_weights(weights: tf.Tensor, caps: tf.Tensor, gross: float) -> tf.Tensor:
    """As `models.limits.cap_weights`."""
    capped = tf.clip_by_value(weights, -caps, caps)
    total = tf.reduce_sum(tf.abs(capped), axis=-1, keepdims=True)
    fitted = capped * (gross / tf.maximum(total, _double(gross)))
    if gross <= SHORT_LIMIT:
        return fitted
    short = -tf.reduce_sum(tf.minimum(fitted, 0.0), axis=-1, keepdims=True)
    factor = SHORT_LIMIT / tf.maximum(short, _double(SHORT_LIMIT))
    return tf.where(fitted < 0.0, fitted * factor, fitted)


def _fit_growth(final: tf.Tensor, current: tf.Tensor, terms: Terms) -> tf.Tensor:
    """As in `models.limits`: what grows must fit beside what is held, drift is scaled back."""
    size = tf.abs(final)
    stays = tf.where(final * current > 0.0, tf.minimum(size, tf.abs(current)), _double(0.0))
    growth = size - stays
    kept = tf.reduce_sum(stays, axis=-1, keepdims=True)
    room = tf.maximum(terms.gross * (1.0 - terms.buffer) - kept, 0.0)
    wants = tf.reduce_sum(growth, axis=-1, keepdims=True)
    fits = wants <= room * (1.0 + TOLERANCE)
    share = room / tf.where(fits, _double(1.0), wants)
    final = tf.where(fits, final, tf.sign(final) * (stays + growth * share))

    total = tf.reduce_sum(tf.abs(final), axis=-1, keepdims=True)
    over = total > terms.gross * (1.0 + TOLERANCE)
    scaled = final * (terms.gross * (1.0 - terms.buffer) / tf.where(over, total, _double(1.0)))
    final = tf.where(over, scaled, final)
    if terms.gross <= SHORT_LIMIT:
        return final
    short = -tf.reduce_sum(tf.minimum(final, 0.0), axis=-1, keepdims=True)
    over = short > SHORT_LIMIT * (1.0 + TOLERANCE)
    factor = SHORT_LIMIT * (1.0 - terms.buffer) / tf.where(over, short, _double(1.0))
    return tf.where(over & (final < 0.0), final * factor, final)


def _orders(
    final: tf.Tensor,
    kept: tf.Tensor,
    held: tf.Tensor,
    per_share: tf.Tensor,
    lot_size: float,
) -> tf.Tensor:
    """As in `models.limits`: shares that lead from `held` to the final weights."""
    goal = final / per_share
    exact = goal * (1.0 + 1e-12)
    if lot_size:
        exact = _toward_zero(exact / lot_size) * lot_size
    change = exact - held
    if lot_size:
        lots = change / lot_size
        reduces = (change * held < 0.0) & (exact * held >= 0.0)
        down = tf.minimum(tf.math.ceil(tf.abs(lots)), tf.floor(tf.abs(held) / lot_size))
        whole = tf.where(reduces, tf.sign(lots) * down, _toward_zero(lots))
        change = whole * lot_size
    return _valued(tf.where(kept, _double(0.0), change), goal - held)


def _toward_zero(values: tf.Tensor) -> tf.Tensor:
    return tf.sign(values) * tf.floor(tf.abs(values))


def _costs(
    orders: tf.Tensor, opens: tf.Tensor, marks: tf.Tensor, costs: CostModel
) -> tuple[tf.Tensor, tf.Tensor]:
    """Fill prices and fees (B, S) each, as the cost model of `sim.costs` has them."""
    if isinstance(costs, ProportionalCost):
        fills = opens + costs.slippage * marks * tf.sign(orders)
        return fills, tf.abs(orders) * fills * costs.rate
    if isinstance(costs, InteractiveBrokersCost):
        fills = opens + costs.slippage * marks * tf.sign(orders)
        return fills, _broker_fees(orders, marks, costs)
    return opens, tf.zeros_like(orders)


def _broker_fees(orders: tf.Tensor, marks: tf.Tensor, costs: InteractiveBrokersCost) -> tf.Tensor:
    shares = tf.abs(orders)
    uncapped = shares * costs.per_share
    fee = tf.minimum(uncapped, shares * marks * costs.maximum_rate)
    small = uncapped < costs.minimum
    value = tf.where(shares > 0.0, tf.where(small, _double(costs.minimum), fee), _double(0.0))
    rate = costs.minimum / tf.stop_gradient(tf.maximum(shares, 1.0))
    rate *= tf.stop_gradient(tf.minimum(shares, 1.0))
    return _valued(value, tf.where(small, shares * rate, fee))
