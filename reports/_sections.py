"""What the parts of a report share: the records of one table, and the order of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from robust_augcl.reports import _words as words
from robust_augcl.reports._marks import marks
from robust_augcl.reports._order import ordered
from robust_augcl.reports._threats import Threats
from robust_augcl.reports.tables import percent
from robust_augcl.results.comparisons import exact_attack
from robust_augcl.results.names import CLEAN, EXACT_NAME, Names, joined, targets_text
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.shared_graphs import overlap
from robust_augcl.results.statistics import (
    Estimate,
    Gap,
    Group,
    Measure,
    by_group,
    estimate,
    gap_to_worst_case,
    one_per_seed,
)
from robust_augcl.results.traits import MethodTraits


@dataclass(frozen=True)
class Section:
    """The records of one table: one suite, data set, encoder, protocol and budget.

    Methods, layers, attacks and seeds vary. Attacks include `CLEAN`, which is no attack: its
    accuracy is that of the same victims before any edit.

    Args:
        suite, dataset, encoder, protocol, budget: what all records share.
        groups: the records, by group.
        report: what the report is made from.
    """

    suite: str
    dataset: str
    encoder: str
    protocol: str
    budget: int | float
    groups: dict[Group, list[Record]]
    report: ReportInput

    @property
    def names(self) -> Names:
        """What readers call methods and attacks."""
        return self.report.names

    @cached_property
    def records(self) -> list[Record]:
        return [record for group in self.groups.values() for record in group]

    @cached_property
    def methods(self) -> list[str]:
        """Labels: plug-ins that keep their names in the suite's order, then others by label."""
        labels = {group.method for group in self.groups}
        return ordered(labels, self.report.suite_order("methods"))

    @cached_property
    def is_given(self) -> bool:
        """Whether the models are given ones, of which nobody has said how many layers they have."""
        return not any(self.layers)

    @property
    def noun(self) -> str:
        """What is compared: methods, or given models."""
        return "model" if self.is_given else "method"

    @property
    def targets(self) -> str:
        """What is attacked: graphs, or nodes."""
        return targets_text(self.records)

    def settings(self, method: str) -> dict[str, Any]:
        """The hyper-parameters of a method, with its type; those of one of its records."""
        return next((r.method_settings for r in self.records if r.cell.method == method), {})

    @cached_property
    def method_traits(self) -> dict[str, MethodTraits]:
        """What each method is, by its label."""
        return {record.cell.method: record.method_traits for record in self.records}

    @cached_property
    def layers(self) -> list[int]:
        return sorted({group.layers for group in self.groups})

    @cached_property
    def exact(self) -> str | None:
        """The label of the exact worst case: an attack all of whose targets are proved.

        Of several, the first in the order of the suite; None where there is none.
        """
        return exact_attack(self.records, self.report.suite_order("attacks"))

    @cached_property
    def shared(self) -> float:
        """Test over training graphs where seeds share graphs; 0 where they do not, or who knows."""
        return overlap(self.report.measurements, self.dataset) or 0.0

    @cached_property
    def unproved(self) -> set[str]:
        """The labels of attacks that claim to be exact, where that is not proved throughout."""
        return {r.cell.attack for r in self.records if r.traits.claims_exact and not r.is_exact}

    def proved_share(self, attack: str) -> float:
        """The share of an attack's targets for which the worst case is proved, over all records."""
        outcomes = [o for r in self.records if r.cell.attack == attack for o in r.outcomes]
        return sum(outcome.exact for outcome in outcomes) / max(len(outcomes), 1)

    @cached_property
    def combined(self) -> set[str]:
        """The labels of what combines other attacks."""
        return {r.cell.attack for r in self.records if r.traits.combines}

    @cached_property
    def columns(self) -> list[tuple[int, str]]:
        """Layers and method of each column that has records."""
        there = {(group.layers, group.method) for group in self.groups}
        return [
            (layers, method)
            for layers in self.layers
            for method in self.methods
            if (layers, method) in there
        ]

    @cached_property
    def attacks(self) -> list[str]:
        """Labels: `CLEAN` first, last what combines others, and the exact worst case.

        Between them stand plug-ins that keep their names, in the suite's order, then others by
        label.
        """
        labels = {group.attack for group in self.groups} - {CLEAN}
        last = [*sorted(self.combined - {self.exact}), *([self.exact] if self.exact else [])]
        return [CLEAN, *ordered(labels, self.report.suite_order("attacks"), last)]

    def attack_name(self, attack: str) -> str:
        """The name that readers know an attack by.

        The exact worst case is called that. An attack that only claims to be exact keeps its own
        name, with the share of targets for which it is proved.
        """
        if attack == self.exact:
            return EXACT_NAME
        name = self.names.attack(attack)
        if attack in self.unproved:
            return f"{name} ({percent(self.proved_share(attack))} % proved)"
        return name

    def method_name(self, method: str) -> str:
        """The name that readers know a method by."""
        return self.names.method(method)

    @cached_property
    def seeds(self) -> list[int]:
        return sorted({record.cell.seed for record in self.records})

    @cached_property
    def seeds_per_group(self) -> tuple[int, int]:
        """Fewest and most seeds of an estimate; they differ where records are missing."""
        counts = [len(records) for records in self.groups.values()]
        return min(counts), max(counts)

    @cached_property
    def one_model_each(self) -> bool:
        """Whether each estimate is of one trained model: one seed, or the same model in all."""
        groups = self.groups.values()
        return all(len({record.victim.digest for record in group}) == 1 for group in groups)

    @property
    def num_classes(self) -> int:
        return max(record.num_classes for record in self.records)

    @property
    def title(self) -> str:
        encoder = "given models" if self.is_given else self.encoder
        protocol = joined(f"{self.protocol} protocol", words.setting_text(self.records))
        return f"{self.dataset}, {encoder}, {protocol}, budget {self.budget}"

    def group(self, attack: str, layers: int, method: str) -> list[Record]:
        """The records of one attack, one a seed; empty where there are none.

        Those of `CLEAN` are one a seed of whichever attack.
        """
        if attack == CLEAN:
            return one_per_seed(
                r
                for g, records in self.groups.items()
                if (g.layers, g.method) == (layers, method)
                for r in records
            )
        model = (self.suite, self.dataset, method, self.encoder, layers)
        return self.groups.get(Group(*model, attack, self.protocol, self.budget), [])

    def mark(self, *groups: Iterable[Record]) -> str:
        """What stands beside a number from these records: a mark if one failed its audit."""
        failed = self.report.failed
        return marks(any(each.key in failed for records in groups for each in records), None)

    def marked(self, attack: str, layers: int, *methods: str) -> str:
        """The mark of what is said of an attack on these methods.

        Clean accuracies need no attack and get none.
        """
        return (
            ""
            if attack == CLEAN
            else self.mark(*(self.group(attack, layers, method) for method in methods))
        )

    def robust(
        self, attack: str, layers: int, method: str, label: int | None = None
    ) -> Estimate | None:
        """The robust accuracy under an attack, of one class or all.

        For `CLEAN` it is the clean accuracy.
        """
        known = self._estimates
        about = attack, layers, method, label
        if about not in known:
            group = self.group(attack, layers, method)
            known[about] = self.accuracy(group, measure_of(attack), label)
        return known[about]

    @cached_property
    def _estimates(self) -> dict[tuple[str, int, str, int | None], Estimate | None]:
        """What `robust` has worked out."""
        return {}

    def accuracy(
        self, records: Sequence[Record], measure: Measure, label: int | None = None
    ) -> Estimate | None:
        """The accuracy of some of the section's records, of one class or all."""
        return estimate(records, measure, label, self.shared)

    def means(self, attack: str, label: int | None = None) -> list[float]:
        """The robust accuracy of each column that has records."""
        return [
            found.mean for column in self.columns if (found := self.robust(attack, *column, label))
        ]

    def mean(self, attack: str, label: int | None = None) -> float | None:
        """The mean over the columns that have records."""
        means = self.means(attack, label)
        return sum(means) / len(means) if means else None

    @cached_property
    def strongest(self) -> str | None:
        """The attack that leaves the lowest mean robust accuracy.

        The exact worst case and what combines others stand apart.
        """
        apart = {self.exact, *self.combined}
        attacks = [attack for attack in self.attacks[1:] if attack not in apart]
        means = {attack: mean for attack in attacks if (mean := self.mean(attack)) is not None}
        return min(means, key=lambda attack: means[attack]) if means else None

    def gap(self, attack: str, layers: int, method: str) -> Gap | None:
        """What an attack left standing beyond the exact worst case."""
        exact = self.group(self.exact, layers, method) if self.exact else []
        return gap_to_worst_case(self.group(attack, layers, method), exact, self.shared)

    @cached_property
    def commonest(self) -> float:
        """The accuracy of always answering the commonest class: clean, and under any attack."""
        classes = Counter(outcome.label for record in self.records for outcome in record.outcomes)
        return max(classes.values(), default=0) / max(classes.total(), 1)

    @cached_property
    def threat(self) -> Threats:
        """What the threats of the records allow."""
        return Threats(self.records, self.budget)

    @property
    def keeps_classes(self) -> bool:
        """Whether it is proved of every edited target that its class stays."""
        return self.threat.keep_classes

    @property
    def protocol_text(self) -> str:
        """The protocol, and what it means where that is known."""
        return words.protocol_text(self.protocol, self.is_given, self.targets)

    @cached_property
    def intervals(self) -> str:
        """What the estimates and their intervals are, in half a sentence."""
        fewest, most = self.seeds_per_group
        if self.one_model_each:
            over = f"exact 95 % intervals over the {self.targets}"
            return f"shares with {over}, of one trained model each"
        some = (
            f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds (records are missing)"
        )
        split = ", as of resampled splits of this data set" if self.shared else ""
        return f"means over {some} with 95 % intervals over the seeds{split}, {words.ALONE}"

    @cached_property
    def graphs(self) -> str:
        """How many test graphs or nodes, of which seeds."""
        counts = sorted({record.num_graphs for record in self.records})
        number = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        if len(self.seeds) == 1:
            return f"{number} test {self.targets}, seed {self.seeds[0]}"
        return f"{number} test {self.targets} for each of the seeds {words.seeds_text(self.seeds)}"

    def class_name(self, label: int) -> str:
        """A class by what it is, where the records say so, else by its number."""
        if not self.keeps_classes:
            return f"class {label}"
        # The class is the number of components, less 1.
        return "1 component" if label == 0 else f"{label + 1} components"


def sections(report: ReportInput) -> list[Section]:
    """Sort the records of a report into sections, each with its records in order.

    Raises:
        ValueError: no records, or two of one cell.
    """
    found: dict[tuple[str, str, str, str, int | float], dict[Group, list[Record]]] = {}
    for group, members in by_group(report.records).items():
        about = group.suite, group.dataset, group.encoder, group.protocol, group.budget
        found.setdefault(about, {})[group] = members
    if not found:
        raise ValueError("Expected at least one record, got none")
    return [
        Section(*about, groups, report)
        for about, groups in sorted(found.items(), key=lambda item: item[0])
    ]


def measure_of(attack: str) -> Measure:
    """What counts as right under an attack, or before any."""
    return "clean" if attack == CLEAN else "robust"
