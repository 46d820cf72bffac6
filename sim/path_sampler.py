"""Synthetic markets from the forecaster: many at once, all symbols together, bar by bar.

A market starts on a real date of the histories (`sim.starts`), keeps one dropout mask for its whole
length, and draws fresh noise at every step. Recurrent state and features are carried forward,
never recomputed. All symbols of a market share its mask: a mask is one network drawn from the
posterior, and there is one network for all symbols, so what it is wrong about it is wrong about
everywhere.

Coverage. Starts are stratified over all dates. Markets come in antithetic pairs: 2i and 2i+1 share
start and mask, and one has the mirrored noise of the other. Noise comes from a copula between the
symbols, over Sobol points (`sim.noise`).

Blending. A share of the pairs takes its noise from reality: the probability integral transforms of
the real bars under the forecaster, block-bootstrapped by date, all symbols of a date together.
What the densities and the copula miss, shape, serial or joint dependence of the residuals, these
markets still have. The two of such a pair have blocks of their own. What they were expected to
return is what the model said plus the mean of the real residuals; the rest is luck, even where
blocks repeat it.

Bounds. A learned recursion may run away, so
- the volatility that draws are scaled with stays within the highest baseline volatility of the
  path's own history (the features that the network reads are held in range by the forecaster);
- gaps, intraday moves and wicks stay within `MOVE_LIMIT` times the largest of that history, log
  volume within `VOLUME_MARGIN` of its range;
- a price `PRICE_LIMIT` times its start (or one over that) moves back: steps that lead further out
  are mirrored.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.agent.observation import Observer
from models.forecast.forecaster import Forecaster, Hindcast
from models.forecast.inference import Masks, RecurrentState
from models.forecast.recalibration import Memory
from models.market.features import LOOKBACK, FeatureTable, bars_from_parts
from models.market.history import VOLUME
from sim.blocks import MEAN_BLOCK
from sim.copula import Copula, check_kind
from sim.noise import CopulaNoise, DatedNoise, Residuals
from sim.paths import Paths, check_counts
from sim.starts import ROWS_AT_ONCE, Starts, check_starts, draw_starts, start_bars, start_view

MOVE_LIMIT = 1.5
"""Times the largest move of the history. Moves some 0.2 to 0.6 % of simulated bars (this and the
next two: `research.experiments.constants --rails`)."""

VOLUME_MARGIN = 1.0
"""Beyond the range of log volume in the history. Moves 0.4 to 1 % of simulated bars."""

PRICE_LIMIT = 1e3
"""Times the price at the start, or one over that. Met by no simulated bar of a sane forecaster."""


@dataclass(frozen=True)
class Bounds:
    """How far simulated series may go; arrays have one row per history.

    Attributes:
        moves: largest absolute gap, intraday move, upper and lower wick, shape (S, 4).
        log_volume: lowest and highest log volume, shape (S, 2).
        volatility: highest volatility that draws may be scaled with, shape (S,): the highest
            baseline volatility of the history. Real bars may be wilder than that, and are
            forecast so; simulated ones that fed on themselves would run away.
    """

    moves: NDArray[np.float64]
    log_volume: NDArray[np.float64]
    volatility: NDArray[np.float64]

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], forecaster: Forecaster) -> Bounds:
        """The bounds that histories set; the forecaster's baseline is the volatility's measure."""
        moves, volumes, volatilities = [], [], []
        for table in tables:
            moves.append(np.abs(table.parts[1:, :4]).max(axis=0) * MOVE_LIMIT)
            volume = np.log(table.history.bars[:, VOLUME])
            volumes.append([volume.min() - VOLUME_MARGIN, volume.max() + VOLUME_MARGIN])
            rows = table.rows[LOOKBACK:]
            own = forecaster.baseline_volatility(rows, np.repeat(table.symbol, len(rows)))
            volatilities.append(own.max())
        return cls(np.array(moves), np.array(volumes), np.array(volatilities))

    def take(self, series: NDArray[np.int64]) -> Bounds:
        """The bounds of each path, by its history."""
        return Bounds(self.moves[series], self.log_volume[series], self.volatility[series])

    def hold_volatility(self, state: RecurrentState) -> None:
        """Bring the volatility of paths within bounds, in place."""
        state.volatility = np.minimum(state.volatility, self.volatility)

    def hold(
        self, parts: NDArray[np.float64], log_rise: NDArray, volume_mean: NDArray
    ) -> NDArray[np.float64]:
        """Parts (B, 5) brought within bounds, for paths whose log price rose by (B,)."""
        held = parts.copy()
        held[:, :4] = np.clip(parts[:, :4], -self.moves, self.moves)
        far = np.abs(log_rise) > np.log(PRICE_LIMIT)
        if far.any():
            inward = -np.sign(log_rise[far])[:, None]
            held[far, :2] = inward * np.abs(held[far, :2])
        low, high = self.log_volume.T
        held[:, 4] = np.clip(volume_mean + parts[:, 4], low, high) - volume_mean
        return held


class ForecasterSampler:
    """Draws `Paths` from a forecaster; see the module's description.

    Args:
        observer: what the agent will see; its forecaster makes the paths.
        tables: of the S symbols of every market, each long enough for the forecaster's window.
        blend: share of the markets whose noise is bootstrapped from reality, in [0, 1].
        starts: ``"any"`` date of the histories, ``"latest"``: the newest bars only, or dates
            (datetime64), of which pair p of antithetic markets starts at number p modulo n.
        mean_block: mean length of the bootstrapped blocks, in bars, >= 1.
        copula: family of the dependence between symbols, one of `sim.copula.KINDS`.

    Raises:
        ValueError: naming the argument, the rule and the received value.
    """

    def __init__(
        self,
        observer: Observer,
        tables: Sequence[FeatureTable],
        *,
        blend: float,
        starts: Starts = "any",
        mean_block: float = MEAN_BLOCK,
        copula: str = "skewed-t",
    ) -> None:
        if not tables:
            raise ValueError("tables must hold at least one symbol; received none")
        if not 0 <= blend <= 1:
            raise ValueError(f"blend must lie in [0, 1]; received {blend!r}")
        if not mean_block >= 1:
            raise ValueError(f"mean_block must be >= 1; received {mean_block!r}")
        self._observer = observer
        self._forecaster: Forecaster = observer.forecaster
        self._window = self._forecaster.config.window
        self._first = LOOKBACK + self._window - 1
        for table in tables:
            table.history.require(self._first + 2)
        self._tables = list(tables)
        self._blend, self._starts, self._mean_block = blend, check_starts(starts), mean_block
        self._kind = check_kind(copula)
        self._bounds = Bounds.of(tables, self._forecaster)

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """Draw markets; see `sim.paths.PathSampler`.

        Args:
            n_paths: B, at least 1 (an odd last market has no mirror image).
            n_steps: T, at least 1.
            rng: fixes everything.
        """
        check_counts(n_paths, n_steps)
        start_rng, mask_rng, noise_rng, block_rng = rng.spawn(4)
        pairs, s = (n_paths + 1) // 2, len(self._tables)
        rows = draw_starts(self._tables, self._first, pairs, self._starts, start_rng)
        rows = np.repeat(rows, 2, axis=0)
        masks = self._forecaster.masks(pairs, mask_rng)
        uniforms = self.copula_noise.draw(2 * pairs, n_steps, noise_rng)
        lean = np.tile(self.copula_noise.lean, (2 * pairs, 1, 1))
        # Spread over the pairs, which are in random order, so that any head of them is blended.
        share = np.floor(np.arange(pairs + 1) * self._blend)
        blended = np.flatnonzero(np.repeat(np.diff(share) > 0, 2))
        if blended.size:
            uniforms[blended] = self.dated_noise.draw(len(blended), n_steps, block_rng)
            lean[blended] = self.dated_noise.lean
        shape = (n_paths, s, n_steps + 1)
        bars = np.empty((*shape, 5))
        observations = np.empty((*shape, self._observer.size), np.float32)
        innovations = np.zeros((n_paths, s, n_steps, 2))
        together = max(ROWS_AT_ONCE // s, 1)
        for first in range(0, n_paths, together):
            these = slice(first, min(first + together, n_paths))
            self._run(
                rows[these],
                masks.take(np.tile(np.arange(these.start, these.stop) // 2, s)),
                uniforms[these],
                lean[these],
                (bars[these], observations[these], innovations[these]),
            )
        del uniforms
        series = np.tile(np.arange(s), (n_paths, 1))
        return Paths(bars, observations, series, rows[:n_paths], innovations)

    @property
    def first(self) -> int:
        """Earliest row of a history at which a market may start."""
        return self._first

    def starting(self, starts: Starts) -> ForecasterSampler:
        """The same source from other starts; what was fitted to reality so far is shared."""
        other = copy.copy(self)
        other._starts = check_starts(starts)
        return other

    def _run(
        self,
        rows: NDArray[np.int64],
        masks: Masks,
        uniforms: NDArray[np.float64],
        lean: NDArray[np.float64],
        out: tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64]],
    ) -> None:
        """Walk some markets forward through the given noise.

        Within, symbol follows upon symbol, with all its markets: a start is then looked up once
        for each history, and nothing needs to be put in order.

        Args:
            rows: of the starts, shape (b, S).
            masks: of S · b rows, in that order.
            uniforms: shape (b, S, T, 5).
            lean: mean of that noise in gap and intraday return, in volatilities, shape (b, S, 2).
            out: bars, observations and innovations of these markets, to be filled.
        """
        b, s, n_steps = uniforms.shape[:3]

        def by_symbol(values: NDArray) -> NDArray:
            return values.swapaxes(0, 1).reshape(s * b, *values.shape[2:])

        def by_market(values: NDArray) -> NDArray:
            return values.reshape(s, b, *values.shape[1:]).swapaxes(0, 1)

        bars, observations, innovations = out
        series, start, lean = np.repeat(np.arange(s), b), by_symbol(rows), by_symbol(lean)
        bounds = self._bounds.take(series)
        view = start_view(self._tables, series, start, self._window)
        memory = Memory.concatenate(
            [known.memory_at(at) for known, at in zip(self._hindcasts, rows.T, strict=True)]
        )
        state = self._forecaster.start(view, masks, memory)
        bounds.hold_volatility(state)
        market = self._observer.follow(view)
        bars[:, :, 0] = by_market(start_bars(self._tables, series, start))
        observations[:, :, 0] = by_market(market.current())
        first_close = view.last_close
        for t in range(n_steps):
            close, volume_mean = view.last_close, view.volume_mean
            drawn = self._forecaster.draw(state, by_symbol(uniforms[:, :, t]))
            missed = drawn.parts[:, :2] - drawn.means - lean * state.volatility[:, None]
            innovations[:, :, t] = by_market(missed)
            held = bounds.hold(drawn.parts, np.log(close / first_close), volume_mean)
            # Columns must be contiguous: NumPy's exp takes another path, one bit apart, for
            # strided input that happens to lie right before its output in memory.
            parts = np.asfortranarray(held)
            pushed = bars_from_parts(close, volume_mean, parts)
            bars[:, :, t + 1] = by_market(pushed)
            observations[:, :, t + 1] = by_market(market.push(pushed))
            self._forecaster.advance(state, view.feature_rows, drawn.pits)
            bounds.hold_volatility(state)

    @cached_property
    def residuals(self) -> Residuals:
        """What noise the real bars had, by date."""
        return Residuals.of(self._tables, self._hindcasts)

    @cached_property
    def _hindcasts(self) -> list[Hindcast]:
        """What the bars of each history were worth under the forecaster."""
        return [self._forecaster.hindcast(table) for table in self._tables]

    @cached_property
    def copula_noise(self) -> CopulaNoise:
        """The noise of markets that are not blended."""
        if len(self._tables) == 1:
            return CopulaNoise.independent(1)
        return CopulaNoise(Copula.fit(self.residuals.uniforms, self._kind))

    @cached_property
    def dated_noise(self) -> DatedNoise:
        """The noise of markets that are."""
        return DatedNoise.of(self.residuals, self.copula_noise.copula, self._mean_block)
