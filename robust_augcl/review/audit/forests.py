"""Components counted by union-find, independent of the count that all else rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from robust_augcl.graphs.dataset import Dataset
from robust_augcl.results.records import Outcome


@dataclass(frozen=True)
class Forest:
    """The components of one clean graph.

    Args:
        root: for each node, a node that stands for its component.
        edges: the graph's undirected edges.
        count: of components.
    """

    root: list[int]
    edges: list[list[int]]
    count: int

    def edited(self, outcome: Outcome) -> int:
        """The number of components after the edits; -1 where an edit names no node."""
        if any(
            not 0 <= node < len(self.root)
            for pair in (*outcome.added, *outcome.removed)
            for node in pair
        ):
            return -1
        if outcome.removed:  # an edge that goes may take a path along: all is counted again
            gone = {frozenset(pair) for pair in outcome.removed}
            kept = [pair for pair in self.edges if frozenset(pair) not in gone]
            return components(len(self.root), [*kept, *outcome.added]).count
        if all(self.root[first] == self.root[second] for first, second in outcome.added):
            return self.count
        joined = [[self.root[first], self.root[second]] for first, second in outcome.added]
        return self.count - (len(self.root) - components(len(self.root), joined).count)


def components(size: int, edges: Iterable[list[int]]) -> Forest:
    """Union-find with path halving over the edges of a graph of `size` nodes."""
    parent, count, seen = list(range(size)), size, list(edges)

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    for first, second in seen:
        one, other = root(first), root(second)
        if one != other:
            parent[one] = other
            count -= 1
    return Forest([root(node) for node in range(size)], seen, count)


def forests(dataset: Dataset) -> dict[int, Forest]:
    """The components of each test graph, by its number."""
    graphs = dataset.part(dataset.attacked)
    local = (graphs.edge_index - graphs.ptr[graphs.batch[graphs.edge_index[0]]]).T
    once = local[:, 0] < local[:, 1]
    pairs, ends = local.tolist(), graphs.edge_ptr.tolist()
    keep = once.tolist()
    found = {}
    for place, (number, size) in enumerate(
        zip(dataset.attacked.tolist(), graphs.sizes.tolist(), strict=True)
    ):
        edges = [pairs[edge] for edge in range(ends[place], ends[place + 1]) if keep[edge]]
        found[number] = components(size, edges)
    return found
