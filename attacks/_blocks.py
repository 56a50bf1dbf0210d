"""Random blocks of candidates, and weights of their edits that keep to the budget.

Letters: G graphs, R rows, each of one graph, W candidates of a row at the most, M candidates of all
graphs. A block is a row of candidate numbers, -1 beyond its end.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.attacks._edit_sets import random_order
from robust_augcl.threat.candidates import Candidates


class Blocks:
    """Draws candidates of graphs in a random order, which begins again at its end.

    All of a graph come once, or stand in its block already, before any comes again. The paper draws
    each independently.

    Args:
        candidates: of G graphs.
        sizes: how many candidates the blocks of each graph hold, no more than it has (G,).
        generator: the source of all chance.
    """

    def __init__(self, candidates: Candidates, sizes: Tensor, generator: torch.Generator) -> None:
        self.sizes = sizes
        self._order = random_order(candidates.graph, generator)
        self._counts = candidates.counts
        self._first = candidates.ptr[:-1]
        self._next = torch.zeros_like(sizes)

    def filled(self, graph: Tensor, kept: Tensor) -> Tensor:
        """Fill up the blocks of these graphs, whose first candidates are kept.

        Shapes: graph (R,), each at most once; kept (R, W), -1 behind the last that is kept -> (R,
        W).
        """
        column = torch.arange(kept.size(1), device=kept.device)
        sizes, counts = self.sizes[graph].unsqueeze(1), self._counts[graph].unsqueeze(1)
        place = (self._next[graph].unsqueeze(1) + column) % counts.clamp(min=1)
        # Among so many in a row are enough that are not kept.
        in_reach = column < sizes
        upcoming = torch.full_like(kept, -1)
        upcoming[in_reach] = self._order[(self._first[graph].unsqueeze(1) + place)[in_reach]]
        is_kept = torch.zeros(len(self._order) + 1, dtype=torch.bool, device=kept.device)
        is_kept[kept.flatten()] = True
        is_kept[-1] = True  # the place of -1, which is nothing
        is_free = ~is_kept[upcoming]
        num_kept = (kept >= 0).sum(1, keepdim=True)
        rank = is_free.cumsum(1) - 1
        is_drawn = is_free & (rank < sizes - num_kept)
        row = is_drawn.nonzero(as_tuple=True)[0]
        block = kept.clone()
        block[row, (num_kept + rank)[is_drawn]] = upcoming[is_drawn]
        passed = torch.where(is_drawn, column + 1, 0).amax(1)
        self._next[graph] = (self._next[graph] + passed) % self._counts[graph].clamp(min=1)
        return block


def project(values: Tensor, budgets: Tensor) -> Tensor:
    """Return the nearest weights between 0 and 1 that add up to the budget at the most, row by row.

    They are the values less a number, clipped (Geisler et al. 2021, section 3, who find the number
    by bisection). As the number falls, the sum rises in straight pieces, whose slope is how many
    weights lie between 0 and 1. A piece ends where a value, or a value less 1, is passed. So the
    number is exact: on the first piece whose end reaches the budget.

    Shapes: values (R, W), -inf where there is none, budgets (R,) -> (R, W).

    >>> weights = project(torch.tensor([[0.25, 0.5], [1.5, 0.5]]), torch.tensor([1, 1]))
    >>> weights.tolist()
    [[0.25, 0.5], [1.0, 0.0]]
    """
    budget = budgets.to(values.dtype).unsqueeze(1)
    clipped = values.clamp(0, 1)
    over = clipped.sum(1) > budgets
    if not bool(over.any()):
        return clipped
    large = values[over]
    ends, order = torch.cat([large, large - 1], dim=1).clamp(min=0).sort(1, descending=True)
    slope = torch.where(order < large.size(1), 1.0, -1.0).cumsum(1)[:, :-1]
    rise = slope * -ends.diff(dim=1)
    total = rise.cumsum(1)
    piece = (total < budget[over]).sum(1, keepdim=True).clamp(max=total.size(1) - 1)
    before = total.gather(1, piece) - rise.gather(1, piece)
    number = ends.gather(1, piece) - (budget[over] - before) / slope.gather(1, piece).clamp(min=1)
    clipped[over] = (large - number).clamp(0, 1)
    return clipped
