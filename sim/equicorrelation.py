"""How strongly symbols move together in calm and in wild times, and noise that does as they do.

When forecasts are wild symbols fall together, and a portfolio's risk is that. Noise of days as wild
as the market (`sim.levels`) has most of that at the start; but a block of days goes on by itself
while the market grows wilder or calmer, and in the wildest bars of imagined markets noise would be
that of days which mostly were less wild.

So noise is brought from the level of its date to that of the market. Scores of the uniforms,
x = log(u / (1 - u)), have at each level p, for each part of a bar, a mean of their own, a variance
of what S symbols have in common and one of what each has beside it: with x' their mean over the
symbols,

    m(p) = E x',    c(p) = S Var x',    e(p) = E sum (x - x')^2 / (S - 1),

the two eigenvalues of an equicorrelation matrix (Engle and Kelly 2012, "Dynamic equicorrelation",
Journal of Business & Economic Statistics 30), (1 + (S - 1) r) v and (1 - r) v with r what any two
symbols correlate by and v their variance. Noise of a date at level d on a market at level p is

    m(d) + sqrt(c(p) / c(d)) (x' - m(d)) + sqrt(e(p) / e(d)) (x - x'),

c and e divided by the variance of their level, which is left as it is. Which symbols moved more
than others on a date, and in which part of the bar, stays as it was, and on a market as wild as the
date nothing changes. Functions of p are local linear regressions (Fan and Gijbels 1996, "Local
polynomial modelling and its applications"): at the ends, which count, means of neighbours would be
those of milder days.

The level is of the whole forecast, what the network says of scales included, where `sim.levels` has
that of the baseline volatility.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.forecast.distributions import MIN_UNIFORM
from models.forecast.forecaster import Hindcast
from models.kernels import LANES, compiled, exp, inlined, load, log, store
from models.market.features import PARTS, FeatureTable
from sim.dates import CommonDates

Floats = NDArray[np.float64]

WIDTH = 0.08
"""Of the kernel, in levels, for `DATES`."""

DATES = 750
"""For others it is as much wider as their number's fifth root is smaller."""

LEVELS = np.linspace(0.0, 1.0, 41)
"""At which functions are known; between them they are straight."""

LEAST = 0.05
"""Of the eigenvalues, whose mean over all S of them is one: few days may have none."""

NEAREST = 1e-15
"""To 0 and 1, where scores are finite."""

N_PARTS = len(PARTS)


def log_size(volatility: Floats, scales: Floats) -> Floats:
    """Log of how wide forecasts are, of any shape.

    Args:
        volatility: baseline ones, shape (...).
        scales: what is said of the log scales of gap and intraday return, shape (..., 2).
    """
    return np.log(volatility) + 0.5 * np.logaddexp(2.0 * scales[..., 0], 2.0 * scales[..., 1])


def local_linear(levels: Floats, values: Floats, at: Floats, width: float) -> Floats:
    """Local linear regressions with a Gaussian kernel.

    Args:
        levels: of N days, shape (N,).
        values: shape (N, C).
        at: where they are asked for, shape (G,).
        width: standard deviation of the kernel.

    Returns:
        Shape (G, C).
    """
    apart = levels - at[:, None]
    near = np.exp(-0.5 * (apart / width) ** 2)
    first, second = (near * apart).sum(axis=1), (near * apart**2).sum(axis=1)
    weight = near * (second[:, None] - first[:, None] * apart)
    return (weight @ values) / weight.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Equicorrelation:
    """How strongly S symbols move together, by level.

    Attributes:
        usual: mean log size of each symbol's forecasts, shape (S,).
        above: what those of all symbols together were above it on N dates, ascending, shape (N,).
        of_dates: levels of the dates, by date, shape (N,), in (0, 1).
        functions: roots of c and of e, and m, at `LEVELS`, shape (41, 3, 5).
        least: noise below which there is none, shape (S, 5): no real bar's, and nothing drawn.
        most: likewise above.
    """

    usual: Floats
    above: Floats
    of_dates: Floats
    functions: Floats
    least: Floats
    most: Floats

    @classmethod
    def of(
        cls, tables: Sequence[FeatureTable], hindcasts: Sequence[Hindcast], noise: Floats
    ) -> Equicorrelation:
        """What the bars of S histories tell, two at least.

        Args:
            tables: of the histories.
            hindcasts: of each, by one forecaster, as bars are drawn with.
            noise: of the dates of all forecasts, shape (N, S, 5), nothing missing.
        """
        sizes = [log_size(one.state.volatility[:-1], one.scales) for one in hindcasts]
        usual = np.array([one.mean() for one in sizes])
        first = hindcasts[0].first + 1
        common = CommonDates.of([table.history for table in tables], first)
        each = [one - mean for one, mean in zip(sizes, usual, strict=True)]
        above = np.nanmean(common.laid_out(each, first), axis=1)
        ordered = np.sort(above)
        levels = _levels(above, ordered)
        return cls(
            usual,
            ordered,
            levels,
            _functions(levels, noise),
            np.minimum(noise.min(axis=0), MIN_UNIFORM),
            np.maximum(noise.max(axis=0), 1.0 - MIN_UNIFORM),
        )

    def levels(self, volatility: Floats, scales: Floats) -> Floats:
        """Levels of B markets, shape (B,), in (0, 1).

        Args:
            volatility: baseline ones of their symbols, shape (S, B).
            scales: what is said of the log scales of gap and intraday return, shape (S, B, 2).
        """
        size = log_size(volatility, scales) - self.usual[:, None]
        return _levels(size.mean(axis=0), self.above)

    def brought(self, noise: Floats, dates: NDArray[np.int64], levels: Floats) -> Floats:
        """Noise of one bar of B markets at levels, shape (S, B, 5), of dates' noise.

        Args:
            noise: that of the dates, shape (S, B, 5).
            dates: their numbers, shape (B,).
            levels: of the markets, shape (B,).
        """
        found = np.empty((len(noise), levels.size * N_PARTS))
        given = np.ascontiguousarray(noise).reshape(found.shape)
        functions = self.functions.reshape(len(LEVELS), -1)
        bring(given, self.of_dates[dates], levels, functions, found)
        found = found.reshape(noise.shape)
        return np.clip(found, self.least[:, None], self.most[:, None], out=found)


