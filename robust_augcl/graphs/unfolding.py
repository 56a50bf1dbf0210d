"""Nodes with the same unfolding tree have the same state: compute each state once.

The state of a node after l rounds of message passing depends on its unfolding tree of depth l
alone: on its features, and on the multiset of its neighbours' trees of depth l - 1. With a constant
feature there are few such trees: one of depth 0, one of depth 1 for each degree. So a batch needs
one row a tree instead of one a node.

Letters: G graphs, N nodes, T_l trees of depth l, U_l of them in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges


@dataclass(frozen=True, eq=False)
class Level:
    """The trees of one depth in a batch.

    Args:
        x: features of each tree's root (U_l, F).
        children: trees of the depth below, one run for each tree (sum of degrees,); empty at depth
            0.
        offsets: where each tree's run begins (U_l,).
    """

    x: Tensor
    children: Tensor
    offsets: Tensor


@dataclass(frozen=True, eq=False)
class UnfoldedBatch:
    """A batch of graphs as unfolding trees.

    Args:
        levels: by depth, 0 ... L.
        roots: the tree of depth L of each node (N,), graph by graph.
        offsets: the first node of each graph (G,).
        y: the class of each graph (G,).
    """

    levels: list[Level]
    roots: Tensor
    offsets: Tensor
    y: Tensor


class Unfolding:
    """The unfolding trees of many graphs, up to a depth, found once; batches of them are cheap.

    Args:
        graphs: the graphs.
        depth: L, the rounds of message passing.

    Raises:
        ValueError: graphs with target nodes: a batch of trees gives the states of graphs alone.
    """

    def __init__(self, graphs: PackedGraphs, depth: int) -> None:
        if graphs.target_node is not None:
            raise ValueError("Expected graphs without target nodes, got graphs with")
        self._graphs = graphs
        degree, first_edge = graphs.degree, graphs.first_edge
        features = _different_rows(graphs.x)
        self._trees = features
        self._features: list[Tensor] = []
        self._children: list[Tensor] = []
        self._starts: list[Tensor] = []
        self._counts: list[Tensor] = []
        for level in range(depth + 1):
            below = self._trees
            if level:
                self._trees = _classes(features, below, graphs)
            root = _one_of_each(self._trees)
            counts = degree[root] if level else torch.zeros_like(root)
            edges = ranges(first_edge[root], counts)
            self._features.append(graphs.x[root])
            self._children.append(below[graphs.edge_index[1, edges]])
            self._counts.append(counts)
            self._starts.append(counts.cumsum(0) - counts)

    @property
    def num_trees(self) -> list[int]:
        """T_l of all graphs, by depth."""
        return [counts.numel() for counts in self._counts]

    def batch(self, index: Tensor) -> UnfoldedBatch:
        """The graphs at `index` (B,) as trees: at each depth those alone that they need."""
        graphs = self._graphs
        index = index.to(graphs.device)
        sizes = graphs.sizes[index]
        wanted = self._trees[ranges(graphs.ptr[index], sizes)]
        levels = []
        roots = None
        for features, children, starts, counts in zip(
            reversed(self._features),
            reversed(self._children),
            reversed(self._starts),
            reversed(self._counts),
            strict=True,
        ):
            here, renumbered = _renumber(wanted, counts.numel())
            if roots is None:
                roots = renumbered
            else:
                levels[-1] = Level(levels[-1].x, renumbered, levels[-1].offsets)
            own = counts[here]
            wanted = children[ranges(starts[here], own)]
            levels.append(Level(features[here], wanted, own.cumsum(0) - own))
        assert roots is not None
        return UnfoldedBatch(levels[::-1], roots, sizes.cumsum(0) - sizes, graphs.y[index])


def _different_rows(x: Tensor) -> Tensor:
    """Number the nodes' features (N, F), equal ones alike and in ascending order (N,)."""
    if x.size(1) == 1:  # numbers are sorted in a hundredth of the time that rows take
        return x.squeeze(1).unique(return_inverse=True)[1]
    return x.unique(dim=0, return_inverse=True)[1]


def _renumber(items: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """The different items in ascending order, and each item's place among them.

    A table is faster than sorting.
    """
    there = torch.zeros(total, dtype=torch.bool, device=items.device)
    there[items] = True
    here = there.nonzero().squeeze(1)
    place = torch.empty(total, dtype=torch.long, device=items.device)
    place[here] = torch.arange(here.numel(), device=items.device)
    return here, place[items]


def _classes(features: Tensor, below: Tensor, graphs: PackedGraphs) -> Tensor:
    """Number the nodes' trees one level deeper (N,).

    Numbers are equal for equal features and equal multisets of neighbours' trees.

    A multiset is known by the wrapping sums of two 64-bit hashes of its members: with a million
    trees, two different ones share both with a probability below 1e-25.
    """
    source, target = graphs.edge_index
    classes = features
    for salt in (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03):
        sums = torch.zeros_like(below).index_add_(0, source, mixed(below[target], salt))
        of_sums = sums.unique(return_inverse=True)[1]
        classes = (classes * graphs.num_nodes + of_sums).unique(return_inverse=True)[1]
    return classes


def mixed(values: Tensor, salt: int) -> Tensor:
    """A 64-bit mix of each value (the finaliser of SplitMix64, Steele et al. 2014), wrapping."""
    bits = values + _signed(salt)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        logical = (bits >> shift) & ((1 << (64 - shift)) - 1)
        bits = (bits ^ logical) * _signed(factor)
    return bits ^ ((bits >> 31) & ((1 << 33) - 1))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _one_of_each(classes: Tensor) -> Tensor:
    """For each class a node of it, the first: (N,) -> (number of classes,)."""
    order = torch.argsort(classes, stable=True)
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = classes[order].diff() != 0
    return order[first]
