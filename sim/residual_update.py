"""One compiled update of the residual agent: its trades along B stretches, and their gradient.

Apart from `sim.residual_training`, so that describing a training needs no TensorFlow.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from models.agent.residual_agent import ResidualAgentConfig
from models.agent.residual_learner import ResidualLearner
from sim import differentiable
from sim.differentiable import TensorAccount, Terms
from sim.rewards import Reward

if TYPE_CHECKING:
    from sim.residual_training import Batch

TENSORFLOW = SimpleNamespace(expm1=tf.math.expm1, maximum=tf.maximum, stack=tf.stack)
"""Operations that rewards are made of (`sim.rewards`)."""

RETURN = 0.1
"""Charge on squared exposure asked for beyond the caps, in units of a pull. The reward has no
gradient out there; a small charge leads back to where it has one. (To pass the gradients that lead
back and stop the others would pass noise of one sign alone.)"""


class _Tensors(NamedTuple):
    """`sim.residual_training.Batch` as tensors."""

    market: tf.Tensor
    aim: tf.Tensor
    closes: tf.Tensor
    opens: tf.Tensor
    innovations: tf.Tensor
    start: tf.Tensor
    caps: tf.Tensor
    equity: tf.Tensor
    scale: tf.Tensor


class _State(NamedTuple):
    """While trading: accounts, those not ruined, what rewards remember, and sums.

    Sums are of rewards, of squared corrections and of squares of what went beyond the bounds.
    """

    account: TensorAccount
    alive: tf.Tensor
    memory: tf.Tensor
    reward: tf.Tensor
    squares: tf.Tensor
    beyond: tf.Tensor


class ResidualUpdate:
    """A network, its optimizer and the update through the accounting.

    Compiled once for a shape of batches; loads of weights and other accounts' sizes keep it.
    """

    def __init__(
        self, config: ResidualAgentConfig, terms: Terms, ruin: float, reward: Reward
    ) -> None:
        self.learner = ResidualLearner(config)
        self._band = config.policy.band
        self._terms = terms
        self._ruin = ruin
        self._reward = reward
        # Hundreds of small operations a bar: fused they take a fraction of the time.
        self._gradients = tf.function(self._loss_and_gradients, jit_compile=True, autograph=False)
        self._compiled = tf.function(self._run, autograph=False)

    def update(self, batch: Batch, pull: float, follow: float) -> tuple[float, float]:
        """Move the weights once; mean reward per bar and mean squared correction before that.

        Args:
            batch: what is traded.
            pull: of corrections towards zero.
            follow: of positions within a band (`sim.differentiable`).
        """
        tensors = _Tensors(
            *(
                tf.constant(getattr(batch, name), tf.float32 if name == "market" else tf.float64)
                for name in _Tensors._fields
            )
        )
        reward, squares = self._compiled(
            tensors, *(tf.constant(x, tf.float64) for x in (pull, follow))
        )
        return float(reward), float(squares)

    def _run(
        self, batch: _Tensors, pull: tf.Tensor, follow: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        reward, squares, gradients = self._gradients(batch, pull, follow)
        self.learner.apply(gradients)
        return reward, squares

    def _loss_and_gradients(
        self, batch: _Tensors, pull: tf.Tensor, follow: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            reward, squares, beyond = self.trade(batch, follow)
            loss = pull * squares + RETURN * beyond - reward / batch.scale
        return reward, squares, tape.gradient(loss, self.learner.variables)

    def trade(self, batch: _Tensors, follow: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Mean reward per bar, mean squares of corrections and of what goes beyond the bounds."""
        horizon, markets, symbols = batch.aim.shape
        opening = self.learner.opening(batch.market)
        equity = tf.fill((markets,), batch.equity)
        state = _State(
            differentiable.at_weights(batch.start, batch.closes[0], equity),
            tf.ones((markets,), tf.bool),
            tf.constant(self._reward.start(markets), tf.float64),
            *(tf.zeros((), tf.float64),) * 3,
        )
        _, state = tf.while_loop(
            lambda t, state: t < horizon,
            lambda t, state: (t + 1, self._bar(t, state, batch, opening, follow)),
            (tf.constant(0), state),
            maximum_iterations=horizon,
        )
        bars = horizon * markets
        shares = bars * symbols
        return state.reward / bars, state.squares / shares, state.beyond / shares

    def _bar(
        self,
        t: tf.Tensor,
        state: _State,
        batch: _Tensors,
        opening: tf.Tensor,
        follow: tf.Tensor,
    ) -> _State:
        account, gross = state.account, self._terms.gross
        closes, opens, caps = batch.closes[t], batch.opens[t], batch.caps
        exposure = account.holdings * closes / account.equity[:, None] / caps
        correction = self.learner.correction(opening[t], exposure, caps, gross)
        asked = batch.aim[t] + correction
        target, beyond = self.learner.target(asked, caps, gross)
        keep = (tf.abs(target - exposure) < self._band) & tf.not_equal(target, 0.0)
        done = differentiable.step(
            account,
            target * caps,
            closes,
            opens,
            batch.closes[t + 1],
            caps,
            self._terms,
            keep,
            follow,
        )
        known = differentiable.control_variate(account, done, closes, opens, batch.innovations[t])
        growth = self._floored(done.growth, account.equity, batch.equity)
        slope = self._reward.slope(state.memory, TENSORFLOW)
        reward, memory = self._reward.step(growth, state.memory, TENSORFLOW)
        reward -= slope * known
        reward = tf.reduce_sum(tf.where(state.alive, reward, tf.zeros_like(reward)))
        alive = state.alive & (done.account.equity > batch.equity * self._ruin)
        # A ruined account goes on with fresh cash, unheard, so that every account can be traded.
        after = TensorAccount(
            tf.where(alive, done.account.cash, batch.equity),
            tf.where(alive[:, None], done.account.holdings, tf.zeros_like(batch.start)),
            tf.where(alive, done.account.equity, batch.equity),
        )
        squares = state.squares + tf.reduce_sum(correction**2)
        beyond = state.beyond + tf.reduce_sum(beyond**2)
        return _State(after, alive, memory, state.reward + reward, squares, beyond)

    def _floored(self, growth: tf.Tensor, before: tf.Tensor, equity: tf.Tensor) -> tf.Tensor:
        """As `sim.accounting.finite_growth`."""
        floor = equity * (max(self._ruin, 1e-3) * 0.5)
        return tf.maximum(growth, tf.math.log(tf.minimum(floor / before, 1.0)))
