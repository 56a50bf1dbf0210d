"""The entries of a baseline: machines, data, victims, records, worst cases, embeddings, audit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from robust_augcl.results import strict
from robust_augcl.results.findings import Status
from robust_augcl.results.records import Target
from robust_augcl.results.rest import is_at_rest
from robust_augcl.results.target_bits import summed
from robust_augcl.results.traits import MethodTraits, Traits

MOST_BYTES = 16 << 20
"""The most bytes of a file."""

Bits = Annotated[str, Field(max_length=MOST_BYTES)]
_Step = Annotated[int, Field(gt=-(2**31), lt=2**31)]
_Labels = Annotated[list[strict.Index], Field(min_length=1)]


@dataclass(frozen=True)
class Machine:
    """Where results were computed.

    Args:
        versions: of libraries.
        commit: of robust_augcl; None where it ran outside a checkout.
        machine, device, processor, arithmetic, threads: as records say it.
    """

    __pydantic_config__ = strict.STRICT

    versions: dict[strict.Name, strict.Name]
    commit: strict.Name | None
    machine: strict.Name
    device: strict.Name
    processor: strict.Name
    arithmetic: strict.Name
    threads: strict.Positive


@dataclass(frozen=True)
class Data:
    """The targets that were attacked, of one data set and seed.

    Args:
        name: of the data set, for readers.
        seed: the suite's.
        key, digest: the address of the data set with its split, and a digest of its content.
        graphs: the number of each target's graph, as steps (`target_bits.gaps`) (n,).
        nodes: of each target its node; None where targets are whole graphs.
        labels: the true class of each (n,).
        classes: C.
        label_rule: how an edited graph's class can be proved, or "none".
        draws_graphs: whether each seed draws graphs of its own; None where nobody knows.
        tested, training: how many targets are for tests and for training; None as above.
    """

    __pydantic_config__ = strict.STRICT

    name: strict.Name
    seed: strict.Whole
    key: strict.Key
    digest: strict.Digest
    graphs: list[_Step]
    nodes: list[strict.Index] | None
    labels: _Labels
    classes: strict.Classes
    label_rule: Literal["components", "none"]
    draws_graphs: bool | None
    tested: strict.Whole | None
    training: strict.Whole | None

    @property
    def test_to_train(self) -> float | None:
        """0 where each seed draws graphs of its own; else test over training; None: not known."""
        if self.draws_graphs is None or self.tested is None or self.training is None:
            return None
        # Without training, of given models, no training graph can be shared.
        return 0.0 if self.draws_graphs or not self.training else self.tested / self.training

    @property
    def count(self) -> int:
        """n."""
        return len(self.labels)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The targets, in the order of the bits."""
        nodes = self.nodes if self.nodes is not None else [None] * self.count
        return tuple(zip(summed(self.graphs), nodes, strict=True))


@dataclass(frozen=True)
class Victim:
    """A trained model, or a given one.

    Args:
        data: the place of its targets.
        method: its label in the suite.
        traits: of its method, as the plug-in declares them.
        settings: of its method, those in force.
        encoder, layers, protocol: as cells say it.
        key, weights: the address of its artifact, and the digest: weights, and what they are.
        clean: of each target, whether it is right before any attack.
        epoch, epochs: the best epoch of its training, and how many there were; None of a given
            model.
        pretrain_seconds, train_seconds: what it took; 0 of a given model.
        notes: warnings that were raised on the way to it.
    """

    __pydantic_config__ = strict.STRICT

    data: strict.Index
    method: strict.Name
    traits: MethodTraits
    settings: strict.Table
    encoder: strict.Name
    layers: strict.Index
    protocol: strict.Name
    key: strict.Key
    weights: strict.Digest
    clean: Bits
    epoch: strict.Whole | None
    epochs: strict.Whole | None
    pretrain_seconds: strict.Seconds
    train_seconds: strict.Seconds
    notes: list[strict.Note]

    @property
    def name(self) -> str:
        """What readers call its method."""
        return self.traits.name

    @property
    def at_rest(self) -> bool | None:
        """Whether it was when its training ended; None where nobody can tell."""
        if self.epoch is None or self.epochs is None:
            return None
        return is_at_rest(self.epoch, self.epochs)


@dataclass(frozen=True)
class Attacked:
    """What one attack did to one victim: a record.

    Args:
        victim: its place.
        attack: its label in the suite.
        traits: as the plug-in declares them.
        settings: those in force.
        budget: edits of a target, or a share of its edges.
        key: the address of the record: settings, inputs and revisions are in it.
        threat: the place of the threat.
        attacked: of each target, whether it is right after the edits.
        exact: of each target, whether this is proved to be the worst case.
        queries, gradient_calls, fit_seconds, attack_seconds, peak_memory_mib: what it took.
        machine: the place of where it was computed.
    """

    __pydantic_config__ = strict.STRICT

    victim: strict.Index
    attack: strict.Name
    traits: Traits
    settings: strict.Table
    budget: strict.Budget
    key: strict.Key
    threat: strict.Index
    attacked: Bits
    exact: Bits
    queries: strict.Whole
    gradient_calls: strict.Whole
    fit_seconds: strict.Seconds
    attack_seconds: strict.Seconds
    peak_memory_mib: strict.Whole
    machine: strict.Index

    @property
    def name(self) -> str:
        """What readers call the attack."""
        return self.traits.name

    @property
    def claims_exact(self) -> bool:
        """Whether the attack claims to be exact."""
        return self.traits.claims_exact


@dataclass(frozen=True)
class Worst:
    """What is known of the worst case of one victim under one budget: a bracket, by targets.

    A target is proved, broken (not `stands`), or open.

    Args:
        victim, threat: their places.
        budget: edits of a target, or a share of its edges.
        stands: of each target, whether it is right before and no known edits break it.
        proved: of each target, whether no allowed edits break it: certified, or tried exhaustively.
        is_certified: whether there is a certificate for this budget.
        seconds: of the certificates.
    """

    __pydantic_config__ = strict.STRICT

    victim: strict.Index
    budget: strict.Budget
    threat: strict.Index
    stands: Bits
    proved: Bits
    is_certified: bool
    seconds: strict.Seconds


@dataclass(frozen=True)
class Embedded:
    """How well an SVM tells classes by the embeddings of an encoder that saw no label.

    Args:
        data: the place of its data set.
        method, encoder, layers, protocol: as cells say it.
        accuracy: of each fold.
        seconds: of pretraining.
        notes: warnings that its pretraining raised.
    """

    __pydantic_config__ = strict.STRICT

    data: strict.Index
    method: strict.Name
    encoder: strict.Name
    layers: strict.Index
    protocol: strict.Name
    accuracy: Annotated[list[strict.Share], Field(min_length=1, max_length=10_000)]
    seconds: strict.Seconds
    notes: list[strict.Note]


@dataclass(frozen=True)
class Found:
    """What one check of the audit found.

    Args:
        check, status, evidence: as the audit says it.
        records: the places of those that it speaks against.
    """

    __pydantic_config__ = strict.STRICT

    check: strict.Name
    status: Status
    evidence: strict.Note
    records: list[strict.Index]
