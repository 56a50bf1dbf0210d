"""How central nodes are, and by that how likely edges and features are dropped.

Source: GCA (Zhu et al. 2021, arXiv 2010.14945, section 3.2).

Letters: N nodes, E directed edges, U undirected edges, F features.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs

CentralityName = Literal["degree", "eigenvector", "pagerank"]

HIGHEST = 0.7
"""The p_tau of the paper: nothing is dropped more often (0.7 in its code)."""
_TINY = 1e-8
_ITERATIONS = 10_000
_DAMPING = 0.85


def centrality(graphs: PackedGraphs, name: CentralityName) -> Tensor:
    """Return the centrality of each node (N,), float64.

    "degree": its number of neighbours. "eigenvector": its entry in the eigenvector of the largest
    eigenvalue of the adjacency, of length 1. "pagerank": that of Page et al. 1999, damping 0.85.

    >>> from torch_geometric.data import Data
    >>> star = torch.tensor([[0, 1, 0, 2, 0, 3], [1, 0, 2, 0, 3, 0]])
    >>> graphs = PackedGraphs.from_data_list([Data(x=torch.ones(4, 1), edge_index=star)])
    >>> centrality(graphs, "degree").tolist()
    [3.0, 1.0, 1.0, 1.0]
    >>> centrality(graphs, "eigenvector").round(decimals=4).tolist()
    [0.7071, 0.4082, 0.4082, 0.4082]
    """
    degree = graphs.degree.double()
    if name == "degree":
        return degree
    return _eigenvector(graphs) if name == "eigenvector" else _pagerank(graphs, degree)


def edge_drop_shares(graphs: PackedGraphs, central: Tensor, share: float) -> Tensor:
    """Return how likely each undirected edge is dropped, in the order of its smaller node (U,).

    The edge {u, v} has s = log((phi_u + phi_v) / 2), and is dropped with probability
    min((s_max - s) / (s_max - s_mean) * share, 0.7) (GCA, equations 2 to 4, undirected). GCA's code
    takes phi of one end of each direction instead, and drops the directions apart.

    Shapes: central (N,) -> (U,), float64.
    """
    source, target = graphs.edge_index[:, graphs.edge_index[0] < graphs.edge_index[1]]
    return _dropped((central[source] + central[target]) / 2, share)


def feature_drop_shares(graphs: PackedGraphs, central: Tensor, share: float) -> Tensor:
    """Return how likely each feature is masked (F,).

    Feature i has s = log(sum over nodes u of |x_ui| phi_u); the rest is as for edges (GCA,
    equations 5 and 6). In GCA's code x_ui is 0 or 1, but for the dense features of WikiCS. So it is
    here: features count as 0 or 1 where all that a node has are of one size. A feature that no node
    has is left out of maximum and mean.

    Shapes: central (N,) -> (F,), float64.
    """
    size = graphs.x.abs()
    largest = size.amax(1, keepdim=True) if size.numel() else size
    if bool(((size == 0) | (size == largest)).all()):
        size = (size != 0).to(size.dtype)
    return _dropped(size.double().T @ central, share)


def _dropped(weight: Tensor, share: float) -> Tensor:
    """The shares of things by their weights, the least central ones most often."""
    s = (weight + _TINY).log()
    known = s[weight > 0]
    if not known.numel():
        return torch.full_like(s, share)
    highest, spread = known.max(), known.max() - known.mean()
    if not bool(spread > 0):  # all are equally central
        return torch.full_like(s, min(share, HIGHEST))
    return ((highest - s) / spread * share).clamp(max=HIGHEST)


def _eigenvector(graphs: PackedGraphs) -> Tensor:
    """By power iteration on A + I, whose largest eigenvalue no other one equals in size."""
    vector = torch.ones(graphs.num_nodes, dtype=torch.float64, device=graphs.device)
    vector /= vector.norm()
    for _ in range(_ITERATIONS):
        moved = vector + _sums(graphs, vector)
        moved /= moved.norm()
        if float((moved - vector).abs().max()) < 1e-12:
            return moved
        vector = moved
    return vector


def _pagerank(graphs: PackedGraphs, degree: Tensor) -> Tensor:
    nodes = max(graphs.num_nodes, 1)
    rank = torch.full_like(degree, 1 / nodes)
    for _ in range(_ITERATIONS):
        alone = rank[degree == 0].sum() / nodes  # whoever is nowhere goes anywhere
        moved = _DAMPING * (_sums(graphs, rank / degree.clamp(min=1)) + alone)
        moved += (1 - _DAMPING) / nodes
        if float((moved - rank).abs().sum()) < 1e-12:
            return moved
        rank = moved
    return rank


def _sums(graphs: PackedGraphs, values: Tensor) -> Tensor:
    """Of each node the sum of its neighbours' values: (N,) -> (N,)."""
    source, target = graphs.edge_index
    return torch.zeros_like(values).index_add_(0, source, values[target])
