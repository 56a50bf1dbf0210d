"""What is said of a published claim, from estimates with simultaneous intervals.

All numbers are shares from 0 to 1. Each estimate is a cell: a data set, an encoder, an attack. A
claim names a value v and how it is compared:

- `difference` and `maximum`: in one cell, or in the best of all cells that the claim is about, the
  left method is better than the right one by v ("up to v").
  Reproduced: a cell whose interval lies above 0 and does not lie below v. Refuted: the upper ends
  of *all* cells lie below v, and no interval lies above 0. Smaller than claimed: the upper ends of
  all cells lie below v, and an interval lies above 0.
- `count`: in at least v cells the left method is better. The same words, for the number of cells
  whose interval lies above 0, and of those whose interval reaches above 0.
- `accuracy`: a method reaches the accuracy v. Reproduced: the interval lies above v less `within`.
  Smaller than claimed: it lies below that. An accuracy that another protocol gives is not refuted.

Anything else is undecided at this scale. A cell that was not measured can hold what the others do
not: where one is missing, nothing is refuted, and nothing is smaller than claimed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from robust_augcl.results.strict import STRICT

How = Literal["difference", "maximum", "count", "accuracy"]
Read = Literal["source read", "second hand"]
Word = Literal[
    "reproduced", "smaller than claimed", "refuted", "undecided at this scale", "not tested here"
]
Text = Annotated[str, Field(min_length=1, max_length=1_000)]

_LEAST_SEEDS = 2


@dataclass(frozen=True)
class Claim:
    """A published claim, as it stands in a file.

    Args:
        name: short, of letters, digits and hyphens; no other claim of the file has it.
        source: who published it: paper or repository.
        where: the place in the source.
        read: whether the source itself was read, or the number is second hand.
        protocol: in words, what the number was measured by.
        how: it is compared; see the module.
        value: v; a share, and for `count` a number of data sets.
        left: label of the method that the claim is about.
        right: label of the method that it is compared with; none for an accuracy.
        attacks: labels of the attacks that it is about; none for clean accuracy.
        datasets: that it is about; none where the source, as far as it was read, names none.
        within: for an accuracy, how far below v still counts as v.

    Raises:
        ValueError: fields that do not go together.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    source: Text
    where: Text
    read: Read
    protocol: Text
    how: How
    value: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)]
    left: Text
    right: Text | None = None
    attacks: tuple[Text, ...] = ()
    datasets: tuple[Text, ...] = ()
    within: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = None

    def __post_init__(self) -> None:
        accuracy = self.how == "accuracy"
        if self.how == "count":
            if self.value != int(self.value):
                raise ValueError(f"Expected `value` of a count to be whole, got {self.value}")
        elif self.value > 1:
            raise ValueError(f"Expected `value` to be a share of at most 1, got {self.value}")
        if accuracy != (self.right is None):
            wanted = "none for an accuracy" if accuracy else f"a method for a {self.how}"
            raise ValueError(f"Expected `right` to be {wanted}, got {self.right!r}")
        if accuracy != (self.within is not None):
            wanted = "a share for an accuracy" if accuracy else f"none for a {self.how}"
            raise ValueError(f"Expected `within` to be {wanted}, got {self.within}")


@dataclass(frozen=True)
class Estimate:
    """What was measured in one cell: an accuracy, or a difference of two.

    Args:
        cell: its name, for readers.
        mean: over seeds.
        low, high: its interval, simultaneous with those of the claim's other cells.
        seeds: how many.
        detectable: the smallest true difference that so many seeds show with a chance of 80 %;
            None where it is not known.

    Raises:
        ValueError: an interval without its mean, or a number that is not finite.
    """

    cell: str
    mean: float
    low: float
    high: float
    seeds: int
    detectable: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.high - self.low) and self.low <= self.mean <= self.high):
            raise ValueError(
                f"Expected `low` <= `mean` <= `high` of {self.cell} to be finite numbers, "
                f"got {self.low}, {self.mean}, {self.high}"
            )


@dataclass(frozen=True)
class Verdict:
    """What is said of a claim, and why, in one sentence."""

    word: Word
    why: str


def judge_claim(
    claim: Claim, estimates: Sequence[Estimate], missing: Sequence[str] = ()
) -> Verdict:
    """Say what estimates mean for a claim.

    Args:
        claim: the claim.
        estimates: of the cells that were measured.
        missing: cells that the claim is about and that were not measured, by name.

    Example:
        >>> claim = Claim("best", "A paper", "abstract", "source read", "strict", "maximum", 0.08,
        ...               "augcl", "graphcl")
        >>> judge_claim(claim, [Estimate("A", 0.01, -0.01, 0.03, 30)]).word
        'refuted'
        >>> judge_claim(claim, [Estimate("A", 0.01, -0.01, 0.03, 30)], missing=["B"]).word
        'undecided at this scale'
    """
    if not estimates:
        held = f": it lacks {', '.join(missing)}" if missing else ""
        return Verdict("not tested here", f"this folder holds no cell of the claim{held}")
    few = [each.cell for each in estimates if each.seeds < _LEAST_SEEDS]
    if few:
        return Verdict("not tested here", f"one trained model each says nothing: {', '.join(few)}")
    if claim.how == "accuracy":
        return _of_accuracy(claim, estimates, missing)
    return _of_differences(claim, estimates, missing)


def _of_accuracy(claim: Claim, estimates: Sequence[Estimate], missing: Sequence[str]) -> Verdict:
    least = claim.value - (claim.within or 0.0)
    if any(each.high < least for each in estimates):
        return Verdict("smaller than claimed", f"an interval lies below {least:.4g}")
    if missing:
        return _undecided(estimates, missing)
    if all(each.low >= least for each in estimates):
        return Verdict("reproduced", f"all intervals lie at {least:.4g} or above")
    return _undecided(estimates, missing)


def _of_differences(claim: Claim, estimates: Sequence[Estimate], missing: Sequence[str]) -> Verdict:
    better = [each for each in estimates if each.low > 0]
    if claim.how == "count":
        reached = len(better) >= claim.value
        within_reach = sum(each.high > 0 for each in estimates) >= claim.value
    else:
        reached = any(each.high >= claim.value for each in better)
        within_reach = any(each.high >= claim.value for each in estimates)
    if reached:
        names = ", ".join(each.cell for each in better)
        return Verdict("reproduced", f"the interval lies above 0 in {names}")
    if within_reach or missing:
        return _undecided(estimates, missing)
    if better:
        names = ", ".join(each.cell for each in better)
        return Verdict(
            "smaller than claimed", f"better in {names}, but no cell reaches the claimed value"
        )
    return Verdict("refuted", "no cell reaches the claimed value, and none is better")


def _undecided(estimates: Sequence[Estimate], missing: Sequence[str]) -> Verdict:
    """Undecided, with the cells that are missing, or else with what the seeds could show."""
    if missing:
        return Verdict("undecided at this scale", f"not measured: {', '.join(missing)}")
    known = [each.detectable for each in estimates if each.detectable is not None]
    power = f"; these seeds show {max(known):.4g} with a chance of 80 %" if known else ""
    return Verdict("undecided at this scale", f"the intervals hold the claim and its denial{power}")
