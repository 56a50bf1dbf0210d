"""Intervals and tests of shares. All intervals are 95 %.

Letters: S seeds, n targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from scipy.special import betaincinv
from scipy.stats import binomtest, norm, t

CONFIDENCE = 0.95
ALPHA = 0.05
"""The level of every test and interval; in a family, of all its tests together."""

ONE_EACH_WAY = 2.0
"""Discordant targets that are added so that no error is 0 (Bonett and Price): one each way."""


@lru_cache(maxsize=4096)  # a page asks for the same counts again and again
def exact_interval(right: float, total: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of the share right / total.

    It covers in at least 95 % whatever the share is. Wilson's, which is narrower, covers in 84 %
    where one target in all is expected in six seeds, and gaps are shares of few targets.

    Args:
        right: targets, from 0 to `total`; a number of effective targets need not be whole.
        total: of them, above 0.

    Raises:
        ValueError: no targets, or more right than there are.

    Example:
        >>> low, high = exact_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.444, 0.975)
    """
    if not 0 <= right <= total or total == 0:
        raise ValueError(f"Expected `right` from 0 to a positive `total`, got {right} of {total}")
    tail, wrong = (1 - CONFIDENCE) / 2, total - right
    low = float(betaincinv(right, wrong + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, wrong, 1 - tail)) if wrong > 0 else 1.0
    return low, high


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's t interval of the mean of S values: mean +- t(0.975; S - 1) s / sqrt(S).

    Raises:
        ValueError: fewer than two values.
    """
    count = len(values)
    mean, variance = _mean_and_variance(values)
    half = t_quantile((1 - CONFIDENCE) / 2, count - 1) * math.sqrt(variance / count)
    return mean - half, mean + half


def _mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    """The mean of S values, and their variance over S - 1."""
    count = len(values)
    if count < 2:
        raise ValueError(f"Expected at least two values, got {count}")
    mean = math.fsum(values) / count
    return mean, math.fsum((value - mean) ** 2 for value in values) / (count - 1)


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
        targets: n, all of them over the seeds; those that seeds share count once.
        test_to_train: 0 where each seed draws graphs of its own; else test over training graphs.

    Raises:
        ValueError: fewer than two values.
    """
    _, variance = _mean_and_variance(values)
    of_values = variance * (1 / len(values) + test_to_train)
    return math.sqrt(max(of_values, ONE_EACH_WAY / (targets + 2) ** 2))


def share_interval(
    shares: Sequence[float], targets: int, test_to_train: float = 0.0, one_model: bool = False
) -> tuple[float, float]:
    """Korn and Graubard's interval of a mean share (1998, Survey Methodology 24, section 3).

    It is Clopper and Pearson's for as many targets as the seeds' spread says there are. Seeds
    differ more, or less, than targets drawn one by one would. So n is replaced by the number at
    which the error of a share is that of the seeds, q (1 - q) / error^2, q being the share with one
    target more on each side; times (1.96 / t(0.975; S - 1))^2, as so few seeds hardly know their
    spread. Unlike Student's interval it stays within 0 and 1, and holds for shares near them. One
    seed, or one model: Clopper and Pearson's own over its targets, for this model.

    It knows what the seeds show. Where seeds are of two kinds, as some trainings collapse, two or
    three may show one kind alone: where 30 % collapse, intervals of 2 and 3 seeds cover 84 and
    74 % (docs/measurements.md).

    Args:
        shares: one a seed (S,).
        targets: n, all of them; those that seeds share count once.
        test_to_train: as `error_of_mean` takes it.
        one_model: whether all seeds look at the same trained model.

    Example:
        >>> low, high = share_interval([0.55, 0.6, 0.65], 300)
        >>> round(low, 3), round(high, 3)
        (0.465, 0.725)
    """
    mean = math.fsum(shares) / len(shares)
    if len(shares) == 1 or one_model:
        return exact_interval(min(mean * targets, targets), targets)
    rounded = (mean * targets + 1) / (targets + 2)
    count = rounded * (1 - rounded) / error_of_mean(shares, targets, test_to_train) ** 2
    count *= (_normal_quantile() / t_quantile((1 - CONFIDENCE) / 2, len(shares) - 1)) ** 2
    low, high = exact_interval(min(mean * count, count), count)
    return min(low, mean), max(high, mean)


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
