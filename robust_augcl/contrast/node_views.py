"""Two views of one graph for contrastive learning of its nodes: edges dropped, features masked.

Sources: GRACE (Zhu et al. 2020, arXiv 2006.04131, section 3.1.3), GCA (Zhu et al. 2021, arXiv
2010.14945, section 3.2).

Letters: U undirected edges, F features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from robust_augcl.contrast.centrality import (
    CentralityName,
    centrality,
    edge_drop_shares,
    feature_drop_shares,
)
from robust_augcl.graphs.packed import PackedGraphs

NodeBase = Literal["grace", "gca"]


def drop_edges(graphs: PackedGraphs, share: float | Tensor, generator: torch.Generator) -> Tensor:
    """Return `edge_index` without each undirected edge that is dropped by chance.

    GRACE's code drops the two directions of an edge apart, which leaves a directed graph.

    Shapes: share, one for all or one of each undirected edge, by its smaller node (U,) -> (2, E).
    """
    source, target = graphs.edge_index
    forward = source < target
    drawn = torch.rand(int(forward.sum()), generator=generator, dtype=torch.float64)
    kept = (drawn.to(graphs.device) >= share).nonzero().flatten()
    pairs = graphs.edge_index[:, forward][:, kept]
    both = torch.cat([pairs, pairs.flip(0)], dim=1)
    return both[:, (both[0] * graphs.num_nodes + both[1]).argsort()]


def mask_features(x: Tensor, share: float | Tensor, generator: torch.Generator) -> Tensor:
    """Return features with each column set to 0 by chance, for all nodes at once.

    Shapes: x (N, F), share, one for all or one of each column (F,) -> (N, F).
    """
    drawn = torch.rand(x.size(1), generator=generator, dtype=torch.float64).to(x.device)
    return x * (drawn >= share).to(x.dtype)


class NodeViews:
    """Draws pairs of views of one graph.

    Args:
        graphs: one graph, or several that are seen as one.
        base: "grace": all edges, and all features, are dropped equally often. "gca": less central
            ones more often.
        central: the measure of centrality, of "gca".
        edges: the share of edges dropped in each view.
        features: the share of features masked in each view.
        generator: the source of all chance.

    >>> from torch_geometric.data import Data
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs.from_data_list([Data(x=torch.ones(3, 4), edge_index=path)])
    >>> chance = torch.Generator().manual_seed(0)
    >>> views = NodeViews(graphs, "grace", "degree", (0.0, 0.9), (0.0, 0.9), chance)
    >>> first, second = views.draw()
    >>> first.same_as(graphs), second.num_nodes
    (True, 3)
    """

    def __init__(
        self,
        graphs: PackedGraphs,
        base: NodeBase,
        central: CentralityName,
        edges: tuple[float, float],
        features: tuple[float, float],
        generator: torch.Generator,
    ) -> None:
        self.graphs, self._generator = graphs, generator
        self._edges: list[float | Tensor] = list(edges)
        self._features: list[float | Tensor] = list(features)
        if base == "gca":
            of_nodes = centrality(graphs, central)
            self._edges = [edge_drop_shares(graphs, of_nodes, share) for share in edges]
            self._features = [feature_drop_shares(graphs, of_nodes, share) for share in features]

    def draw(self) -> tuple[PackedGraphs, PackedGraphs]:
        """Return two views, drawn anew."""
        first, second = (
            self._view(*shares) for shares in zip(self._edges, self._features, strict=True)
        )
        return first, second

    def _view(self, edges: float | Tensor, features: float | Tensor) -> PackedGraphs:
        graphs = self.graphs
        return replace(
            graphs,
            edge_index=drop_edges(graphs, edges, self._generator),
            x=mask_features(graphs.x, features, self._generator),
        )
