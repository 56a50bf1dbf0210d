"""What the checks look at: records, and facts about what they rest on.

It is plain data, which a test can make by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from robust_augcl.results.findings import Finding
from robust_augcl.results.names import joined, layers_text, targets_text
from robust_augcl.results.records import Record, Target
from robust_augcl.results.rest import Rest


@dataclass(frozen=True)
class VictimFacts:
    """What a look at a stored victim found, on a few test graphs.

    Args:
        num_graphs: looked at.
        repeat_change: the largest change of a logit between two equal questions.
        batch_change: the largest change of a logit when graphs are asked one by one, over the scale
            of the logits.
        nonfinite_gradients, zero_gradients: graphs whose gradients with respect to candidate edges
            are not finite, or all 0.
        no_gradients: why there are no gradients, None where there are.
        drift: what is to be said of a given model that answered otherwise after the audit's
            questions than before; empty of others.
    """

    num_graphs: int
    repeat_change: float
    batch_change: float
    nonfinite_gradients: int = 0
    zero_gradients: int = 0
    no_gradients: str | None = None
    drift: str = ""


@dataclass(frozen=True)
class AttackFacts:
    """What was found of an attack by running it on a few graphs.

    Args:
        records: keys of the attack's records.
        name: the attack, and the victim where it is one of a run, for people.
        num_graphs: attacked.
        error: what stopped the attack, None where it ran.
        grave: whether it speaks against the numbers: the process that it ran in ended, or the
            victim changed its answers.
    """

    records: tuple[str, ...]
    name: str
    num_graphs: int
    error: str | None = field(default=None, kw_only=True)
    grave: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class PlantedFacts(AttackFacts):
    """What an attack did to victims that were built for it.

    Args:
        fragile_broken: graphs broken of a victim that any edit breaks.
        constant_broken: graphs broken of a victim that nothing breaks.
        untried: why the attack cannot be tried on them, as it declares; None where it was.
    """

    fragile_broken: int = 0
    constant_broken: int = 0
    untried: str | None = None


@dataclass(frozen=True)
class LargeBudgetFacts(AttackFacts):
    """What an attack does to a stored victim with a large budget, on a few graphs.

    Graphs that are wrong when clean are left out.

    Args:
        budget: edits a graph.
        broken: by the attack.
        only_random, only_attack: graphs that only one of them breaks: the best of many random edits
            within the budget, the attack.
    """

    budget: int
    broken: int = 0
    only_random: int = 0
    only_attack: int = 0


@dataclass(frozen=True)
class IterationFacts(AttackFacts):
    """What an attack that learns nothing does with half its effort, on a few graphs.

    Args:
        what: the hyper-parameter that says how long it runs.
        half, full: values of it.
        only_half, only_full: graphs that only half of them break, or only all of them.
    """

    what: str
    half: int
    full: int
    only_half: int = 0
    only_full: int = 0


@dataclass(frozen=True)
class LearningFacts(AttackFacts):
    """What an attack that learned breaks after it has learned on, on one victim.

    It is turned on validation and test graphs, with what it had learned before, and with what it
    has learned since.

    Args:
        what: the hyper-parameter that says how long it learned.
        spent: the value of it.
        more: how much more it learned.
        only_before, only_after: graphs that only what it had learned before breaks, or only what it
            has learned since.
    """

    what: str
    spent: int
    more: int = 0
    only_before: int = 0
    only_after: int = 0

    @property
    def damage(self) -> float:
        """By how much robust accuracy fell."""
        return (self.only_after - self.only_before) / max(self.num_graphs, 1)


@dataclass(frozen=True)
class DataFacts:
    """What a data set's parts are.

    Args:
        name: the data set, for people.
        edges: undirected edges of the graph of each test target.
        overlap: graphs that stand in two parts.
        duplicates: test graphs that message passing cannot tell from one for training or
            validation.
        degrees: neighbours of each test target, where targets are nodes.
    """

    name: str
    edges: Mapping[Target, int]
    overlap: int = 0
    duplicates: int = 0
    degrees: Mapping[Target, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Use:
    """Which test graphs were used before the attack.

    Args:
        selection: test graphs among those that chose the victim's epoch; None of a given model,
            since nobody has said how it was trained.
        fit: test graphs among those that the attack learned on; None where that is not known.
    """

    selection: int | None = 0
    fit: int | None = 0


@dataclass(frozen=True)
class Evidence:
    """Everything that an audit looks at.

    Facts are keyed by what they are about: the keys of records, victims, data sets.

    Args:
        records: in any order.
        searches: the keys of records whose attack asked about as many edited graphs as the threat
            has single edits, or more.
        curves: of learning, for attacks that learn: step, loss, robust accuracy on the graphs it
            was chosen by.
        replayed: what replaying each record found wrong.
        unproved: why a record could not be replayed.
        miscounted: attacked graphs whose number of components, counted anew, is not that of their
            class; only where the label rule says so.
        uses: of each record.
        victims, data: facts by key.
        planted, large, halved: facts of each attack.
        learned_on: facts of attacks that learn, on a sample of victims.
        rests: of each record whose victim was trained here, how far that training came.
        proved: of each record, the targets that certificates prove to withstand everything that
            its attack was allowed.
    """

    records: Sequence[Record]
    searches: Collection[str] = ()
    curves: Mapping[str, Sequence[tuple[int, float, float]]] = field(default_factory=dict)
    replayed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unproved: Mapping[str, str] = field(default_factory=dict)
    miscounted: Mapping[str, Sequence[int]] = field(default_factory=dict)
    uses: Mapping[str, Use] = field(default_factory=dict)
    victims: Mapping[str, VictimFacts] = field(default_factory=dict)
    data: Mapping[str, DataFacts] = field(default_factory=dict)
    planted: Sequence[PlantedFacts] = ()
    large: Sequence[LargeBudgetFacts] = ()
    halved: Sequence[IterationFacts] = ()
    learned_on: Sequence[LearningFacts] = ()
    rests: Mapping[str, Rest] = field(default_factory=dict)
    proved: Mapping[str, Collection[Target]] = field(default_factory=dict)

    @property
    def targets(self) -> str:
        """What findings count: "graphs", or "nodes" where all targets of all records are."""
        return targets_text(self.records)

    @property
    def target(self) -> str:
        """One of them: "graph", or "node"."""
        return self.targets[:-1]

    def same_threat(self) -> list[list[Record]]:
        """Records by victim and threat, budget included."""
        return grouped(
            self.records, lambda r: (r.victim.key, json.dumps(r.threat), r.cell.protocol)
        )


Check = Callable[[Evidence], Finding]


def grouped(records: Iterable[Record], key: Callable[[Record], Any]) -> list[list[Record]]:
    """Records of the same key together, in the order of cells."""
    groups: dict[Any, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.cell):
        groups.setdefault(key(record), []).append(record)
    return list(groups.values())


def name_of(record: Record) -> str:
    """A cell in words: the attack, its victim, the budget."""
    return f"{record.traits.name} on {victim_name(record)}, budget {record.cell.budget}"


def victim_name(record: Record) -> str:
    """The victim of a record in words; the protocol is named where it is not the strict one."""
    cell = record.cell
    about = record.method_name, layers_text(cell.layers), f"seed {cell.seed}"
    return joined(*about, "" if cell.protocol == "strict" else f"{cell.protocol} protocol")


def attack_name(record: Record) -> str:
    """An attack in words; the protocol is named where it is not the strict one."""
    protocol = record.cell.protocol
    return record.traits.name + ("" if protocol == "strict" else f" ({protocol} protocol)")


def keys_of(records: Iterable[Record]) -> tuple[str, ...]:
    """The keys of records, each once, in the order of cells."""
    return tuple(
        dict.fromkeys(record.key for record in sorted(records, key=lambda record: record.cell))
    )


def percent(share: float, signed: bool = False) -> str:
    """A share as a percentage.

    >>> percent(0.613), percent(0.02, signed=True)
    ('61.3 %', '+2.0 %')
    """
    return f"{100 * share:{'+z' if signed else ''}.1f} %"


def listed(names: Sequence[str], limit: int = 3) -> str:
    """Some names, and how many more there are."""
    more = len(names) - limit
    return "; ".join(names[:limit]) + (f"; and {more} more" if more > 0 else "")
