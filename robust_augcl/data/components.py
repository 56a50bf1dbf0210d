"""Component graphs: count the connected components of a random graph (Dai et al. 2018).

The source is arXiv 1806.02371.

Each component is an Erdos-Renyi graph, made connected by joining its own components in a chain in
random order, each joint one edge between two random nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch

from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.data_source import DataSource
from robust_augcl.graphs.labels import LabelRule
from robust_augcl.graphs.packed import PackedGraphs

_PUBLISHED = {(15, 20): 0.15, (40, 50): 0.05, (90, 100): 0.02}
# Bounds the memory of one draw: at 100 nodes, some 60 MiB of uniform numbers. It is part of the
# data: another number draws other graphs.
_GRAPHS_IN_A_DRAW = 1_500


@dataclass(frozen=True)
class ComponentGraphs(DataSource):
    """Graphs of 1, 2 or 3 components.

    The class is the number of components, less 1. The node feature is the constant 1.

    Args:
        nodes: fewest and most nodes of a graph.
        edge_probability: of the Erdos-Renyi graphs; by default the published one for 15-20, 40-50
            or 90-100 nodes.
        graphs_per_class: how many graphs of each of the three classes.

    Raises:
        ValueError: a value out of range, or a size without a published edge probability.
    """

    label_rule: ClassVar[LabelRule] = "components"
    draws_graphs: ClassVar[bool] = True

    nodes: tuple[int, int] = (40, 50)
    edge_probability: float | None = None
    graphs_per_class: int = 5000

    def __post_init__(self) -> None:
        if not 6 <= self.nodes[0] <= self.nodes[1]:
            raise ValueError(
                "Expected `nodes` to be two numbers, at least 6 and ascending, got "
                f"{list(self.nodes)}"
            )
        if self.edge_probability is None and self.nodes not in _PUBLISHED:
            raise ValueError(
                f"Expected `edge_probability` for graphs of {self.nodes[0]} to {self.nodes[1]} "
                "nodes, got none"
            )
        if not 0 <= self.probability <= 1:
            raise ValueError(
                f"Expected `edge_probability` to be between 0 and 1, got {self.edge_probability}"
            )
        if self.graphs_per_class < 1:
            raise ValueError(
                f"Expected `graphs_per_class` to be at least 1, got {self.graphs_per_class}"
            )

    @property
    def probability(self) -> float:
        """The edge probability in force."""
        return _PUBLISHED[self.nodes] if self.edge_probability is None else self.edge_probability

    @property
    def label(self) -> str:
        return f"components {self.nodes[0]}-{self.nodes[1]}"

    @property
    def about(self) -> str:
        fewest, most = self.nodes
        return (
            "Tell how many connected components a graph has: 1, 2 or 3. Graphs have "
            f"{fewest} to {most} nodes. An edge that is added inside a component cannot change the "
            "class."
        )

    def load(self, archives: Path | None, generator: torch.Generator) -> PackedGraphs:
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        return component_graphs(
            np.repeat([1, 2, 3], self.graphs_per_class), self.nodes, self.probability, rng
        )

    def scaled(self, factor: float) -> ComponentGraphs:
        return replace(self, graphs_per_class=max(1, round(self.graphs_per_class * factor)))


def component_graphs(
    num_components: np.ndarray,
    nodes: tuple[int, int],
    edge_probability: float,
    rng: np.random.Generator,
) -> PackedGraphs:
    """Draw one graph for each entry of `num_components`.

    A graph with c components and `nodes` [lo, hi] has components of n nodes, n uniform in [lo // c,
    hi // c], each a connected G(n, p) graph.

    Shapes: num_components (G,) -> PackedGraphs of G graphs.
    """
    num_components = np.asarray(num_components, dtype=np.int64)
    blocks = [
        num_components[first : first + _GRAPHS_IN_A_DRAW]
        for first in range(0, len(num_components), _GRAPHS_IN_A_DRAW)
    ]
    return concatenate([_draw(block, nodes, edge_probability, rng) for block in blocks])


def _draw(
    num_components: np.ndarray, nodes: tuple[int, int], probability: float, rng: np.random.Generator
) -> PackedGraphs:
    per_component = np.repeat(num_components, num_components)
    sizes = rng.integers(nodes[0] // per_component, nodes[1] // per_component + 1)
    total = int(sizes.sum())
    edges = _erdos_renyi(sizes, probability, rng)
    edges = np.concatenate([edges, _joints(edges, sizes, rng)], axis=1)
    keys = np.sort(np.concatenate([edges[0] * total + edges[1], edges[1] * total + edges[0]]))
    graph_sizes = np.add.reduceat(sizes, np.cumsum(num_components) - num_components)
    return PackedGraphs(
        torch.ones(total, 1),
        torch.from_numpy(np.stack([keys // total, keys % total])),
        torch.from_numpy(np.concatenate([[0], np.cumsum(graph_sizes)])),
        torch.from_numpy(num_components - 1),
    )


def _erdos_renyi(sizes: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Draw edges: each pair of nodes of a component is one with `probability`.

    Returns (2, edges), i < j, numbered over all graphs.
    """
    # Of each node: how many nodes of its component come later.
    partners = np.repeat(np.cumsum(sizes), sizes) - np.arange(sizes.sum()) - 1
    ends = np.cumsum(partners)
    chosen = np.flatnonzero(rng.random(int(partners.sum())) < probability)
    source = np.searchsorted(ends, chosen, side="right")
    return np.stack([source, source + 1 + chosen - (ends[source] - partners[source])])


def _joints(edges: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The edges that chain up the pieces of each component, in random order: (2, joints)."""
    total = int(sizes.sum())
    graph = scipy.sparse.coo_matrix(
        (np.ones(edges.shape[1], dtype=np.int8), (edges[0], edges[1])), shape=(total, total)
    )
    num_pieces, piece = scipy.sparse.csgraph.connected_components(graph, directed=False)
    by_piece = np.argsort(piece, kind="stable")
    piece_size = np.bincount(piece, minlength=num_pieces)
    piece_start = np.cumsum(piece_size) - piece_size
    owner = np.repeat(np.arange(len(sizes)), sizes)[by_piece[piece_start]]
    chain = np.lexsort((rng.random(num_pieces), owner))
    follows = np.flatnonzero(owner[chain[1:]] == owner[chain[:-1]])
    left, right = chain[follows], chain[follows + 1]

    def random_node(of: np.ndarray) -> np.ndarray:
        return by_piece[piece_start[of] + rng.integers(0, piece_size[of])]

    return np.stack([random_node(left), random_node(right)])
