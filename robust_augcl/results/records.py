"""Records: what an attack did to a victim, graph by graph, as JSON lines.

The first line of a record file is its header, every further line one graph. The header carries a
checksum of the whole, so that an altered file is noticed before anybody believes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from robust_augcl.errors import ArtifactDamaged, shown
from robust_augcl.results import record_lines, strict
from robust_augcl.results.outcome import Outcome as Outcome
from robust_augcl.results.outcome import SharedEdits as SharedEdits
from robust_augcl.results.outcome import Target as Target
from robust_augcl.results.stored_tables import environment_table, threat_table
from robust_augcl.results.traits import MethodTraits, Traits
from robust_augcl.revisions import BESIDE, LATER

SCHEMA = 2
"""The version of this format; a reader refuses any other."""


@dataclass(frozen=True, order=True)
class Cell:
    """What a record is about: one attack on one victim.

    Args:
        suite: the suite's name.
        dataset: the data set, e.g. "components 40-50" or "MUTAG".
        method: the pretraining method, or the given model (its label in the suite).
        encoder: the encoder's name; "given" of a given model.
        layers: its rounds of message passing; 0 where nobody has said them, of a given model.
        seed: the suite's seed.
        attack: the attack (its label in the suite).
        protocol: "strict" or "paper".
        budget: edits a graph at the most: a count, or a fraction of the graph's edges.

    >>> about = ("quick", "components 40-50", "augcl", "structure2vec")
    >>> Cell(*about, layers=2, seed=0, attack="beam", protocol="strict", budget=3).attack
    'beam'
    """

    __pydantic_config__ = strict.STRICT

    suite: strict.Name
    dataset: strict.Name
    method: strict.Name
    encoder: strict.Name
    layers: strict.Index
    seed: strict.Whole
    attack: strict.Name
    protocol: strict.Name
    budget: strict.Budget


@dataclass(frozen=True)
class ArtifactRef:
    """A stored artifact that a record rests on: its key, and the digest of its content."""

    __pydantic_config__ = strict.STRICT

    key: strict.Key
    digest: strict.Digest


@dataclass(frozen=True)
class Record:
    """One result: an attack on a victim over the test graphs.

    Args:
        key: the address of the step that made it.
        cell: what it is about.
        outcomes: one a target, in the order of the data set.
        traits, method_traits: what attack and method are, as their plug-ins declare it.
        made_by: who made attack, data source, and method and encoder or a given model: the
            distribution, its version, the qualified name; of foreign code a digest of its source.
        method_settings, attack_settings, threat: every hyper-parameter in force.
        num_classes, label_rule: C, and how an edited graph's class can be proved, or "none".
        dataset, victim: the artifacts it rests on.
        attacker: what the attack had learned, None for an attack that does not learn.
        pretrain_seconds, train_seconds: for pretraining, shared warm-up included, and training.
        fit_seconds, attack_seconds: for the attack's own learning, and for its proposals.
        queries, gradient_calls: what the attack asked of the victim, learning included.
        environment: versions, commit, machine, device, threads, peak memory.
        notes: warnings raised on the way, e.g. of a collapsed uncertainty model.
        shared_edits: the edits of the one graph that all targets lie in, added and removed, where
            all are attacked by the same ones; then outcomes carry none. None: each has its own.
        edited, retrained: of poisoning, the data set after the edits, and the victim that was
            trained again on it, by which targets were judged after the edits; else None.

    >>> record = robust_augcl.open_run("runs/mine").records[0]  # doctest: +SKIP
    >>> record.cell.attack, record.robust_accuracy, record.is_exact  # doctest: +SKIP
    ('exhaustive', 0.75, True)
    """

    __pydantic_config__ = strict.STRICT

    key: strict.Key
    cell: Cell
    outcomes: list[Outcome]
    traits: Traits
    method_traits: MethodTraits
    made_by: dict[strict.Name, dict[strict.Name, strict.Name]]
    method_settings: strict.Table
    attack_settings: strict.Table
    threat: Annotated[dict[str, Any], AfterValidator(threat_table)]
    num_classes: strict.Classes
    label_rule: Literal["components", "none"]
    dataset: ArtifactRef
    victim: ArtifactRef
    attacker: ArtifactRef | None
    pretrain_seconds: strict.Seconds
    train_seconds: strict.Seconds
    fit_seconds: strict.Seconds
    attack_seconds: strict.Seconds
    queries: strict.Whole
    gradient_calls: strict.Whole
    environment: Annotated[dict[str, Any], AfterValidator(environment_table)]
    notes: list[strict.Note] = field(default_factory=list)
    shared_edits: SharedEdits | None = field(default=None, metadata=LATER)
    edited: ArtifactRef | None = field(default=None, metadata=LATER)
    retrained: ArtifactRef | None = field(default=None, metadata=LATER)

    @property
    def setting(self) -> str:
        """ "evasion" or "poisoning": whether the model was fixed, or trained again on the edits."""
        return str(self.threat.get("setting", "evasion"))

    @property
    def class_stays(self) -> str:
        """ "proved" or "assumed": how it is known that a target keeps its class under the edits."""
        return "assumed" if self.label_rule == "none" else "proved"

    @property
    def of_nodes(self) -> bool:
        """Whether its targets are nodes."""
        return any(outcome.node is not None for outcome in self.outcomes[:1])

    @property
    def poisons(self) -> bool:
        """Whether the model was trained again on the edited graph."""
        return self.setting == "poisoning"

    @property
    def rests_on(self) -> list[ArtifactRef]:
        """The artifacts that it was computed from."""
        refs = (self.dataset, self.victim, self.attacker, self.edited, self.retrained)
        return [ref for ref in refs if ref is not None]

    def edits_of(self, outcome: Outcome) -> tuple[list[strict.Pair], list[strict.Pair]]:
        """The edits that one of the outcomes is after: added, and removed."""
        if self.shared_edits is not None:
            return self.shared_edits.added, self.shared_edits.removed
        return outcome.added, outcome.removed

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
            "layers": self.cell.layers or None,  # of a given model they are not known
            "setting": self.setting,
            "class_stays": self.class_stays,
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
        """The record as JSON lines, the header first.

        Raises:
            ValueError: a number in it is not finite: such a record could not be read back.
        """
        return self._text

    @cached_property
    def _text(self) -> str:
        header = {"schema": SCHEMA, **asdict(self)}
        try:
            lines = [_canonical(outcome) for outcome in header.pop("outcomes")]
            for name in ("shared_edits", "edited", "retrained"):
                if header[name] is None:  # as records were before there were any
                    del header[name]
            header["digest"] = _digest(_canonical(header), lines)
        except ValueError:
            raise ValueError(
                f"Expected finite numbers in the record of {self.cell.attack} on "
                f"{self.cell.method}, got NaN or infinity"
            ) from None
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
        if ending:
            lines.append(ending)
        try:
            record_lines.check_lengths(first, lines)
            header = strict.parse(first)
            if header["schema"] != SCHEMA:
                raise ArtifactDamaged(
                    f"{source}: expected records of schema {SCHEMA}, got {shown(header['schema'])}"
                )
            sealed, digest = first == _canonical(header), header.pop("digest")
            intact = sealed and not ending and digest == _digest(_canonical(header), lines)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactDamaged(
                f"{source}: expected a record as JSON lines, got {shown(first)} "
                f"({strict.reason(error)})"
            ) from None
        if not intact:
            raise ArtifactDamaged(
                f"{source}: the record was altered: its checksum does not match its content"
            )
        record = _read(header, lines, source)
        record.__dict__["_text"] = text  # what `dumps` would work out again
        return record


def _read(header: dict[str, Any], lines: Sequence[str], source: str) -> Record:
    """The record of a header whose checksum is right, and of the lines below it."""
    what = "a record"
    if type(header.pop("schema")) is not int:
        raise ArtifactDamaged(f"{source}: expected {what}, its `schema` to be a whole number")
    record_lines.check_fields(lines, len(fields(Outcome)), source)
    if "outcomes" in header:
        raise ArtifactDamaged(f"{source}: expected {what}, got an unknown field `outcomes`")
    strict.require_all(Record, {**header, "outcomes": lines}, source, what)
    joined = f'{_canonical(header)[:-1]},"outcomes":[{",".join(lines)}]}}'
    record = strict.read_as(Record, joined, source, what)
    if problem := _contradiction(record):
        raise ArtifactDamaged(f"{source}: expected {what}, {problem}")
    return record


def _contradiction(record: Record) -> str | None:
    """What of a record contradicts the rest of it; None where nothing does."""
    highest = record.num_classes - 1
    for outcome in record.outcomes:
        if max(outcome.label, outcome.clean, outcome.attacked) > highest:
            return f"classes from 0 to {highest}, got another for graph {outcome.graph}"
    if len({outcome.target for outcome in record.outcomes}) < len(record.outcomes):
        return "each target once, got one twice"
    if record.shared_edits is not None and any(o.added or o.removed for o in record.outcomes):
        return "outcomes without edits where all share theirs, got some with"
    trained_again = (record.edited, record.retrained, record.shared_edits)
    if record.poisons and (None in trained_again or any(o.exact for o in record.outcomes)):
        return "shared edits, an edited data set, a victim on it and no worst case under poisoning"
    if not record.poisons and (record.edited or record.retrained):
        return "no victim that was trained again under evasion"
    budget, allowed = record.cell.budget, record.threat["budget"]
    if type(budget) is not type(allowed) or budget != allowed:
        return f"the budget of its cell in its threat, got {budget!r} and {allowed!r}"
    return None


def stamp(records: Iterable[Record]) -> str:
    """A digest of records, whatever their order, and of the versions that matter to them."""
    texts = sorted(record.dumps() for record in records)
    return hashlib.sha256("".join([f"{SCHEMA} {BESIDE}\n", *texts]).encode()).hexdigest()


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _canonical(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _digest(header: str, lines: list[str]) -> str:
    return hashlib.sha256("\n".join([header, *lines]).encode()).hexdigest()
