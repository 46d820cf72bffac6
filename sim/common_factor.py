"""How much of their noise symbols have in common, in calm and in wild times.

When forecasts are wild symbols fall together, and a portfolio's risk is that. Noise of days as wild
as the market (`sim.levels`) has most of that; but a block of days goes on while the market grows
wilder or calmer than they were, and the wildest bars of imagined markets would have the noise of
days which mostly were less wild.

So noise is brought from where its date was to where the market is. For each part of a bar take the
log-odds log(u / (1 - u)) of the uniforms u of S symbols, less their means on days as wild, over
their deviations: x. With v the leading principal component of their correlation, f = v'x is what
symbols have in common. On a day of log size a (how wide forecasts are, beyond the usual, the mean
over the symbols) its share of all that happens is

    E f^2 / E |x|^2 = g(a),    logit g(a) = intercept + slope a,

a fractional logistic regression (Papke and Wooldridge 1996, "Econometric methods for fractional
response variables"), each day weighing by |x|^2; the slope is drawn to none by its own uncertainty.
Then S v_s^2 g(a) of the variance of symbol s is common, and noise of a date of size d on a market
of size a is, with k = S v_s^2, that of

    sqrt(g(a) / g(d)) v_s f + sqrt((1 - k g(a)) / (1 - k g(d))) (x_s - v_s f)

times the deviations, and the means of the date. As far as one factor is all that they have in
common, each symbol keeps its variance, and one that has nothing to do with the others keeps what it
had; what groups of symbols share beside it goes as what each has for itself. On a market as wild as
the date nothing changes. A date is as wild as it was forecast, a market as its bars are drawn: the
volatility that `sim.common_volatility` has corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.forecast.distributions import EDGE_UNIFORM, MIN_UNIFORM
from models.forecast.forecaster import Hindcast
from models.kernels import LANES, compiled, exp, load, log, store
from models.market.features import PARTS, FeatureTable
from sim.dates import CommonDates
from sim.levels import Levels, means_of_like

Floats = NDArray[np.float64]

MOST_COMMON = 0.95
"""Of a symbol's variance. Without a rest there would be nothing to make wider."""

FEWEST = 60
"""Dates that all symbols have, for which those that only some have are left out of the fit."""

STEPS, FARTHEST = 30, 1.0
"""Of Newton's method, and how far one goes."""

N_PARTS = len(PARTS)


