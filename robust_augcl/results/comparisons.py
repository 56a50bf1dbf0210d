"""Which comparisons of methods stand in which family, and what is said of each.

Primary: the exact worst case at the first budget, of the pairs that the suite names in
`[comparisons]`, under every protocol and for every number of layers. It is one family a suite, and
the only one that is ever bold. Pairs or a margin that were changed after the first run are not what
was stated before results were seen: then nothing is primary, or equivalence is not tested.
Secondary: all else, in one family for each data set, encoder,
protocol and budget. How a family is judged stands in `results.method_tests`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from robust_augcl.results.measurements import Measurement
from robust_augcl.results.method_tests import Judged, judge
from robust_augcl.results.names import CLEAN
from robust_augcl.results.records import Record
from robust_augcl.results.seed_differences import SeedDifferences
from robust_augcl.results.shared_graphs import overlap
from robust_augcl.results.stated import TABLE, Changed, Comparisons
from robust_augcl.results.statistics import Group, Measure, by_group, one_per_seed, seed_differences

PRIMARY = "primary"

_NEVER = 0
"""Stands for the planned seeds where there is no verdict, whatever number is compared: nobody knows
whether seeds share graphs, or the run has others than were planned. There are never so few."""

Question = tuple[Group, Group]
"""Two groups, left less right. They differ in the method alone."""


@dataclass(frozen=True)
class Rules:
    """What a suite states before it runs of how its methods are compared.

    Args:
        pairs: labels of methods that the suite compares, left less right.
        margin: within which methods are equivalent, a share; None: equivalence is not tested.
        planned: how many seeds were planned; None where that is not known.
        budget: the first of the suite; None where that is not known.
        held: how many seeds the run has now, finished or not; None where that is not known.
        changed: what of pairs and margin is not as planned.
        margin_is_planned: whether it is known that the margin was.
        layers: numbers of layers that the suite plans; empty where that is not known.

    Example:
        >>> Rules.of({"comparisons": {"pairs": [["augcl", "none"]], "margin": 0.02}}, 30).margin
        0.02
        >>> wider = Rules.of({"comparisons": {"margin": 0.05}}, 30, {"margin": 0.02})
        >>> wider.margin, wider.changed[0].text[:54]
        (None, 'The suite states a margin of 5.0 points, and 2.0 point')
    """

    pairs: tuple[tuple[str, str], ...] = ()
    margin: float | None = None
    planned: int | None = None
    budget: int | float | None = None
    held: int | None = None
    changed: tuple[Changed, ...] = ()
    margin_is_planned: bool = False
    layers: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        settings: Mapping[str, Any] | None,
        planned: int | None = None,
        comparisons: Mapping[str, Any] | None = None,
        held: int | None = None,
    ) -> Rules:
        """The rules of a suite as in its file, and of what was planned.

        Args:
            settings: the suite; None where it is not known.
            planned: how many seeds were planned.
            comparisons: the table `[comparisons]` that was stated then.
            held: how many seeds the run has now.

        Raises:
            InputError: a table `[comparisons]` is not as expected (`results.stated`).
        """
        stated = Comparisons.of(settings)
        changed = stated.since(
            None if comparisons is None else Comparisons.of({TABLE: comparisons})
        )
        kept = not any(each.what == "margin" for each in changed)
        margin = stated.margin if kept else None
        known = comparisons is not None
        return cls(
            stated.pairs,
            margin,
            planned,
            _first_budget(settings),
            held,
            changed,
            known,
            _layers(settings),
        )

    @property
    def primary(self) -> tuple[tuple[str, str], ...]:
        """The pairs whose comparison is primary; none where others were planned."""
        return () if any(each.what == "pairs" for each in self.changed) else self.pairs

    @property
    def has_other_seeds(self) -> bool:
        """Whether the run has more or fewer seeds than were planned, finished or not."""
        return None not in (self.planned, self.held) and self.planned != self.held


def _first_budget(settings: Mapping[str, Any] | None) -> int | float | None:
    """The smallest budget of a suite; None where nobody can tell."""
    threat = (settings or {}).get("threat", {})
    budget = threat.get("budget") if isinstance(threat, Mapping) else None
    budgets = budget if isinstance(budget, list | tuple) else [budget]
    known = [each for each in budgets if isinstance(each, int | float)]
    return min(known, default=None)


def _layers(settings: Mapping[str, Any] | None) -> tuple[int, ...]:
    """The numbers of layers of a suite; empty where nobody can tell."""
    encoder = (settings or {}).get("encoder", {})
    layers = encoder.get("layers") if isinstance(encoder, Mapping) else None
    known = layers if isinstance(layers, list | tuple) else [layers]
    return tuple(each for each in known if type(each) is int)


@dataclass(frozen=True)
class Family:
    """The comparisons of one family, by what is compared; None where records are missing."""

    name: str
    found: Mapping[Question, Judged | None]

    def of(self, left: Group, right: Group) -> Judged | None:
        """What is said of left less right; None where that is not compared here."""
        return self.found.get((left, right))


def primary(
    records: Iterable[Record],
    measurements: Sequence[Measurement],
    rules: Rules,
    order: Sequence[str] = (),
) -> dict[str, Family]:
    """The primary family of each suite.

    A suite that names no pairs, or has no exact worst case at its first budget, has an empty one.

    Args:
        records, measurements: of a run.
        rules: of its suite.
        order: of the suite's attacks; of several exact ones the first counts.
    """
    groups = by_group(records)
    tables: dict[_Table, list[Group]] = {}
    for group in groups:
        tables.setdefault(_table_of(group), []).append(group)
    asked: dict[str, list[Question]] = {group.suite: [] for group in groups}
    for members in tables.values():
        # Where all records of the first budget are missing, no other budget takes its place.
        first = min(group.budget for group in members) if rules.budget is None else rules.budget
        least = [group for group in members if group.budget == first]
        exact = exact_attack([record for group in least for record in groups[group]], order)
        asked[members[0].suite] += _asked(
            [group for group in least if group.attack == exact], rules.primary, rules.layers
        )
    return {
        suite: family_of(PRIMARY, questions, groups, measurements, rules)
        for suite, questions in asked.items()
    }


def _asked(
    exact: Sequence[Group], pairs: Sequence[tuple[str, str]], planned: Sequence[int]
) -> list[Question]:
    """The primary questions of one table, from the groups of its exact worst case.

    A pair of which records are missing is asked too, and so are planned numbers of layers, so that
    no verdict changes when they come.
    """
    by_layers = {group.layers: group for group in exact}
    if by_layers and 0 not in by_layers:  # of given models nobody has said them
        first = next(iter(by_layers.values()))
        by_layers = {count: replace(first, layers=count) for count in planned} | by_layers
    return [
        (replace(group, method=left), replace(group, method=right))
        for left, right in pairs
        for group in by_layers.values()
    ]


def family_of(
    name: str,
    questions: Sequence[Question],
    groups: Mapping[Group, Sequence[Record]],
    measurements: Sequence[Measurement],
    rules: Rules,
) -> Family:
    """Judge questions as one family.

    Args:
        name: of the family, for readers.
        questions: two groups each; those of the attack `CLEAN` are about accuracies before any.
        groups: all records.
        measurements: of the same run; they say whether seeds share graphs. Where they do not say
            it, there is no verdict.
        rules: the suite's.
    """
    shares = {left.dataset: overlap(measurements, left.dataset) for left, _ in questions}
    known = all(share is not None for share in shares.values())
    members = {**groups, **_before_attacks(groups)}
    differences = [
        _differences(members, left, right, shares[left.dataset] or 0.0) for left, right in questions
    ]
    planned = _NEVER if not known or rules.has_other_seeds else rules.planned
    judged = judge(differences, name, rules.margin, planned)
    return Family(name, dict(zip(questions, judged, strict=True)))


def exact_attack(records: Sequence[Record], order: Sequence[str] = ()) -> str | None:
    """The label of the exact worst case: an attack all of whose targets are proved, in all records.

    Of several, the first in the order of the suite; None where there is none.
    """
    claimed = {record.cell.attack for record in records if record.traits.claims_exact}
    unproved = {record.cell.attack for record in records if not record.is_exact}
    rank = {label: place for place, label in enumerate(order)}
    proved = sorted(claimed - unproved, key=lambda label: (rank.get(label, len(rank)), label))
    return proved[0] if proved else None


_Table = tuple[str, str, str, str]


def _table_of(group: Group) -> _Table:
    return group.suite, group.dataset, group.encoder, group.protocol


def _differences(
    groups: Mapping[Group, Sequence[Record]], left: Group, right: Group, share: float
) -> SeedDifferences | None:
    measure: Measure = "clean" if left.attack == CLEAN else "robust"
    return seed_differences(groups.get(left, ()), groups.get(right, ()), measure, share)


def _before_attacks(groups: Mapping[Group, Sequence[Record]]) -> dict[Group, list[Record]]:
    """Records of each model and budget before any attack, one a seed."""
    found: dict[Group, list[Record]] = {}
    for group, members in groups.items():
        found.setdefault(replace(group, attack=CLEAN), []).extend(members)
    return {group: one_per_seed(members) for group, members in found.items()}
