"""Stocks beside forecasters that were never fitted on them, and their simulators by name.

Out of sample twice over: parameters are fitted to bars up to a split, and on other stocks. A
stock's own history up to the split still gives what is its own: starts, bounds, residuals, and the
few numbers by which its density differs from the common one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from algorithm.learning import ImaginationConfig
from models import provenance
from models.agent.observation import Observer
from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import FeatureTable
from models.market.history import History
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.path_sampler import ForecasterSampler
from sim.paths import PathSampler
from sim.windows import CONTEXT

DEFAULT_BLEND = ImaginationConfig.blend
DEFAULT = f"blend {DEFAULT_BLEND:g}"
SAME_DAYS = "block bootstrap, same days"
SIMULATORS = ("block bootstrap", SAME_DAYS, DEFAULT, "blend 0", "blend 1", "GJR-GARCH")
"""Names that `Stock.sampler` knows; any other blend will do as well. `SAME_DAYS` has the days that
Mirage's markets have, which begin where features and a whole window are known: of six years one
less."""
ROTATIONS = 3
"""Groups of stocks that are left out in turn: ten of fifteen are fitted on."""


@dataclass(frozen=True)
class Stock:
    """One stock, its past and what came later.

    Attributes:
        history: all bars.
        past: table of the bars up to the split.
        forecaster: one that was not fitted on later bars, nor (rotated) on this stock.
    """

    history: History
    past: FeatureTable
    forecaster: Forecaster

    @property
    def symbol(self) -> str:
        """Its ticker."""
        return self.history.symbol

    @property
    def later(self) -> History:
        """The bars after the split and `CONTEXT` before them."""
        return self.history.tail(len(self.history) - len(self.past) + CONTEXT)

    def sampler(self, name: str) -> PathSampler:
        """A simulator of this stock alone, by its name in `SIMULATORS`."""
        return simulator(name, [self])


def simulator(name: str, stocks: Sequence[Stock]) -> PathSampler:
    """A simulator of markets of stocks that share a forecaster.

    Args:
        name: one of `SIMULATORS`, ``"blend "`` and any share, or that with ``" alone"`` behind it:
            without a copula.
        stocks: the market's, in order.
    """
    tables = [stock.past for stock in stocks]
    if name == "block bootstrap":
        return BlockBootstrapSampler(tables)
    if name == "GJR-GARCH":
        return GarchSampler(tables)
    observer = Observer(stocks[0].forecaster)
    if name == SAME_DAYS:
        first = ForecasterSampler(observer, tables, blend=0.0).first
        return BlockBootstrapSampler(tables, first=first)
    blend = float(name.removeprefix("blend ").removesuffix(" alone"))
    if name.endswith(" alone"):
        return ForecasterSampler(observer, tables, blend=blend, copula="independent")
    return ForecasterSampler(observer, tables, blend=blend)


def markets_of(stocks: Sequence[Stock], size: int = 3) -> list[list[Stock]]:
    """Markets of stocks on one calendar that share a forecaster, `size` of them in each.

    Of every forecaster and calendar of the bars after the split the first `size` stocks, where
    there are as many: fewer bars than stocks would be lost to holidays that others do not share.
    """
    groups: dict[tuple[int, bytes], list[Stock]] = {}
    for stock in stocks:
        days = stock.later.time.astype("datetime64[D]")
        groups.setdefault((id(stock.forecaster), days.tobytes()), []).append(stock)
    return [group[:size] for group in groups.values() if len(group) >= size]


def fit(
    tables: Sequence[FeatureTable], config: ForecasterConfig, seed: int, cache: Path | None
) -> Forecaster:
    """A forecaster, from the cache if it holds one of the same code, bars, settings and seed."""
    if cache is None:
        return Forecaster.fit(tables, config, seed=seed)
    key = provenance.key_for(
        {
            "code": provenance.code_fingerprint("models"),
            "versions": provenance.versions(),
            "config": provenance.described(config),
            "bars": [table.history.fingerprint() for table in tables],
            "seed": seed,
        }
    )
    arrays = saved_arrays(
        cache,
        f"forecaster-{key}",
        lambda: Forecaster.fit(tables, config, seed=seed).to_arrays(),
    )
    return Forecaster.from_arrays(arrays)


def saved_arrays(
    folder: Path | None, name: str, make: Callable[[], Mapping[str, np.ndarray]]
) -> Mapping[str, np.ndarray]:
    """Arrays by name: those kept in a folder under a name, else made and kept there.

    Args:
        folder: None: nothing is kept.
        name: of the file without its ending; says what the arrays depend on.
        make: makes them.
    """
    if folder is None:
        return make()
    path = folder / f"{name}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as saved:
            return {entry: saved[entry] for entry in saved.files}
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{name}.part.npz")
    np.savez(part, **made)
    part.replace(path)
    return made


def stocks_of(
    histories: Sequence[History],
    split: np.datetime64,
    config: ForecasterConfig,
    seed: int,
    *,
    rotations: int,
    cache: Path | None,
) -> list[Stock]:
    """Every stock beside a forecaster that was fitted on the others.

    Args:
        histories: of the stocks.
        split: newest time that is fitted to.
        config: of the forecasters.
        seed: of the fits.
        rotations: groups that are left out in turn; 1: none is, one forecaster knows all stocks.
        cache: folder that keeps fitted forecasters.

    Raises:
        ValueError: unless a stock is left to fit on.
    """
    if not 1 <= rotations <= len(histories):
        raise ValueError(f"rotations must lie in 1..{len(histories)}; received {rotations}")
    past = [FeatureTable.of(history.until(split)) for history in histories]
    found: dict[int, Stock] = {}
    for k in tqdm(range(rotations), desc=f"fit, seed {seed}", leave=False):
        held = range(k, len(histories), rotations)
        learned = [t for i, t in enumerate(past) if rotations == 1 or i not in held]
        forecaster = fit(learned, config, seed, cache)
        if rotations > 1:
            forecaster = forecaster.adapted([past[i] for i in held])
        found |= {i: Stock(histories[i], past[i], forecaster) for i in held}
    return [found[i] for i in range(len(histories))]
