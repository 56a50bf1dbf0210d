"""What the parts of a report share: records that belong into one table, the order of its rows, and names for readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from robust_augcl.records import Record
from robust_augcl.statistics import Comparison, Estimate, Group, Measure, best, by_group, compare, estimate, gap_to_worst_case, one_per_seed

CLEAN = "clean"
"""The row of no attack at all."""
EXACT = "exhaustive"
"""The attack that is the exact worst case."""
NO_PRETRAINING = "none"

TABLE_ORDER = (CLEAN, "rand_sampling", "grad_argmax", "rl_s2v")
FIGURE_ORDER = (CLEAN, "rand_sampling", "rl_s2v", "grad_argmax")
_METHOD_ORDER = (NO_PRETRAINING, "graphcl", "augcl")
_NAMES = {
    CLEAN: "Clean",
    EXACT: "Exact worst case",
    NO_PRETRAINING: "No pretraining",
    "graphcl": "GraphCL",
    "augcl": "AUGCL",
    "rand_sampling": "RandSampling",
    "grad_argmax": "GradArgmax",
    "rl_s2v": "RL-S2V",
}


def name_of(label: str) -> str:
    """The name that readers know a method or an attack by; unknown ones as they are."""
    return _NAMES.get(label, label)


@dataclass(frozen=True)
class Section:
    """The records of one table: one suite, data set, encoder, protocol and budget; methods, layers, attacks and seeds vary.

    Attacks include `CLEAN`, which is no attack: its accuracy is that of the same victims before any edit.
    """

    suite: str
    dataset: str
    encoder: str
    protocol: str
    budget: int | float
    groups: dict[Group, list[Record]]

    @cached_property
    def records(self) -> list[Record]:
        return [record for group in self.groups.values() for record in group]

    @cached_property
    def methods(self) -> list[str]:
        return _ordered({group.method for group in self.groups}, _METHOD_ORDER)

    @cached_property
    def layers(self) -> list[int]:
        return sorted({group.layers for group in self.groups})

    @cached_property
    def columns(self) -> list[tuple[int, str]]:
        """Layers and method of each column that has records."""
        there = {(group.layers, group.method) for group in self.groups}
        return [(layers, method) for layers in self.layers for method in self.methods if (layers, method) in there]

    def attacks(self, order: Sequence[str] = TABLE_ORDER) -> list[str]:
        """`CLEAN` first, then the known attacks in that order, unknown ones by name, the exact worst case last."""
        return _ordered({CLEAN, *(group.attack for group in self.groups)}, order, last=EXACT)

    @property
    def has_exact(self) -> bool:
        return any(group.attack == EXACT for group in self.groups)

    @property
    def seeds(self) -> list[int]:
        return sorted({record.cell.seed for record in self.records})

    @property
    def num_classes(self) -> int:
        return max(record.num_classes for record in self.records)

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.encoder}, {self.protocol} protocol, budget {self.budget}"

    def group(self, attack: str, layers: int, method: str) -> list[Record]:
        """The records of one attack, one a seed; of `CLEAN`, one a seed of whichever attack. Empty where there are none."""
        if attack == CLEAN:
            return one_per_seed(r for g, records in self.groups.items() if (g.layers, g.method) == (layers, method) for r in records)
        return self.groups.get(Group(self.suite, self.dataset, method, self.encoder, layers, attack, self.protocol, self.budget), [])

    def robust(self, attack: str, layers: int, method: str, label: int | None = None) -> Estimate | None:
        """The robust accuracy under an attack, of one class or all; the clean accuracy for `CLEAN`."""
        return estimate(self.group(attack, layers, method), _measure(attack), label)

    def best(self, attack: str, layers: int) -> str | None:
        """The method that is decidedly better than every other one, if there is one."""
        groups = {method: self.group(attack, layers, method) for method in self.methods}
        return best({method: records for method, records in groups.items() if records}, _measure(attack))

    def compare(self, attack: str, layers: int, left: str, right: str) -> Comparison | None:
        """One method against another under an attack."""
        return compare(self.group(attack, layers, left), self.group(attack, layers, right), _measure(attack))

    def gap(self, attack: str, layers: int, method: str) -> Comparison | None:
        """What an attack left standing beyond the exact worst case."""
        return gap_to_worst_case(self.group(attack, layers, method), self.group(EXACT, layers, method))

    def class_name(self, label: int) -> str:
        """A class by what it is, where the records say so, else by its number."""
        if any(record.label_rule != "components" for record in self.records):
            return f"class {label}"
        return "1 component" if label == 0 else f"{label + 1} components"  # the class is the number of components, less 1


def sections(records: Iterable[Record]) -> list[Section]:
    """Sort records into sections, each with its records in order.

    Raises:
        ValueError: no records, or two of one cell.
    """
    found: dict[tuple[str, str, str, str, int | float], dict[Group, list[Record]]] = {}
    for group, members in by_group(records).items():
        found.setdefault((group.suite, group.dataset, group.encoder, group.protocol, group.budget), {})[group] = members
    if not found:
        raise ValueError("Expected at least one record, got none")
    return [Section(*key, groups) for key, groups in sorted(found.items(), key=lambda item: item[0])]


def graphs_text(counts: Iterable[int]) -> str:
    """How many graphs, as a number or a range."""
    known = sorted(set(counts))
    return f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"


def interval_text(n_seeds: int) -> str:
    """What the intervals are, in half a sentence."""
    if n_seeds == 1:
        return "95 % Wilson intervals over the graphs of one seed"
    return f"means over {n_seeds} seeds with 95 % t-intervals over the seeds, never narrower than Wilson's over all their graphs"


def threat_text(threat: dict[str, Any]) -> str:
    """A threat model in words; fields that this function does not know stand at the end as they are."""
    rest = dict(threat)
    budget, operations = rest.pop("budget", None), rest.pop("operations", ())
    if isinstance(budget, float):
        much = f"up to {100 * budget:g} % of a graph's edges"
    else:
        much = "edges" if budget is None else "1 edge" if budget == 1 else f"up to {budget} edges"
    verb = " or ".join({"add": "added", "delete": "deleted"}.get(operation, str(operation)) for operation in operations) or "edited"
    text = f"{much} {verb}"
    if rest.pop("within_component", False):
        text += ", inside one component"
    if rest.pop("allow_existing", False):
        text += ", an existing edge may be named (which changes nothing)"
    return text + "".join(f", {name} {value}" for name, value in sorted(rest.items()))


def _measure(attack: str) -> Measure:
    return "clean" if attack == CLEAN else "robust"


def _ordered(labels: Iterable[str], order: Sequence[str], last: str | None = None) -> list[str]:
    rank = {label: place for place, label in enumerate(order)}
    return sorted(labels, key=lambda label: (label == last, rank.get(label, len(order)), label))
