"""Sums over the neighbours of every node.

Letters: N nodes in a batch, E directed edges, H width, B graphs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag
from torch_geometric import EdgeIndex
from torch_geometric.utils import scatter


class NeighbourSum(torch.autograd.Function):
    """The sum of the neighbours' states, without scattering.

    Edges are undirected, so the sum is its own gradient.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, neighbours: Tensor, offsets: Tensor) -> Tensor:
        """Return the sums over each node's neighbours.

        Shapes: states (N, H), neighbours, node after node (E,), the place of each node's first
        neighbour (N,) -> (N, H).
        """
        ctx.edges = neighbours, offsets
        return embedding_bag(neighbours, states, offsets, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient in the states: the same sum, of the gradients."""
        neighbours, offsets = ctx.edges
        return embedding_bag(neighbours, gradients[0].contiguous(), offsets, mode="sum"), None, None


class WeightedSum(nn.Module):
    """The sum over the neighbours, each multiplied by the weight of its edge.

    A weight of 0 is the absence of the edge. Without weights all weights are 1. Then edges that are
    known to be undirected and sorted by source, as an `EdgeIndex` tells, are summed node by node.
    That is several times as fast as scattering them.

    It is no `MessagePassing` of PyTorch Geometric: each process that makes one of those leaves the
    source of a module in the folder of temporary files.

    Shapes: x (N, H), edge_index (2, E), edge_weight (E,) or None -> (N, H).

    >>> edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> states = torch.tensor([[1.0], [10.0], [100.0]])
    >>> WeightedSum()(states, edges).squeeze(1).tolist()
    [10.0, 101.0, 10.0]
    >>> WeightedSum()(states, edges, torch.tensor([1.0, 1.0, 0.0, 0.0])).squeeze(1).tolist()
    [10.0, 1.0, 0.0]
    """

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        if (
            edge_weight is None
            and isinstance(edge_index, EdgeIndex)
            and edge_index.is_undirected
            and edge_index.is_sorted_by_row
        ):
            (first_edge, neighbours), _ = edge_index.get_csr()
            return NeighbourSum.apply(x, neighbours, first_edge[:-1])
        return self.scattered(x, edge_index, edge_weight)

    def scattered(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> Tensor:
        """The sum of what each edge carries, whatever the order of the edges."""
        edges = edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index
        carried = x.index_select(-2, edges[0])
        if edge_weight is not None:
            carried = carried * edge_weight.unsqueeze(-1)
        out: Tensor = scatter(carried, edges[1], dim=-2, dim_size=x.size(-2), reduce="sum")
        return out


def sum_pool(node_states: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """Return the sum of the node states of each graph: (N, H), (N,) -> (B, H)."""
    out: Tensor = scatter(node_states, batch, dim=0, dim_size=num_graphs, reduce="sum")
    return out
