"""Records: what an attack did to a victim, graph by graph, as JSON lines.

The first line of a record file is its header, every further line one graph. The header carries a
checksum of the whole, so that an altered file is noticed before anybody believes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.traits import MethodTraits, Traits
from robust_augcl.revisions import BESIDE

SCHEMA = 2
"""The version of this format; a reader refuses any other."""


@dataclass(frozen=True, order=True)
class Cell:
    """What a record is about: one attack on one victim.

    Args:
        suite: the suite's name.
        dataset: the data set, e.g. "components 40-50" or "MUTAG".
        method: the pretraining method (its label in the suite).
        encoder: the encoder's name.
        layers: its rounds of message passing.
        seed: the suite's seed.
        attack: the attack (its label in the suite).
        protocol: "strict" or "paper".
        budget: edits a graph at the most: a count, or a fraction of the graph's edges.
    """

    suite: str
    dataset: str
    method: str
    encoder: str
    layers: int
    seed: int
    attack: str
    protocol: str
    budget: int | float


Target = tuple[int, int | None]
"""What is attacked: a graph's number in the data set, and the node in it; None: the whole graph."""


@dataclass(frozen=True)
class Outcome:
    """One attacked target: a graph, or a node in a graph.

    Args:
        graph: the graph's number in the data set.
        label: its true class.
        clean, attacked: the victim's predictions before and after the edits.
        clean_margin, attacked_margin: the true class's logit less the best other one.
        added, removed: the edits, pairs of nodes.
        node: the target's number in its graph; None where the target is the graph as a whole.
        exact: proved to be the worst case: these edits break the target, or it is wrong when
            clean, or no allowed edits break it. Only proved where the attack claims to be exact.

    Example:
        >>> outcome = Outcome(7, 1, 1, 0, 0.8, -0.2, added=[[2, 5]], removed=[])
        >>> outcome.broken, outcome.robust, outcome.target
        (True, False, (7, None))
    """

    graph: int
    label: int
    clean: int
    attacked: int
    clean_margin: float
    attacked_margin: float
    added: list[list[int]]
    removed: list[list[int]]
    node: int | None = None
    exact: bool = False

    @property
    def target(self) -> Target:
        """What was attacked: the graph, and the node in it where the target is a node."""
        return self.graph, self.node

    @property
    def clean_right(self) -> bool:
        return self.clean == self.label

    @property
    def attacked_right(self) -> bool:
        return self.attacked == self.label

    @property
    def robust(self) -> bool:
        """Right when clean and right when attacked."""
        return self.clean_right and self.attacked_right

    @property
    def broken(self) -> bool:
        """Right when clean and wrong when attacked."""
        return self.clean_right and not self.attacked_right


@dataclass(frozen=True)
class ArtifactRef:
    """A stored artifact that a record rests on: its key, and the digest of its content."""

    key: str
    digest: str


