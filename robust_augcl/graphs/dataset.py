"""Data sets: graphs, and targets for training, validation and test.

Letters: G graphs, T targets. A target is a graph, or a node in a graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.data_source import DataSource, Split
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

    @property
    def y(self) -> Tensor:
        """The class of each target (T,)."""
        return self.graphs.y if self.targets is None else self.targets.y

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


def load_dataset(
    source: DataSource, split: Split, archives: Path | None, generator: torch.Generator
) -> Dataset:
    """Load the graphs of a source and split them; all chance comes from `generator`."""
    graphs = source.load(archives, spawn(generator))
    return split_by_class(graphs, split, spawn(generator), source.targets(graphs))
