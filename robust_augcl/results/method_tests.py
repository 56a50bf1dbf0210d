"""The rule by which methods are compared, numbers in, verdicts out. It stands here alone.

**Letters.** S seeds, d_1 ... d_S: for each seed, the share of targets that the left method gets
right less that of the right one, on the same targets. The seeds of a suite are paired: both methods
have the same data, initial weights and views. m comparisons in a family. Alpha is 0.05.

**Mean and error.** With d the mean of the d_s and s their standard deviation (S - 1 below),

    error^2 = max(s^2 (1 / S + r), 2 / (N + 2)^2)

r is 0 where each seed draws graphs of its own. On a fixed data set seeds share graphs, and r is the
number of test graphs over the number of training graphs: the corrected resampled t of Nadeau and
Bengio (2003, Machine Learning 52, equation 9). What is said then speaks for that data set. The
second term is Bonett and Price's error with one of N targets more that only the left, and one that
only the right gets right: seeds that agree by luck must not claim certainty.

**Difference.** t = d / error, two-sided against Student's t with S - 1 degrees of freedom.

**Equivalence**, where the suite states a margin before it runs: two one-sided tests (Schuirmann
1987), p = max(P(T > (margin + d) / error), P(T > (margin - d) / error)).

**Family.** Both tests of all pairs stand in one family. Holm's steps, as Shaffer (1986, JASA 81)
bettered them: p-values ascending, each times the number of comparisons of which a test is left that
is not rejected, never below the one before. The two hypotheses of a pair cannot both be true, so no
more can be true at once. Without a margin these are Holm's own steps.

**Interval.** d +- t(1 - alpha / 2m; S - 1) error, simultaneous (Bonferroni). Where it leaves out 0,
the pair is decided. Holm's later steps may decide a pair whose interval still holds 0. Intervals
know what seeds show: where a training collapses in one seed of ten, five seeds often show none, and
they cover the mean in 86 %, not in 95 (docs/measurements.md has the simulations).

**Power** is that of the first step, level alpha / m: the difference that is shown with probability
0.8, and the number of seeds at which the observed difference, or the observed equivalence, would
be. Both take the observed s for the true one, so they are about right at best.

**Verdict.** One seed, or one trained model on either side: "one model each"; nothing is said of
methods. Another number of seeds than was planned: "no verdict", as whoever looks and goes on
decides more often than 1 in 20 by chance. Else "better" or "worse" (the corrected p of the
difference is at most alpha), "equivalent" (that of equivalence is), or "undecided".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtr

from robust_augcl.results.intervals import ALPHA, t_quantile
from robust_augcl.results.power import detectable_difference, seeds_needed
from robust_augcl.results.seed_differences import SeedDifferences

Verdict = Literal["better", "worse", "equivalent", "undecided", "one model each", "no verdict"]
VERDICTS: tuple[Verdict, ...] = (
    "better",
    "worse",
    "equivalent",
    "undecided",
    "one model each",
    "no verdict",
)


@dataclass(frozen=True)
class Judged:
    """What is said of two methods, left less right; shares from -1 to 1.

    Args:
        difference: the mean over the seeds.
        low, high: its simultaneous interval over the seeds; None with one model each.
        p_value: of the difference, not corrected; None with one model each.
        corrected: the same, corrected in the family.
        equivalence: the corrected p-value of equivalence; None without a margin.
        margin: within which methods are equivalent; None where the suite states none.
        family: what the comparison was corrected with.
        size: m, comparisons in the family.
        n_seeds: S.
        planned: how many seeds were planned; None where that is not known.
        detectable: the smallest difference that so many seeds show with 80 % power.
        seeds_needed: about how many seeds would decide; None where it is decided, where there is
            one model each, and where more than 10,000 would be needed, or no number would do.
        verdict: of the left one.

    Example:
        >>> found = judge([SeedDifferences((0.02, 0.03, 0.04), 900)], "primary")[0]
        >>> found.verdict, found.decided, f"{found.low:.3f} to {found.high:.3f}"
        ('better', True, '0.005 to 0.055')
    """

    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    corrected: float | None
    equivalence: float | None
    margin: float | None
    family: str
    size: int
    n_seeds: int
    planned: int | None
    detectable: float | None
    seeds_needed: int | None
    verdict: Verdict

    @property
    def decided(self) -> bool:
        """Whether one method is better than the other."""
        return self.verdict in ("better", "worse")

    @property
    def within_margin(self) -> bool:
        """Whether the methods differ by less than the margin, which does not keep them equal."""
        return self.equivalence is not None and self.equivalence <= ALPHA


def judge(
    family: Sequence[SeedDifferences | None],
    name: str,
    margin: float | None = None,
    planned: int | None = None,
) -> list[Judged | None]:
    """Compare the pairs of methods of one family, by the module's rule.

    Args:
        family: the pairs; None where records are missing. The place of a missing pair counts, so
            that no verdict changes when it comes.
        name: of the family, for readers.
        margin: within which methods are equivalent, a share above 0; None: equivalence is not
            tested.
        planned: how many seeds were planned; None: it is not known and not looked at.

    Raises:
        ValueError: a margin out of range.
    """
    if margin is not None and not 0 < margin < 1:
        raise ValueError(f"Expected `margin` to be a share above 0 and below 1, got {margin}")
    tested = [found if found is not None and found.are_methods else None for found in family]
    differ = [p_of_difference(found) if found else 1.0 for found in tested]
    equal = [
        p_of_equivalence(found, margin) if found else 1.0 for found in tested if margin is not None
    ]
    corrected, equivalence = holm_corrected(differ, equal or None)
    return [
        _judged(found, place, name, len(family), margin, planned, (differ, corrected, equivalence))
        if found is not None
        else None
        for place, found in enumerate(family)
    ]


def p_of_difference(found: SeedDifferences) -> float:
    """The two-sided p-value of no difference."""
    return float(2 * stdtr(found.n_seeds - 1, -abs(found.mean) / found.error))


def p_of_equivalence(found: SeedDifferences, margin: float) -> float:
    """The p-value of a difference that is as large as the margin, or larger."""
    inside = (margin - abs(found.mean)) / found.error
    return float(stdtr(found.n_seeds - 1, -inside))


def simultaneous_interval(found: SeedDifferences, size: int) -> tuple[float, float]:
    """The interval of a difference that is one of `size`, all of which hold at once in 95 %."""
    half = t_quantile(ALPHA / (2 * size), found.n_seeds - 1) * found.error
    return max(found.mean - half, -1.0), min(found.mean + half, 1.0)


def holm_corrected(
    differ: Sequence[float], equal: Sequence[float] | None = None
) -> tuple[list[float], list[float] | None]:
    """Correct the p-values of a family: Holm's steps, as Shaffer bettered them.

    Args:
        differ: of no difference, one a comparison (m,).
        equal: of no equivalence (m,); None where that is not tested.

    Returns:
        The same, corrected.

    Example:
        >>> holm_corrected([0.01, 0.04, 0.03])[0]
        [0.03, 0.06, 0.06]
        >>> holm_corrected([0.01, 0.5], [0.9, 0.02])
        ([0.02, 1.0], [1.0, 0.04])
    """
    tests = [differ] if equal is None else [differ, equal]
    places = [(kind, place) for kind in range(len(tests)) for place in range(len(differ))]
    left = [len(tests)] * len(differ)
    found = [[1.0] * len(differ) for _ in tests]
    reached = 0.0
    for kind, place in sorted(places, key=lambda each: tests[each[0]][each[1]]):
        possible = sum(count > 0 for count in left)
        reached = max(reached, min(1.0, possible * tests[kind][place]))
        found[kind][place] = reached
        left[place] -= 1
    return found[0], found[1] if equal is not None else None


def _judged(
    found: SeedDifferences,
    place: int,
    name: str,
    size: int,
    margin: float | None,
    planned: int | None,
    p_values: tuple[Sequence[float], Sequence[float], Sequence[float] | None],
) -> Judged:
    """One comparison of a family whose p-values are known and corrected."""
    if not found.are_methods:
        return _one_model_each(found, name, size, margin, planned)
    differ, corrected, equivalence = p_values
    low, high = simultaneous_interval(found, size)
    equal = equivalence[place] if equivalence is not None else None
    verdict = _verdict(found, corrected[place], equal, planned)
    open_still = verdict in ("undecided", "no verdict")
    return Judged(
        difference=found.mean,
        low=low,
        high=high,
        p_value=differ[place],
        corrected=corrected[place],
        equivalence=equal,
        margin=margin,
        family=name,
        size=size,
        n_seeds=found.n_seeds,
        planned=planned,
        detectable=detectable_difference(found.deviation, found.n_seeds, size, found.test_to_train),
        seeds_needed=seeds_needed(found, size, margin) if open_still else None,
        verdict=verdict,
    )


def _one_model_each(
    found: SeedDifferences, name: str, size: int, margin: float | None, planned: int | None
) -> Judged:
    """What is said where there is one trained model on a side: the difference, nothing else."""
    return Judged(
        difference=found.mean,
        low=None,
        high=None,
        p_value=None,
        corrected=None,
        equivalence=None,
        margin=margin,
        family=name,
        size=size,
        n_seeds=found.n_seeds,
        planned=planned,
        detectable=None,
        seeds_needed=None,
        verdict="one model each",
    )


def _verdict(
    found: SeedDifferences, corrected: float, equal: float | None, planned: int | None
) -> Verdict:
    if planned is not None and found.n_seeds != planned:
        return "no verdict"
    if corrected <= ALPHA:
        return "better" if found.mean > 0 else "worse"
    return "equivalent" if equal is not None and equal <= ALPHA else "undecided"
