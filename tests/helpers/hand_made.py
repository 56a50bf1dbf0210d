"""Records made by hand, for whatever reads records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from robust_augcl.results.records import ArtifactRef, Cell, Outcome, Record
from robust_augcl.results.traits import MethodTraits, Traits

TRAITS = Traits("query", False, False, [], False, None, "a")
"""Of an attack that asks for answers, and of which nothing else is known."""
_CELL = Cell("suite", "data", "none", "gin", 2, 0, "a", "strict", 1)


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
