"""What edges carry of which given models are told, where nobody has written a suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from robust_augcl.campaign.own_words import suite_of
from robust_augcl.campaign.resolving import Handed
from robust_augcl.errors import InputError
from robust_augcl.graphs.edge_attributes import AddedEdge
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.attribute_probes import carried, takes_attributes
from robust_augcl.steps.data_sets import dataset_draws

Modules = Sequence[tuple[nn.Module, Adapter]]


@dataclass(frozen=True)
class Attributes:
    """Whether edge attributes are used, and what an added edge carries.

    Args:
        wanted: whether they are used; None: where graphs carry some and a model takes them.
        added: what an added edge carries; None for the default.
        modules: one of the copies of each given model, and how it is called.

    Raises:
        InputError: `added` is stated where attributes are not wanted.
    """

    wanted: bool | None
    added: AddedEdge | None
    modules: Modules

    def __post_init__(self) -> None:
        if self.wanted is False and self.added is not None:
            raise InputError(
                "Expected `edge_attributes` to be true where `added_edge` is stated, got false: "
                "without attributes an added edge carries none"
            )

    @property
    def are_taken(self) -> bool:
        """Whether one of the models takes them."""
        return any(takes_attributes(module, adapter) for module, adapter in self.modules)

    def are_used(self, there: bool) -> bool:
        """Whether they are used; `there`: whether the graphs carry some."""
        if self.wanted is None:
            return there and (self.are_taken or self.added is not None)
        return self.wanted

    def as_of(self, graphs: PackedGraphs) -> Attributes:
        """The same for graphs beside these: an added edge carries there what it carries here."""
        if graphs.edge_attr is None or graphs.added_edge is None:
            return replace(self, wanted=False, added=None)
        return replace(self, wanted=True, added=tuple(graphs.added_edge.tolist()))

    def in_table(
        self, table: dict[str, Any], source: str, words: Mapping[str, str], archives: Path | None
    ) -> dict[str, Any]:
        """The table of a suite whose data set is read from files, with what was found out.

        Args:
            table: of the suite.
            source: what the user called.
            words: as `suite_of` takes them.
            archives: a folder of archives, or None.
        """
        use = self.wanted
        if use is None and (self.are_taken or self.added is not None):
            suite = suite_of(table, source, words)
            data = suite.source.beside(Path())
            notes = data.admitted(archives, dataset_draws(data, suite.seeds[0])).notes
            use = self.are_used(carried(notes))
        if not use:
            return table
        added = {} if self.added is None else {"added_edge": _plain(self.added)}
        return {**table, "dataset": {**table["dataset"], "edge_attributes": True, **added}}


def _plain(added: AddedEdge) -> str | list[float]:
    return added if isinstance(added, str) else [float(number) for number in added]


def modules_of(handed: Iterable[Handed]) -> Modules:
    """One copy of each given model, and how it is called."""
    return [(each.copies[0], each.adapter) for each in handed]
