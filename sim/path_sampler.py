"""Synthetic markets from the forecaster: many at once, all symbols together, bar by bar.

A market starts on a real date of the histories (`sim.starts`), keeps one dropout mask for its whole
length, and draws fresh noise at every step. Recurrent state and features are carried forward,
never recomputed. All symbols of a market share its mask: a mask is one network drawn from the
posterior, and there is one network for all symbols, so what it is wrong about it is wrong about
everywhere.

Coverage. Starts are stratified over all dates. Markets come in pairs of twins: 2i and 2i+1 share
start and mask, and have noise of their own. Noise by date goes on in blocks that markets exchange,
so that at every bar all dates are taken equally often (`sim.blocks`); noise from a parametric
copula is dealt out bar by bar to all markets together, in the order of their volatility, from
points that cover both (`sim.noise`).
Deviations between seeds are .5 (mean return) to .9 (Hill's index) of plain Monte Carlo's, .64
in all (`research.benchmarks.coverage`, 256 markets). What is left is on which markets the few wild
dates fall, and which dates come together in a path.

Likeness. Noise is of dates as wild as the market (`sim.levels`): in a crisis symbols fall together
and bars are made otherwise than in calm times. How much they have in common follows the market
where it grows wilder or calmer than the dates of its block (`sim.common_factor`).

Volatility. A forecast knows its own symbol's bars alone; what the others' volatilities tell of a
symbol's corrects the one that its draws are scaled with (`sim.common_volatility`), and what the
network says of its scales beyond that (`sim.common_scales`).

Blending. A share of the pairs takes its noise from reality: the probability integral transforms of
the real bars under the forecaster, block-bootstrapped by date, all symbols of a date together.
What the densities and the copula miss, shape, serial or joint dependence of the residuals, these
markets still have. The others draw it from the copula of these transforms: of dates of one time in
an order that is drawn anew, and with a memory of what was before them there (`sim.succession`).
What markets were expected to return is what the model said plus the mean of the real residuals; the
rest is luck, even where blocks repeat it.

Luck of calm and of wild days. What days of one level missed their forecasts by beyond that mean is
luck as well, and as blocks are of days as wild as the market it would be a premium of calm or of
wild markets, which whoever learns from prices would learn by heart. It is taken off their moves.

Premium. What a few years paid for holding a symbol says little of what it will pay, and an agent
would learn it by heart. With a `Premium` every market is shifted to have one from a prior instead,
drawn anew for each market and symbol: so much is unknown. What the model says of how expected
returns vary is left as it is.

Outside series. Where features have such, a market has a state of them that its symbols share
(`sim.macro`); what moved with a real date's residuals moves with them here.

Bounds. A learned recursion may run away, so (limits: `sim.bounds`)
- the volatility that draws are scaled with stays within the highest baseline volatility of the
  path's own history (the features that the network reads are held in range by the forecaster);
- gaps, intraday moves and wicks stay within `MOVE_LIMIT` times the largest of that history, log
  volume within `VOLUME_MARGIN` of its range;
- a price `PRICE_LIMIT` times its start (or one over that) moves back: steps that lead further out
  are mirrored;
- what the network says of a symbol's scales is led back to what it says of its real bars. A network
  of all symbols reads off the last bars whose gaps are large, and believes its own simulation:
  after two years a symbol's gaps would be those of any other, in variance up to two and a half
  times its real ones. How fast, and how far volatilities are believed, is what keeps markets as
  they began (`sim.steadiness`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from models.agent.observation import ObservedMarket, Observer
from models.agent.outlook import FORECAST
from models.agent.seeing import SeenTape
from models.forecast.density import SCALES, log_sizes
from models.forecast.forecaster import Forecaster, Hindcast
from models.forecast.inference import Masks, RecurrentState
from models.kernels import LANES
from models.market.features import LOOKBACK, FeatureTable
from models.market.history import BAR_FIELDS
from sim.blocks import MEAN_BLOCK
from sim.bounds import PRICE_LIMIT, Bounds
from sim.common_factor import CommonFactor
from sim.common_scales import CommonScales
from sim.common_volatility import CommonVolatility
from sim.copula import Copula
from sim.levels import Levels
from sim.macro import MacroModel, MacroWalk
from sim.noise import (
    CHECKERBOARD,
    COMPLETING,
    N_PARTS,
    CheckerboardNoise,
    CopulaNoise,
    DatedNoise,
    Residuals,
    check_kind,
    completed,
)
from sim.paths import Paths, check_counts
from sim.premium import Premium
from sim.starts import (
    ROWS_AT_ONCE,
    MomentsByDate,
    StartDates,
    Starts,
    check_starts,
    draw_starts,
    start_bars,
    start_view,
)
from sim.steadiness import MARKETS, WALK, Feedback, second_moments, steady
from sim.walking import make_bars

MASK_SHARE = 0.5
"""Of the way from the mean network to that of a dropout mask, which a market's network goes.

