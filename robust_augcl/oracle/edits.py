"""Single edits of packed graphs, as the oracles take them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs


@dataclass(frozen=True, eq=False)
class Edits:
    """Single edits of packed graphs: edit m flips the pair of nodes (i[m], j[m]).

    Args:
        graph: the graph of each edit (M,), ascending.
        i, j: the two nodes, numbered over all graphs (M,). They are the ends of the edit.
        adds: whether the edit adds the edge; else it removes it (M,).
    """

    graph: Tensor
    i: Tensor
    j: Tensor
    adds: Tensor

    @classmethod
    def of(cls, graphs: PackedGraphs, graph: Tensor, pairs: Tensor) -> Edits:
        """Return the edits that flip pairs of nodes.

        Shapes: graph (M,), pairs (2, M) of nodes numbered within their graph.
        """
        i, j = pairs + graphs.ptr[graph]
        return cls(graph, i, j, ~graphs.has_edges(i, j))

    def __len__(self) -> int:
        return self.graph.numel()

    @property
    def sign(self) -> Tensor:
        """What each edit adds to the degree of its ends: 1, or -1 for a removal (M,)."""
        return self.adds.long() * 2 - 1

    def part(self, start: int, stop: int) -> Edits:
        """Return the edits start ... stop - 1."""
        span = slice(start, stop)
        return Edits(self.graph[span], self.i[span], self.j[span], self.adds[span])
