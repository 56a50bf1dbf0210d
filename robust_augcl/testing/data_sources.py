"""The contract of data sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from robust_augcl.graphs.data_source import DataSource, Split
from robust_augcl.graphs.dataset import load_dataset
from robust_augcl.graphs.entrance import admit
from robust_augcl.graphs.labels import unproved_labels
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets
from robust_augcl.testing.rules import Contract, Rule, require
from robust_augcl.testing.settings import (
    add_settings_rules,
    check_text,
    same_by_chance_passed_in,
    seeded,
)

_RULES = ("components", "none")


@dataclass(frozen=True)
class _Tried:
    """A data source with the folder that its files lie in."""

    source: DataSource
    archives: Path | None


def check_data_source(
    source: DataSource | type[DataSource],
    archives: Path | None = None,
    *,
    skip: Iterable[str] = (),
) -> None:
    """Check that a data source keeps its contract. The rules are `DATA_SOURCE_RULES`.

    Args:
        source: an instance, best one of few graphs, or a class that needs no settings.
        archives: a folder with the files that it reads, where it reads any.
        skip: the names of rules that are not checked.

    Raises:
        ContractBroken: the first rule that is broken, with what was seen and what to do.

    >>> from robust_augcl import registry
    >>> components = registry.load("data source", "components")
    >>> check_data_source(components(nodes=(15, 20), graphs_per_class=6))
    """
    made = source() if isinstance(source, type) else source
    of_settings = {rule.name for rule in SETTINGS.rules}
    SETTINGS.hold(made, set(skip) & of_settings)
    _CONTRACT.hold(_Tried(made, archives), set(skip) - of_settings)


SETTINGS = Contract()
add_settings_rules(SETTINGS, DataSource)
_CONTRACT = Contract()


@_CONTRACT.rule(
    "declared",
    "A data source has a name for tables, and its `label_rule` is 'components' or 'none'.",
    "Define the property `label`, and set `label_rule` where classes can be counted.",
)
def _declared(tried: _Tried) -> None:
    check_text(tried.source, "label")
    require(tried.source.label, "its `label` is empty")
    rule = tried.source.label_rule
    require(rule in _RULES, f"its `label_rule` is {rule!r}")


@_CONTRACT.rule(
    "scale",
    "`scaled` returns a source of the same class, of no more graphs.",
    "Return dataclasses.replace(self, ...) with a smaller size.",
)
def _scale(tried: _Tried) -> None:
    smaller = tried.source.scaled(0.5)
    require(type(smaller) is type(tried.source), f"`scaled(0.5)` returns {smaller!r}")
    counts = [_admitted(each, tried.archives).num_graphs for each in (smaller, tried.source)]
    require(counts[0] <= counts[1], f"at half the scale it has {counts[0]} graphs, not {counts[1]}")


def _admitted(source: DataSource, archives: Path | None, seed: int = 0) -> PackedGraphs:
    return source.admitted(archives, seeded(seed)).graphs


@_CONTRACT.rule(
    "entrance",
    "Its graphs come in by the entrance, and are graphs of two classes at least.",
    "Return PackedGraphs or a list of Data, with one whole number `y` each.",
)
def _entrance(tried: _Tried) -> None:
    given = tried.source.load(tried.archives, seeded(0))
    admit(given, as_given=tried.source.label_rule != "none")
    found = tried.source.admitted(tried.archives, seeded(0))
    graphs = found.graphs
    require(graphs.num_graphs >= 1, "there are no graphs")
    targets = tried.source.targets(graphs) if found.targets is None else found.targets
    require(targets is None or isinstance(targets, Targets), f"`targets` returns {targets!r}")
    y = graphs.y if targets is None else targets.y
    require(len(y.unique()) >= 2, f"there is no class but {y.unique().tolist()}")


@_CONTRACT.rule(
    "labels",
    "Classes are what the label rule counts.",
    "Set `label_rule` to 'none', or give each graph the number of its components, less 1.",
)
def _labels(tried: _Tried) -> None:
    if tried.source.label_rule == "none":
        return
    found = admit(tried.source.load(tried.archives, seeded(0)), as_given=True).graphs
    wrong = unproved_labels(found, tried.source.label_rule)
    require(not bool(wrong.any()), f"{int(wrong.sum())} graphs are of another class")


@_CONTRACT.rule(
    "chance",
    "All chance comes from the generator that is passed in.",
    "Pass `generator` to every function that draws, or seed NumPy's own from it.",
)
def _chance(tried: _Tried) -> None:
    def load(generator: torch.Generator) -> PackedGraphs:
        return tried.source.admitted(tried.archives, generator).graphs

    def same(one: PackedGraphs, other: PackedGraphs) -> bool:
        return one.same_as(other)

    same_by_chance_passed_in(load, same, "graphs")


@_CONTRACT.rule(
    "fingerprint",
    "`fingerprint` is None or text, and the same each time.",
    "Return a digest of the files, or None where there are none.",
)
def _fingerprint(tried: _Tried) -> None:
    first, again = (tried.source.fingerprint(tried.archives) for _ in range(2))
    require(first is None or isinstance(first, str), f"it returns {first!r}")
    require(first == again, f"it returns {first!r}, then {again!r}")


@_CONTRACT.rule(
    "split",
    "Its targets can be split into training, validation and test parts by class.",
    "Give each class a few graphs at least.",
)
def _split(tried: _Tried) -> None:
    found = load_dataset(tried.source, Split(0.2, 0.2), tried.archives, seeded(0))
    parts: Any = (found.train, found.validation, found.test)
    require(all(len(part) for part in parts), "a part of the split is empty")


def _alone(rule: Rule) -> Rule:
    """The same rule, of a source that reads no files."""
    return replace(rule, check=lambda source: rule.check(_Tried(source, None)))


DATA_SOURCE_RULES = (*SETTINGS.rules, *map(_alone, _CONTRACT.rules))
"""The rules of data sources; each is called with an instance that reads no files."""