Noise is what real bars missed the mean network by. What a masked one says otherwise comes on top
of that, and with whole masks markets spread too far: on TDQN's markets of three the spread of
volume is .416 where that of the span is .403, and .411 with half. AUC of joint windows: .765, .753
with half, .752 with none.
"""

TRIAL_SEED = 1
"""Of the markets that walk on trial: they are a part of the fit, not of a sample."""


@dataclass(frozen=True)
class OfDates:
    """Noise of dates, for some markets.

    Attributes:
        markets: their numbers, B of them.
        dates: numbers of the dates, shape (B, T).
        drawn: the noise, shape (T, S, B, 5); None where it is that of the dates themselves.
    """

    markets: NDArray[np.int64]
    dates: NDArray[np.int64]
    drawn: NDArray[np.float64] | None


@dataclass(frozen=True)
class Plan:
    """What B markets of S symbols are made of, K starts with B / K markets each.

    Attributes:
        n_steps: T.
        rows: at which symbols start, shape (K, S).
        masks: of the starts' networks, K of them.
        of_dates: noise of those that have some date's.
        placed: markets whose noise is dealt out anew at every bar, by their order; P of them.
        drawn: what their noise is made of, to be dealt out, shape (T, P, D).
        lean: mean of the noise in gap and intraday return, in volatilities, shape (B, S, 2).
        shifts: added to intraday returns, shape (B, S).
        rests: numbers of the outside series' rests (`sim.macro`), shape (B, T); None where the
            features have no such series.
    """

    n_steps: int
    rows: NDArray[np.int64]
    masks: Masks
    of_dates: Sequence[OfDates]
    placed: NDArray[np.int64]
    drawn: NDArray[np.float64]
    lean: NDArray[np.float64]
    shifts: NDArray[np.float64]
    rests: NDArray[np.int64] | None

    @property
    def twins(self) -> int:
        """Markets of each start, neighbours."""
        return len(self.lean) // len(self.rows)


def _ascending(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order of values (n,), at nine decimals, so that equal ones keep theirs whatever the portions.

    As `np.argsort` has it, stable, of the rounded values: whole numbers, each once, sort faster.
    """
    rounded = np.rint(values * 1e9).astype(np.int64)
    return np.argsort((rounded << 24) + np.arange(len(values)))


@dataclass(frozen=True)
class Seen:
    """What an observer sees of all markets, to be filled.

    Attributes:
        observations: shape (B, S, T + 1, D).
        forecasts: shape (B, S, T + 1, 8).
    """

    observations: NDArray[np.float32]
    forecasts: NDArray[np.float64]


@dataclass(frozen=True)
class Made:
    """Tapes of all markets, to be filled.

    Attributes:
        bars: shape (B, S, T + 1, 5).
        innovations: shape (B, S, T, 2).
        seen: what an observer sees of them; None where nobody looks.
        moments: of the states, shape (B, T, 4), see `sim.steadiness.Trial`; None where nobody asks.
    """

    bars: NDArray[np.float64]
    innovations: NDArray[np.float64]
    seen: Seen | None
    moments: NDArray[np.float64] | None

    @classmethod
    def of(cls, plan: Plan, seen: Seen | None, moments: NDArray[np.float64] | None) -> Made:
        """Tapes of a plan's markets."""
        (b, s), n_steps = plan.lean.shape[:2], plan.n_steps
        bars = np.empty((b, s, n_steps + 1, len(BAR_FIELDS)))
        return cls(bars, np.empty((b, s, n_steps, 2)), seen, moments)


