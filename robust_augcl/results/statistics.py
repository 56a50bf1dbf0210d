"""Statistics over records: estimates with intervals, and paired comparisons on the same graphs.

Letters: S seeds, n graphs. An array of outcomes is one 0 or 1 a graph; an array of shares is one
number a seed, from 0 to 1. Accuracies, differences and intervals are shares from 0 to 1 throughout;
percent is a matter of display.

All intervals are 95 % and follow one rule. One seed: an interval over its graphs (Wilson's for a
share, Bonett and Price's for a paired difference), which speaks for this one trained model. Several
seeds: Student's t over the seeds' own values, which speaks for the method, as training and data
vary with the seed; but at no end narrower than the interval over all graphs pooled, or two seeds
that agree by luck would claim certainty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from robust_augcl.results.intervals import (
    ALPHA,
    mcnemar,
    paired_interval,
    widest,
    wilson_interval,
)
from robust_augcl.results.records import Cell, Outcome, Record, Target

Measure = Literal["clean", "attacked", "robust"]
"""What counts as right: before the attack, after it, or both times ("robust", the benchmark's)."""


@dataclass(frozen=True, order=True)
class Group:
    """A cell without its seed: what an estimate is about."""

    suite: str
    dataset: str
    method: str
    encoder: str
    layers: int
    attack: str
    protocol: str
    budget: int | float

    @classmethod
    def of(cls, cell: Cell) -> Group:
        """The group that a cell belongs to."""
        return cls(
            cell.suite,
            cell.dataset,
            cell.method,
            cell.encoder,
            cell.layers,
            cell.attack,
            cell.protocol,
            cell.budget,
        )


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval.

    Args:
        mean: the mean over seeds of each seed's share of graphs.
        low, high: the interval, see the module's rule.
        n_seeds: S.
        n_graphs: graphs over all seeds.
    """

    mean: float
    low: float
    high: float
    n_seeds: int
    n_graphs: int


@dataclass(frozen=True)
class Comparison:
    """Left less right, on the same graphs of the same seeds.

    Args:
        difference: the mean over seeds of the difference of shares, from -1 to 1; above 0 where the
            left is better.
        low, high: its 95 % interval, see the module's rule.
        left_only, right_only: graphs that only the left, or only the right, gets right, pooled over
            the seeds.
        p_value: of McNemar's exact test on those two counts, two-sided.
        n_seeds, n_graphs: what was compared.
    """

    difference: float
    low: float
    high: float
    left_only: int
    right_only: int
    p_value: float
    n_seeds: int
    n_graphs: int

    @property
    def decided(self) -> bool:
        """Whether the two differ.

        p is below 0.05 over the graphs, and the interval, which also looks at the seeds, leaves out
        0.
        """
        return self.p_value < ALPHA and not self.low <= 0 <= self.high

    @property
    def verdict(self) -> Literal["better", "worse", "undecided"]:
        """What may be said of the left one."""
        if not self.decided:
            return "undecided"
        return "better" if self.difference > 0 else "worse"


def by_group(records: Iterable[Record]) -> dict[Group, list[Record]]:
    """Records by group, sorted by group and then by seed.

    Raises:
        ValueError: two records of one cell.
    """
    groups: dict[Group, list[Record]] = {}
    last: Cell | None = None
    for record in sorted(records, key=lambda record: record.cell):
        if record.cell == last:
            raise ValueError(f"Expected one record a cell, got two of {record.cell}")
        last = record.cell
        groups.setdefault(Group.of(record.cell), []).append(record)
    return dict(sorted(groups.items()))


def one_per_seed(records: Iterable[Record]) -> list[Record]:
    """The first record of each seed, in the order of cells.

    It is for what all attacks on a victim share, such as its clean accuracy.
    """
    first: dict[int, Record] = {}
    for record in sorted(records, key=lambda record: record.cell):
        first.setdefault(record.cell.seed, record)
    return [first[seed] for seed in sorted(first)]


def estimate(
    records: Sequence[Record], measure: Measure = "robust", label: int | None = None
) -> Estimate | None:
    """The accuracy of one group of records, one record a seed.

    Args:
        records: of one group; seeds must differ.
        measure: what counts as right.
        label: only graphs of this class; None for all.

    Returns:
        None where there is no graph to estimate from. Seeds without such graphs are left out.

    Raises:
        ValueError: two records of one seed.
    """
    _check_seeds(records)
    return estimate_of([list(_right(record, measure, label).values()) for record in records])


def estimate_of(outcomes: Sequence[Sequence[bool]]) -> Estimate | None:
    """The share of targets for which something holds; None where there is no target.

    `outcomes` holds one sequence a seed, with one outcome a target.

    Example:
        >>> estimate_of([[True, True, False, True]]).mean
        0.75
    """
    arrays = [array for array in outcomes if array]
    if not arrays:
        return None
    shares = [sum(array) / len(array) for array in arrays]
    graphs = sum(len(array) for array in arrays)
    low, high = widest(shares, wilson_interval(sum(sum(array) for array in arrays), graphs))
    return Estimate(_mean(shares), max(low, 0.0), min(high, 1.0), len(arrays), graphs)


def compare(
    left: Sequence[Record], right: Sequence[Record], measure: Measure = "robust"
) -> Comparison | None:
    """Compare two groups of records on the targets that both have, of the same seed and data set.

    The p-value is McNemar's exact test over the graphs, seeds pooled by adding their discordant
    counts. It speaks for the trained models; whether the methods differ, several seeds must tell,
    which is why `Comparison.decided` asks the interval as well.

    Args:
        left, right: one record a seed each.
        measure: what counts as right, on both sides.

    Returns:
        None where nothing can be paired. Seeds and graphs that only one side has are left out.

    Raises:
        ValueError: two records of one seed on one side.
    """
    _check_seeds(left)
    _check_seeds(right)
    others = {record.cell.seed: record for record in right}
    differences, left_only, right_only, graphs = [], 0, 0, 0
    for record in left:
        other = others.get(record.cell.seed)
        if other is None or record.dataset.digest != other.dataset.digest:
            continue
        ours, theirs = _right(record, measure), _right(other, measure)
        common = ours.keys() & theirs.keys()
        if not common:
            continue
        wins = sum(ours[target] and not theirs[target] for target in common)
        losses = sum(theirs[target] and not ours[target] for target in common)
        differences.append((wins - losses) / len(common))
        left_only, right_only, graphs = left_only + wins, right_only + losses, graphs + len(common)
    if not differences:
        return None
    low, high = widest(differences, paired_interval(left_only, right_only, graphs))
    p_value = mcnemar(left_only, right_only)
    return Comparison(
        _mean(differences),
        max(low, -1.0),
        min(high, 1.0),
        left_only,
        right_only,
        p_value,
        len(differences),
        graphs,
    )


def gap_to_worst_case(attack: Sequence[Record], exact: Sequence[Record]) -> Comparison | None:
    """How much robust accuracy an attack leaves that the exact worst case does not.

    That is what the attack missed.

    Only records of the same victim under the same threat are compared: another model's worst case
    says nothing. `right_only` counts graphs that the attack broke and the exact search did not,
    which must be 0; the gap then cannot be negative, and neither is its interval.
    """
    worst = {record.cell.seed: record for record in exact}
    same = [
        r
        for r in attack
        if (w := worst.get(r.cell.seed))
        and (w.victim.digest, w.threat) == (r.victim.digest, r.threat)
    ]
    found = compare(same, exact)
    return replace(found, low=max(found.low, 0.0)) if found and not found.right_only else found


def best(candidates: Mapping[str, Sequence[Record]], measure: Measure = "robust") -> str | None:
    """The name of the group that is decidedly better than each other one; None without such one.

    A group that stands alone is not better than others.
    """
    means = {
        name: found.mean
        for name, records in candidates.items()
        if (found := estimate(records, measure))
    }
    if len(means) < 2:
        return None
    leader = max(means, key=lambda name: means[name])
    against = [
        compare(candidates[leader], candidates[name], measure) for name in means if name != leader
    ]
    return (
        leader
        if all(result is not None and result.verdict == "better" for result in against)
        else None
    )


def _check_seeds(records: Sequence[Record]) -> None:
    seeds = [record.cell.seed for record in records]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"Expected one record a seed, got seeds {seeds}")


def _right(record: Record, measure: Measure, label: int | None = None) -> dict[Target, bool]:
    """Whether each target counts as right."""
    return {
        o.target: _counts(o, measure) for o in record.outcomes if label is None or o.label == label
    }


def _counts(outcome: Outcome, measure: Measure) -> bool:
    if measure == "robust":
        return outcome.robust
    return outcome.clean_right if measure == "clean" else outcome.attacked_right


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
