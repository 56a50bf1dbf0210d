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
"""A comparison decides where its p-value is below this, and where the seeds agree."""


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
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * math.sqrt(variance / count)
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


def widest(per_seed: Sequence[float], over_graphs: tuple[float, float]) -> tuple[float, float]:
    """The interval over the graphs for one seed, else over seeds or graphs, the wider at each end.

    The reasons stand in `results.statistics`.
    """
    if len(per_seed) == 1:
        return over_graphs
    over_seeds = t_interval(per_seed)
    return min(over_seeds[0], over_graphs[0]), max(over_seeds[1], over_graphs[1])


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
