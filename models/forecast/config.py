"""How a forecaster is built and trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.market.features import LOOKBACK
from models.market.groups import DEFAULT_GROUPS, columns_with, groups_from, macro_of, shown


@dataclass(frozen=True)
class ForecasterConfig:
    """How a forecaster is built and trained.

    `research.experiments.constants` scores other values of the dropout, the learning rate, the
    stride, the patience, the penalties and the masks.

    Attributes:
        units: LSTM units.
        window: bars the LSTM reads before it forecasts.
        dropout: rate of the variational dropout (Gal & Ghahramani 2016), in (0, 1).
        epochs: most epochs of a first fit; early stopping may end it before.
        retrain_epochs: epochs of a warm-started fit.
        learning_rate: of Adam in a first fit; it falls to a tenth along a half cosine
            (Loshchilov & Hutter 2017, "SGDR").
        retrain_learning_rate: of Adam in a warm-started fit.
        batch: sequences in a training step.
        stride: bars between the starts of neighbouring training sequences.
        patience: epochs without a better early-stopping loss before training stops.
        drift_penalty: weight of the variance of the location of close-to-close returns, in
            volatilities; it keeps chance trends of the training span out of the forecast.
        weight_penalty: weight of the squared weights.
        validation_fraction: share of rows held out, half of them for early stopping and half for
            calibration.
        validation_period: calendar days from one held-out block to the next, which with the
            default fraction makes blocks of four weeks (see `splits.validation_split`).
        masks: dropout masks a prediction averages over.
        features: groups of features that the network reads and agents observe, of
            `models.market.groups.GROUPS`; kept in the order in which they stand there.

    Raises:
        ValueError: naming the setting that is out of range.
    """

    units: int = 32
    window: int = 60
    dropout: float = 0.1
    epochs: int = 40
    retrain_epochs: int = 2
    learning_rate: float = 3e-3
    retrain_learning_rate: float = 5e-4
    batch: int = 32
    stride: int = 10
    patience: int = 8
    drift_penalty: float = 40.0
    weight_penalty: float = 1e-3
    validation_fraction: float = 0.2
    validation_period: int = 140
    masks: int = 16
    features: tuple[str, ...] = DEFAULT_GROUPS

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", groups_from(self.features))
        for name in ("units", "epochs", "retrain_epochs", "batch", "stride", "patience"):
            self._require(name, "be at least 1", getattr(self, name) >= 1)
        self._require("window", "be at least 10", self.window >= 10)
        self._require("masks", "be at least 2", self.masks >= 2)
        self._require("validation_period", "be at least 20", self.validation_period >= 20)
        self._require(
            "dropout", "lie in (0, 1), since at 0 all draws share one network", 0 < self.dropout < 1
        )
        for name in ("learning_rate", "retrain_learning_rate"):
            self._require(name, "be > 0", getattr(self, name) > 0)
        for name in ("drift_penalty", "weight_penalty"):
            self._require(name, "be >= 0", getattr(self, name) >= 0)
        self._require("validation_fraction", "lie in (0, 0.5]", 0 < self.validation_fraction <= 0.5)

    def _require(self, name: str, rule: str, holds: bool) -> None:
        if not holds:
            raise ValueError(f"forecaster {name} must {rule}; received {getattr(self, name)}")

    @property
    def macro(self) -> tuple[str, ...]:
        """Outside series that histories must come with."""
        return macro_of(self.features)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of feature rows, F of them."""
        return columns_with(self.macro)

    @cached_property
    def observed_columns(self) -> np.ndarray:
        """Which of them agents observe."""
        names = shown(self.features)
        return np.array([i for i, name in enumerate(self.columns) if name in names])

    @cached_property
    def network_columns(self) -> np.ndarray:
        """Which of them the network reads: those observed but the level of volatility.

        The baseline carries the level. A network that sees it learns from a span of rising
        volatility that high volatility rises further, and its simulated paths explode.
        """
        observed = self.observed_columns
        return observed[observed != self.columns.index("volatility_ewma")]

    @property
    def burn_in(self) -> int:
        """Steps of a training sequence that are not learned from."""
        return self.window // 3

    @property
    def required_bars(self) -> int:
        """Shortest history that can be fitted, of a market that closes at weekends.

        Where a market never closes, as many bars span fewer days, and a fit of so short a history
        may find no block to hold out; it says so.
        """
        # Blocks for early stopping and for calibration alternate, and a block counts from its
        # first whole window: the weekdays of two periods after that hold one block of each.
        weekdays = math.ceil(2 * self.validation_period * 5 / 7)
        return LOOKBACK + self.window + max(2 * self.window, weekdays)