@dataclass(frozen=True, eq=False)
class CommonFactor:
    """What S symbols have in common, by how wild a market is.

    Attributes:
        usual: mean log size of each symbol's forecasts, shape (S,).
        above: what those of all symbols together were above it on N dates, shape (N,).
        means: of the log-odds on days as wild as each date, shape (S, N, 5).
        deviations: of the log-odds, shape (S, 5), > 0.
        leading: principal components v, shape (S, 5); their signs mean nothing.
        line: intercepts and slopes, shape (2, 5).
        least: noise below which there is none, shape (S, 5): no real bar's, and nothing drawn.
        most: likewise above.
    """

    usual: Floats
    above: Floats
    means: Floats
    deviations: Floats
    leading: Floats
    line: Floats
    least: Floats
    most: Floats

    @classmethod
    def of(
        cls, tables: Sequence[FeatureTable], hindcasts: Sequence[Hindcast], noise: Floats
    ) -> CommonFactor:
        """What the bars of S histories tell.

        Args:
            tables: of the histories.
            hindcasts: of each, by one forecaster, as bars are drawn with.
            noise: of the dates of all forecasts, shape (N, S, 5), nothing missing.
        """
        sizes = [known.log_sizes for known in hindcasts]
        usual = np.array([size.mean() for size in sizes])
        first = hindcasts[0].first + 1
        common = CommonDates.of([table.history for table in tables], first)
        beyond = [size - mean for size, mean in zip(sizes, usual, strict=True)]
        above = np.nanmean(common.laid_out(beyond, first), axis=1)
        odds = special.logit(np.clip(noise, EDGE_UNIFORM, 1.0 - EDGE_UNIFORM))
        like = means_of_like(Levels(above, beyond, first).of_dates, odds) + odds.mean(axis=0)
        # What was completed was drawn without regard to how wild its date was.
        whole = common.present.all(axis=1)
        told = whole if whole.sum() >= FEWEST else np.ones(len(whole), bool)
        each = [_factor((odds - like)[told, :, part], above[told]) for part in range(N_PARTS)]
        deviations, leading, line = (np.stack(found, axis=1) for found in zip(*each, strict=True))
        return cls(
            usual,
            above,
            np.ascontiguousarray(like.swapaxes(0, 1)),
            deviations,
            leading,
            line,
            np.minimum(noise.min(axis=0), MIN_UNIFORM),
            np.maximum(noise.max(axis=0), 1.0 - MIN_UNIFORM),
        )

    def brought(
        self, noise: Floats, dates: NDArray[np.int64], volatility: Floats, scales: Floats
    ) -> Floats:
        """Noise of one bar of B markets, shape (S, B, 5), of dates' noise.

        A market is taken to be no wilder and no calmer than all dates were.

        Args:
            noise: that of the dates, shape (S, B, 5).
            dates: their numbers, shape (B,).
            volatility: that the markets' symbols are drawn with, shape (S, B).
            scales: log scales of gap and intraday return, as the network says, shape (2, S, B).
        """
        found = np.empty((len(noise), len(dates) * N_PARTS))
        bring(
            np.ascontiguousarray(noise).reshape(found.shape),
            np.take(self.means, dates, axis=1).reshape(found.shape),
            self.above[dates],
            np.ascontiguousarray(volatility),
            np.ascontiguousarray(scales),
            self.usual,
            self._extent,
            self.line,
            *self._by_lane,
            EDGE_UNIFORM,
            found,
        )
        return found.reshape(noise.shape)

    @cached_property
    def _extent(self) -> Floats:
        return np.array([self.above.min(), self.above.max()])

    @cached_property
    def _by_lane(self) -> list[Floats]:
        """Numbers of symbols and parts as `bring` wants them, arrays of shape (S, LANES·5)."""
        weight, loading = self.leading / self.deviations, self.leading * self.deviations
        share = len(self.leading) * self.leading**2
        of_parts = weight, loading, share, self.least, self.most
        return [np.tile(each, LANES) for each in of_parts]


def _factor(odds: Floats, above: Floats) -> tuple[Floats, Floats, Floats]:
    """Of one part's log-odds less their means (N, S) on dates so wild (N,).

    Returns:
        Deviations, shape (S,); leading component, (S,); intercept and slope, (2,).
    """
    deviations = np.sqrt((odds**2).mean(axis=0))
    deviations = np.where(deviations > 0.0, deviations, 1.0)
    standard = odds / deviations
    leading = np.linalg.eigh(standard.T @ standard)[1][:, -1]
    together: Floats = standard @ leading
    line = fractional_logit(together**2, (standard**2).sum(axis=1), above)
    return deviations, leading, line


def fractional_logit(parts: Floats, wholes: Floats, on: Floats) -> Floats:
    """How the share of parts in wholes goes with something: intercept and slope, shape (2,).

    The slope is multiplied by t^2 / (1 + t^2), t its t statistic with one date taken as one. Beside
    what is given stand two half days, a unit of `on` below and above the middle of the others, that
    have half of all in common: so there is an answer however little there is to tell.

    Args:
        parts: shape (N,), each in [0, its whole].
        wholes: shape (N,), >= 0; they weigh.
        on: shape (N,).
    """
    unit = wholes.mean() or 1.0
    centre = (wholes @ on) / wholes.sum() if wholes.any() else on.mean()
    x = np.stack([np.ones(len(on) + 2), np.append(on - centre, [-1.0, 1.0])], axis=1)
    weights, shares = np.append(wholes / unit, [0.5, 0.5]), np.append(parts / unit, [0.25, 0.25])
    found = np.array([special.logit(shares.sum() / weights.sum()), 0.0])
    for _ in range(STEPS):
        expected = special.expit(x @ found)
        inverse = np.linalg.inv((x.T * (weights * expected * (1.0 - expected))) @ x)
        scores = (shares - weights * expected)[:, None] * x
        found = found + np.clip(inverse @ scores.sum(axis=0), -FARTHEST, FARTHEST)
    variance = (inverse @ (scores.T @ scores) @ inverse)[1, 1]
    slope = found[1] * found[1] ** 2 / (found[1] ** 2 + variance) if found[1] else 0.0
    return np.array([found[0] - slope * centre, slope])


