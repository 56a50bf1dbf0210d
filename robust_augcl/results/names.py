"""What readers call methods, attacks and targets: the names that records carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from robust_augcl.results.records import Record, Target

CLEAN = "clean"
"""The label of the row of no attack at all."""
CLEAN_NAME = "Clean"
EXACT_NAME = "Exact worst case"
"""The name of an attack that is exact, where all its targets are proved."""


@dataclass(frozen=True)
class Names:
    """The names of methods and attacks for readers.

    Args:
        methods: label of a method in the suite -> its name.
        attacks: label of an attack in the suite -> its name.

    Example:
        >>> names = Names({"none": "No pretraining"}, {"beam": "Beam search"})
        >>> names.method("none"), names.attack("beam"), names.attack("clean")
        ('No pretraining', 'Beam search', 'Clean')
        >>> names.method("a label that no record has")
        'a label that no record has'
    """

    methods: Mapping[str, str] = field(default_factory=dict)
    attacks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Names:
        """The names that these records carry.

        Where records of one label differ in its name, the first in the order of cells decides.
        """
        methods: dict[str, str] = {}
        attacks: dict[str, str] = {}
        for record in sorted(records, key=lambda record: record.cell):
            methods.setdefault(record.cell.method, record.method_name)
            attacks.setdefault(record.cell.attack, record.traits.name)
        return cls(methods, attacks)

    def method(self, label: str) -> str:
        """The name of a method; an unknown label is its own name."""
        return self.methods.get(label, label)

    def attack(self, label: str) -> str:
        """The name of an attack, or of the clean row; an unknown label is its own name."""
        return CLEAN_NAME if label == CLEAN else self.attacks.get(label, label)


def layers_text(count: int) -> str:
    """A number of layers in words; empty for 0, which is no word on how many there are.

    Example:
        >>> layers_text(1), layers_text(3), layers_text(0)
        ('1 layer', '3 layers', '')
    """
    return "" if count == 0 else "1 layer" if count == 1 else f"{count} layers"


def joined(*parts: str, by: str = ", ") -> str:
    """The parts that say something, one after another.

    Example:
        >>> joined("GIN", layers_text(0), "seed 1")
        'GIN, seed 1'
    """
    return by.join(filter(None, parts))


def look(name: str) -> str:
    """What is equal for names that a reader cannot tell apart: case and spaces do not count.

    Example:
        >>> look("Beam  Search") == look("beam search")
        True
    """
    return " ".join(name.split()).casefold()


def target_text(target: Target) -> str:
    """A target in words.

    Example:
        >>> target_text((3, None)), target_text((0, 17))
        ('graph 3', 'node 17 of graph 0')
    """
    graph, node = target
    return f"graph {graph}" if node is None else f"node {node} of graph {graph}"


def targets_text(records: Iterable[Record]) -> str:
    """What is attacked: "graphs", or "nodes" where all targets of all records are."""
    return "nodes" if all(record.of_nodes for record in records) else "graphs"


def budget_text(budget: int | float) -> str:
    """A budget in words.

    Example:
        >>> budget_text(1), budget_text(3), budget_text(0.05)
        ('1 edit', '3 edits', '5 % of the edges')
    """
    if isinstance(budget, float):
        return f"{100 * budget:g} % of the edges"
    return "1 edit" if budget == 1 else f"{budget} edits"


def difference_name(left: str, right: str) -> str:
    """What a difference of two methods is called, left less right.

    Example:
        >>> difference_name("AUGCL", "GraphCL") == "AUGCL \\N{MINUS SIGN} GraphCL"
        True
    """
    return f"{left} \N{MINUS SIGN} {right}"
