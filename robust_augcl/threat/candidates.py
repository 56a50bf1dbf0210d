"""Candidates: the single edits that a threat model allows.

Letters: G graphs, M candidates of all graphs, k candidates of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True, eq=False)
class Candidates:
    """The single edits that a threat model allows, for many graphs at once, sorted by graph.

    Args:
        graph: the graph of each candidate (M,).
        pairs: its two nodes, i < j, numbered within their graph (2, M).
        exists: whether the pair is an edge already (M,).
        num_graphs: G.
        deletes: what an existing edge means: its removal, or (False) an addition that changes
            nothing.
    """

    graph: Tensor
    pairs: Tensor
    exists: Tensor
    num_graphs: int
    deletes: bool

    def __len__(self) -> int:
        return self.graph.numel()

    @property
    def counts(self) -> Tensor:
        """Candidates of each graph (G,)."""
        return torch.bincount(self.graph, minlength=self.num_graphs)

    @property
    def ptr(self) -> Tensor:
        """The first candidate of each graph, and M at the end (G + 1,)."""
        counts = self.counts
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    @property
    def changes(self) -> Tensor:
        """Whether each candidate changes the graph: not where an edge that exists is added (M,)."""
        return ~self.exists | self.deletes

    def take(self, index: Tensor) -> Candidates:
        """Return the candidates at `index`, in that order."""
        return Candidates(
            self.graph[index],
            self.pairs[:, index],
            self.exists[index],
            self.num_graphs,
            self.deletes,
        )

    def to(self, device: torch.device | str) -> Candidates:
        """Return the candidates on `device`."""
        return Candidates(
            self.graph.to(device),
            self.pairs.to(device),
            self.exists.to(device),
            self.num_graphs,
            self.deletes,
        )

    def perturbation(self, index: Tensor) -> Perturbation:
        """Return the candidates at `index` (k,), all of one graph, as one perturbation."""
        pairs = self.pairs[:, index].cpu()
        remove = self.exists[index].cpu() & self.deletes
        return Perturbation(added=pairs[:, ~remove], removed=pairs[:, remove])

    def best(self, score: Tensor) -> Tensor:
        """The candidate of the lowest score in each graph, the first of equals.

        It is -1 where a graph has none. Shapes: score (M,) -> (G,).
        """
        return first_lowest(self.graph, score, self.num_graphs)


def first_lowest(group: Tensor, score: Tensor, num_groups: int) -> Tensor:
    """The row of the lowest score in each group, the first of equals, -1 where there is none.

    Shapes: group (K,), score (K,) -> (number of groups,).
    """
    finite = score.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
    lowest = score.new_full((num_groups,), torch.inf).scatter_reduce(0, group, finite, "amin")
    rows = (finite == lowest.index_select(0, group)).nonzero().squeeze(1)
    first = torch.full((num_groups,), score.numel(), device=score.device).scatter_reduce(
        0, group[rows], rows, "amin"
    )
    return torch.where(first < score.numel(), first, -1)
