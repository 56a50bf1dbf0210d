"""Data sets: graphs, and targets for training, validation and test.

Letters: G graphs, T targets. A target is a graph, or a node in a graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.data_source import PARTS, DataSource, Split
from robust_augcl.graphs.keys import graph_keys, target_keys
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets
from robust_augcl.seeds import spawn


@dataclass(frozen=True, eq=False)
class Dataset:
    """Graphs, and the numbers of the targets for training, validation and test.

    Args:
        graphs: G graphs.
        train, validation, test: numbers of targets, in ascending order.
        num_classes: C.
        targets: T targets. None: the targets are the graphs, with the classes that they carry.
        notes: what was mended, left out or not used when the graphs came in, in words.
        chosen: the numbers of the test targets that are attacked, ascending. None: all are.

    >>> from torch_geometric.data import Data
    >>> path = Data(x=torch.ones(3, 1), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    >>> graph, zero = PackedGraphs.from_data_list([path]), torch.zeros(3, dtype=torch.long)
    >>> nodes = Targets(zero, torch.arange(3), torch.tensor([0, 1, 0]))
    >>> data = Dataset(graph, *torch.arange(3).split(1), num_classes=2, targets=nodes)
    >>> test = data.part(data.test)
    >>> test.num_graphs, test.target_node.tolist(), test.y.tolist()
    (1, [2], [0])
    """

    graphs: PackedGraphs
    train: Tensor
    validation: Tensor
    test: Tensor
    num_classes: int
    targets: Targets | None = None
    notes: tuple[str, ...] = ()
    chosen: Tensor | None = None

    @property
    def attacked(self) -> Tensor:
        """The numbers of the targets that are attacked, ascending: those for test, or some."""
        return self.test if self.chosen is None else self.chosen

    @property
    def y(self) -> Tensor:
        """The class of each target (T,)."""
        return self.graphs.y if self.targets is None else self.targets.y

    @property
    def with_target_nodes(self) -> PackedGraphs:
        """The graphs as they came in: each with its target node, where each has one."""
        if self.targets is None or len(self.targets) != self.graphs.num_graphs:
            return self.graphs
        return replace(self.graphs, target_node=self.targets.node)

    def part(self, index: Tensor) -> PackedGraphs:
        """Return the targets at `index` (K,), each in a graph of its own."""
        if self.targets is None:
            return self.graphs.select(index)
        return self.targets.take(index).pack(self.graphs)

    def targets_at(self, index: Tensor) -> Targets:
        """Return the targets at `index` (K,): which graphs, or nodes in which graphs."""
        if self.targets is None:
            return Targets(index, None, self.graphs.y[index])
        return self.targets.take(index)

    def numbers_of(self, names: Sequence[tuple[int, int | None]]) -> Tensor:
        """Return the numbers of targets that are given by graph and node (K,).

        Raises:
            KeyError: no such target.
        """
        everything = self.targets_at(torch.arange(self.y.numel()))
        number = {name: k for k, name in enumerate(everything.names())}
        return torch.tensor([number[name] for name in names], dtype=torch.long)

    def keys(self) -> Tensor:
        """One number a target (T,), equal for targets that message passing cannot tell apart."""
        if self.targets is None:
            return graph_keys(self.graphs)
        return target_keys(self.graphs, self.targets)


def split_by_class(
    graphs: PackedGraphs,
    split: Split,
    generator: torch.Generator,
    targets: Targets | None = None,
) -> Dataset:
    """Split a data set, each class by the same shares (scikit-learn's stratified split).

    Raises:
        InputError: too few targets of a class for three parts, or a target that is not there.
    """
    if split.is_whole:
        count = (graphs.y if targets is None else targets.y).numel()
        return split_by_parts(graphs, torch.full((count,), PARTS.index("test")), targets)
    # It takes a second to import. Whoever only plans or shows a run does not need it.
    from sklearn.model_selection import train_test_split

    if targets is not None:
        targets.check(graphs)
    labels = graphs.y if targets is None else targets.y
    y, what = labels.numpy(), "graphs" if targets is None else "target nodes"
    everything = torch.arange(len(y)).numpy()

    def seed() -> int:
        return int(torch.randint(2**31, (), generator=generator))

    try:
        rest, test = train_test_split(
            everything, test_size=split.test, stratify=y, random_state=seed()
        )
        count = max(1, round(split.validation * len(y)))
        train, validation = train_test_split(
            rest, test_size=count, stratify=y[rest], random_state=seed()
        )
    except ValueError as error:
        raise InputError(
            f"Expected enough {what} of each class to split {len(y)} of them in three parts "
            f"({error})"
        ) from error
    train, validation, test = (
        torch.from_numpy(part).sort().values for part in (train, validation, test)
    )
    return Dataset(graphs, train, validation, test, int(labels.max()) + 1, targets)


def split_by_parts(graphs: PackedGraphs, parts: Tensor, targets: Targets | None = None) -> Dataset:
    """Split a data set as its source states it: the part of each target (T,), by place in `PARTS`.

    Raises:
        InputError: as many parts as there are no targets, a part that is none, or a target that is
            not there.

    >>> from torch_geometric.data import Data
    >>> node = Data(x=torch.ones(1, 1), edge_index=torch.zeros(2, 0, dtype=torch.long))
    >>> graphs = PackedGraphs.from_data_list([node] * 4)
    >>> split_by_parts(graphs, torch.tensor([2, 0, 0, 1])).train.tolist()
    [1, 2]
    """
    if targets is not None:
        targets.check(graphs)
    labels = graphs.y if targets is None else targets.y
    if parts.shape != labels.shape:
        raise InputError(
            f"Expected a part for each of {labels.numel()} targets, got {parts.numel()}"
        )
    outside = (parts < 0) | (parts >= len(PARTS))
    if bool(outside.any()):
        raise InputError(
            f"Expected parts from 0 to {len(PARTS) - 1} ({', '.join(PARTS)}), got "
            f"{int(parts[outside][0])}"
        )
    train, validation, test = ((parts == part).nonzero().flatten() for part in range(len(PARTS)))
    return Dataset(graphs, train, validation, test, int(labels.max()) + 1, targets)


def load_dataset(
    source: DataSource, split: Split, archives: Path | None, generator: torch.Generator
) -> Dataset:
    """Load the graphs of a source, let them in and split them; all chance is from `generator`.

    The parts are those that the source states; where it states none they are drawn.

    Raises:
        InputError: graphs that the entrance refuses, fewer than two classes, graphs without nodes
            where the targets are nodes, too few targets of a class to split.
    """
    found = source.admitted(archives, spawn(generator))
    graphs, drawn = found.graphs, spawn(generator)
    targets = source.targets(graphs) if found.targets is None else found.targets
    if targets is not None and found.kept.numel() <= int(found.kept[-1]):
        raise InputError(
            f"Expected graphs with nodes where the targets of {source.label} are nodes, got some "
            "without"
        )
    classes = (graphs.y if targets is None else targets.y).unique()
    if max(classes.numel(), source.classes) < 2:
        said = f" ({'; '.join(found.notes)})" if found.notes else ""
        raise InputError(
            f"Expected two classes at least in the data set {source.label}, got "
            f"{classes.numel()}{said}"
        )
    parts = source.parts(graphs) if found.parts is None else found.parts
    if parts is None:
        made = split_by_class(graphs, split, drawn, targets)
    else:
        made = split_by_parts(graphs, parts, targets)
    num_classes = max(made.num_classes, source.classes)
    return replace(made, notes=found.notes, num_classes=num_classes)
