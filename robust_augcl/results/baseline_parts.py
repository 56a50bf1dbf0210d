"""The entries of a baseline: machines, data, victims, records, worst cases, findings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import Field

from robust_augcl.results import strict
from robust_augcl.results.findings import Status
from robust_augcl.results.records import Target
from robust_augcl.results.target_bits import summed

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
        machine, device, processor, arithmetic, threads: as records say it.
    """

    __pydantic_config__ = strict.STRICT

    versions: dict[strict.Name, strict.Name]
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
        digest: of the data set with its split.
        graphs: the number of each target's graph, as steps (`target_bits.gaps`) (n,).
        nodes: of each target its node; None where targets are whole graphs.
        labels: the true class of each (n,).
        classes: C.
        test_to_train: 0 where each seed draws graphs of its own; else test over training graphs;
            None where nobody knows.
    """

    __pydantic_config__ = strict.STRICT

    name: strict.Name
    seed: strict.Whole
    digest: strict.Digest
    graphs: list[_Step]
    nodes: list[strict.Index] | None
    labels: _Labels
    classes: strict.Classes
    test_to_train: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None

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
        name: what readers call it.
        encoder, layers, protocol: as cells say it.
        weights: the digest of its artifact: weights, and what they are.
        clean: of each target, whether it is right before any attack.
        at_rest: whether it was when its training ended; None where nobody can tell.
        pretrain_seconds, train_seconds: what it took; 0 of a given model.
    """

    __pydantic_config__ = strict.STRICT

    data: strict.Index
    method: strict.Name
    name: strict.Name
    encoder: strict.Name
    layers: strict.Index
    protocol: strict.Name
    weights: strict.Digest
    clean: Bits
    at_rest: bool | None
    pretrain_seconds: strict.Seconds
    train_seconds: strict.Seconds


@dataclass(frozen=True)
class Attacked:
    """What one attack did to one victim: a record.

    Args:
        victim: its place.
        attack: its label in the suite.
        name: what readers call it.
        budget: edits of a target, or a share of its edges.
        key: the address of the record: settings, inputs and revisions are in it.
        threat: the place of the threat.
        claims_exact: whether the attack claims to be exact.
        attacked: of each target, whether it is right after the edits.
        exact: of each target, whether this is proved to be the worst case.
        queries, gradient_calls, fit_seconds, attack_seconds, peak_memory_mib: what it took.
        machine: the place of where it was computed.
    """

    __pydantic_config__ = strict.STRICT

    victim: strict.Index
    attack: strict.Name
    name: strict.Name
    budget: strict.Budget
    key: strict.Key
    threat: strict.Index
    claims_exact: bool
    attacked: Bits
    exact: Bits
    queries: strict.Whole
    gradient_calls: strict.Whole
    fit_seconds: strict.Seconds
    attack_seconds: strict.Seconds
    peak_memory_mib: strict.Whole
    machine: strict.Index


@dataclass(frozen=True)
class Worst:
    """What is known of the worst case of one victim under one budget: a bracket, by targets.

    A target is proved, broken (not `stands`), or open.

    Args:
        victim, threat: their places.
        budget: edits of a target, or a share of its edges.
        stands: of each target, whether it is right before and no known edits break it.
        proved: of each target, whether no allowed edits break it: certified, or tried exhaustively.
        seconds: of the certificates.
    """

    __pydantic_config__ = strict.STRICT

    victim: strict.Index
    budget: strict.Budget
    threat: strict.Index
    stands: Bits
    proved: Bits
    seconds: strict.Seconds


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
