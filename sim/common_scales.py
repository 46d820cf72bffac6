"""What symbols' forecasts tell of each other: a scale that one symbol alone has is partly luck.

The network reads one symbol's bars and says by how much its next moves, overnight and by day, and
its wicks are wider than its volatility alone has them. What it says of one symbol beyond what it
says of the market's others it overstates, by two fifths on stocks that it was not fitted on; what
it says of all of them together holds. Real bars make up for that: where a forecast is too wide they
fall short of it. Imagined ones, whose noise does not know of it, would be as wide as it says, and
symbols would be calm and wild on days of their own.

So with y what the network says of the log scale of a part beyond the mean over the symbol's
history, and m the mean of y over the market's symbols, a bar is drawn with

    y + own (y - m)

in place of y, own <= 0: the number with which the size of the real moves, over their scale, no
longer goes with y - m (a gamma regression with a logarithmic link, McCullagh and Nelder 1989,
"Generalized Linear Models"), drawn to what other markets have of it. Noise, by date or from the
copula, is then that of the forecasts so corrected. A symbol alone has no others: its bars are drawn
with y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.forecast.density import OUTPUTS
from models.forecast.forecaster import Forecaster, Hindcast
from models.kernels import LANES, compiled
from models.market.features import PARTS, FeatureTable
from sim.dates import CommonDates

CORRECTED = {"gap": "gap", "intraday": "intraday", "upper_wick": "upper", "lower_wick": "lower"}
"""Parts of a bar by whose sizes is judged, and what their scales are called."""

COLUMNS = np.array([OUTPUTS.index(f"{name}_scale") for name in CORRECTED.values()])
"""Of the network's outputs, those that are corrected."""

SIZED = np.array([PARTS.index(part) for part in CORRECTED])
"""Of a bar's parts, those whose scales they are."""

BEFORE, DEVIATION = -0.45, 0.08
"""Of own, before anything is seen: TDQN's stocks in markets of three and five, whose forecasters
were fitted on others, have -.37 to -.53. On bars that it was fitted on a network's faults hardly
show (AAPL, GOOG and IBM 2005-2008: -.1), so that is worth more than one span's own."""

STEPS = 20
"""Of Newton's method."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CommonScales:
    """How what the network says of a market's S symbols is corrected.

    Attributes:
        usual: mean over each history of what is corrected, shape (S, 4), columns `COLUMNS`.
        own: of what one symbol has beyond the others, in [-1, 0].
    """

    usual: Floats
    own: float

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], hindcasts: Sequence[Hindcast]) -> CommonScales:
        """What the bars of S histories tell, beside what other markets do.

        Args:
            tables: of the histories.
            hindcasts: of each, by one forecaster.
        """
        usual = np.stack([known.outputs[:, COLUMNS].mean(axis=0) for known in hindcasts])
        if len(tables) == 1:
            return cls(usual, 0.0)
        rows, beyond = _beyond_others(tables, hindcasts, usual)
        sizes = np.full(beyond.shape, np.nan)
        for s, (table, known) in enumerate(zip(tables, hindcasts, strict=True)):
            there = rows[:, s] >= 0
            volatility = known.state.volatility[: len(known.outputs), None]
            said = np.ascontiguousarray(known.outputs[:, COLUMNS])
            scale = volatility * np.exp(said)
            relative = np.abs(table.parts[known.first + 1 :, SIZED]) / scale
            mean = relative.mean(axis=0)
            # A part that never moves, as gaps where trading never stops, has nothing to tell.
            mean[mean == 0.0] = np.nan
            sizes[there, s] = (relative / mean)[rows[there, s]]
        slope, variance = _slope(sizes, beyond)
        weight = DEVIATION**2 / (DEVIATION**2 + variance)
        own = weight * slope + (1.0 - weight) * BEFORE
        return cls(usual, float(np.clip(own, -1.0, 0.0)))

    def corrected(
        self,
        tables: Sequence[FeatureTable],
        hindcasts: Sequence[Hindcast],
        forecaster: Forecaster,
    ) -> list[Hindcast]:
        """What the histories' forecasts were worth once corrected; arguments as `of`."""
        if self.own == 0.0:
            return list(hindcasts)
        rows, beyond = _beyond_others(tables, hindcasts, self.usual)
        found = []
        for s, (table, known) in enumerate(zip(tables, hindcasts, strict=True)):
            outputs, there = known.outputs.copy(), rows[:, s] >= 0
            outputs[np.ix_(rows[there, s], COLUMNS)] += self.own * beyond[there, s]
            found.append(forecaster.rejudged(table, known, outputs))
        return found

    def correct(self, outputs: Floats) -> None:
        """Outputs (S·b, 10) of b markets, symbol after symbol, in place."""
        if self.own != 0.0:
            correct_scales(outputs.T, COLUMNS, self.usual, self.own)


