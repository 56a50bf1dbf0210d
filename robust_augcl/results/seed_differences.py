"""What of two methods is compared: a difference of shares for each seed, left less right."""

from __future__ import annotations

import math
from dataclasses import dataclass

from robust_augcl.results.intervals import error_of_mean


@dataclass(frozen=True)
class SeedDifferences:
    """What of two methods is compared.

    Args:
        values: d_s, one a seed, shares from -1 to 1 (S,).
        targets: N, all of them over the seeds; those that seeds share count once.
        models: trained models on the side that has fewer; S, or 1 where one is used in all seeds.
        test_to_train: r of the rule in `results.method_tests`.

    Raises:
        ValueError: no values, or a number out of range.

    Example:
        >>> SeedDifferences((0.02, 0.03, 0.04), 900).mean
        0.03
    """

    values: tuple[float, ...]
    targets: int
    models: int | None = None
    test_to_train: float = 0.0

    def __post_init__(self) -> None:
        if not self.values or not all(-1 <= value <= 1 for value in self.values):
            raise ValueError(
                f"Expected `values` to be differences of shares, one a seed, got {self.values}"
            )
        if self.targets < 1 or self.test_to_train < 0:
            raise ValueError(
                "Expected `targets` to be positive and `test_to_train` not to be negative, got "
                f"{self.targets} and {self.test_to_train}"
            )

    @property
    def n_seeds(self) -> int:
        return len(self.values)

    @property
    def are_methods(self) -> bool:
        """Whether there are several trained models a side, so that methods can be compared."""
        return self.n_seeds > 1 and self.models != 1

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)

    @property
    def error(self) -> float:
        """The standard error of the mean.

        Raises:
            ValueError: one seed.
        """
        return error_of_mean(self.values, self.targets, self.test_to_train)

    @property
    def deviation(self) -> float:
        """The standard deviation of one seed's difference that the error amounts to."""
        return self.error / math.sqrt(1 / self.n_seeds + self.test_to_train)
