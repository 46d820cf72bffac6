"""Outside series in imagined markets: how VIX, oil and the short rate go on from bar to bar.

What moves are the values as they are *known* at each close, with the lag of their publication: so
a market can start on any real date, the newest included, and nothing is drawn that is known
already. A market has one state, shared by its symbols. Its steps are

- VIX: log v(t+1) - log v(t) = a + b · log v(t) + c · m(t) + d · z(t) + e · min(z(t), 0) + rest.
  m is the symbols' mean log volatility, z their mean surprise (return over the volatility of the
  day before); VIX of one day being known at the close of the next, z(t) is that of the same day.
  b < 0 draws VIX to the level that goes with the market's volatility, c > 0; d, e < 0 raise it when
  the market falls. Fitted by least squares to the real bars.
- WTI: log return = s(t) · rest, s² the EWMA (0.94) variance, drawn by `REVERSION` to its long-run
  mean. The rest has the mean 0: no trend of a few years is learned from. It does not listen to the
  market: it is news of the week before.
- The short rate: rest alone, of mean 0.

The rests are real ones: those of the same date where a market's noise is of real dates (in the
block bootstrap, and in all of ours but those with a parametric copula), otherwise of dates at
random; so they are heavy tailed, and what moved together stays together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.market.features import COLUMN, LOOKBACK, FeatureTable
from models.market.macro import RATE, VARIANCE_FLOOR, VIX, WTI, MacroState
from models.market.market_view import MarketView
from sim.dates import CommonDates
from sim.starts import longest_first

Floats = NDArray[np.float64]

REVERSION = 0.05
"""Share of WTI's long-run variance in that of its next return: half of a shock is gone in 13 bars
(the EWMA's decay taken alone, a simulated variance would wander off)."""
SLOWEST = -0.01
"""Of the coefficient b, at most: log VIX reverts by a hundredth a bar or faster, whatever a short
span says."""
MARGIN = 0.5
"""Log VIX stays within its real range and so much beyond it on either side."""


@dataclass(frozen=True, eq=False)
class MacroModel:
    """Steps of outside series, fitted to real bars; see the module's description.

    Attributes:
        series: which, n of `models.market.macro.MACRO`.
        dates: of the rests, shape (N,), ascending.
        rests: of each date, shape (N, n).
        coefficients: a to e, of VIX; zeros where it is not one of the series.
        reach: lowest and highest log VIX.
        wti_variance: long-run variance of WTI's log returns.
    """

    series: tuple[str, ...]
    dates: NDArray[np.datetime64]
    rests: Floats
    coefficients: Floats
    reach: tuple[float, float]
    wti_variance: float

    @classmethod
    def of(cls, tables: Sequence[FeatureTable]) -> MacroModel | None:
        """Fitted to the bars of S histories; None where they know of no outside series.

        Raises:
            ValueError: if some histories know of other series than others.
        """
        macros = [table.macro for table in tables if table.macro is not None]
        if not macros:
            return None
        series = macros[0].macro.series
        if len(macros) < len(tables) or any(one.macro.series != series for one in macros):
            raise ValueError("histories must come with the same outside series; received others")
        common = CommonDates.of([table.history for table in tables], LOOKBACK)
        known = np.full((len(common.dates), len(series)), np.nan)
        variance = np.full(len(common.dates), np.nan)
        volatility, surprise = np.full((2, *common.rows.shape), np.nan)
        # Averages of a history depend on where it begins: those of the longest one count.
        for s in reversed(longest_first(tables)):
            table, macro = tables[s], macros[s]
            there = common.present[:, s]
            rows = common.rows[there, s]
            known[there], variance[there] = macro.macro.values[rows], macro.variance[rows]
            volatility[there, s] = table.rows[rows, COLUMN["volatility_ewma"]]
            surprise[there, s] = table.rows[rows, COLUMN["log_return"]]
        change = np.diff(known, axis=0)
        rests, coefficients, reach, usual = change.copy(), np.zeros(5), (0.0, 0.0), 0.0
        for row, name in enumerate(series):
            if name == VIX:
                seen = _seen(known[:, row], _mean(volatility), _mean(surprise))[:, :-1]
                coefficients = _least_squares(seen, change[:, row])
                rests[:, row] = change[:, row] - coefficients @ seen
                reach = known[:, row].min() - MARGIN, known[:, row].max() + MARGIN
            elif name == WTI:
                usual = float(np.mean(change[:, row] ** 2))
                rests[:, row] = change[:, row] / _deviation(variance[:-1], usual)
            rests[:, row] -= rests[:, row].mean()
        return cls(series, common.dates[1:], rests, coefficients, reach, usual)

    def rows_of(self, dates: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Numbers of the rests of dates (N,); of the next one for a date that has none."""
        place = np.searchsorted(self.dates, dates.astype(self.dates.dtype))
        return np.minimum(place, len(self.dates) - 1)

    def any_rows(self, n_markets: int, n_steps: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of rests at random, shape (n_markets, n_steps)."""
        return rng.integers(len(self.dates), size=(n_markets, n_steps))

    def next_values(
        self, state: MacroState, volatility: Floats, surprise: Floats, rows: NDArray[np.int64]
    ) -> Floats:
        """What is known at the next close of b markets, shape (n, b).

        Args:
            state: at this close, of b markets.
            volatility: mean log volatility of each market's symbols, shape (b,).
            surprise: mean surprise of them, shape (b,).
            rows: numbers of the rests of each, shape (b,).
        """
        values, rests = state.values.copy(), self.rests[rows].T
        for row, name in enumerate(self.series):
            if name == VIX:
                pulled = self.coefficients @ _seen(values[row], volatility, surprise)
                values[row] = np.clip(values[row] + pulled + rests[row], *self.reach)
            elif name == WTI:
                values[row] += _deviation(state.wti_variance, self.wti_variance) * rests[row]
            elif name == RATE:
                values[row] += rests[row]
        return values


def _mean(values: Floats) -> Floats:
    """Of the symbols, the last axis; NaN counts for nothing, and their order neither."""
    return np.nanmean(np.sort(values, axis=-1), axis=-1)


def _seen(values: Floats, volatility: Floats, surprise: Floats) -> Floats:
    """What the next change of log VIX is worked out from, shape (5, ...)."""
    return np.stack([np.ones_like(values), values, volatility, surprise, np.minimum(surprise, 0.0)])


def _least_squares(seen: Floats, change: Floats) -> Floats:
    """Coefficients (5,) of regressors (5, T); the second one no more than `SLOWEST`."""
    found = np.linalg.lstsq(seen.T, change, rcond=None)[0]
    if found[1] > SLOWEST:
        others = [0, 2, 3, 4]
        rest = np.linalg.lstsq(seen[others].T, change - SLOWEST * seen[1], rcond=None)[0]
        found = np.insert(rest, 1, SLOWEST)
    return found


def _deviation(variance: Floats, usual: float) -> Floats:
    """Of WTI's next log return."""
    return np.sqrt((1.0 - REVERSION) * variance + REVERSION * usual + VARIANCE_FLOOR)


class MacroWalk:
    """Outside series beside b markets on their way.

    Args:
        model: of their steps.
        view: of the S · b symbols of the markets at their starts; each is put beside the outside
            series of the symbol that leads its market (`sim.starts.StartDates`).
        markets: numbers in the view of each market's symbols, shape (b, S).
        leading: which symbol of each market leads it, shape (b,).
        rows: numbers of the rests of every step, shape (b, T).
    """

    def __init__(
        self,
        model: MacroModel,
        view: MarketView,
        markets: NDArray[np.int64],
        leading: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> None:
        self._model, self._markets, self._rows, self._t = model, markets, rows, 0
        lead = np.empty(len(view), np.int64)
        lead[markets] = markets[np.arange(len(markets)), leading][:, None]
        view.share_macro(lead)

    def next_values(self, view: MarketView) -> Floats:
        """What is known at the next close beside each symbol, shape (S · b, n), for `push`.

        Raises:
            ValueError: if the view knows of no outside series.
        """
        if view.macro is None:
            raise ValueError("view must know of outside series; received one that does not")
        features = view.feature_rows[self._markets]
        values = self._model.next_values(
            view.macro.take(self._markets[:, 0]),
            _mean(features[..., COLUMN["volatility_ewma"]]),
            _mean(features[..., COLUMN["log_return"]]),
            self._rows[:, self._t],
        )
        self._t += 1
        found = np.empty((len(view), len(values)))
        found[self._markets] = values.T[:, None]
        return found