@dataclass(frozen=True)
class Record:
    """One result: an attack on a victim over the test graphs.

    Args:
        key: the address of the step that made it.
        cell: what it is about.
        outcomes: one a target, in the order of the data set.
        traits: what the attack is, as its plug-in declares it.
        method_traits: what the method is, as its plug-in declares it.
        made_by: who made the plug-ins: of the attack, method, encoder and data source the
            distribution, its version and the qualified name; of foreign code also a digest of its
            source.
        method_settings, attack_settings, threat: every hyper-parameter in force.
        num_classes: C.
        label_rule: how label preservation can be proved: "components" (by counting them) or "none".
        dataset, victim: the artifacts it rests on.
        attacker: what the attack had learned, None for an attack that does not learn.
        pretrain_seconds: for the pretraining of this method, a shared warm-up included.
        train_seconds: for training the classifier on the labels.
        fit_seconds, attack_seconds: for the attack's own learning, and for its proposals.
        queries, gradient_calls: what the attack asked of the victim, learning included.
        environment: versions, commit, machine, device, threads, peak memory.
        notes: warnings raised on the way, e.g. of a collapsed uncertainty model.
    """

    key: str
    cell: Cell
    outcomes: list[Outcome]
    traits: Traits
    method_traits: MethodTraits
    made_by: dict[str, dict[str, str]]
    method_settings: dict[str, Any]
    attack_settings: dict[str, Any]
    threat: dict[str, Any]
    num_classes: int
    label_rule: str
    dataset: ArtifactRef
    victim: ArtifactRef
    attacker: ArtifactRef | None
    pretrain_seconds: float
    train_seconds: float
    fit_seconds: float
    attack_seconds: float
    queries: int
    gradient_calls: int
    environment: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def num_graphs(self) -> int:
        return len(self.outcomes)

    @property
    def method_name(self) -> str:
        """What readers call the method."""
        return self.method_traits.name

    @property
    def is_exact(self) -> bool:
        """Whether this is the exact worst case: claimed by the attack, and proved throughout."""
        return self.traits.claims_exact and all(outcome.exact for outcome in self.outcomes)

    @property
    def exact_share(self) -> float:
        """The share of targets for which the worst case is proved."""
        return _share([outcome.exact for outcome in self.outcomes])

    @property
    def clean_accuracy(self) -> float:
        return _share([o.clean_right for o in self.outcomes])

    @property
    def attacked_accuracy(self) -> float:
        """Share of targets that are right after the attack, whatever they were before."""
        return _share([o.attacked_right for o in self.outcomes])

    @property
    def robust_accuracy(self) -> float:
        return _share([o.robust for o in self.outcomes])

    @property
    def robust_accuracy_by_class(self) -> list[float | None]:
        """Robust accuracy among the graphs of each class; None for a class without graphs."""
        return self._by_class("robust")

    @property
    def clean_accuracy_by_class(self) -> list[float | None]:
        """Clean accuracy among the graphs of each class; None for a class without graphs."""
        return self._by_class("clean_right")

    def _by_class(self, what: str) -> list[float | None]:
        groups = [
            [getattr(o, what) for o in self.outcomes if o.label == c]
            for c in range(self.num_classes)
        ]
        return [_share(group) if group else None for group in groups]

    def row(self) -> dict[str, Any]:
        """The record as one flat row, accuracies from 0 to 1."""
        cell = asdict(self.cell)
        return {
            **cell,
            "n_graphs": self.num_graphs,
            "clean_accuracy": self.clean_accuracy,
            "attacked_accuracy": self.attacked_accuracy,
            "robust_accuracy": self.robust_accuracy,
            "robust_accuracy_by_class": self.robust_accuracy_by_class,
            "clean_accuracy_by_class": self.clean_accuracy_by_class,
            "queries": self.queries,
            "gradient_calls": self.gradient_calls,
            "pretrain_seconds": round(self.pretrain_seconds, 3),
            "train_seconds": round(self.train_seconds, 3),
            "fit_seconds": round(self.fit_seconds, 3),
            "seconds": round(self.fit_seconds + self.attack_seconds, 3),
        }

    def dumps(self) -> str:
        """The record as JSON lines, the header first."""
        return self._text

    @cached_property
    def _text(self) -> str:
        header = {"schema": SCHEMA, **asdict(self)}
        lines = [_canonical(outcome) for outcome in header.pop("outcomes")]
        header["digest"] = _digest(_canonical(header), lines)
        return "\n".join([_canonical(header), *lines]) + "\n"

    @classmethod
    def loads(cls, text: str, source: str) -> Record:
        """Read what `dumps` wrote; `source` names it in errors.

        Raises:
            ArtifactDamaged: not a record, of another schema, or altered since it was written.
        """
        # Split at "\n" alone and compare the header as it stands: a reader that forgives other line
        # ends, spaces or spellings of a number would read an altered file without noticing.
        first, *lines = text.split("\n")
        ending = lines.pop() if lines else "cut short"
        try:
            header = json.loads(first)
            if header["schema"] != SCHEMA:
                raise ArtifactDamaged(
                    f"{source}: expected records of schema {SCHEMA}, got {header['schema']!r}"
                )
            outcomes = [Outcome(**json.loads(line)) for line in lines]
            sealed, digest = first == _canonical(header), header.pop("digest")
            intact = sealed and not ending and digest == _digest(_canonical(header), lines)
            if not intact:
                raise ArtifactDamaged(
                    f"{source}: the record was altered: its checksum does not match its content"
                )
            for name, kind in _PARTS.items():
                header[name] = kind(**header[name])
            header["attacker"] = header["attacker"] and ArtifactRef(**header["attacker"])
            del header["schema"]
            record = cls(outcomes=outcomes, **header)
            record.__dict__["_text"] = text  # what `dumps` would work out again
            return record
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ArtifactDamaged(
                f"{source}: expected a record as JSON lines, got {_shorten(first)} ({error})"
            ) from error


_PARTS = {
    "cell": Cell,
    "traits": Traits,
    "method_traits": MethodTraits,
    "dataset": ArtifactRef,
    "victim": ArtifactRef,
}
"""The fields of a header that are objects of their own."""


def stamp(records: Iterable[Record]) -> str:
    """A digest of records, whatever their order, and of the versions that matter to them."""
    texts = sorted(record.dumps() for record in records)
    return hashlib.sha256("".join([f"{SCHEMA} {BESIDE}\n", *texts]).encode()).hexdigest()


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _canonical(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=True)


def _digest(header: str, lines: list[str]) -> str:
    return hashlib.sha256("\n".join([header, *lines]).encode()).hexdigest()


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
