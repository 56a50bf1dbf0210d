"""How small a difference so many seeds show, and about how many seeds would decide.

Letters and the rule are those of `results.method_tests`: S seeds, m comparisons, r.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import roots_legendre
from scipy.stats import chi, norm

from robust_augcl.results.intervals import ALPHA, t_quantile
from robust_augcl.results.seed_differences import SeedDifferences

POWER = 0.8
MOST_SEEDS_NEEDED = 10_000
"""Of more seeds nobody is told a number."""


def power(
    difference: float, deviation: float, n_seeds: int, size: int = 1, test_to_train: float = 0.0
) -> float:
    """The probability that a true difference is shown, as one of `size` comparisons.

    Args:
        difference: the true one.
        deviation: the true standard deviation of one seed's difference.
        n_seeds: S, at least 2.
        size: m.
        test_to_train: r of the rule.

    Example:
        >>> round(power(0.02, 0.03, 20), 2)  # G*Power says 0.81
        0.81
    """
    away = abs(difference) / (deviation * math.sqrt(1 / n_seeds + test_to_train))
    bound = t_quantile(ALPHA / (2 * size), n_seeds - 1) * scales_of_deviation(n_seeds - 1)[0]
    shown = norm.sf(bound - away) + norm.cdf(-bound - away)
    return float(shown @ scales_of_deviation(n_seeds - 1)[1])


def power_of_equivalence(
    difference: float,
    deviation: float,
    n_seeds: int,
    margin: float,
    size: int = 1,
    test_to_train: float = 0.0,
) -> float:
    """The probability that equivalence is shown, as one of `size` comparisons, of a difference."""
    error = deviation * math.sqrt(1 / n_seeds + test_to_train)
    scales, weights = scales_of_deviation(n_seeds - 1)
    bound = t_quantile(ALPHA / size, n_seeds - 1) * scales
    shown = norm.cdf((margin - difference) / error - bound) - norm.cdf(
        bound - (margin + difference) / error
    )
    return float(np.maximum(shown, 0.0) @ weights)


def detectable_difference(
    deviation: float, n_seeds: int, size: int = 1, test_to_train: float = 0.0
) -> float:
    """The difference that is shown with 80 % power. It can be above 1: then none is.

    Example:
        >>> round(detectable_difference(0.03, 20), 3)
        0.02
    """
    low, high = 0.0, deviation
    while power(high, deviation, n_seeds, size, test_to_train) < POWER:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        enough = power(middle, deviation, n_seeds, size, test_to_train) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high


def seeds_needed(found: SeedDifferences, size: int = 1, margin: float | None = None) -> int | None:
    """About how many seeds would show the observed difference, or equivalence, with 80 % power.

    None where more than `MOST_SEEDS_NEEDED` would be needed, or no number would do.

    Example:
        >>> seeds_needed(SeedDifferences((0.01, -0.01, 0.03), 900))
        34
    """
    difference, deviation = abs(found.mean), found.deviation

    def enough(count: int) -> bool:
        if power(difference, deviation, count, size, found.test_to_train) >= POWER:
            return True
        return margin is not None and (
            power_of_equivalence(difference, deviation, count, margin, size, found.test_to_train)
            >= POWER
        )

    return fewest_seeds(enough)


def fewest_seeds(enough: Callable[[int], bool]) -> int | None:
    """The smallest number of seeds, at least 2, that is enough.

    None where more than `MOST_SEEDS_NEEDED` would be needed, or no number would do.

    Example:
        >>> fewest_seeds(lambda count: count >= 34), fewest_seeds(lambda count: False)
        (34, None)
    """
    low, high = 1, 2
    while not enough(high):
        if high >= MOST_SEEDS_NEEDED:
            return None
        low, high = high, min(2 * high, MOST_SEEDS_NEEDED)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@lru_cache
def scales_of_deviation(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights to average over what s can be, as a share of the true deviation.

    The points are quantiles of chi over the square root of its degrees, where Gauss and Legendre
    would have them.
    """
    nodes, weights = _legendre()
    return chi.ppf((nodes + 1) / 2, degrees) / math.sqrt(degrees), weights / 2


@lru_cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    """The nodes and weights of Gauss and Legendre, of 400 points from -1 to 1."""
    nodes, weights = roots_legendre(400)
    return nodes, weights
