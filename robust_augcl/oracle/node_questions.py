"""Questions about target nodes: which nodes their edits touch, and how far from the target.

Letters: Q questions, T different targets among them, n nodes, K edits of all questions, E ends
(a question, and a node at which it edits), R rows (a question, and a node).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.graphs.unfolding import mixed

_SALT = 0xD6E8FEB86659FD93


@dataclass(frozen=True, eq=False)
class Questioned:
    """Edited targets of one graph. A row is a number `question * n + node`.

    Args:
        ends: rows at which edits lie, ascending, each once (E,).
        change: of the degree there (E,).
        nearness: hops from there to the target; no more than there are in the edited graph (E,).
        heard_by, heard_from: both ends of each edit, in both directions (2 K,), (2 K,).
        sign: 1 where an edit adds, -1 where it removes (2 K,).
        distances: of each node from each different target in the clean graph; beyond some hops
            they all count one more (T, n).
        row: the row of `distances` of each question (Q,).
        shortcut: the least `nearness` of ends that added edges bring nearer (Q,).
        hops: up to which distances are told apart.
    """

    ends: Tensor
    change: Tensor
    nearness: Tensor
    heard_by: Tensor
    heard_from: Tensor
    sign: Tensor
    distances: Tensor
    row: Tensor
    shortcut: Tensor
    hops: int

    @classmethod
    def of(cls, graph: PackedGraphs, targets: NodeTargets, hops: int) -> Questioned:
        """The questions of targets with edits, with distances up to so many hops."""
        size, (of, pairs) = graph.num_nodes, targets.flips
        different, row = targets.nodes.unique(return_inverse=True)
        distances = distances_from(graph, different, hops)
        sign = torch.where(targets.adds, 1, -1)
        heard_by = torch.cat([of * size + pairs[0], of * size + pairs[1]])
        heard_from = torch.cat([heard_by[of.numel() :], heard_by[: of.numel()]])
        signs = torch.cat([sign, sign])
        ends, place = heard_by.unique(return_inverse=True)
        change = torch.zeros_like(ends).index_add_(0, place, signs)
        clean = distances.flatten()[take(row, ends // size) * size + ends % size].long()
        nearness = _nearer(clean, place, targets.adds, of)
        shortcut = torch.full_like(targets.nodes, hops + 1)
        nearer = (nearness < clean).nonzero().squeeze(1)
        shortcut.scatter_reduce_(0, ends[nearer] // size, nearness[nearer], "amin")
        # The others may be nearer by ways from there that are not looked for.
        nearness = torch.minimum(nearness, shortcut[ends // size] + 1)
        return cls(
            ends, change, nearness, heard_by, heard_from, signs, distances, row, shortcut, hops
        )

    @property
    def size(self) -> int:
        """Nodes of the graph, n."""
        return self.distances.size(1)

    def keys(self, nodes: Tensor, *, by_degree: bool) -> Tensor:
        """Numbers that are equal where all that a target hears of is equal (Q,).

        Nothing else of the edits changes its logits in `hops` rounds.

        Args:
            nodes: the targets (Q,).
            by_degree: whether a node's degree changes what it sends in the first round.
        """
        found = mixed(nodes, _SALT)
        if by_degree:
            near = ((self.nearness <= self.hops) & (self.change != 0)).nonzero().squeeze(1)
            ends = take(self.ends, near)
            found.index_add_(
                0, ends // self.size, mixed(ends % self.size * _SALT + self.change[near], _SALT)
            )
        near = (self.nearness_at(self.heard_by) < self.hops).nonzero().squeeze(1)
        by, source = take(self.heard_by, near), take(self.heard_from, near) % self.size
        edges = (by % self.size * self.size + source) * 2 + (take(self.sign, near) > 0)
        return found.index_add_(0, by // self.size, mixed(edges, _SALT + 1))

    def _place(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Where rows stand among the ends, and whether they are any (R,), (R,)."""
        place = torch.searchsorted(self.ends, rows).clamp(max=self.ends.numel() - 1)
        return place, take(self.ends, place) == rows

    def change_at(self, rows: Tensor) -> Tensor:
        """What edits add to the degree of rows (R,)."""
        place, is_end = self._place(rows)
        return torch.where(is_end, take(self.change, place), 0)

    def distances_at(self, rows: Tensor) -> Tensor:
        """Hops from rows to their targets in the clean graph (R,)."""
        question = torch.div(rows, self.size, rounding_mode="floor")
        offset = take(self.row, question) * self.size + rows - question * self.size
        return take(self.distances.flatten(), offset).long()

    def nearness_at(self, rows: Tensor) -> Tensor:
        """Hops from rows to their targets: no more than there are in the edited graph (R,)."""
        found = self.distances_at(rows)
        shortcut = take(self.shortcut, torch.div(rows, self.size, rounding_mode="floor"))
        # Only beyond a shortcut, or at its end, is a node nearer than in the clean graph.
        nearer = (shortcut < found).nonzero().squeeze(1)
        if nearer.numel():
            place, is_end = self._place(take(rows, nearer))
            beyond = torch.minimum(take(found, nearer), take(shortcut, nearer) + 1)
            found[nearer] = torch.where(is_end, take(self.nearness, place), beyond)
        return found


def distances_from(graph: PackedGraphs, nodes: Tensor, hops: int) -> Tensor:
    """Distances of all nodes from each of some nodes, where they are at most `hops`.

    All others count `hops + 1`. Shapes: nodes (T,) -> (T, n).

    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graph = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> distances_from(graph, torch.tensor([0, 1]), 1).tolist()
    [[0, 1, 2], [1, 0, 1]]
    """
    size = graph.num_nodes
    found = torch.full((nodes.numel() * size,), hops + 1, dtype=torch.int8, device=nodes.device)
    newest = torch.arange(nodes.numel(), device=nodes.device) * size + nodes
    found[newest] = 0
    for distance in range(1, hops + 1):
        node = newest % size
        count = take(graph.degree, node)
        neighbour = take(graph.edge_index[1], ranges(take(graph.first_edge, node), count))
        reached = torch.repeat_interleave(newest - node, count) + neighbour
        newest = reached[take(found, reached) > hops].unique()
        found[newest] = distance
    return found.view(-1, size)


def _nearer(clean: Tensor, place: Tensor, adds: Tensor, of: Tensor) -> Tensor:
    """How near ends are to their targets (E,), by way of added edges where that is nearer."""
    found, one, other = clean.clone(), place[: of.numel()][adds], place[of.numel() :][adds]
    most = int(torch.bincount(of).max()) if of.numel() else 0
    for _ in range(most):  # a way leads through each added edge once at most
        before = found.clone()
        found.scatter_reduce_(0, one, before[other] + 1, "amin")
        found.scatter_reduce_(0, other, before[one] + 1, "amin")
        if torch.equal(found, before):
            break
    return found