def _beyond_others(
    tables: Sequence[FeatureTable], hindcasts: Sequence[Hindcast], usual: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """What each forecast says beyond the others of its date.

    Returns:
        Number of each symbol's forecast on N dates, -1 where there is none, shape (N, S); and what
        it says beyond, shape (N, S, 4), NaN where there is none.
    """
    first = hindcasts[0].first
    rows = CommonDates.of([table.history for table in tables], first).rows - first
    # What the newest bar's forecast was worth is not known.
    rows[rows >= [len(known.outputs) for known in hindcasts]] = -1
    rows = np.maximum(rows, -1)[(rows >= 0).any(axis=1)]
    beyond = np.full((*rows.shape, len(COLUMNS)), np.nan)
    for s, known in enumerate(hindcasts):
        there = rows[:, s] >= 0
        beyond[there, s] = known.outputs[rows[there, s]][:, COLUMNS] - usual[s]
    return rows, beyond - np.nanmean(beyond, axis=1, keepdims=True)


def _slope(sizes: Floats, on: Floats) -> tuple[float, float]:
    """By how much the logarithm of an expected size grows with something, and variance of that.

    Minimises the gamma deviance; the variance takes what one date has as one.

    Args:
        sizes: by date, shape (N, S, C), >= 0, NaN where there is none.
        on: likewise.
    """
    there = np.isfinite(sizes)
    x, y = np.where(there, on, 0.0), np.where(there, sizes, 0.0)
    mean, slope = x[there].mean(), 0.0
    for _ in range(STEPS):
        share = y * np.exp(-slope * x)
        share /= share.sum()
        centre = float((share * x).sum())
        spread = float((share * (x - centre) ** 2).sum())
        if spread == 0.0:
            return 0.0, np.inf
        slope = float(np.clip(slope + (centre - mean) / spread, -1.0, 1.0))
    of_date = (share * (x - centre)).sum(axis=(1, 2))
    return slope, float((of_date**2).sum()) / spread**2


@compiled("void(float64[:, ::1], int64[::1], float64[:, ::1], float64)")
def correct_scales(outputs, columns, usual, own):
    """Correct what the network says, in place; see `CommonScales`.

    Args:
        outputs: shape (10, S·b), symbol after symbol.
        columns: which of them, shape (C,).
        usual: mean of each over a symbol's history, shape (S, C).
        own: of what one symbol has beyond the others.
    """
    symbols = usual.shape[0]
    count = outputs.shape[1] // symbols
    together = np.empty(LANES)
    for c in range(len(columns)):
        row = outputs[columns[c]]
        for start in range(0, count, LANES):
            width = min(LANES, count - start)
            together[:] = 0.0
            for s in range(symbols):
                said, mean = row[s * count + start : s * count + start + width], usual[s, c]
                for lane in range(width):
                    together[lane] += (said[lane] - mean) / symbols
            for s in range(symbols):
                said, mean = row[s * count + start : s * count + start + width], usual[s, c]
                for lane in range(width):
                    said[lane] += own * (said[lane] - mean - together[lane])
