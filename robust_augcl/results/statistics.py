"""Statistics over records: estimates with intervals, and what of two methods is compared.

Letters: S seeds, n graphs. An array of outcomes is one 0 or 1 a graph; an array of shares is one
number a seed, from 0 to 1. Accuracies, differences and intervals are shares from 0 to 1 throughout;
percent is a matter of display.

Each interval here is 95 % by itself, not together with others. One seed, or one trained model in
all seeds: Clopper and Pearson's interval over its targets, which speaks for this model. Several
models: an interval over the seeds' own shares (`intervals.share_interval`), which speaks for the
method, as training and data vary with the seed. Seeds of a fixed data set share graphs, and the
interval is that of resampled splits, for that data set. What seeds share is counted once. How
methods are compared stands in `results.method_tests`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from robust_augcl.results.intervals import mcnemar, paired_interval, share_interval
from robust_augcl.results.records import Cell, Outcome, Record, Target
from robust_augcl.results.seed_differences import SeedDifferences
from robust_augcl.results.shared_graphs import Source, distinct_targets

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
class ModelComparison:
    """Two trained models on the same targets, left less right. It says nothing of methods.

    Args:
        difference: of their shares, from -1 to 1.
        low, high: Bonett and Price's 95 % interval over the targets.
        left_only, right_only: targets that only the left, or only the right, gets right.
        p_value: of McNemar's exact test on those two counts, two-sided, not corrected.
        n_graphs: what was compared.
    """

    difference: float
    low: float
    high: float
    left_only: int
    right_only: int
    p_value: float
    n_graphs: int


@dataclass(frozen=True)
class Gap:
    """The robust accuracy that an attack leaves beyond the exact worst case of the same models.

    Args:
        mean: over the seeds, of each seed's share of targets.
        low, high: the interval, see the module's rule.
        missed: targets that some allowed edits break and the attack did not, over all seeds.
        beyond: targets that the attack broke and the exact search says nothing breaks. Must be 0.
        n_seeds, n_graphs: what was compared.
    """

    mean: float
    low: float
    high: float
    missed: int
    beyond: int
    n_seeds: int
    n_graphs: int


def by_group(records: Iterable[Record]) -> dict[Group, list[Record]]:
    """Records by group, sorted by group and then by seed.

    Raises:
        ValueError: two records of one cell, or of several settings (evasion, poisoning).
    """
    records = list(records)
    _check_setting(records)
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
    records: Sequence[Record],
    measure: Measure = "robust",
    label: int | None = None,
    test_to_train: float = 0.0,
) -> Estimate | None:
    """The accuracy of one group of records, one record a seed.

    Args:
        records: of one group; seeds must differ.
        measure: what counts as right.
        label: only graphs of this class; None for all.
        test_to_train: 0 where each seed draws graphs of its own; else test over training graphs.

    Returns:
        None where there is no graph to estimate from. Seeds without such graphs are left out.

    Raises:
        ValueError: two records of one seed, or of several settings.
    """
    _check_seeds(records)
    _check_setting(records)
    outcomes = [_right(record, measure, label) for record in records]
    return estimate_of(outcomes, test_to_train, [Source.of(record) for record in records])


def estimate_of(
    outcomes: Sequence[Mapping[Target, bool]],
    test_to_train: float = 0.0,
    sources: Sequence[Source] | None = None,
) -> Estimate | None:
    """The share of targets for which something holds; None where there is no target.

    Args:
        outcomes: one mapping a seed, with one outcome a target.
        test_to_train: as `estimate` takes it.
        sources: of each seed what it is about; None: each has data and a model of its own.

    Example:
        >>> estimate_of([{(0, None): True, (1, None): False}]).mean
        0.5
    """
    every = sources or [Source(str(seed), str(seed)) for seed in range(len(outcomes))]
    known = [(source, seed) for source, seed in zip(every, outcomes, strict=True) if seed]
    if not known:
        return None
    shares = [sum(seed.values()) / len(seed) for _, seed in known]
    distinct = distinct_targets(known, test_to_train)
    one_model = len({source.victim for source, _ in known}) == 1
    low, high = share_interval(shares, distinct, test_to_train, one_model)
    return Estimate(_mean(shares), low, high, len(known), sum(len(seed) for _, seed in known))


def seed_differences(
    left: Sequence[Record],
    right: Sequence[Record],
    measure: Measure = "robust",
    test_to_train: float = 0.0,
) -> SeedDifferences | None:
    """What of two methods is compared: left less right, seed by seed, on targets that both have.

    Args:
        left, right: one record a seed each.
        measure: what counts as right, on both sides.
        test_to_train: 0 where each seed draws graphs of its own; else test over training graphs.

    Returns:
        None where nothing can be paired. Seeds and targets that only one side has are left out.

    Raises:
        ValueError: two records of one seed on one side, or records of several settings.
    """
    pairs = _pairs(left, right, measure)
    if not pairs:
        return None
    lefts = {ours.victim.digest for ours, _, _ in pairs}
    rights = {theirs.victim.digest for _, theirs, _ in pairs}
    return SeedDifferences(
        tuple(_mean([mine - other for mine, other in both.values()]) for *_, both in pairs),
        distinct_targets([(Source.of(ours), both) for ours, _, both in pairs], test_to_train),
        min(len(lefts), len(rights)),
        test_to_train,
    )


def compare_models(
    left: Sequence[Record], right: Sequence[Record], measure: Measure = "robust"
) -> ModelComparison | None:
    """Compare two trained models on the targets that both have: McNemar's exact test.

    Returns:
        None where nothing can be paired, and where there are several seeds: those are compared as
        methods.

    Raises:
        ValueError: two records of one seed on one side, or records of several settings.
    """
    pairs = _pairs(left, right, measure)
    if len(pairs) != 1:
        return None
    both = list(pairs[0][2].values())
    wins = sum(mine and not other for mine, other in both)
    losses = sum(other and not mine for mine, other in both)
    low, high = paired_interval(wins, losses, len(both))
    return ModelComparison(
        (wins - losses) / len(both),
        max(low, -1.0),
        min(high, 1.0),
        wins,
        losses,
        mcnemar(wins, losses),
        len(both),
    )


def gap_to_worst_case(
    attack: Sequence[Record], exact: Sequence[Record], test_to_train: float = 0.0
) -> Gap | None:
    """How much robust accuracy an attack leaves that the exact worst case does not.

    That is what the attack missed. It is a share of targets, and its interval is that of a share.

    Only records of the same victim under the same threat are compared: another model's worst case
    says nothing. Where an attack is beyond the worst case one of the two is wrong, and the interval
    runs from the least to the greatest possible.
    """
    worst = {record.cell.seed: record for record in exact}
    same = [
        r
        for r in attack
        if (w := worst.get(r.cell.seed))
        and (w.victim.digest, w.threat) == (r.victim.digest, r.threat)
    ]
    pairs = _pairs(same, exact, "robust")
    if not pairs:
        return None
    answers = [list(both.values()) for *_, both in pairs]
    missed = [sum(mine and not other for mine, other in both) for both in answers]
    beyond = sum(other and not mine for both in answers for mine, other in both)
    total = sum(map(len, answers))
    shares = [count / len(both) for count, both in zip(missed, answers, strict=True)]
    if beyond:
        mean = _mean([_mean([mine - other for mine, other in both]) for both in answers])
        return Gap(mean, -1.0, 1.0, sum(missed), beyond, len(pairs), total)
    known = [(Source.of(ours), both) for ours, _, both in pairs]
    one_model = len({source.victim for source, _ in known}) == 1
    low, high = share_interval(
        shares, distinct_targets(known, test_to_train), test_to_train, one_model
    )
    return Gap(_mean(shares), low, high, sum(missed), 0, len(pairs), total)


def _pairs(
    left: Sequence[Record], right: Sequence[Record], measure: Measure
) -> list[tuple[Record, Record, dict[Target, tuple[bool, bool]]]]:
    """Records of the same seed and data, and whether left and right get each common target right.

    Raises:
        ValueError: two records of one seed on one side, or records of several settings.
    """
    _check_seeds(left)
    _check_seeds(right)
    _check_setting([*left, *right])
    others = {record.cell.seed: record for record in right}
    found = []
    for record in left:
        other = others.get(record.cell.seed)
        if other is None or record.dataset.digest != other.dataset.digest:
            continue
        ours, theirs = _right(record, measure), _right(other, measure)
        both = {target: (ours[target], theirs[target]) for target in ours if target in theirs}
        if both:
            found.append((record, other, both))
    return found


def _check_seeds(records: Sequence[Record]) -> None:
    seeds = [record.cell.seed for record in records]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"Expected one record a seed, got seeds {seeds}")


def _check_setting(records: Iterable[Record]) -> None:
    """Refuse records of fixed models beside records of models that were trained again."""
    if len(settings := sorted({record.setting for record in records})) > 1:
        raise ValueError(f"Expected records of one setting, got {' and '.join(settings)}")


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
