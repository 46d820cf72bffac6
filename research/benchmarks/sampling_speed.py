"""How fast are markets imagined, beside what the machine's matrix products allow?

A bar of an imagined path takes two networks one step further, the masked one it is drawn from and
the mean one that the agent observes, and reads both: that many float32 operations in matrix
products cannot be avoided. The machine's measured peak of such products, over them, is a ceiling
in bars a second; the share of it is what sampling reaches with everything else on top: features,
gates, densities, quantiles, noise, bookkeeping. The peak is the best of several shapes, the
network's own among them, by NumPy's BLAS, and of the network's own loop (a BLAS that is older than
the processor may take it for one without wide vectors). Peak and sampling take turns, and both are
measured over all their calls in processor time: what else the machine does, and how many threads
work, falls on neither.

Before its first bar the masked network of each pair of twins reads a window. That is not counted in
the ceiling of a bar; what it would add to a path of so many bars is printed beside it.

What paths are written to is new memory, and the first touch of a page may cost a machine that has
to find it more than the bars on it: large samples then look slower than small ones. With
`--keep-memory` the process keeps what it had, so that only sampling is measured.

The profile is of separate runs with clocks around the parts; a clock costs a microsecond.

    python -m research.benchmarks.sampling_speed [--paths 1024 8192] [--bars 60] [--repeats 7]
        [--epochs 2] [--seed 1] [--keep-memory]

Bars and operations are those of one core.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numba
import numpy as np

from models.agent.observation import Observer
from models.forecast.config import ForecasterConfig
from models.forecast.density import OUTPUTS
from models.forecast.forecaster import Forecaster
from models.forecast.inference import LSTMInference
from models.forecast.recurrent import COLUMNS, multiply_tile
from models.kernels import LANES
from models.market.features import FeatureState, FeatureTable
from models.market.market_view import MarketView
from research.conditions import conditions, option_parser
from research.workspace import load_histories, load_settings
from sim import path_sampler
from sim.bounds import Bounds
from sim.common_factor import CommonFactor
from sim.common_volatility import CommonVolatility
from sim.noise import DatedNoise
from sim.path_sampler import ForecasterSampler

PARTS: dict[str, list[tuple[Any, str]]] = {
    "features": [(FeatureState, "push")],
    "view": [(MarketView, "push"), (MarketView, "at_rows"), (MarketView, "take")],
    "network steps": [(LSTMInference, "advance")],
    "windows before the first bar": [(LSTMInference, "settle")],
    "network outputs": [(LSTMInference, "outputs")],
    "between features and network": [
        (Forecaster, "advance"),
        (Forecaster, "advance_beside"),
        (Forecaster, "start"),
    ],
    "density and quantiles": [(Forecaster, "draw")],
    "observation and its tapes": [(Observer, "_look")],
    "noise": [
        (ForecasterSampler, "_with_noise"),
        (DatedNoise, "on"),
        (CommonFactor, "brought"),
        (path_sampler, "_ascending"),
    ],
    "bars and their tapes": [(path_sampler, "make_bars")],
    "volatility of draws": [(CommonVolatility, "corrected"), (Bounds, "hold_volatility")],
    "starts": [(path_sampler._Portion, "__init__")],
    "checks of the paths": [(path_sampler, "Paths")],
}
"""What the profile tells apart, each without what it calls of the others; the rest is the loop."""


def flops_per_bar(n_features: int, units: int) -> int:
    """Operations in matrix products for one bar of one path: two networks, steps and outputs."""
    products = (n_features + units) * (4 * units + len(OUTPUTS))
    return 2 * 2 * products


def flops_of_start(config: ForecasterConfig, bars: int) -> float:
    """Operations of a masked network's window, by bar: one window for the two paths of twins."""
    products = (len(config.network_columns) + config.units) * 4 * config.units
    return 2 * products * config.window / (2 * bars)


def matmul_rate(shape: tuple[int, int, int], seconds: float = 0.15) -> float:
    """Operations a processor second of a float32 matrix product by NumPy's BLAS."""
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    left = rng.random((rows, inner), dtype=np.float32)
    right = rng.random((inner, columns), dtype=np.float32)
    out = np.empty((rows, columns), np.float32)
    each = 2.0 * rows * inner * columns
    return each * _calls_a_second(lambda: np.matmul(left, right, out=out), seconds)


def loop_rate(inner: int, columns: int, seconds: float = 0.15) -> float:
    """Likewise of the network's own loop, which multiplies `LANES` rows with so many columns."""
    rng = np.random.default_rng(0)
    left = rng.random((inner, LANES), dtype=np.float32)
    right = rng.random(inner * columns, dtype=np.float32)
    out, passes = np.empty((COLUMNS, LANES), np.float32), 20
    each = 2.0 * LANES * inner * columns * passes
    return each * _calls_a_second(lambda: _multiply(left, right, passes, out), seconds)


@numba.njit("void(float32[:, ::1], float32[::1], int64, float32[:, ::1])")
def _multiply(left, right, passes, out):
    inner = left.shape[0]
    for _ in range(passes):
        for first in range(0, len(right), inner * COLUMNS):
            multiply_tile(left, right, first, inner, out)


