"""Synthetic markets from the forecaster: many paths at once, bar by bar.

Each path starts at a real bar of a real history, keeps one dropout mask (one network drawn from
the posterior) for its whole length, and draws fresh noise at every step. Recurrent state and
features are carried forward, never recomputed.

Coverage. Starts are stratified over all rows. Noise comes from scrambled Sobol points for the
first `QMC_STEPS` bars (beyond, more dimensions bring nothing) and paths come in antithetic pairs:
2i and 2i+1 share start and mask, and one has the mirrored noise of the other.

Blending. A share of the pairs takes its noise from reality: the probability integral transforms
of the real bars under the forecaster, block-bootstrapped from the path's own history. What the
model's densities miss, shape or serial dependence of the residuals, these paths still have. The
two paths of such a pair have blocks of their own. What they were expected to return is what the
model said plus the mean of the real residuals; the rest is luck, even where blocks repeat it.

Bounds. A learned recursion may run away, so
- the volatility that draws are scaled with stays within the highest baseline volatility of the
  path's own history (the features that the network reads are held in range by the forecaster);
- gaps, intraday moves and wicks stay within `MOVE_LIMIT` times the largest of that history, log
  volume within `VOLUME_MARGIN` of its range;
- a price `PRICE_LIMIT` times its start (or one over that) moves back: steps that lead further out
  are mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from models.agent.observation import Observer
from models.forecast.forecaster import Forecaster, Hindcast
from models.forecast.inference import Masks, RecurrentState
from models.forecast.recalibration import Memory
from models.market.features import LOOKBACK, FeatureTable, bars_from_parts
from models.market.history import VOLUME
from models.market.market_view import MarketView
from sim.blocks import MEAN_BLOCK, stationary_rows
from sim.paths import Paths, check_counts
from sim.starts import check_starts, draw_starts, start_bars, start_view

QMC_STEPS = 60
"""Bars whose noise is a Sobol point, in 300 dimensions; the later a dimension, the worse are its
projections (Joe & Kuo 2008)."""

MOVE_LIMIT = 1.5
"""Times the largest move of the history. Moves some 0.2 to 0.6 % of simulated bars (this and the
next two: `research.experiments.constants --rails`)."""

VOLUME_MARGIN = 1.0
"""Beyond the range of log volume in the history. Moves 0.4 to 1 % of simulated bars."""

PRICE_LIMIT = 1e3
"""Times the price at the start, or one over that. Met by no simulated bar of a sane forecaster."""

N_PARTS = 5


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
            volatilities.append(
                forecaster.baseline_volatility(
                    table.rows[LOOKBACK:], np.repeat(table.symbol, len(table) - LOOKBACK)
                ).max()
            )
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
        tables: what paths may start from, each long enough for the forecaster's window.
        blend: share of the paths whose noise is bootstrapped from reality, in [0, 1].
        starts: ``"any"`` row of any history, or ``"latest"``: the newest bars only.
        mean_block: mean length of the bootstrapped blocks, in bars, >= 1.

    Raises:
        ValueError: naming the argument, the rule and the received value.
    """

    def __init__(
        self,
        observer: Observer,
        tables: Sequence[FeatureTable],
        *,
        blend: float,
        starts: str = "any",
        mean_block: float = MEAN_BLOCK,
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
        self._bounds = Bounds.of(tables, self._forecaster)
        self._hindcasts: list[Hindcast] | None = None

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """Draw paths; see `sim.paths.PathSampler`.

        Args:
            n_paths: B, at least 1 (an odd last path has no mirror image).
            n_steps: T, at least 1.
            rng: fixes everything.
        """
        check_counts(n_paths, n_steps)
        start_rng, mask_rng, noise_rng, block_rng = rng.spawn(4)
        pairs = (n_paths + 1) // 2
        pair_of = np.arange(2 * pairs) // 2
        series, rows = draw_starts(self._tables, self._first, pairs, self._starts, start_rng)
        uniforms, blended = self._noise(series, n_steps, noise_rng, block_rng)
        masks = self._forecaster.masks(pairs, mask_rng).take(pair_of)
        view = start_view(self._tables, series, rows, self._window).take(pair_of)
        lean = np.zeros((2 * pairs, 2))
        for s in np.unique(series[blended]):
            lean[(blended & (series == s))[pair_of]] = self._bank()[s].missed.mean(axis=0)
        memory = Memory.blank(len(pair_of))
        for s in np.unique(series):
            mine = (series == s)[pair_of]
            known = self._bank()[s].memory_at(rows[pair_of][mine])
            memory.sums[mine], memory.count[mine] = known.sums, known.count
        paths = self._run(view, masks, uniforms, lean, series[pair_of], rows[pair_of], memory)
        return paths if 2 * pairs == n_paths else paths.take(np.arange(n_paths))

    def _run(
        self,
        view: MarketView,
        masks: Masks,
        uniforms: NDArray,
        lean: NDArray[np.float64],
        series: NDArray,
        rows: NDArray,
        memory: Memory,
    ) -> Paths:
        """Walk all paths forward through the given noise, shape (B, T, 5).

        `lean` (B, 2) is the mean of that noise in gap and intraday return, in volatilities.
        """
        bounds = self._bounds.take(series)
        state = self._forecaster.start(view, masks, memory)
        bounds.hold_volatility(state)
        market = self._observer.follow(view)
        b, n_steps = uniforms.shape[:2]
        bars = np.empty((b, n_steps + 1, 5))
        bars[:, 0] = start_bars(self._tables, series, rows)
        observations = np.empty((b, n_steps + 1, self._observer.size), np.float32)
        observations[:, 0] = market.current()
        innovations = np.zeros((b, n_steps, 2))
        first_close = view.last_close
        for t in range(n_steps):
            close, volume_mean = view.last_close, view.volume_mean
            drawn = self._forecaster.draw(state, uniforms[:, t])
            missed = drawn.parts[:, :2] - drawn.means
            innovations[:, t] = missed - lean * state.volatility[:, None]
            held = bounds.hold(drawn.parts, np.log(close / first_close), volume_mean)
            # Columns must be contiguous: NumPy's exp takes another path, one bit apart, for
            # strided input that happens to lie right before its output in memory.
            parts = np.asfortranarray(held)
            bars[:, t + 1] = bars_from_parts(close, volume_mean, parts)
            observations[:, t + 1] = market.push(bars[:, t + 1])
            self._forecaster.advance(state, view.feature_rows, drawn.pits)
            bounds.hold_volatility(state)
        return Paths(bars, observations, series, rows, innovations)

    def _noise(
        self,
        series: NDArray[np.int64],
        n_steps: int,
        rng: np.random.Generator,
        block_rng: np.random.Generator,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Uniforms of both paths of every pair, (2 · pairs, T, 5), and which pairs are blended."""
        pairs = len(series)
        drawn = rng.random((pairs, n_steps, N_PARTS))
        covered = min(n_steps, QMC_STEPS)
        sobol = qmc.Sobol(covered * N_PARTS, scramble=True, seed=rng)
        points = sobol.random_base2(max(int(np.ceil(np.log2(pairs))), 0))[:pairs]
        drawn[:, :covered] = points.reshape(pairs, covered, N_PARTS)
        both = np.stack([drawn, 1.0 - drawn], axis=1)
        # Spread over the pairs, which are in random order, so that any head of them is blended.
        blended = np.floor(np.arange(1, pairs + 1) * self._blend) > np.floor(
            np.arange(pairs) * self._blend
        )
        for pair in np.flatnonzero(blended):
            bank = self._bank()[series[pair]].uniforms
            found = stationary_rows(len(bank), 2, n_steps, self._mean_block, block_rng)
            both[pair] = bank[found]
        return both.reshape(2 * pairs, n_steps, N_PARTS), blended

    def _bank(self) -> list[Hindcast]:
        """What the real bars of each history were worth under the forecaster."""
        if self._hindcasts is None:
            self._hindcasts = [self._forecaster.hindcast(table) for table in self._tables]
        return self._hindcasts
