"""How fast are predictive draws, batched as Mirage takes them, against a loop over `predict`?

One draw is a sampled next bar of one series under one dropout mask. The loop is what Monte Carlo
dropout usually looks like in Keras: the same network (LSTM, linear skip, heads), dropout active,
`model.predict` once for each draw. Batched: `Forecaster.predict` as trading calls it, with a mask
for each of `config.masks` groups of draws; and, all else equal to the loop, a fresh mask for every
single draw (`Forecaster.start` and `draw`). Same window, units and weights on all sides.

    python -m research.benchmarks.predictive_draws [--draws 4000] [--repeats 5]
"""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np

from models.forecast.config import ForecasterConfig
from models.forecast.density import OUTPUTS, BarDensity, QuantileTables
from models.forecast.distributions import NUMPY
from models.forecast.forecaster import Forecaster
from models.forecast.levels import LevelMap, LevelMaps
from models.market.features import LOOKBACK, FeatureTable
from models.market.market_view import MarketView
from research.conditions import conditions, option_parser
from research.random_walks import random_histories

SYMBOLS = ("AAA", "BBB", "CCC")
N_SERIES = len(SYMBOLS)
LOOP_DRAWS = 20  # of the loop, timed in each repeat: more only takes longer


def keras_loop(forecaster: Forecaster, view: MarketView) -> Callable[[int], np.ndarray]:
    """Draws one by one through `model.predict`, dropout active."""
    config = forecaster.config
    arrays = forecaster.to_arrays()
    inputs = keras.Input((config.window, len(config.network_columns)))
    dropped = keras.layers.SpatialDropout1D(config.dropout)(inputs, training=True)
    hidden = keras.layers.LSTM(config.units, recurrent_dropout=config.dropout)(
        dropped, training=True
    )
    hidden = keras.layers.Dropout(config.dropout)(hidden, training=True)
    head = keras.layers.Dense(len(OUTPUTS), use_bias=False, name="head")
    skip = keras.layers.Dense(len(OUTPUTS), use_bias=False, name="skip")
    model = keras.Model(inputs, head(hidden) + skip(inputs[:, -1]))
    lstm = next(layer for layer in model.layers if isinstance(layer, keras.layers.LSTM))
    lstm.set_weights([arrays[f"weight_{name}"] for name in ("kernel", "recurrent", "bias")])
    head.set_weights([arrays["weight_head"]])
    skip.set_weights([arrays["weight_skip"]])
    window = forecaster.scaler.scaled(view.windows)[:1, :, forecaster.config.network_columns]
    known = forecaster.parameters(forecaster.start(view.take([0])))
    levels = LevelMaps(tuple(LevelMap(row) for row in arrays["levels"]))
    quantiles = QuantileTables.of(known.parameters, levels)
    rng = np.random.default_rng(0)

    def draw(count: int) -> np.ndarray:
        parts = np.empty((count, 5))
        for i in range(count):
            outputs = np.asarray(model.predict(window, verbose=0), dtype=np.float64)
            density = BarDensity(NUMPY, outputs, known.volatility, known.parameters)
            parts[i] = density.sample(rng.random((1, 5)), quantiles)[0]
        return parts

    return draw


def median_rate(run: Callable[[], object], draws: int, repeats: int) -> tuple[float, float]:
    """Median and spread (half the range) of draws per second; one run to warm up first."""
    run()
    rates = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        rates.append(draws / (time.perf_counter() - began))
    return float(np.median(rates)), 0.5 * (max(rates) - min(rates))


def main() -> None:
    """Measure and print."""
    parser = option_parser(__doc__)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(conditions("numpy", "tensorflow", "keras"))
    config = ForecasterConfig(epochs=1)
    walks = random_histories(SYMBOLS, LOOKBACK + 600, seed=1)
    market = [FeatureTable.of(walk) for walk in walks]
    forecaster = Forecaster.fit(market, config, seed=1)
    view = MarketView.at(market, window=config.window)
    rng = np.random.default_rng(0)
    n, repeats = arguments.draws, arguments.repeats
    paths = view.take(np.zeros(n, dtype=int))

    def a_mask_for_each() -> None:
        forecaster.draw(forecaster.start(paths, forecaster.masks(n, rng)), rng.random((n, 5)))

    loop = keras_loop(forecaster, view)
    results = {
        "model.predict loop": median_rate(lambda: loop(LOOP_DRAWS), LOOP_DRAWS, repeats),
        f"batch of {n}, a mask for each draw": median_rate(a_mask_for_each, n, repeats),
        f"Forecaster.predict, {N_SERIES} x {n // N_SERIES}": median_rate(
            lambda: forecaster.predict(view, n // N_SERIES, rng),
            N_SERIES * (n // N_SERIES),
            repeats,
        ),
        f"Forecaster.predict, {N_SERIES} x 128 (a day's trading)": median_rate(
            lambda: forecaster.predict(view, 128, rng), N_SERIES * 128, repeats
        ),
    }
    print(f"window {config.window}, {config.units} units; median of {repeats} repeats")
    base = results["model.predict loop"][0]
    print(f"{'':44s} {'draws/s':>10s} {'+-':>8s} {'ratio':>8s}")
    for name, (rate, spread) in results.items():
        print(f"{name:44s} {rate:10.0f} {spread:8.0f} {rate / base:8.1f}")


if __name__ == "__main__":
    main()
