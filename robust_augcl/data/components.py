"""Component graphs: tell how many connected components a graph has (Dai et al. 2018, arXiv 1806.02371).

Each component is an Erdos-Renyi graph, made connected by joining its own components in a chain in random order,
each joint one edge between two random nodes.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch

from robust_augcl.graphs import PackedGraphs

_PAIRS_AT_ONCE = 4_000_000  # bounds the memory of one draw of edges to some tens of MiB


def component_graphs(
    num_components: np.ndarray, nodes: tuple[int, int], edge_probability: float, rng: np.random.Generator
) -> PackedGraphs:
    """Draw one graph for each entry of `num_components`.

    A graph with c components and `nodes` [lo, hi] has components of n nodes, n uniform in [lo // c, hi // c], each a
    connected G(n, p) graph. The node feature is the constant 1; the class is the number of components, less 1.

    Shapes: num_components (G,) -> PackedGraphs of G graphs.
    """
    num_components = np.asarray(num_components, dtype=np.int64)
    per_component = np.repeat(num_components, num_components)
    low, high = nodes[0] // per_component, nodes[1] // per_component
    sizes = rng.integers(low, high + 1)
    starts = np.cumsum(sizes) - sizes
    total = int(sizes.sum())

    cuts = np.searchsorted(np.cumsum(sizes * (sizes - 1) // 2), np.arange(0, (sizes * (sizes - 1) // 2).sum(), _PAIRS_AT_ONCE))
    blocks = np.split(np.arange(len(sizes)), np.unique(cuts)[1:] if len(cuts) else [])
    edges = np.concatenate([_erdos_renyi(starts[b], sizes[b], edge_probability, rng) for b in blocks], axis=1)
    edges = np.concatenate([edges, _joints(edges, starts, sizes, rng)], axis=1)

    keys = np.sort(np.concatenate([edges[0] * total + edges[1], edges[1] * total + edges[0]]))
    graph_sizes = np.add.reduceat(sizes, np.cumsum(num_components) - num_components)
    ptr = np.concatenate([[0], np.cumsum(graph_sizes)])
    return PackedGraphs(
        torch.ones(total, 1),
        torch.from_numpy(np.stack([keys // total, keys % total])),
        torch.from_numpy(ptr),
        torch.from_numpy(num_components - 1),
    )


def _erdos_renyi(starts: np.ndarray, sizes: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Each pair of nodes of a component is an edge with `probability`: (2, edges), i < j, numbered over all graphs."""
    nodes = np.concatenate([np.arange(s, s + n) for s, n in zip(starts, sizes, strict=True)])
    ends = np.repeat(starts + sizes, sizes)
    partners = ends - nodes - 1
    total = int(partners.sum())
    chosen = np.flatnonzero(rng.random(total) < probability)
    offsets = np.cumsum(partners)
    row = np.searchsorted(offsets, chosen, side="right")
    return np.stack([nodes[row], nodes[row] + 1 + chosen - (offsets[row] - partners[row])])


def _joints(edges: np.ndarray, starts: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The edges that chain up the pieces of each component, in random order: (2, joints)."""
    total = int(sizes.sum())
    graph = scipy.sparse.coo_matrix((np.ones(edges.shape[1], dtype=np.int8), (edges[0], edges[1])), shape=(total, total))
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
