"""Data sources of one graph whose nodes are the targets, and how its nodes are split.

Letters: N nodes, T targets, F features.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import InputError, shown
from robust_augcl.graphs.data_source import PARTS, DataSource, check_fraction, share_of_each
from robust_augcl.graphs.entrance import Admitted, admit, numbered
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets


class ReadGraph(NamedTuple):
    """One graph as its files hold it.

    Args:
        x: features (N, F).
        edge_index: directed edges (2, E), each in both directions.
        y: the class of each node (N,).
        public: the part of each node in the split that was published with the graph, its place in
            `data_source.PARTS`, -1 for a node in none (N,). None: no split was published.
        notes: what was left out or not used, in words.
    """

    x: Tensor
    edge_index: Tensor
    y: Tensor
    public: Tensor | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeGraph(DataSource):
    """Base of data sources of one graph: a frozen dataclass of settings.

    Args:
        parts_from: "random": the parts are drawn for each seed, each class by the shares of
            `[split]`. "public": those that were published with the graph; nodes in none of them
            are no targets. "lists": those of the three lists below; other nodes are no targets.
        train, validation, test: nodes, where `parts_from` is "lists".
        normalise: whether the features of each node are divided by their sum where that is above 1,
            as GRACE and GCA do.
        fraction: share of each class's nodes to use, the first ones of a random order, with the
            edges between them.

    Raises:
        ValueError: a value out of range, lists that are not asked for, or that share a node.
    """

    parts_from: Literal["random", "public", "lists"] = "random"
    train: tuple[int, ...] = ()
    validation: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    normalise: bool = True
    fraction: float = 1.0

    def __post_init__(self) -> None:
        check_fraction(self.fraction)
        lists = (self.train, self.validation, self.test)
        if self.parts_from != "lists":
            if any(lists):
                raise ValueError(
                    "Expected `train`, `validation` and `test` only where `parts_from` is "
                    f"'lists', got them with {self.parts_from!r}"
                )
            return
        if self.fraction != 1:
            raise ValueError(
                f"Expected `fraction` to be 1 where nodes are listed, got {self.fraction}"
            )
        for name, nodes in zip(PARTS, lists, strict=True):
            if not nodes or min(nodes) < 0:
                raise ValueError(
                    f"Expected `{name}` to be one or more nodes, numbered from 0, got "
                    f"{shown(list(nodes))}"
                )
        together = [node for nodes in lists for node in nodes]
        if len(set(together)) < len(together):
            raise ValueError("Expected `train`, `validation` and `test` to name each node once")

    @property
    def states_parts(self) -> bool:
        return self.parts_from != "random"

    @property
    def states_targets(self) -> bool:
        return True

    @abstractmethod
    def files(self, archives: Path | None) -> list[Path]:
        """Return the files that the graph is read from; without `archives` they are downloaded.

        Raises:
            InputError: a file that is not there.
        """

    @abstractmethod
    def read(self, files: list[Path]) -> ReadGraph:
        """Return what the files hold.

        Raises:
            InputError: files that are not what they should be.
        """

    def load(self, archives: Path | None, generator: torch.Generator) -> PackedGraphs:
        return self.admitted(archives, generator).graphs

    def admitted(self, archives: Path | None, generator: torch.Generator) -> Admitted:
        read = self.read(self.files(archives))
        one_class = torch.zeros(1, dtype=torch.long)  # the graph itself is no target
        found = admit([Data(x=read.x, edge_index=read.edge_index, y=one_class)])
        graphs, notes = found.graphs, [*read.notes, *found.notes]
        if read.y.shape != (graphs.num_nodes,):
            raise InputError(
                f"Expected one class for each of the {graphs.num_nodes} nodes of {self.label}, got "
                f"{read.y.numel()}"
            )
        y = numbered(read.y, notes)
        parts = self._parts(read)
        index = share_of_each(y, self.fraction, generator)
        if index is not None:
            keep = torch.zeros(graphs.num_nodes, dtype=torch.bool)
            keep[index] = True
            graphs, y = graphs.keep_nodes(keep), y[index]
            parts = None if parts is None else parts[index]
            notes.append(f"{index.numel()} of {keep.numel()} nodes are used")
        if self.normalise:
            graphs = _normalised(graphs)
            notes.append("features: those of each node divided by their sum, where it is above 1")
        nodes = torch.arange(graphs.num_nodes)
        if parts is not None:
            nodes = (parts >= 0).nonzero().flatten()
            parts = parts[nodes]
        targets = Targets(torch.zeros_like(nodes), nodes, y[nodes])
        return Admitted(graphs, tuple(notes), torch.zeros(1, dtype=torch.long), parts, targets)

    def _parts(self, read: ReadGraph) -> Tensor | None:
        """The part of each node (N,), -1 for none; None where parts are drawn."""
        if self.parts_from == "random":
            return None
        if self.parts_from == "public":
            if read.public is None:
                raise InputError(
                    f"Expected `parts_from` to be 'random' or 'lists' for {self.label}: no split "
                    "was published with it"
                )
            return read.public
        parts = torch.full((read.y.numel(),), -1)
        for place, nodes in enumerate((self.train, self.validation, self.test)):
            if max(nodes) >= parts.numel():
                raise InputError(
                    f"Expected `{PARTS[place]}` to hold nodes of {self.label} from 0 to "
                    f"{parts.numel() - 1}, got {max(nodes)}"
                )
            parts[list(nodes)] = place
        return parts

    def scaled(self, factor: float) -> Self:
        return replace(self, fraction=min(1.0, self.fraction * factor))

    def fingerprint(self, archives: Path | None) -> str | None:
        if archives is None:
            return None
        state = hashlib.sha256()
        for path in self.files(archives):
            try:
                with path.open("rb") as file:
                    state.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise InputError(f"Cannot read {path}: {error.strerror or error}") from None
        return state.hexdigest()


def _normalised(graphs: PackedGraphs) -> PackedGraphs:
    """The graphs with the features of each node divided by their sum; one below 1 does not divide.

    So did `NormalizeFeatures` of PyTorch Geometric when GRACE and GCA were published. It has since
    come to take the lowest number of all away first. Features of 0 and 1 are the same; but dense
    ones that may be negative, those of WikiCS, would be almost constant.
    """
    return replace(graphs, x=graphs.x / graphs.x.sum(1, keepdim=True).clamp(min=1.0))