def _calls_a_second(function: Callable[[], Any], seconds: float) -> float:
    """Calls of a function in a processor second, of about so many."""
    function()
    calls, began = 0, time.process_time()
    while time.process_time() < began + seconds:
        for _ in range(5):
            function()
        calls += 5
    return calls / (time.process_time() - began)


def keep_memory() -> None:
    """Nothing that was freed goes back to the machine, however large (glibc's malloc only).

    Raises:
        OSError: where malloc cannot be told so.
    """
    trim_threshold, mmap_max = -1, -4
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or not (mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1)):
        raise OSError("--keep-memory needs glibc's mallopt; this C library has none")


@contextmanager
def clocks() -> Iterator[dict[str, float]]:
    """Seconds spent in each of `PARTS`, without those of other parts called from it."""
    spent: dict[str, float] = defaultdict(float)
    inner = [0.0]

    def clocked(name: str, function: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            inner.append(0.0)
            began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.process_time() - began
                spent[name] += took - inner.pop()
                inner[-1] += took

        return run

    with ExitStack() as stack:
        for name, places in PARTS.items():
            for owner, attribute in places:
                timed = clocked(name, getattr(owner, attribute))
                known = vars(owner).get(attribute)
                wrapped = staticmethod(timed) if isinstance(known, classmethod) else timed
                stack.enter_context(mock.patch.object(owner, attribute, wrapped))
        yield spent


def profile(sample: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Median share of each part of the time that sampling takes; ``"loop"`` is the rest."""
    shares: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        with clocks() as spent:
            began = time.process_time()
            sample()
            took = time.process_time() - began
        for name in PARTS:
            shares[name].append(spent[name] / took)
        shares["loop"].append(1.0 - sum(spent.values()) / took)
    return {name: statistics.median(found) for name, found in shares.items()}


def main() -> None:
    """Measure and print."""
    parser = option_parser(__doc__)
    parser.add_argument("--paths", type=int, nargs="+", default=[1024, 8192])
    parser.add_argument("--bars", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=2, help="of the forecaster's fit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-memory", action="store_true", help="that was had, for what follows")
    options = parser.parse_args()
    if options.keep_memory:
        keep_memory()
    print(conditions("numpy", "scipy", "numba"))
    settings = load_settings()
    tables = [FeatureTable.of(history) for history in load_histories(settings)]
    config = ForecasterConfig(epochs=options.epochs)
    observer = Observer(Forecaster.fit(tables, config, seed=options.seed))
    began = time.perf_counter()
    sampler = ForecasterSampler(observer, tables, blend=settings.imagination.blend)
    sampler.sample(2, 2, np.random.default_rng(0))
    print(f"first two paths of a sampler, real residuals: {time.perf_counter() - began:.2f} s")
    n_features, units = len(config.network_columns), config.units
    flops = flops_per_bar(n_features, units)
    for n_paths in options.paths:
        shapes = [(n_paths, n_features + units, 4 * units), (512,) * 3, (1024,) * 3]
        rates: dict[str, list[float]] = defaultdict(list)
        bars: list[float] = []

        def sample(count: int = n_paths, steps: int = options.bars) -> Any:
            return sampler.sample(count, steps, np.random.default_rng(0))

        sample()
        for _ in range(options.repeats):
            for shape in shapes:
                rates["x".join(map(str, shape))].append(matmul_rate(shape))
            rates["of the loop"].append(loop_rate(n_features + units, 4 * units))
            began = time.process_time()
            drawn = sample()
            bars.append(drawn.innovations[..., 0].size / (time.process_time() - began))
        medians = {shape: statistics.median(found) for shape, found in rates.items()}
        peak = max(medians.values())
        ceiling, reached = peak / flops, statistics.median(bars)
        print(
            f"\n{n_paths:,} paths of {options.bars} bars, {len(tables)} symbols, "
            f"{n_features} features, {units} units; median of {options.repeats}; "
            f"OMP_NUM_THREADS={os.getenv('OMP_NUM_THREADS')}"
        )
        for name, rate in medians.items():
            print(f"  matrix product {name:16s} {rate / 1e9:8.1f} GFLOP/s")
        print(f"  {flops:,} FLOP a bar: ceiling          {ceiling:14,.0f} bars/s")
        print(
            f"  sampled                              {reached:14,.0f} bars/s "
            f"({min(bars):,.0f}..{max(bars):,.0f})"
        )
        print(f"  share of the ceiling                 {reached / ceiling:14.1%}")
        begun = flops + flops_of_start(config, options.bars)
        print(f"  likewise, with windows: {begun:7,.0f} FLOP     {reached * begun / peak:14.1%}")
        print("  where the time goes")
        for name, share in profile(sample, max(options.repeats // 2, 1)).items():
            print(f"    {name:32s} {share:6.1%} {share / reached * 1e9:8.0f} ns/bar")


if __name__ == "__main__":
    main()
