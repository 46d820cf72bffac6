"""Sample moments with the estimators of Math.NET Numerics, which LEAN uses.

All take returns in time order. Too few values, or no spread, give NaN as there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist


def average(values: Sequence[float]) -> float:
    """Return the mean by summation in order; NaN when empty."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values) if values else math.nan


def variance(values: Sequence[float]) -> float:
    """Sample variance (n - 1), by the streaming update; NaN below two values."""
    if len(values) < 2:
        return math.nan
    total, spread = values[0], 0.0
    for count, value in enumerate(values[1:], start=2):
        total += value
        distance = count * value - total
        spread += distance * distance / (count * (count - 1))
    return spread / (len(values) - 1)


def covariance(first: Sequence[float], second: Sequence[float]) -> float:
    """Sample covariance (n - 1); NaN below two pairs."""
    if len(first) != len(second):
        raise ValueError(f"series must be equally long; received {len(first)} and {len(second)}")
    if len(first) < 2:
        return math.nan
    mean_first, mean_second = first[0], second[0]
    product = 0.0
    for index in range(1, len(first)):
        distance = second[index] - mean_second
        mean_first += (first[index] - mean_first) / (index + 1)
        mean_second += distance / (index + 1)
        product += (first[index] - mean_first) * distance
    return product / (len(first) - 1)


def _central_sums(values: Sequence[float]) -> tuple[float, float, float]:
    """Return sums of squared, cubed and fourth powers of deviations from the mean."""
    centre = average(values)
    second = third = fourth = 0.0
    for value in values:
        deviation = value - centre
        square = deviation * deviation
        second += square
        third += square * deviation
        fourth += square * square
    return second, third, fourth


def skewness(values: Sequence[float]) -> float:
    """Sample skewness (adjusted Fisher-Pearson G1); NaN below three values."""
    n = len(values)
    if n < 3:
        return math.nan
    second, third, _ = _central_sums(values)
    if second == 0.0:
        return math.nan
    return n * third * math.sqrt(second / (n - 1)) / (second * second * (n - 2)) * (n - 1)


def excess_kurtosis(values: Sequence[float]) -> float:
    """Sample excess kurtosis (G2); NaN below four values."""
    n = len(values)
    if n < 4:
        return math.nan
    second, _, fourth = _central_sums(values)
    if second == 0.0:
        return math.nan
    ratio = n * fourth / (second * second)
    return (n * n - 1.0) / ((n - 2.0) * (n - 3.0)) * (ratio - 3.0 + 6.0 / (n + 1.0))


def standard_deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (n - 1)."""
    return math.sqrt(variance(values)) if len(values) > 1 else math.nan


def normal_cdf(value: float) -> float:
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-value / math.sqrt(2.0))


def normal_quantile(mean: float, deviation: float, probability: float) -> float:
    """Quantile of a normal distribution; the mean when the deviation is zero."""
    if deviation == 0.0:
        return mean
    return NormalDist(mean, deviation).inv_cdf(probability)


def usable(value: float) -> bool:
    """Tell whether a variance can be divided by: neither NaN nor zero."""
    return not math.isnan(value) and value != 0.0