class _Portion:
    """Some markets of a plan on their way.

    Within, symbol follows upon symbol, with all its markets: a start is then looked up once for
    each history, and nothing needs to be put in order.
    """

    def __init__(
        self,
        sampler: ForecasterSampler,
        plan: Plan,
        markets: NDArray[np.int64],
        made: Made,
    ) -> None:
        """Stand at the starts.

        Args:
            sampler: whose forecaster, histories and bounds are used.
            plan: of all markets.
            markets: which of them, shape (b,), all twins of a start together.
            made: tapes.
        """
        of = markets[:: plan.twins] // plan.twins
        rows = plan.rows[of]
        starts, s = rows.shape
        self._shape = (s, plan.twins * starts)
        self._forecaster, self._made, self._t = sampler._forecaster, made, 0
        self._markets = markets
        series, start = np.repeat(np.arange(s), starts), rows.T.reshape(-1)
        known = list(zip(sampler._hindcasts, rows.T, strict=True))
        standing = RecurrentState.concatenate([one.state_at(at) for one, at in known])
        windows = [np.moveaxis(one.windows_at(at, sampler._window), 0, -1) for one, at in known]
        masks = plan.masks.take(np.tile(of, s))
        # Twins start alike: the window is read once for both.
        twins = np.repeat(np.arange(s * starts), plan.twins)
        self._bounds = sampler._bounds.take(series[twins])
        seen = np.moveaxis(np.concatenate(windows, axis=-1), -1, 0)
        self._state = self._forecaster.masked(standing, seen, masks).take(twins)
        self._common, self._scales = sampler.common_volatility, sampler.common_scales
        self._factor = sampler.common_factor if plan.of_dates else None
        self._back = sampler.feedback.back
        self._scale_draws()
        usual = np.stack([known.scales.mean(axis=0) for known in sampler._hindcasts])
        self._usual = np.ascontiguousarray(usual[series[twins]].T).reshape(2, *self._shape)
        self._state.shift = np.zeros((len(twins), 2), order="F")
        self._usual_sizes = sampler.usual_sizes[:, None]
        self._view = start_view(sampler._tables, series[twins], start[twins], 1)
        self._observed: ObservedMarket | None = None
        if made.seen is not None:
            # The observer's forecasts are corrected by the same outcomes, of its own network.
            tape = SeenTape(made.seen.observations, made.seen.forecasts, markets)
            self._observed = sampler._observer.resume(self._view, standing.take(twins), tape)
        self._macro = None
        if sampler.macro_model is not None and plan.rests is not None:
            leading = np.repeat(sampler._start_dates.leading_symbols(rows), plan.twins)
            places = np.arange(len(twins)).reshape(self._shape).T
            rests = plan.rests[markets]
            self._macro = MacroWalk(sampler.macro_model, self._view, places, leading, rests)
        self._lean = np.ascontiguousarray(self._by_symbol(plan.lean[markets]).T)
        self._moves = np.ascontiguousarray(self._bounds.moves.T)
        self._log_volume = np.ascontiguousarray(self._bounds.log_volume.T)
        self._shift = self._by_symbol(plan.shifts[markets])
        self._first_close = self._view.last_close
        made.bars[markets, :, 0] = self._by_market(
            start_bars(sampler._tables, series, start)[twins]
        )

    @property
    def above_usual(self) -> NDArray[np.float64]:
        """What the log volatility of all symbols of each market is above the usual, shape (b,)."""
        return self._common.above_usual(self._baseline)

    def _by_symbol(self, values: NDArray) -> NDArray:
        return values.swapaxes(0, 1).reshape(-1, *values.shape[2:])

    def _by_market(self, values: NDArray) -> NDArray:
        return values.reshape(*self._shape, *values.shape[1:]).swapaxes(0, 1)

    def _scale_draws(self) -> None:
        """Correct the volatility of draws by that of the market's other symbols, and bound it."""
        self._baseline = self._state.volatility.reshape(self._shape)
        self._state.volatility = self._common.corrected(self._baseline).reshape(-1)
        self._bounds.hold_volatility(self._state)

    def step(
        self,
        noise: NDArray[np.float64],
        luck: NDArray[np.float64],
        dates: NDArray[np.int64] | None = None,
    ) -> None:
        """Walk one bar on.

        Args:
            noise: shape (S, b, 5).
            luck: of like days, taken off gap and intraday return, in volatilities, (S, b, 2).
            dates: numbers of those the noise is of, shape (b,); None where it is of none.
        """
        made, markets, t = self._made, self._markets, self._t
        state, view = self._state, self._view
        outputs = self._forecaster.outputs(state)
        self._scales.correct(outputs)
        said = outputs.T[SCALES].reshape(2, *self._shape)
        unusual = said - self._usual
        # A start is a real day: nobody has corrected what its volatility was forecast to be.
        volatility = state.volatility.reshape(self._shape) if t else self._baseline
        if made.moments is not None:
            sizes = log_sizes(volatility, said) - self._usual_sizes
            made.moments[markets, t] = second_moments(sizes, unusual)
        if self._factor is not None and dates is not None:
            noise = self._factor.brought(noise, dates, volatility, said)
        uniforms = np.ascontiguousarray(noise).reshape(-1, N_PARTS)
        drawn = self._forecaster.draw(state, uniforms, outputs)
        for part, beyond in enumerate(np.moveaxis(luck, -1, 0)):
            drawn.parts[:, part] -= beyond.reshape(-1) * state.volatility
        pushed = np.empty((len(BAR_FIELDS), len(state)))
        make_bars(
            drawn.parts.T, drawn.means.T, state.volatility, self._lean, self._shift,
            self._moves, self._log_volume, view.last_close, self._first_close, view.volume_mean,
            PRICE_LIMIT, pushed, markets, made.bars, made.innovations, t,
        )  # fmt: skip
        macro = None if self._macro is None else self._macro.next_values(view)
        if self._observed is None:
            self._forecaster.advance(state, view.push(pushed.T, macro), drawn.pits)
        else:
            self._observed.advance(pushed.T, drawn.pits, macro)
            self._forecaster.advance_beside(state, self._observed.state)
        self._scale_draws()
        state.shift = state.shift - self._back * unusual.reshape(2, -1).T
        self._t += 1