def _levels(above: Floats, ordered: Floats) -> Floats:
    return np.interp(above, ordered, (np.arange(len(ordered)) + 0.5) / len(ordered))


def _functions(levels: Floats, noise: Floats) -> Floats:
    """Of noise (N, S, 5) of dates at levels (N,); see `Equicorrelation.functions`."""
    n, symbols = noise.shape[:2]
    width = WIDTH * (DATES / n) ** 0.2
    scores = special.logit(np.clip(noise, NEAREST, 1.0 - NEAREST))
    mean = scores.mean(axis=1)
    own = ((scores - mean[:, None]) ** 2).sum(axis=1) / (symbols - 1)
    centre = local_linear(levels, mean, LEVELS, width)
    beyond = np.empty_like(mean)
    for part in range(N_PARTS):
        beyond[:, part] = mean[:, part] - np.interp(levels, LEVELS, centre[:, part])
    squares = np.stack([symbols * beyond**2, own], axis=1).reshape(n, -1)
    found = local_linear(levels, squares, LEVELS, width)
    together, apart = np.maximum(found.reshape(-1, 2, N_PARTS), 0.0).swapaxes(0, 1)
    variance = np.maximum((together + (symbols - 1) * apart) / symbols, np.finfo(float).tiny)
    roots = [np.sqrt(np.maximum(one / variance, LEAST)) for one in (together, apart)]
    return np.stack([*roots, centre], axis=1)


@inlined
def _place(level, cells):
    """The cell of a level, and how far into it."""
    place = min(max(level, 0.0), 1.0) * cells
    cell = min(int(place), cells - 1)
    return cell, place - cell


@compiled("void(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1], float64[:, ::1])")
def bring(noise, of_dates, of_markets, functions, found):
    """Noise of dates brought to the levels of markets; see the module's description.

    Args:
        noise: uniforms, shape (S, B·5), part after part of a market.
        of_dates: levels of the dates, shape (B,).
        of_markets: levels of the markets, shape (B,).
        functions: at evenly spaced levels from 0 to 1, shape (G, 15): roots of c, roots of e, m.
        found: written to, shape (S, B·5).
    """
    symbols, count = len(noise), len(of_dates)
    cells, parts = len(functions) - 1, functions.shape[1] // 3
    lanes = LANES * parts
    together, apart, centre = np.ones(lanes), np.ones(lanes), np.zeros(lanes)
    scores, mean = np.full((symbols, lanes), 0.5), np.empty(lanes)
    for start in range(0, count, LANES):
        markets = min(LANES, count - start)
        width, offset = markets * parts, start * parts
        for market in range(markets):
            cell, far = _place(of_dates[start + market], cells)
            low, high = functions[cell], functions[cell + 1]
            cell, beyond = _place(of_markets[start + market], cells)
            least, most = functions[cell], functions[cell + 1]
            for part in range(parts):
                lane, own, middle = market * parts + part, parts + part, 2 * parts + part
                wanted = least[part] + beyond * (most[part] - least[part])
                together[lane] = wanted / (low[part] + far * (high[part] - low[part]))
                wanted = least[own] + beyond * (most[own] - least[own])
                apart[lane] = wanted / (low[own] + far * (high[own] - low[own]))
                centre[lane] = low[middle] + far * (high[middle] - low[middle])
        mean[:] = 0.0
        for s in range(symbols):
            load(noise, s, offset, width, scores, s)
            score = scores[s]
            for lane in range(lanes):
                u = min(max(score[lane], NEAREST), 1.0 - NEAREST)
                score[lane] = log(u / (1.0 - u))
                mean[lane] += score[lane]
        for lane in range(lanes):
            mean[lane] = mean[lane] / symbols
        for s in range(symbols):
            score = scores[s]
            for lane in range(lanes):
                shared = centre[lane] + together[lane] * (mean[lane] - centre[lane])
                score[lane] = 1.0 / (
                    1.0 + exp(-(shared + apart[lane] * (score[lane] - mean[lane])))
                )
            store(scores, s, found, s, offset, width)
