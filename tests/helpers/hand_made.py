"""Records made by hand, for whatever reads records."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from robust_augcl.results.records import ArtifactRef, Cell, Outcome, Record
from robust_augcl.results.traits import MethodTraits, Traits

TRAITS = Traits("query", False, False, [], False, None, "a")
"""Of an attack that asks for answers, and of which nothing else is known."""
ENVIRONMENT = {
    "versions": {"python": "3.11.7"},
    "commit": None,
    "machine": "Linux x86_64, 2 cores",
    "device": "cpu",
    "processor": "any, AVX2",
    "arithmetic": "fast",
    "threads": 1,
    "peak_memory_mib": 300,
}
"""What a record says of where it was computed."""
_CELL = Cell("suite", "data", "none", "gin", 2, 0, "a", "strict", 1)


def key_of(kind: str, *identity: object) -> str:
    """A key as that of a step of this kind, another for each identity."""
    return f"{kind}-{hashlib.sha256(repr(identity).encode()).hexdigest()[:20]}"


def ref_of(kind: str, *identity: object) -> ArtifactRef:
    """A reference to an artifact of this kind, another for each identity."""
    digest = hashlib.sha256(repr((kind, *identity)).encode()).hexdigest()
    return ArtifactRef(key_of(kind, *identity), digest)


def threat_of_budget(budget: float) -> dict[str, Any]:
    """What a record says of a threat of this budget."""
    return {
        "type": "ThreatModel",
        "budget": budget,
        "operations": ["add"],
        "within_component": False,
        "allow_existing": False,
    }


def method_called(name: str, plug_in: str = "", **traits: Any) -> MethodTraits:
    """The traits of a method of this name, which pretrains and is not plain, unless told."""
    known = {"pretrains": name != "none", "plain": False, "rivals": [], **traits}
    return MethodTraits(name=name, plug_in=plug_in or name, **known)


def make_record(outcomes: Sequence[Outcome] = (), **changes: Any) -> Record:
    """A record of these graphs: of an attack "a" on a victim that is the same for all, with one
    edit, at no cost.

    Args:
        outcomes: one a graph.
        changes: fields of the record, or else of its cell, by name.
    """
    own = {f.name for f in fields(Record)}
    cell = replace(_CELL, **{name: changes.pop(name) for name in list(changes) if name not in own})
    cell = changes.pop("cell", cell)
    record = Record(
        key=f"attack-{cell.attack}-{cell.budget}-{cell.seed}",
        cell=cell,
        outcomes=list(outcomes),
        traits=TRAITS,
        method_traits=method_called(cell.method),
        made_by={},
        method_settings={},
        attack_settings={},
        threat={"budget": cell.budget},
        num_classes=3,
        label_rule="none",
        dataset=ArtifactRef("dataset", "1"),
        victim=ArtifactRef("victim", "2"),
        attacker=None,
        pretrain_seconds=0.0,
        train_seconds=0.0,
        fit_seconds=0.0,
        attack_seconds=0.0,
        queries=0,
        gradient_calls=0,
        environment={},
    )
    return replace(record, **changes)
