"""A drop over seeds: baseline less new, its interval, and how small a drop so many seeds show.

**Letters.** d, the mean drop, a share from -1 to 1, above 0 where the new results are worse. S
seeds; m comparisons of a family; r of `results.method_tests`; tol, the tolerance.

Paired, where both sides have the same seeds: d is the mean of the drops of each seed, and error and
degrees of freedom are those of `results.method_tests`. Otherwise each side has a mean and an error
of its own: d is the difference of the means, error^2 the sum of both, and the degrees of freedom
are Welch's (1947, Biometrika 34), by Satterthwaite's formula.

**Regressed** is shown with the probability P(d > max(tol, t(1 - alpha / 2m) error)), and that it
**holds** with P(d + t error < tol). Both are averaged over what the estimated error can be
(`results.power`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr
from scipy.stats import norm

from robust_augcl.results.intervals import ALPHA, error_of_mean, t_quantile
from robust_augcl.results.power import POWER, fewest_seeds, scales_of_deviation
from robust_augcl.results.seed_differences import SeedDifferences


@dataclass(frozen=True)
class Drop:
    """A mean drop and how well it is known.

    Args:
        mean: d.
        deviation: of one seed's drop; of unpaired seeds, of the difference of one seed a side.
        seeds: those of the baseline and the new ones.
        error: the standard error of d.
        degrees: of freedom.
        widening: degrees of freedom over S - 1, where both sides have S seeds.
        test_to_train: r.

    Example:
        >>> drop = paired(SeedDifferences((0.06, 0.08, 0.07), 900))
        >>> low, high = drop.interval()
        >>> f"{drop.mean:.2f} ({low:.2f} to {high:.2f})"
        '0.07 (0.05 to 0.09)'
    """

    mean: float
    deviation: float
    seeds: tuple[int, int]
    error: float
    degrees: float
    widening: float
    test_to_train: float

    @property
    def p_value(self) -> float:
        """Of no drop and no rise, two-sided, not corrected."""
        return float(2 * stdtr(self.degrees, -abs(self.mean) / self.error))

    def interval(self, size: float = 1) -> tuple[float, float]:
        """The interval of d as one of `size` comparisons, all of which hold at once in 95 %."""
        half = t_quantile(ALPHA / (2 * size), self.degrees) * self.error
        return max(self.mean - half, -1.0), min(self.mean + half, 1.0)

    def detectable(self, tolerance: float, size: float = 1) -> float:
        """The true drop that is called a regression with 80 % power; it can be above 1."""
        low, high = 0.0, max(tolerance, self.error)
        while _regressed(high, self.error, self.degrees, tolerance, size) < POWER:
            low, high = high, 2 * high
        while high - low > 1e-6 * high:
            middle = (low + high) / 2
            enough = _regressed(middle, self.error, self.degrees, tolerance, size) >= POWER
            low, high = (low, middle) if enough else (middle, high)
        return high

    def seeds_needed(self, tolerance: float, size: float = 1) -> int | None:
        """About how many seeds a side would tell, if the drop is what was observed.

        None where more than 10,000 would be needed, or no number would do.
        """

        def enough(count: int) -> bool:
            error = self.deviation * math.sqrt(1 / count + self.test_to_train)
            degrees = self.widening * (count - 1)
            chances = (
                _regressed(self.mean, error, degrees, tolerance, size),
                _holds(self.mean, error, degrees, tolerance, size),
            )
            return max(chances) >= POWER

        return fewest_seeds(enough)


def paired(drops: SeedDifferences) -> Drop:
    """The drop of methods whose seeds are the same: `drops` are baseline less new, one a seed.

    Raises:
        ValueError: one seed.
    """
    count = drops.n_seeds
    return Drop(
        drops.mean,
        drops.deviation,
        (count, count),
        drops.error,
        count - 1,
        1.0,
        drops.test_to_train,
    )


def unpaired(
    base: Sequence[float],
    new: Sequence[float],
    targets: tuple[int, int],
    test_to_train: float = 0.0,
) -> Drop:
    """The drop of methods with seeds of their own.

    Args:
        base, new: shares, one a seed.
        targets: of each side, over its seeds; those that seeds share count once.
        test_to_train: r.

    Raises:
        ValueError: one seed on a side.

    Example:
        >>> drop = unpaired([0.6, 0.7, 0.65], [0.5, 0.55, 0.6, 0.55], (3000, 4000))
        >>> round(drop.mean, 3), round(drop.degrees, 2)
        (0.1, 3.86)
    """
    variances = []
    for shares, count in zip((base, new), targets, strict=True):
        error = error_of_mean(shares, count, test_to_train)
        variances.append(error**2)
    degrees = sum(variances) ** 2 / sum(
        each**2 / (len(shares) - 1) for each, shares in zip(variances, (base, new), strict=True)
    )
    spreads = [
        each / (1 / len(shares) + test_to_train)
        for each, shares in zip(variances, (base, new), strict=True)
    ]
    means = [math.fsum(shares) / len(shares) for shares in (base, new)]
    return Drop(
        means[0] - means[1],
        math.sqrt(sum(spreads)),
        (len(base), len(new)),
        math.sqrt(sum(variances)),
        degrees,
        sum(spreads) ** 2 / sum(each**2 for each in spreads),
        test_to_train,
    )


def _regressed(drop: float, error: float, degrees: float, tolerance: float, size: float) -> float:
    """The probability that a true drop is called a regression."""
    scales, weights = scales_of_deviation(degrees)
    bound = t_quantile(ALPHA / (2 * size), degrees) * scales * error
    return float(norm.sf((bound.clip(tolerance) - drop) / error) @ weights)


def _holds(drop: float, error: float, degrees: float, tolerance: float, size: float) -> float:
    """The probability that the interval of a true drop ends below the tolerance."""
    scales, weights = scales_of_deviation(degrees)
    bound = t_quantile(ALPHA / (2 * size), degrees) * scales * error
    return float(norm.cdf((tolerance - bound - drop) / error) @ weights)
