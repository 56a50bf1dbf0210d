"""Which nodes an edit reaches in each round, along edges that were there before any edit.

Letters: N nodes, E directed edges, K edits, L rows of a round, P rows of the round before.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.threat.candidates import Candidates


class Edits(NamedTuple):
    """The candidates that change anything.

    Args:
        numbers: of the candidates (K,).
        ends: their two nodes, counted over all graphs (2, K).
        deletes: which of them delete an edge (K,) bool.
        may_go: the directed edges that any of them deletes (E,) bool.
    """

    numbers: Tensor
    ends: Tensor
    deletes: Tensor
    may_go: Tensor

    @classmethod
    def of(cls, graphs: PackedGraphs, candidates: Candidates) -> Edits:
        """Those among some candidates."""
        numbers = candidates.changes.nonzero().squeeze(1)
        ends = candidates.pairs[:, numbers] + graphs.ptr[candidates.graph[numbers]]
        deletes = candidates.exists[numbers] & candidates.deletes
        gone = torch.cat([ends, ends.flip(0)], 1)[:, deletes.repeat(2)]
        keys = gone[0] * graphs.num_nodes + gone[1]
        return cls(numbers, ends, deletes, torch.isin(graphs.edge_keys, keys))


class Reach(NamedTuple):
    """The pairs of an edit and a node whose state it may change in one round: the rows.

    Args:
        edit: the edit of each row, by its place among the K (L,).
        node: its node (L,).
        ends: the rows of the two ends of each edit (2, K).
        stays: from rows of the round before to the same edit and node: (2, ...).
        moves: from rows of the round before to the same edit and a neighbour (2, ...). An edge that
            the edit itself deletes carries nothing.
        edges: the directed edge of each move.
    """

    edit: Tensor
    node: Tensor
    ends: Tensor
    stays: Tensor
    moves: Tensor
    edges: Tensor

    @classmethod
    def first(cls, graphs: PackedGraphs, edits: Edits) -> Reach:
        """In the first round an edit changes its two ends."""
        none = edits.numbers.new_zeros(2, 0)
        return cls._of(graphs, edits, none, none, none[0], None)

    def next(self, graphs: PackedGraphs, edits: Edits, self_loops: bool) -> Reach:
        """In the next round it changes their neighbours too, themselves if there are loops."""
        rows = torch.arange(self.edit.numel(), device=self.edit.device)
        stays = rows if self_loops else rows[:0]
        count = graphs.degree[self.node]
        start = rows.repeat_interleave(count)
        edges = ranges(graphs.first_edge[self.node], count)
        source, target = graphs.edge_index[:, edges]
        edit = self.edit[start]
        low, high = edits.ends[:, edit]
        own = ((low == source) & (high == target)) | ((low == target) & (high == source))
        kept = ~(own & edits.deletes[edit])
        start, edges, target = start[kept], edges[kept], target[kept]
        goals = torch.stack([self.edit[start], target])
        here = torch.stack([self.edit[stays], self.node[stays]])
        return self._of(graphs, edits, here, goals, edges, (stays, start))

    @classmethod
    def _of(
        cls,
        graphs: PackedGraphs,
        edits: Edits,
        here: Tensor,
        goals: Tensor,
        edges: Tensor,
        starts: tuple[Tensor, Tensor] | None,
    ) -> Reach:
        """From the edits and nodes (2, ...) that stay and that are moved to."""
        size = graphs.num_nodes
        every = torch.arange(edits.numbers.numel(), device=edits.numbers.device)
        ends, stays, moves = every * size + edits.ends, here[0] * size + here[1], goals
        moves = goals[0] * size + goals[1]
        keys = torch.cat([ends.flatten(), stays, moves]).unique()
        from_stay, from_move = starts or (stays, moves)
        return cls(
            torch.div(keys, max(size, 1), rounding_mode="floor"),
            keys % max(size, 1),
            torch.searchsorted(keys, ends),
            torch.stack([from_stay, torch.searchsorted(keys, stays)]),
            torch.stack([from_move, torch.searchsorted(keys, moves)]),
            edges,
        )
