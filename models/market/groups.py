"""Groups of features that learned things may be shown, by name.

Groups say what a forecaster's network reads and what agents observe. What the program itself
computes with, baseline volatility, forecasts in units of return, trends, does not depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.market.features import FEATURES
from models.market.macro import MACRO, MACRO_FEATURES, macro_feature_names

GROUPS: Mapping[str, tuple[str, ...]] = {
    "bars": FEATURES[:8],  # the parts of a bar, its returns and range, price times volume
    "volatility": FEATURES[8:13],
    "technical": FEATURES[13:],  # averages, MACD, average true range, trend of volume
    **MACRO_FEATURES,
}
"""Features of each group, in the order of feature rows."""

DEFAULT_GROUPS = ("bars", "volatility", "technical")

ALL_MACRO = "macro"
"""Stands for every outside series."""


def groups_from(names: Sequence[str]) -> tuple[str, ...]:
    """The groups that names stand for, in the order of `GROUPS`.

    Args:
        names: of `GROUPS`, or `ALL_MACRO`.

    Raises:
        ValueError: for a name that is none, one that comes twice, or no name.
    """
    unknown = [name for name in names if name not in GROUPS and name != ALL_MACRO]
    if unknown:
        raise ValueError(
            f"features must be some of {', '.join(GROUPS)} or {ALL_MACRO}; received "
            f"{', '.join(unknown)}"
        )
    named = [one for name in names for one in (MACRO if name == ALL_MACRO else (name,))]
    if not named or len(set(named)) < len(named):
        raise ValueError(
            f"features must name one group or more, each once; received {', '.join(names)!r}"
        )
    return tuple(name for name in GROUPS if name in named)


def macro_of(groups: Sequence[str]) -> tuple[str, ...]:
    """Outside series that groups need, in the order of `MACRO`."""
    return tuple(name for name in MACRO if name in groups)


def columns_with(series: Sequence[str]) -> tuple[str, ...]:
    """Names of all columns of the feature rows of a history with some outside series."""
    return (*FEATURES, *macro_feature_names(series))


def shown(groups: Sequence[str]) -> tuple[str, ...]:
    """Features of groups, in the order of feature rows."""
    return tuple(name for group in GROUPS if group in groups for name in GROUPS[group])
