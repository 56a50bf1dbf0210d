"""Targets: what is classified and attacked, a graph or a node in a graph.

Letters: G graphs, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs


@dataclass(frozen=True, eq=False)
class Targets:
    """Graphs, or nodes in graphs, with their classes. Many targets may lie in one graph.

    Args:
        graph: the graph of each target (T,).
        node: the node that the target is, numbered within its graph (T,). None: the targets are
            graphs.
        y: the class of each target (T,).

    Raises:
        ValueError: tensors of different lengths.

    >>> import torch
    >>> nodes = Targets(torch.tensor([0, 0]), torch.tensor([2, 5]), torch.tensor([1, 0]))
    >>> len(nodes), nodes.names()
    (2, [(0, 2), (0, 5)])
    """

    graph: Tensor
    node: Tensor | None
    y: Tensor

    def __post_init__(self) -> None:
        lengths = [t.numel() for t in (self.graph, self.node, self.y) if t is not None]
        if len(set(lengths)) != 1:
            raise ValueError(f"Expected as many graphs, nodes and classes, got {lengths}")

    def __len__(self) -> int:
        return self.graph.numel()

    def take(self, index: Tensor) -> Targets:
        """Return the targets at `index` (K,), in that order."""
        node = None if self.node is None else self.node[index]
        return Targets(self.graph[index], node, self.y[index])

    def names(self) -> list[tuple[int, int | None]]:
        """The graph and the node of each target; the node is None where the target is a graph."""
        nodes = [None] * len(self) if self.node is None else self.node.tolist()
        return list(zip(self.graph.tolist(), nodes, strict=True))

    def pack(self, graphs: PackedGraphs) -> PackedGraphs:
        """Return one graph a target (T graphs): its graph, which carries node and class.

        Where the targets are nodes of the only graph, it is held once. Else there are copies, which
        take memory for each target.
        """
        if self.node is not None and graphs.num_graphs == 1:
            whole = replace(graphs, target_node=None)
            return NodeTargets(whole, self.node.to(graphs.device), self.y.to(graphs.device))
        copies = graphs.select(self.graph)
        device = copies.device
        node = None if self.node is None else self.node.to(device)
        return replace(copies, y=self.y.to(device), target_node=node)

    def check(self, graphs: PackedGraphs) -> None:
        """Raise `InputError` for a target that the graphs do not have."""
        outside = (self.graph < 0) | (self.graph >= graphs.num_graphs)
        if bool(outside.any()):
            raise InputError(
                f"Expected targets in graphs 0 to {graphs.num_graphs - 1}, got graph "
                f"{int(self.graph[outside][0])}"
            )
        if self.node is None:
            return
        outside = (self.node < 0) | (self.node >= graphs.sizes[self.graph])
        if bool(outside.any()):
            graph, node = int(self.graph[outside][0]), int(self.node[outside][0])
            raise InputError(
                f"Expected target nodes of graph {graph} to be from 0 to "
                f"{int(graphs.sizes[graph]) - 1}, got {node}"
            )
