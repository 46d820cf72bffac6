"""What a run tells about itself beyond LEAN's result files: forecasts, calibration, trainings.

Kept in bounded memory, written to the object store as one JSON document at the end of the
algorithm (key `mirage/diagnostics.json`), and read by the report. A live run keeps it over restarts
(`algorithm.live_trading.state`).
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from algorithm.imagined import Imagined
from algorithm.promotion import Promotion
from algorithm.training import TrainedModels
from models.forecast.predictive import PredictiveDistribution
from sim.shadow import ShadowAccounts

KEY = "mirage/diagnostics.json"
NOMINAL_COVERAGE = (0.5, 0.8, 0.9, 0.95)
PIT_BINS = 20
FORECASTS_KEPT = 250
PRICES_KEPT = 2600
"""Bars per symbol kept for the pictures: one year of forecasts, ten years of closes."""


@dataclass
class Stopwatch:
    """Where the time went: seconds by stage, stages not nested."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside the block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


class Diagnostics:
    """Collects while the algorithm runs; `to_json` is what the report reads.

    Safe to tell on one thread and keep on another.

    Attributes:
        stopwatch: where the time went.
        version: counts up with whatever `to_state` would give.
        promotions: which of several candidates traded after each training, and why: time (ISO),
            trading, before, and a sentence.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.stopwatch = Stopwatch()
        self.version = 0
        self._guard = threading.RLock()
        self._symbols = tuple(symbols)
        self._trainings: list[dict[str, Any]] = []
        self._pending: dict[str, tuple[PredictiveDistribution, Sequence[float]]] = {}
        self._forecasts: dict[str, deque] = {
            name: deque(maxlen=FORECASTS_KEPT) for name in self._symbols
        }
        self._prices: dict[str, deque] = {name: deque(maxlen=PRICES_KEPT) for name in self._symbols}
        self._paths: dict[str, dict[str, Any]] = {}
        self._sections: dict[str, Any] = {}
        self._rivals: ShadowAccounts | None = None
        self._says: Mapping[str, str] = {}
        self.promotions: list[dict[str, Any]] = []
        self._pit_counts = np.zeros(PIT_BINS, dtype=int)
        self._covered = dict.fromkeys(NOMINAL_COVERAGE, 0)
        self._crps_sum = 0.0
        self._log_score_sum = 0.0
        self._scored = 0

    def training(self, at: datetime, models: TrainedModels) -> None:
        """Note a training (or the reuse of one) and its curves."""
        epoch, loss, held_out_loss = models.forecaster.curve.T.tolist()
        with self._guard:
            self.version += 1
            self._trainings.append(
                {
                    "time": at.isoformat(),
                    "reused": models.reused,
                    "forecaster_reused": models.forecaster_reused,
                    "artifact": models.agent_key,
                    "forecaster": {"epoch": epoch, "loss": loss, "validation_loss": held_out_loss},
                    "agent": {name: list(values) for name, values in vars(models.curve).items()},
                }
            )

    def imagined(self, found: Imagined, last_close: Mapping[str, float]) -> None:
        """Keep what was found about imagined markets, and some of them, rebased to 1.

        Args:
            found: its closes are those of all symbols in this order.
            last_close: of each symbol, which the markets follow.
        """
        paths = {}
        for s, (symbol, base) in enumerate(last_close.items()):
            closes = found.closes[:, s]
            paths[symbol] = {
                "real": [1.0],
                "bars": closes.shape[1],
                "base": base,
                "simulated": np.hstack([np.ones((len(closes), 1)), closes / base])
                .round(5)
                .tolist(),
            }
        rows = [{"name": label, "values": values} for label, values in found.facts.rows()]
        with self._guard:
            self.version += 1
            self._paths = paths
            self._sections = {
                "span": found.span.to_json(),
                "facts": {"columns": list(found.facts.columns), "rows": rows},
                **found.sections,
            }

    def rivals(self, accounts: ShadowAccounts, says: Mapping[str, str]) -> None:
        """Shadow accounts of rules and candidates, to be read at the end.

        Args:
            accounts: by name.
            says: what each does, in a sentence.
        """
        self._rivals, self._says = accounts, says

    def promotion(self, at: datetime, decision: Promotion) -> None:
        """Note which of several candidates trades from now on, and why."""
        self.promotions.append(
            {
                "time": at.isoformat(),
                "trading": decision.trading,
                "before": decision.before,
                "says": str(decision),
            }
        )

    def forecast(
        self, symbol: str, distribution: PredictiveDistribution, fan: Sequence[float]
    ) -> None:
        """Note the forecast of a symbol's next bar.

        Args:
            symbol: whose bar.
            distribution: of one series.
            fan: 5, 25, 50, 75 and 95 % quantiles of the next close.
        """
        self._pending[symbol] = (distribution, fan)

    def newest(self, symbol: str) -> datetime | None:
        """The newest close that was noted of a symbol; None before the first."""
        prices = self._prices[symbol]
        return datetime.fromisoformat(prices[-1][0]) if prices else None

    def close(self, symbol: str, at: datetime, close: float, before: float | None = None) -> None:
        """Note a close, once: it settles the forecast made for it, if there was one.

        Args:
            symbol: whose close.
            at: its time; one that is known already counts for nothing.
            close: in $.
            before: the close before, at the same scale; None for the forecast's own.
        """
        newest = self.newest(symbol)
        if newest is not None and at <= newest:
            return
        with self._guard:
            self.version += 1
            self._prices[symbol].append((at.isoformat(), close))
            paths = self._paths.get(symbol)
            if paths is not None and len(paths["real"]) <= paths["bars"]:
                paths["real"].append(round(close / paths["base"], 5))
            pending = self._pending.pop(symbol, None)
            if pending is not None:
                self._settle(symbol, at, close, before, *pending)

    def _settle(
        self,
        symbol: str,
        at: datetime,
        close: float,
        before: float | None,
        distribution: PredictiveDistribution,
        fan: Sequence[float],
    ) -> None:
        """Score a forecast by the close that it was of."""
        own = float(distribution.last_close[0])
        previous_close = own if before is None else before
        realized = np.log([close / previous_close])
        pit = float(distribution.pit(realized)[0])
        self._pit_counts[min(int(pit * PIT_BINS), PIT_BINS - 1)] += 1
        for level in NOMINAL_COVERAGE:
            self._covered[level] += abs(pit - 0.5) <= level / 2
        self._crps_sum += float(distribution.crps(realized)[0])
        self._log_score_sum += float(distribution.log_score(realized)[0])
        self._scored += 1
        mean, scale = previous_close * float(np.exp(distribution.mean[0])), previous_close / own
        fan = [scale * quantile for quantile in fan]
        self._forecasts[symbol].append((at.isoformat(), previous_close, mean, *fan, close))

    def calibration(self) -> dict[str, Any]:
        """Coverage, PIT histogram, CRPS and log score of all forecasts settled so far."""
        scored = max(self._scored, 1)
        return {
            "pit_counts": self._pit_counts.tolist(),
            "coverage": [
                {"nominal": level, "empirical": covered / scored, "n": self._scored}
                for level, covered in self._covered.items()
            ],
            "crps": self._crps_sum / scored,
            "log_score": self._log_score_sum / scored,
            "n": self._scored,
        }

    def reused_trainings(self) -> tuple[int, int]:
        """How many trainings were taken from the object store, and of how many."""
        return sum(item["reused"] for item in self._trainings), len(self._trainings)

    def to_state(self) -> dict[str, Any]:
        """What a restart goes on with, as JSON can say it.

        Not among it: forecasts that wait for their close, which are made again, shadow accounts
        and promotions, which are kept with the models, and seconds.
        """
        with self._guard:
            return {
                "trainings": list(self._trainings),
                "forecasts": {name: list(rows) for name, rows in self._forecasts.items()},
                "prices": {name: list(rows) for name, rows in self._prices.items()},
                "paths": {
                    name: paths | {"real": [*paths["real"]]} for name, paths in self._paths.items()
                },
                "sections": self._sections,
                "scores": {
                    "pit_counts": self._pit_counts.tolist(),
                    "covered": [int(self._covered[level]) for level in NOMINAL_COVERAGE],
                    "crps": self._crps_sum,
                    "log_score": self._log_score_sum,
                    "n": self._scored,
                },
            }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_state` gave.

        Raises:
            KeyError, TypeError, ValueError: if it is no such thing; then nothing has changed.
        """
        scores = state["scores"]
        counts, covered = np.array(scores["pit_counts"], dtype=int), scores["covered"]
        if counts.shape != (PIT_BINS,) or len(covered) != len(NOMINAL_COVERAGE):
            raise ValueError(
                f"scores must have {PIT_BINS} bins and {len(NOMINAL_COVERAGE)} levels; received "
                f"{counts.shape} and {len(covered)}"
            )
        forecasts = self._rows(state["forecasts"], FORECASTS_KEPT)
        prices = self._rows(state["prices"], PRICES_KEPT)
        paths = {str(name): dict(kept) for name, kept in state["paths"].items()}
        trainings, sections = list(state["trainings"]), dict(state["sections"])
        sums, n = (float(scores["crps"]), float(scores["log_score"])), int(scores["n"])
        with self._guard:
            self._forecasts, self._prices, self._paths = forecasts, prices, paths
            self._trainings, self._sections = trainings, sections
            self._pit_counts = counts
            self._covered = dict(zip(NOMINAL_COVERAGE, map(int, covered), strict=True))
            (self._crps_sum, self._log_score_sum), self._scored = sums, n

    def _rows(self, kept: Mapping[str, Any], most: int) -> dict[str, deque]:
        """Rows by symbol, of those that are traded."""
        return {name: deque(map(tuple, kept[name]), maxlen=most) for name in self._symbols}

    def to_json(self, algorithm: Mapping[str, Any]) -> str:
        """The whole as a JSON document.

        Args:
            algorithm: what ran: start, end, symbols, seed, trade_mode, parameters.
        """
        names = ("time", "previous_close", "mean", "q05", "q25", "q50", "q75", "q95", "close")
        document: dict[str, Any] = {
            "version": 1,
            "algorithm": dict(algorithm),
            "timings": self.stopwatch.seconds,
            "trainings": self._trainings,
            "forecasts": {
                symbol: dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
                for symbol, rows in self._forecasts.items()
                if rows
            },
            "paths": {
                symbol: {"real": paths["real"], "simulated": paths["simulated"]}
                for symbol, paths in self._paths.items()
            },
            "prices": {
                symbol: {"time": [at for at, _ in rows], "close": [c for _, c in rows]}
                for symbol, rows in self._prices.items()
                if rows
            },
        }
        if self._scored:
            document["calibration"] = self.calibration()
        if self._rivals is not None and self._rivals.times:
            document["rivals"] = _described(self._rivals, self._says)
        if self.promotions:
            document["promotions"] = self.promotions
        document |= self._sections
        return json.dumps(document, allow_nan=False)


def _described(rivals: ShadowAccounts, says: Mapping[str, str]) -> dict[str, Any]:
    """What rules and candidates earned, close by close."""
    return {
        "time": [time.isoformat() for time in rivals.times],
        "rows": [
            {
                "name": name,
                "says": says[name],
                "equity": [round(value, 2) for value in rivals[name].equity],
                "turnover": sum(rivals[name].turnover),
            }
            for name in rivals
        ],
    }
