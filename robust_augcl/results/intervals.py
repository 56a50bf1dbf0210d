"""Intervals and tests of shares. All intervals are 95 %.

Letters: S seeds, n targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from scipy.stats import binomtest, norm, t

CONFIDENCE = 0.95
ALPHA = 0.05
"""The level of every test and interval; in a family, of all its tests together."""

ONE_EACH_WAY = 2.0
"""Discordant targets that are added so that no error is 0 (Bonett and Price): one each way."""


@lru_cache(maxsize=4096)  # a page asks for the same counts again and again
def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Wilson's score interval of the share right / total, without continuity correction.

    Raises:
        ValueError: no graphs, or more right than there are.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if not 0 <= right <= total or total == 0:
        raise ValueError(f"Expected `right` from 0 to a positive `total`, got {right} of {total}")
    interval = binomtest(right, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's t interval of the mean of S values: mean +- t(0.975; S - 1) s / sqrt(S).

    Raises:
        ValueError: fewer than two values.
    """
    count = len(values)
    if count < 2:
        raise ValueError(f"Expected at least two values, got {count}")
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = t_quantile((1 - CONFIDENCE) / 2, count - 1) * math.sqrt(variance / count)
    return mean - half, mean + half


@lru_cache(maxsize=4096)
def mcnemar(left_only: int, right_only: int) -> float:
    """McNemar's exact test: the two-sided p-value of two discordant counts.

    It is the chance of counts as far apart, if either side were as likely. 1 if both are 0.

    Example:
        >>> mcnemar(1, 5), mcnemar(0, 0)
        (0.21875, 1.0)
    """
    discordant = left_only + right_only
    return float(binomtest(left_only, discordant, 0.5).pvalue) if discordant else 1.0


@lru_cache(maxsize=4096)
def t_quantile(above: float, degrees: int) -> float:
    """What Student's t with so many degrees of freedom exceeds with the probability `above`."""
    return float(t.isf(above, degrees))


def error_of_mean(values: Sequence[float], targets: int, test_to_train: float = 0.0) -> float:
    """The standard error of the mean of S values, one a seed; `results.method_tests` has the rule.

    Args:
        values: shares, or differences of shares (S,).
        targets: n, all of them over the seeds; on a fixed data set each counts once.
        test_to_train: 0 where each seed draws graphs of its own; else test over training graphs.

    Raises:
        ValueError: fewer than two values.
    """
    count = len(values)
    if count < 2:
        raise ValueError(f"Expected at least two values, got {count}")
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return math.sqrt(max(variance * (1 / count + test_to_train), ONE_EACH_WAY / (targets + 2) ** 2))


def share_interval(
    shares: Sequence[float], targets: int, test_to_train: float = 0.0
) -> tuple[float, float]:
    """Wilson's interval of a mean share, for as many targets as the seeds' spread says there are.

    Seeds differ more, or less, than targets drawn one by one would. So n is replaced by the number
    at which Wilson's error is that of the seeds, q (1 - q) / error^2, q being the share with one
    target more on each side; and 1.96 by Student's t(0.975; S - 1). That is how Korn and Graubard
    (1998, Survey Methodology 24) count targets in clusters. Unlike Student's own interval it stays
    within 0 and 1, and holds for shares near them. One seed: Wilson's own, for this model.

    Args:
        shares: one a seed (S,).
        targets: n, all of them; on a fixed data set each counts once.
        test_to_train: as `error_of_mean` takes it.

    Example:
        >>> low, high = share_interval([0.55, 0.6, 0.65], 300)
        >>> round(low, 3), round(high, 3)
        (0.473, 0.714)
    """
    mean = math.fsum(shares) / len(shares)
    if len(shares) == 1:
        return wilson_interval(round(mean * targets), targets)
    rounded = (mean * targets + 1) / (targets + 2)
    count = rounded * (1 - rounded) / error_of_mean(shares, targets, test_to_train) ** 2
    away = t_quantile((1 - CONFIDENCE) / 2, len(shares) - 1)
    centre = (mean + away**2 / (2 * count)) / (1 + away**2 / count)
    spread = max(mean * (1 - mean), 0.0) / count + away**2 / (4 * count**2)
    half = away / (1 + away**2 / count) * math.sqrt(spread)
    return max(min(centre - half, mean), 0.0), min(max(centre + half, mean), 1.0)


def paired_interval(left_only: int, right_only: int, graphs: int) -> tuple[float, float]:
    """Bonett and Price's interval of a paired difference of shares.

    It is Wald's interval after one more graph in each discordant count (Bonett and Price 2012,
    Journal of Educational and Behavioral Statistics 37(4)). Unlike Wald's own it keeps a width
    where no graph is discordant.
    """
    count = graphs + 2
    ours, theirs = (left_only + 1) / count, (right_only + 1) / count
    centre = ours - theirs
    half = _normal_quantile() * math.sqrt((ours + theirs - centre**2) / count)
    return centre - half, centre + half


@lru_cache
def _normal_quantile() -> float:
    return float(norm.ppf((1 + CONFIDENCE) / 2))
