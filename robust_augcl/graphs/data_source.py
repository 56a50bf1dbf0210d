"""Data sources: where graphs come from, and by which shares they are split.

Letters: G graphs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.edge_attributes import AddedEdge
from robust_augcl.graphs.entrance import Admitted, Graphs, admit
from robust_augcl.graphs.labels import LabelRule, unproved_labels
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets

PARTS = ("train", "validation", "test")
"""The parts of a data set. A part is told by its place here."""


class DataSource(ABC):
    """Base of data sources: a frozen dataclass of settings that loads, or draws, graphs.

    Class attributes:
        label_rule: how an edited graph's true class can be proved, "components" by counting them,
            or "none".
        revision: raised when its code changes the graphs (revisions.py).
        draws_graphs: whether each seed draws graphs of its own from one distribution. Otherwise
            seeds share graphs, and what is said of methods is said of this data set alone.
        edge_attributes: whether the attributes of edges are used. A source that lets the user
            choose has a setting of this name, and one of the next.
        added_edge: what an edge carries that an edit adds, as `entrance.admit` takes it.
        states_parts: whether what is read states the part of each target (`Admitted.parts`).
        states_targets: whether what is read states the targets (`Admitted.targets`).
        classes: how many classes there are at least, whatever classes the graphs are of.

    >>> from robust_augcl import registry
    >>> source = registry.load("data source", "components")((15, 20), graphs_per_class=2)
    >>> source.load(None, torch.Generator().manual_seed(0)).num_graphs
    6
    """

    label_rule: ClassVar[LabelRule] = "none"
    revision: ClassVar[int] = 1
    draws_graphs: ClassVar[bool] = False
    edge_attributes: bool = False
    added_edge: AddedEdge = "most_common"
    classes: int = 0

    @property
    def content(self) -> str | None:
        """The digest of the graphs (`in_memory.graphs_digest`) where the settings state it."""
        return None

    @property
    def states_parts(self) -> bool:
        return False

    @property
    def states_targets(self) -> bool:
        return False

    @property
    @abstractmethod
    def label(self) -> str:
        """The data set's name in tables."""

    @property
    def about(self) -> str:
        """What the graphs are and what is to be told of them, in sentences; "" where not said.

        Reports print it under their title. It is no setting, so no result depends on it.
        """
        return ""

    @abstractmethod
    def load(self, archives: Path | None, generator: torch.Generator) -> Graphs:
        """Return the graphs; they may be dirty, as `admitted` lets them in.

        Args:
            archives: a folder to take files from instead of downloading them.
            generator: the source of all chance.
        """

    def admitted(self, archives: Path | None, generator: torch.Generator) -> Admitted:
        """Return the graphs of `load`, let in by `entrance.admit`.

        A source that has more to say of what it read overrides this, and asks `admit` itself.

        Raises:
            InputError: graphs that the entrance refuses, or whose class is not what the label rule
                counts.
        """
        meant = self.label_rule != "none"
        found = admit(
            self.load(archives, generator),
            as_given=meant,
            edge_attributes=self.edge_attributes,
            added_edge=self.added_edge,
        )
        wrong = unproved_labels(found.graphs, self.label_rule)
        if bool(wrong.any()):
            graph = int(found.kept[wrong][0])
            raise InputError(
                f"Expected graph {graph} of {self.label} to be of the class that its "
                f"{self.label_rule} tell, got class {int(found.graphs.y[wrong][0])}"
            )
        return found

    def targets(self, graphs: PackedGraphs) -> Targets | None:
        """Return what is classified where that is not each graph, but nodes in the graphs.

        By default it is what the graphs say: their target nodes, where they have any.
        """
        if graphs.target_node is None:
            return None
        return Targets(torch.arange(graphs.num_graphs), graphs.target_node, graphs.y)

    def parts(self, graphs: PackedGraphs) -> Tensor | None:
        """Return the part of each target (T,), its place in `PARTS`, where the settings tell it.

        None: what was read states it (`states_parts`), or it is drawn by the shares of `[split]`.
        """
        return None

    def beside(self, folder: Path | None) -> DataSource:
        """Return the source with relative paths that begin at `folder`, that of a suite's file."""
        return self

    def fingerprint(self, archives: Path | None) -> str | None:
        """A digest of the files that the graphs come from, None where there are none, or none yet.

        Raises:
            InputError: a file that should be there is not.
        """
        return None

    @abstractmethod
    def scaled(self, factor: float) -> DataSource:
        """Return the source of a data set of `factor` times the size."""


@dataclass(frozen=True)
class Split:
    """Shares of each class for test and validation; the rest is for training.

    With `test` 1 and `validation` 0 all targets are for test. That is for models that are given.

    Raises:
        ValueError: a share out of range, or nothing left to train on.

    >>> Split(test=1.0, validation=0.0).is_whole
    True
    """

    test: float = 0.1
    validation: float = 0.1

    @property
    def is_whole(self) -> bool:
        """Whether all targets are for test."""
        return self.test == 1 and self.validation == 0

    def __post_init__(self) -> None:
        if self.is_whole:
            return
        for name in ("test", "validation"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(
                    f"Expected `{name}` to be between 0 and 1, got {getattr(self, name)}"
                )
        if self.test + self.validation >= 1:
            raise ValueError(
                "Expected `test` and `validation` to leave something to train on, got "
                f"{self.test} and {self.validation}"
            )


def check_fraction(fraction: float) -> None:
    """Raise `ValueError` unless it is a share of the graphs."""
    if not 0 < fraction <= 1:
        raise ValueError(f"Expected `fraction` to be above 0 and at most 1, got {fraction}")


def share_of_each(groups: Tensor, fraction: float, generator: torch.Generator) -> Tensor | None:
    """The numbers of a share of each group, the first ones of a random order, ascending (K,).

    Args:
        groups: the group of each graph, for example its class (G,).
        fraction: the share, rounded up to whole graphs; of 1 there is nothing to choose.
        generator: the source of all chance.

    Returns:
        None for all.

    >>> chance = torch.Generator().manual_seed(0)
    >>> len(share_of_each(torch.tensor([0, 0, 0, 1, 1]), 0.5, chance))
    3
    """
    if fraction == 1:
        return None
    keys = groups + torch.rand(groups.numel(), generator=generator, dtype=torch.float64)
    order = torch.argsort(keys)  # by group, each group in a random order
    counts = torch.bincount(groups)
    rank = torch.arange(groups.numel()) - (counts.cumsum(0) - counts)[groups[order]]
    return order[rank < (counts * fraction).ceil()[groups[order]]].sort().values
