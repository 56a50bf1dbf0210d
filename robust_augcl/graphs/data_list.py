"""From a list of `Data` to the tensors of packed graphs, with checks of what is not trusted.

Letters: G graphs, E directed edges.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import InputError


def packed_edges(graphs: Sequence[Data], ptr: Tensor) -> Tensor:
    """The edges of all graphs, sorted, each direction once (2, E)."""
    sizes = ptr.diff().tolist()
    for index, graph in enumerate(graphs):
        edges = graph.edge_index
        outside = edges[(edges < 0) | (edges >= sizes[index])]
        if outside.numel():
            raise InputError(
                f"Expected the edges of graph {index} to join nodes 0 to {sizes[index] - 1}, got "
                f"{int(outside[0])}"
            )
    num_nodes = int(ptr[-1])
    source, target = torch.cat(
        [g.edge_index + offset for g, offset in zip(graphs, ptr[:-1], strict=True)], dim=1
    )
    keys = (source * num_nodes + target)[source != target].unique()
    reversed_keys = (keys % num_nodes) * num_nodes + keys // num_nodes
    if not torch.equal(reversed_keys.sort().values, keys):
        raise InputError(
            "Expected undirected graphs with each edge in both directions, got an edge in "
            "one direction only"
        )
    return torch.stack([keys // num_nodes, keys % num_nodes])


def packed_targets(graphs: Sequence[Data], sizes: Tensor) -> Tensor | None:
    """The target node of each graph (G,), None where no graph has one."""
    given = [getattr(graph, "target_node", None) for graph in graphs]
    found = [int(node) for node in given if node is not None]
    if not found:
        return None
    if len(found) < len(given):
        raise InputError("Expected all graphs to have a target node or none, got some of each")
    nodes = torch.tensor(found)
    for index in ((nodes < 0) | (nodes >= sizes)).nonzero().flatten().tolist():
        raise InputError(
            f"Expected `target_node` of graph {index} to be from 0 to {int(sizes[index]) - 1}, "
            f"got {int(nodes[index])}"
        )
    return nodes
