"""The part of a large graph that lies around each of some nodes, as small graphs.

Letters: T targets, n nodes of the graph, K edits of all targets, R rows (a target, and a node),
P pairs of nodes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges


def balls_around(
    graph: PackedGraphs, node: Tensor, y: Tensor, flips: tuple[Tensor, Tensor], hops: int
) -> PackedGraphs:
    """Return one graph a target: the nodes within some hops of it, and all edges between them.

    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graph = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> no_flips = torch.zeros(0).long(), torch.zeros(2, 0).long()
    >>> ends = balls_around(graph, torch.tensor([0, 2]), torch.tensor([0, 1]), no_flips, hops=1)
    >>> ends.sizes.tolist(), ends.target_node.tolist()
    ([2, 2], [0, 1])

    Args:
        graph: one graph.
        node: the targets (T,).
        y: their classes (T,).
        flips: pairs of nodes that are flipped: of which target (K,), and their nodes (2, K).
        hops: how far from the target the farthest nodes are.
    """
    edited = _EditedGraphs(graph, flips)
    targets = torch.arange(node.numel(), device=node.device)
    held = newest = targets * graph.num_nodes + node  # sorted, as targets ascend
    for _ in range(hops):
        reached = edited.neighbours(newest)[1].unique()
        newest = reached[~torch.isin(reached, held, assume_unique=True)]
        if newest.numel() == 0:
            break
        held = torch.cat([held, newest]).sort().values
    source, target = edited.neighbours(held)
    place = torch.searchsorted(held, target).clamp(max=held.numel() - 1)
    inside = held[place] == target
    source_place = torch.searchsorted(held, source[inside])
    edges = torch.stack([source_place, place[inside]])
    edges = edges[:, (edges[0] * held.numel() + edges[1]).argsort()]
    sizes = torch.bincount(held // graph.num_nodes, minlength=node.numel())
    ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    own = torch.searchsorted(held, targets * graph.num_nodes + node) - ptr[:-1]
    members = held % graph.num_nodes
    attributes = None
    if graph.edge_attr is not None:
        attributes = graph.attributes_of(members[edges])
    return PackedGraphs(graph.x[members], edges, ptr, y, own, attributes, graph.added_edge)


class _EditedGraphs:
    """One graph a target, of which only the edits are held beside the one graph.

    Rows are numbers `target * n + node`.
    """

    def __init__(self, graph: PackedGraphs, flips: tuple[Tensor, Tensor]) -> None:
        self._graph, size = graph, graph.num_nodes
        of, pairs = flips
        adds = ~graph.has_edges(*pairs)
        ends = torch.cat([pairs, pairs.flip(0)], dim=1)
        both, twice = torch.cat([of, of]), torch.cat([adds, adds])
        rows = both * size + ends[0]
        self._removed = (rows * size + ends[1])[~twice]
        order = rows[twice].argsort()
        self._end = rows[twice][order]
        self._far = (both * size + ends[1])[twice][order]

    def neighbours(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Each of the rows (R,) once for each of its neighbours, and these (P,), (P,)."""
        graph, size = self._graph, self._graph.num_nodes
        node = rows % size
        count = graph.degree[node]
        source = torch.repeat_interleave(rows, count)
        found = graph.edge_index[1, ranges(graph.first_edge[node], count)]
        if self._removed.numel():
            there = ~torch.isin(source * size + found, self._removed)
            source, found = source[there], found[there]
        target = source - source % size + found
        if self._end.numel():
            first = torch.searchsorted(self._end, rows)
            more = torch.searchsorted(self._end, rows, right=True) - first
            source = torch.cat([source, torch.repeat_interleave(rows, more)])
            target = torch.cat([target, self._far[ranges(first, more)]])
        return source, target