class ForecasterSampler:
    """Draws `Paths` from a forecaster; see the module's description.

    Args:
        observer: what the agent will see; its forecaster makes the paths.
        tables: of the S symbols of every market, each long enough for the forecaster's window.
        blend: share of the markets whose noise is bootstrapped from reality, in [0, 1].
        starts: ``"any"`` date of the histories, ``"latest"``: the newest bars only, or dates
            (datetime64), of which pair p of twins starts at number p modulo n.
        mean_block: mean length of the blocks of dates, also of those whose days come in another
            order, in bars, >= 1.
        premium: of the markets; None leaves them with that of the histories.
        copula: family of the dependence within a bar, one of `sim.noise.KINDS`.
        threads: that walk at the same time, >= 1; results do not depend on them.
        remembers: real bars before the start whose observations markets come with, >= 0
            (`Paths.before`). In place of bars that are too early to be observed comes the first
            that is not.

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
        premium: Premium | None = None,
        copula: str = CHECKERBOARD,
        threads: int = 1,
        remembers: int = 0,
    ) -> None:
        if not tables:
            raise ValueError("tables must hold at least one symbol; received none")
        if not 0 <= blend <= 1:
            raise ValueError(f"blend must lie in [0, 1]; received {blend!r}")
        if not mean_block >= 1:
            raise ValueError(f"mean_block must be >= 1; received {mean_block!r}")
        if threads < 1:
            raise ValueError(f"threads must be >= 1; received {threads!r}")
        if remembers < 0:
            raise ValueError(f"remembers must be >= 0; received {remembers!r}")
        self._threads, self._remembers = threads, remembers
        self._observer = observer
        self._forecaster: Forecaster = observer.forecaster
        self._window = self._forecaster.config.window
        self._first = LOOKBACK + self._window - 1
        for table in tables:
            table.history.require(self._first + 2)
        self._tables = list(tables)
        self._blend, self._starts, self._mean_block = blend, check_starts(starts), mean_block
        self._kind = check_kind(copula)
        self._premium = premium
        self._bounds = Bounds.of(tables, self._forecaster)

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """Draw markets; see `sim.paths.PathSampler`.

        Args:
            n_paths: B, at least 1 (an odd last market has no twin).
            n_steps: T, at least 1.
            rng: fixes everything; threads and portions do not matter.
        """
        check_counts(n_paths, n_steps)
        paths = self._imagine(self._plan((n_paths + 1) // 2, n_steps, rng))
        return paths if paths.n_paths == n_paths else paths.take(np.arange(n_paths))

    def _plan(self, pairs: int, n_steps: int, rng: np.random.Generator) -> Plan:
        """What so many pairs of twins are made of."""
        start_rng, mask_rng, noise_rng, block_rng = rng.spawn(4)
        rows = draw_starts(self._tables, self._first, pairs, self._starts, start_rng)
        masks = self._forecaster.masks(pairs, mask_rng).softened(MASK_SHARE)
        # Spread evenly over the pairs, so that any head of them is blended.
        blended = np.diff(np.floor(np.arange(pairs + 1) * self._blend)) > 0
        if not isinstance(self._starts, str):
            # Given dates come in turn: a rule by number would always blend the same ones.
            blended = mask_rng.permutation(blended)
        is_blended = np.repeat(blended, 2)
        shifts = np.zeros((pairs, len(self._tables)))
        if self._premium is not None:
            (premium_rng,) = rng.spawn(1)
            shifts = self._premium.shifts(self._tables, self._forecaster, pairs, premium_rng)
        macro_rng = rng.spawn(1)[0] if self.macro_model is not None else None
        return self._with_noise(
            rows,
            masks,
            is_blended,
            n_steps,
            noise_rng,
            block_rng,
            np.repeat(shifts, 2, axis=0),
            macro_rng,
        )

    @property
    def first(self) -> int:
        """Earliest row of a history at which a market may start."""
        return self._first

    @property
    def data_end(self) -> np.datetime64:
        """Time of the newest bar of all histories."""
        return max(table.history.data_end for table in self._tables)

    def starting(self, starts: Starts) -> ForecasterSampler:
        """The same source from other starts; what was fitted to reality so far is shared."""
        other = copy.copy(self)
        other._starts = check_starts(starts)
        return other

    def _with_noise(
        self,
        rows: NDArray[np.int64],
        masks: Masks,
        is_blended: NDArray[np.bool_],
        n_steps: int,
        noise_rng: np.random.Generator,
        block_rng: np.random.Generator,
        shifts: NDArray[np.float64],
        macro_rng: np.random.Generator | None = None,
    ) -> Plan:
        """A plan for starts and masks of which market b has number b · K // B."""
        blended, others = np.flatnonzero(is_blended), np.flatnonzero(~is_blended)
        placed, drawn, of_dates = others[:0], np.empty((n_steps, 0, 0)), []
        lean = np.zeros((len(is_blended), len(self._tables), 2))
        rests = None
        if self.macro_model is not None and macro_rng is not None:
            rests = self.macro_model.any_rows(len(is_blended), n_steps, macro_rng)

        def starts(markets: NDArray[np.int64]) -> NDArray[np.int64]:
            return rows[markets * len(rows) // len(is_blended)]

        if others.size and self._kind == CHECKERBOARD:
            levels = self.levels.of_starts(starts(others))
            last = self._last_dates(starts(others))
            drawn_anew = self.checkerboard_noise.draw(levels, last, n_steps, noise_rng)
            of_dates.append(OfDates(others, *drawn_anew))
        elif others.size:
            placed, drawn = others, self.copula_noise.draw(len(others), n_steps, noise_rng)
            lean[placed] = self.copula_noise.lean
        if blended.size:
            levels = self.levels.of_starts(starts(blended))
            dates = self.dated_noise.draw(levels, n_steps, block_rng)
            of_dates.append(OfDates(blended, dates, None))
        for of in of_dates:
            lean[of.markets] = self.dated_noise.lean
            if self.macro_model is not None and rests is not None:
                rests[of.markets] = self.macro_model.rows_of(self.residuals.dates)[of.dates]
        return Plan(n_steps, rows, masks, of_dates, placed, drawn, lean, shifts, rests)

    def _imagine(self, plan: Plan) -> Paths:
        """The markets of a plan."""
        (b, s), twins = plan.lean.shape[:2], plan.twins
        shape = (b, s, plan.n_steps + 1)
        seen = Seen(
            np.empty((*shape, self._observer.size), np.float32), np.empty((*shape, len(FORECAST)))
        )
        made = Made.of(plan, seen, None)
        self._walk(plan, made)
        series = np.tile(np.arange(s), (b, 1))
        return Paths(
            made.bars,
            seen.observations,
            series,
            np.repeat(plan.rows, twins, axis=0),
            made.innovations,
            seen.forecasts,
            np.repeat(self._moments.at(plan.rows), twins, axis=0),
            np.repeat(self._before(plan.rows), twins, axis=0) if self._remembers else None,
        )

    def _walk(self, plan: Plan, made: Made) -> None:
        """Fill the tapes of a plan's markets.

        They walk in portions whose working memory stays near the processor; a portion may have a
        thread of its own. Markets whose noise is dealt out advance together, bar by bar; others
        know nothing of each other, and a portion of them goes all the way at once.
        """
        s, n_steps, twins = plan.lean.shape[1], plan.n_steps, plan.twins
        # Kernels work on whole blocks of a symbol's series, filled or not.
        whole = LANES if ROWS_AT_ONCE >= LANES else twins
        at_once = max(ROWS_AT_ONCE // (whole * s), 1) * whole

        def portions(markets: NDArray[np.int64]) -> list[slice]:
            # Of nearly one size: each step of a portion costs something, however small it is.
            count = len(markets)
            blocks = count / (max(round(count / at_once), 1) * whole)
            size = max(int(np.ceil(blocks)), 1) * whole
            return [slice(k, min(k + size, count)) for k in range(0, count, size)]

        def begin(markets: NDArray[np.int64]) -> _Portion:
            return _Portion(self, plan, markets, made)

        def walk(given: tuple[OfDates, slice]) -> None:
            noise, of = given
            portion = begin(noise.markets[of])
            for t in range(n_steps):
                dates = noise.dates[of, t]
                drawn = noise.drawn
                known = self.dated_noise.on(dates) if drawn is None else drawn[t][:, of]
                portion.step(known, self.dated_noise.luck_on(dates), dates)

        # Before threads ask for them.
        _ = self.feedback, self.usual_sizes, self.macro_model
        if plan.of_dates:
            _ = self.dated_noise.luck, self.common_factor
        with ThreadPoolExecutor(self._threads) as pool:
            run = map if self._threads == 1 else pool.map
            every = [(noise, of) for noise in plan.of_dates for of in portions(noise.markets)]
            list(run(walk, every))
            own = portions(plan.placed)
            walking = list(run(begin, [plan.placed[of] for of in own]))
            none = np.zeros((s, len(plan.placed), 2))
            for t in range(n_steps if walking else 0):
                wild = np.concatenate([one.above_usual for one in walking])
                drawn = np.empty(plan.drawn.shape[1:])
                drawn[_ascending(wild)] = plan.drawn[t]
                noise = self.copula_noise.deal(drawn).swapaxes(0, 1)
                each = ([values[:, of] for of in own] for values in (noise, none))
                list(run(_Portion.step, walking, *each))

    def _before(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Observations of the real bars before starts (K, S), shape (K, S, P, D)."""
        back = np.arange(-self._remembers, 0)
        each = zip(self._tables, self._hindcasts, rows.T, strict=True)
        seen = [self._observer.remembered(t, known, row[:, None] + back) for t, known, row in each]
        return np.stack(seen, axis=1)

    @cached_property
    def _moments(self) -> MomentsByDate:
        """How the symbols' surprises moved together on every date."""
        return MomentsByDate.of(self._tables, self._start_dates)

    @cached_property
    def _start_dates(self) -> StartDates:
        """The dates that markets start on."""
        return StartDates(self._tables)

    @cached_property
    def residuals(self) -> Residuals:
        """What noise the real bars had, by date."""
        return Residuals.of(self._tables, self._corrected)

    @cached_property
    def common_factor(self) -> CommonFactor | None:
        """What symbols have in common, by how wild markets are; None where one is alone."""
        if len(self._tables) == 1:
            return None
        return CommonFactor.of(self._tables, self._corrected, self.dated_noise.uniforms)

    @cached_property
    def macro_model(self) -> MacroModel | None:
        """How outside series go on; None where the features have none."""
        return MacroModel.of(self._tables)

    @cached_property
    def _hindcasts(self) -> list[Hindcast]:
        """What the bars of each history were worth under the forecaster."""
        return [self._forecaster.hindcast(table) for table in self._tables]

    @cached_property
    def _corrected(self) -> list[Hindcast]:
        """The same of forecasts as bars are drawn with."""
        return self.common_scales.corrected(self._tables, self._hindcasts, self._forecaster)

    @cached_property
    def feedback(self) -> Feedback:
        """How strongly the state of a market acts on itself: as keeps markets as they began."""
        # Worked out here, the trial has them, too.
        _ = self._hindcasts, self.usual_sizes, self.levels
        if self._blend > 0.0:
            _ = self.dated_noise
        if self._blend < 1.0:
            _ = self.checkerboard_noise if self._kind == CHECKERBOARD else self.copula_noise
        if self._blend > 0.0 or self._kind == CHECKERBOARD:
            _ = self.common_factor
        trial = copy.copy(self)
        trial._starts, trial._premium, trial._remembers = "any", None, 0

        @cache
        def plan() -> Plan:
            return trial._plan(MARKETS // 2, WALK, np.random.default_rng(TRIAL_SEED))

        def walked(feedback: Feedback) -> NDArray[np.float64]:
            trial.feedback = feedback
            moments = np.empty((len(plan().lean), WALK, 4))
            trial._walk(plan(), Made.of(plan(), None, moments))
            return moments.mean(axis=0)

        return steady(walked, max(len(known.uniforms) for known in self._hindcasts))

    @cached_property
    def usual_sizes(self) -> NDArray[np.float64]:
        """Mean log size of each symbol's forecasts, shape (S,)."""
        return np.array([known.log_sizes.mean() for known in self._corrected])

    @property
    def common_volatility(self) -> CommonVolatility:
        """How symbols' volatilities correct each other."""
        return CommonVolatility.of(self._hindcasts, self.feedback)

    @cached_property
    def common_scales(self) -> CommonScales:
        """How what the network says of symbols' scales is corrected by the others'."""
        return CommonScales.of(self._tables, self._hindcasts)

    def _last_dates(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the newest date with a residual known at starts (K, S), -1 before the first.

        That of the market: a symbol that was not listed yet starts from another date of its own.
        """
        times = [table.history.time[row] for table, row in zip(self._tables, rows.T, strict=True)]
        own = np.array(times)[self._start_dates.leading_symbols(rows), np.arange(len(rows))]
        dates = self.residuals.dates
        return np.searchsorted(dates, own.astype(dates.dtype), side="right") - 1

    @cached_property
    def copula_noise(self) -> CopulaNoise:
        """The noise of markets that are not blended, where it is from a parametric copula."""
        if len(self._tables) == 1:
            return CopulaNoise.independent(1)
        return CopulaNoise(self._copula)

    @cached_property
    def checkerboard_noise(self) -> CheckerboardNoise:
        """The same where it is from the empirical one."""
        known = np.isfinite(self.residuals.uniforms).all(axis=2)
        return CheckerboardNoise.of(self.dated_noise, known)

    @cached_property
    def dated_noise(self) -> DatedNoise:
        """The noise of markets that are."""
        return DatedNoise(
            self._completed, self.residuals.missed, self.levels.of_dates, self._mean_block
        )

    @cached_property
    def levels(self) -> Levels:
        """How wild the dates of the histories and markets at their starts are."""
        return Levels.of(self._tables, self._hindcasts)

    @cached_property
    def _copula(self) -> Copula:
        kind = COMPLETING if self._kind == CHECKERBOARD else self._kind
        return Copula.fit(self.residuals.uniforms, kind)

    @cached_property
    def _completed(self) -> NDArray[np.float64]:
        """The residuals' uniforms, where something is missing completed by the copula."""
        uniforms = self.residuals.uniforms
        return uniforms if np.isfinite(uniforms).all() else completed(uniforms, self._copula)