@compiled(
    "void(float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[:, :, ::1],"
    " float64[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1],"
    " float64[:, ::1], float64[:, ::1], float64[:, ::1], float64, float64[:, ::1])"
)
def bring(
    noise, means, of_dates, volatility, scales, usual, extent, line, weight, loading, share, low,
    high, edge, found,
):  # fmt: skip
    """Noise of dates brought to where markets are; see the module's description.

    Args:
        noise: uniforms, shape (S, B·5), part after part of a market.
        means: of their log-odds on days as wild as the date, likewise.
        of_dates: log sizes of the dates, shape (B,).
        volatility: that the markets' symbols are drawn with, shape (S, B).
        scales: log scales of gap and intraday return, shape (2, S, B).
        usual: log sizes, shape (S,).
        extent: smallest and largest log size of all dates, shape (2,).
        line: intercepts and slopes, shape (2, 5).
        weight: of each symbol's log-odds in what is common, shape (S, LANES·5), part after part of
            a lane.
        loading: of what is common in each symbol, likewise.
        share: k of the module's description, likewise.
        low: noise below which there is none, likewise.
        high: likewise above.
        edge: uniforms as close as that to 0 or 1 are taken to be that far from it.
        found: written to, shape (S, B·5).
    """
    symbols, count, parts = len(noise), len(of_dates), line.shape[1]
    lanes = LANES * parts
    size, w = np.empty(LANES), np.ones((3, LANES))
    wanted, given, common = np.zeros(lanes), np.zeros(lanes), np.empty(lanes)
    odds, middle = np.full((symbols, lanes), 0.5), np.zeros((symbols, lanes))
    for start in range(0, count, LANES):
        markets = min(LANES, count - start)
        width, offset = markets * parts, start * parts
        size[:] = 0.0
        for s in range(symbols):
            load(volatility, s, start, markets, w, 0)
            load(scales[0], s, start, markets, w, 1)
            load(scales[1], s, start, markets, w, 2)
            for lane in range(LANES):
                wide = exp(2.0 * w[1, lane]) + exp(2.0 * w[2, lane])
                size[lane] += log(w[0, lane]) + 0.5 * log(wide) - usual[s]
        for market in range(markets):
            above = min(max(size[market] / symbols, extent[0]), extent[1])
            for part in range(parts):
                lane = market * parts + part
                wanted[lane] = line[0, part] + line[1, part] * above
                given[lane] = line[0, part] + line[1, part] * of_dates[start + market]
        for lane in range(lanes):
            wanted[lane] = 1.0 / (1.0 + exp(-wanted[lane]))
            given[lane] = 1.0 / (1.0 + exp(-given[lane]))
        common[:] = 0.0
        for s in range(symbols):
            load(noise, s, offset, width, odds, s)
            load(means, s, offset, width, middle, s)
            of_symbol, mean, weighs = odds[s], middle[s], weight[s]
            for lane in range(lanes):
                u = min(max(of_symbol[lane], edge), 1.0 - edge)
                of_symbol[lane] = log(u / (1.0 - u)) - mean[lane]
                common[lane] += weighs[lane] * of_symbol[lane]
        for s in range(symbols):
            of_symbol, mean, loads, often = odds[s], middle[s], loading[s], share[s]
            smallest, largest = low[s], high[s]
            for lane in range(lanes):
                after = min(often[lane] * wanted[lane], MOST_COMMON)
                before = min(often[lane] * given[lane], MOST_COMMON)
                together = loads[lane] * common[lane]
                apart = of_symbol[lane] - together
                together *= np.sqrt((after + 1e-12) / (before + 1e-12))
                apart *= np.sqrt((1.0 - after) / (1.0 - before))
                u = 1.0 / (1.0 + exp(-(mean[lane] + together + apart)))
                of_symbol[lane] = min(max(u, smallest[lane]), largest[lane])
            store(odds, s, found, s, offset, width)
