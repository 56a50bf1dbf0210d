"""What is said of a published claim, from estimates with simultaneous intervals.

All numbers are shares from 0 to 1. Each estimate is a cell: a data set, a number of layers, an
attack. A claim names a value v and how it is compared:

- `difference` and `maximum`: in one cell, or in the best of all cells that the claim is about, the
  left method is better than the right one by v ("up to v").
  Reproduced: a cell whose interval lies above 0 and does not lie below v. Refuted: the upper ends
  of *all* cells lie below v, and no interval lies above 0. Smaller than claimed: the upper ends of
  all cells lie below v, and an interval lies above 0.
- `better`: in some cell the left method is better; the source's value is not at hand. Reproduced: a
  cell whose interval lies above 0. Refuted: the upper ends of all cells lie at 0 or below.
- `count`: on at least v data sets the left method is better. The same words, for the number of data
  sets with a cell whose interval lies above 0, or whose interval reaches above 0.
- `accuracy`: a method reaches the accuracy v. Reproduced: the interval lies above v less `within`.
  Smaller than claimed: it lies below that. An accuracy that another protocol gives is not refuted.

Anything else is undecided at this scale. A cell that was not measured can hold what the others do
not: where one is missing, no difference is refuted, and none is smaller than claimed.

What cells a run has, and why it gives no verdict, is found in `results.claim_rows`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from robust_augcl.results.strict import STRICT, Table

How = Literal["difference", "maximum", "better", "count", "accuracy"]
Read = Literal["source read", "second hand"]
Evaluation = Literal["under attack", "clean", "embeddings", "nodes"]
"""What was evaluated: accuracy on attacked graphs, or of the same classifiers before any attack; an
SVM on the embeddings of encoders that saw no label; or a linear classifier of nodes."""
Word = Literal[
    "reproduced",
    "smaller than claimed",
    "refuted",
    "undecided at this scale",
    "no verdict",
    "not measured here",
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
        evaluation: what was evaluated.
        left: label of the method that the claim is about.
        value: v; a share, for `count` a number of data sets, none for `better`.
        right: label of the method that it is compared with; none for an accuracy.
        run_as: the protocol of a suite under which the same is measured: for an evaluation under
            attack and a clean one.
        budget: edits a graph, and
        attacks: labels of the attacks that it is about: for an evaluation under attack.
        datasets: that it is about; each stands for its sizes too, "components" for "components
            40-50". Then a run, which has one size, lacks the others.
        more_datasets: whether the source has others too, which are not known here.
        encoder: its name; none where the source names none.
        layers: that it is about; none where the source names none.
        within: for an accuracy, how far below v still counts as v.
        settings: label of a method or an attack -> its settings in the source, by name. Those that
            are not here are the defaults of the plug-in; a suite that sets others, or other values,
            does not measure the claim.

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
    evaluation: Evaluation
    left: Text
    value: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] | None = None
    right: Text | None = None
    run_as: Literal["strict", "paper"] | None = None
    budget: Annotated[int, Field(ge=1, le=1_000)] | None = None
    attacks: tuple[Text, ...] = ()
    datasets: tuple[Text, ...] = ()
    more_datasets: bool = False
    encoder: Text | None = None
    layers: tuple[Annotated[int, Field(ge=1, le=100)], ...] = ()
    within: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = None
    settings: dict[Text, Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_value()
        for label in self.settings:
            if label not in (self.left, self.right, *self.attacks):
                raise ValueError(
                    "Expected `settings` to be of methods and attacks that the claim names, got "
                    f"{label!r}"
                )
        accuracy, attacked = self.how == "accuracy", self.evaluation == "under attack"
        of_a_suite = self.evaluation in ("under attack", "clean")
        if not self.datasets and not self.more_datasets:
            raise ValueError("Expected `datasets`, or `more_datasets` to be true, got neither")
        how, what = f"how = {self.how!r}", f"evaluation = {self.evaluation!r}"
        _require("right", self.right, None if accuracy else "a method", how)
        if self.right == self.left:
            raise ValueError(
                f"Expected `right` to be another method than `left`, got {self.right!r}"
            )
        _require("within", self.within, "a share" if accuracy else None, how)
        _require("run_as", self.run_as, "a protocol" if of_a_suite else None, what)
        _require("budget", self.budget, "a number of edits" if attacked else None, what)
        _require("attacks", self.attacks, "labels of attacks" if attacked else None, what)

    def _check_value(self) -> None:
        _require(
            "value",
            self.value,
            None if self.how == "better" else "a number",
            f"how = {self.how!r}",
        )
        if self.value is None:
            return
        if self.how == "count":
            if self.value != int(self.value):
                raise ValueError(f"Expected `value` of a count to be whole, got {self.value}")
        elif self.value > 1:
            raise ValueError(f"Expected `value` to be a share of at most 1, got {self.value}")


def _require(name: str, given: object, wanted: str | None, where: str) -> None:
    """Raise `ValueError` where a field is there and must not be, or the other way round."""
    is_there = given is not None and given != ()
    if is_there != (wanted is not None):
        got = repr(given) if is_there else "nothing"
        raise ValueError(f"Expected `{name}` to be {wanted or 'none'} with {where}, got {got}")


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
        dataset: what counts as one for a `count`; empty: the cell itself.

    Raises:
        ValueError: an interval without its mean, or a number that is not finite.
    """

    cell: str
    mean: float
    low: float
    high: float
    seeds: int
    detectable: float | None = None
    dataset: str = ""

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
        >>> claim = Claim("best", "A paper", "abstract", "source read", "strict", "maximum",
        ...               "embeddings", "augcl", 0.08, "graphcl", datasets=("A", "B"))
        >>> judge_claim(claim, [Estimate("A", 0.01, -0.01, 0.03, 30)]).word
        'refuted'
        >>> judge_claim(claim, [Estimate("A", 0.01, -0.01, 0.03, 30)], missing=["B"]).word
        'undecided at this scale'
    """
    if not estimates:
        held = f": it lacks {', '.join(missing)}" if missing else ""
        return Verdict("not measured here", f"this run holds no cell of the claim{held}")
    few = [each.cell for each in estimates if each.seeds < _LEAST_SEEDS]
    if few:
        return Verdict("no verdict", f"one trained model each says nothing: {', '.join(few)}")
    if claim.how == "accuracy":
        return _of_accuracy(claim, estimates, missing)
    return _of_differences(claim, estimates, missing)


def _of_accuracy(claim: Claim, estimates: Sequence[Estimate], missing: Sequence[str]) -> Verdict:
    least = (claim.value or 0.0) - (claim.within or 0.0)
    told = f"{100 * least:.1f} %"
    if any(each.high < least for each in estimates):
        return Verdict("smaller than claimed", f"an interval lies below {told}")
    if missing:
        return _undecided(estimates, missing)
    if all(each.low >= least for each in estimates):
        return Verdict("reproduced", f"all intervals lie at {told} or above")
    return _undecided(estimates, missing)


def _of_differences(claim: Claim, estimates: Sequence[Estimate], missing: Sequence[str]) -> Verdict:
    better = [each for each in estimates if each.low > 0]
    value = claim.value or 0.0
    if claim.how == "count":
        reached = _datasets(better) >= value
        within_reach = _datasets([each for each in estimates if each.high > 0]) >= value
    elif claim.how == "better":
        reached, within_reach = bool(better), any(each.high > 0 for each in estimates)
    else:
        reached = any(each.high >= value for each in better)
        within_reach = any(each.high >= value for each in estimates)
    if reached:
        names = ", ".join(each.cell for each in better)
        return Verdict("reproduced", f"the interval lies above 0 in {names}")
    if within_reach or missing:
        return _undecided(estimates, missing)
    if better:
        names = ", ".join(each.cell for each in better)
        fewer = "too few data sets do" if claim.how == "count" else "no cell reaches the value"
        return Verdict("smaller than claimed", f"the interval lies above 0 in {names}; {fewer}")
    return Verdict("refuted", _why_refuted(claim))


def _why_refuted(claim: Claim) -> str:
    if claim.how == "count":
        return "too few data sets have an interval that reaches above 0, and none lies above it"
    if claim.how == "better":
        return "the upper ends of all intervals lie at 0 or below"
    return (
        f"the upper ends of all intervals lie below {100 * (claim.value or 0.0):.1f} points, and "
        "no interval lies above 0"
    )


def _datasets(estimates: Sequence[Estimate]) -> int:
    """On how many data sets these cells are."""
    return len({each.dataset or each.cell for each in estimates})


def _undecided(estimates: Sequence[Estimate], missing: Sequence[str]) -> Verdict:
    """Undecided, with the cells that are missing, or else with what the seeds could show."""
    if missing:
        return Verdict("undecided at this scale", f"not measured: {', '.join(missing)}")
    known = [each.detectable for each in estimates if each.detectable is not None]
    power = ""
    if known:
        least = f"{100 * max(known):.1f} points"
        power = f". With these seeds, a true difference of {least} would be found in 4 of 5 runs"
    return Verdict(
        "undecided at this scale", f"the intervals allow the claim, and its denial{power}"
    )
