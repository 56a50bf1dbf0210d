"""What the parts of a report share: records that belong into one table, the order of its rows, and
names for readers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from robust_augcl.reports.tables import MARK
from robust_augcl.results.names import CLEAN, EXACT, exact_of, name_of
from robust_augcl.results.records import Record
from robust_augcl.results.statistics import (
    Comparison,
    Estimate,
    Group,
    Measure,
    best,
    by_group,
    compare,
    estimate,
    gap_to_worst_case,
    one_per_seed,
)

NO_PRETRAINING = "none"

ATTACK_ORDER = (CLEAN, "rand_sampling", "grad_argmax", "rl_s2v", "genetic", "prbcd", "beam")
"""Then unknown ones, the worst of all, the exact worst case."""
_METHOD_ORDER = (
    NO_PRETRAINING,
    "graphcl",
    "augcl",
    "dcl",
    "hcl",
    "progcl",
    "progcl_mix",
    "moco",
    "prototypes",
)
"""Then methods of other labels."""
_PROTOCOLS = {
    "strict": "models and attacks were chosen without the test graphs",
    "paper": "as published: the model's epoch was chosen on the test graphs, and attacks that "
    "learn, learned on them",
}


def layers_text(count: int) -> str:
    """A number of layers in words."""
    return "1 layer" if count == 1 else f"{count} layers"


@dataclass(frozen=True)
class Section:
    """The records of one table: one suite, data set, encoder, protocol and budget; methods, layers,
    attacks and seeds vary.

    Attacks include `CLEAN`, which is no attack: its accuracy is that of the same victims before any
    edit. `failed` are the keys of records that failed their audit.
    """

    suite: str
    dataset: str
    encoder: str
    protocol: str
    budget: int | float
    groups: dict[Group, list[Record]]
    failed: frozenset[str] = frozenset()

    @cached_property
    def records(self) -> list[Record]:
        return [record for group in self.groups.values() for record in group]

    @cached_property
    def methods(self) -> list[str]:
        return _ordered({group.method for group in self.groups}, _METHOD_ORDER)

    def settings(self, method: str) -> dict[str, Any]:
        """The hyper-parameters of a method, with its type; those of one record where records
        differ.
        """
        return next((r.method_settings for r in self.records if r.cell.method == method), {})

    @cached_property
    def kinds(self) -> dict[str, str]:
        """What each method is, whatever it is called: "GraphCL", "AUGCL", "NoPretraining", ..."""
        return {method: str(self.settings(method).get("type", "")) for method in self.methods}

    @cached_property
    def layers(self) -> list[int]:
        return sorted({group.layers for group in self.groups})

    @cached_property
    def exact(self) -> str | None:
        """The label of the exhaustive search, which is the exact worst case; a suite may call it
        otherwise.
        """
        return exact_of(
            {r.cell.attack for r in self.records if r.attack_settings.get("type") == "Exhaustive"}
        )

    @cached_property
    def combined(self) -> set[str]:
        """The labels of what combines other attacks."""
        return {r.cell.attack for r in self.records if r.attack_settings.get("type") == "WorstCase"}

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

    def attacks(self, order: Sequence[str] = ATTACK_ORDER) -> list[str]:
        """`CLEAN` first, then the known attacks in that order, unknown ones by name; last what
        combines others and the exact worst case.
        """
        labels = {CLEAN, *(group.attack for group in self.groups)}
        return _ordered(
            labels, order, last=[*sorted(self.combined), *([self.exact] if self.exact else [])]
        )

    def attack_name(self, attack: str) -> str:
        """The name that readers know an attack by."""
        return name_of(EXACT if attack == self.exact else attack)

    @cached_property
    def seeds(self) -> list[int]:
        return sorted({record.cell.seed for record in self.records})

    @cached_property
    def seeds_per_group(self) -> tuple[int, int]:
        """Fewest and most seeds of an estimate; they differ where records are missing."""
        counts = [len(records) for records in self.groups.values()]
        return min(counts), max(counts)

    @property
    def num_classes(self) -> int:
        return max(record.num_classes for record in self.records)

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.encoder}, {self.protocol} protocol, budget {self.budget}"

    def group(self, attack: str, layers: int, method: str) -> list[Record]:
        """The records of one attack, one a seed; of `CLEAN`, one a seed of whichever attack. Empty
        where there are none.
        """
        if attack == CLEAN:
            return one_per_seed(
                r
                for g, records in self.groups.items()
                if (g.layers, g.method) == (layers, method)
                for r in records
            )
        return self.groups.get(
            Group(
                self.suite,
                self.dataset,
                method,
                self.encoder,
                layers,
                attack,
                self.protocol,
                self.budget,
            ),
            [],
        )

    def mark(self, *groups: Iterable[Record]) -> str:
        """What stands beside a number that comes from these records: a mark if one of them failed
        its audit.
        """
        return (
            MARK
            if any(record.key in self.failed for records in groups for record in records)
            else ""
        )

    def marked(self, attack: str, layers: int, *methods: str) -> str:
        """The mark of what is said of an attack on these methods; clean accuracies need no attack
        and get none.
        """
        return (
            ""
            if attack == CLEAN
            else self.mark(*(self.group(attack, layers, method) for method in methods))
        )

    def robust(
        self, attack: str, layers: int, method: str, label: int | None = None
    ) -> Estimate | None:
        """The robust accuracy under an attack, of one class or all; the clean accuracy for
        `CLEAN`.
        """
        return estimate(self.group(attack, layers, method), _measure(attack), label)

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
        """The attack that leaves the lowest mean robust accuracy, apart from the exact worst case
        and from what combines others.
        """
        attacks = [
            attack for attack in self.attacks()[1:] if attack not in {self.exact, *self.combined}
        ]
        means = {attack: mean for attack in attacks if (mean := self.mean(attack)) is not None}
        return min(means, key=lambda attack: means[attack]) if means else None

    def best(self, attack: str, layers: int) -> str | None:
        """The method that is decidedly better than every other one, if there is one."""
        groups = {method: self.group(attack, layers, method) for method in self.methods}
        return best(
            {method: records for method, records in groups.items() if records}, _measure(attack)
        )

    def compare(self, attack: str, layers: int, left: str, right: str) -> Comparison | None:
        """One method against another under an attack."""
        return compare(
            self.group(attack, layers, left), self.group(attack, layers, right), _measure(attack)
        )

    def gap(self, attack: str, layers: int, method: str) -> Comparison | None:
        """What an attack left standing beyond the exact worst case."""
        exact = self.group(self.exact, layers, method) if self.exact else []
        return gap_to_worst_case(self.group(attack, layers, method), exact)

    @cached_property
    def commonest(self) -> float:
        """The accuracy of always answering the commonest class: clean, and under any attack."""
        classes = Counter(outcome.label for record in self.records for outcome in record.outcomes)
        return max(classes.values(), default=0) / max(classes.total(), 1)

    @cached_property
    def threat(self) -> str:
        """The threat model in words."""
        return "; or ".join(sorted({threat_text(record.threat) for record in self.records}))

    @property
    def protocol_text(self) -> str:
        """The protocol, and what it means where that is known."""
        meaning = _PROTOCOLS.get(self.protocol)
        return f"{self.protocol} ({meaning})" if meaning else self.protocol

    @cached_property
    def intervals(self) -> str:
        """What the estimates and their intervals are, in half a sentence."""
        fewest, most = self.seeds_per_group
        if most == 1:
            return "shares with 95 % Wilson intervals over the graphs, of one trained model each"
        some = (
            f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds (records are missing)"
        )
        return (
            f"means over {some} with 95 % t-intervals over the seeds, never narrower than "
            "Wilson's over all their graphs"
        )

    @cached_property
    def graphs(self) -> str:
        """How many test graphs, of which seeds."""
        counts = sorted({record.num_graphs for record in self.records})
        number = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        if len(self.seeds) == 1:
            return f"{number} test graphs, seed {self.seeds[0]}"
        return f"{number} test graphs for each of the seeds {', '.join(map(str, self.seeds))}"

    def class_name(self, label: int) -> str:
        """A class by what it is, where the records say so, else by its number."""
        if any(record.label_rule != "components" for record in self.records):
            return f"class {label}"
        return (
            "1 component" if label == 0 else f"{label + 1} components"
        )  # the class is the number of components, less 1


def sections(records: Iterable[Record], failed: Iterable[str] = ()) -> list[Section]:
    """Sort records into sections, each with its records in order; `failed` are the keys of those
    that failed their audit.

    Raises:
        ValueError: no records, or two of one cell.
    """
    found: dict[tuple[str, str, str, str, int | float], dict[Group, list[Record]]] = {}
    for group, members in by_group(records).items():
        found.setdefault(
            (group.suite, group.dataset, group.encoder, group.protocol, group.budget), {}
        )[group] = members
    if not found:
        raise ValueError("Expected at least one record, got none")
    return [
        Section(*key, groups, frozenset(failed))
        for key, groups in sorted(found.items(), key=lambda item: item[0])
    ]


def threat_text(threat: dict[str, Any]) -> str:
    """A threat model in words; fields that this function does not know stand at the end as they
    are.
    """
    rest = {name: value for name, value in threat.items() if name != "type"}
    budget, operations = rest.pop("budget", None), rest.pop("operations", ())
    if isinstance(budget, float):
        much = f"up to {100 * budget:g} % of a graph's edges"
    else:
        much = "edges" if budget is None else "1 edge" if budget == 1 else f"up to {budget} edges"
    verb = (
        " or ".join(
            {"add": "added", "delete": "deleted"}.get(operation, str(operation))
            for operation in operations
        )
        or "edited"
    )
    text = f"{much} {verb}"
    if rest.pop("within_component", False):
        text += ", inside one component"
    if rest.pop("allow_existing", False):
        text += ", an existing edge may be named (which changes nothing)"
    return text + "".join(f", {name} {value}" for name, value in sorted(rest.items()))


def _measure(attack: str) -> Measure:
    return "clean" if attack == CLEAN else "robust"


def _ordered(labels: Iterable[str], order: Sequence[str], last: Sequence[str] = ()) -> list[str]:
    rank = {label: place for place, label in enumerate(order)} | {
        label: len(order) + 1 + place for place, label in enumerate(last)
    }
    return sorted(labels, key=lambda label: (rank.get(label, len(order)), _natural(label), label))


def _natural(label: str) -> list[str | int]:
    """A key that sorts numbers inside labels as numbers."""
    return [
        int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", label))
    ]
