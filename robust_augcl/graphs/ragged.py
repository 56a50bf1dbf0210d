"""Ragged lists: many short lists as one tensor.

Letters: K lists or items.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def ranges(starts: Tensor, counts: Tensor) -> Tensor:
    """Concatenate the integer ranges [start, start + count).

    Shapes: starts (K,), counts (K,) -> (sum of counts,).

    >>> ranges(torch.tensor([5, 0]), torch.tensor([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    total = int(counts.sum())
    first = torch.repeat_interleave(starts - (counts.cumsum(0) - counts), counts, output_size=total)
    return first + torch.arange(total, device=starts.device)


def take(values: Tensor, index: Tensor) -> Tensor:
    """`values[index]`, several times as fast for long lists on the CPU."""
    return values.index_select(0, index)


def runs(*bounds: tuple[Tensor, int]) -> list[Tensor]:
    """Split 0 ... K - 1 into consecutive runs whose costs add up to about a limit at the most.

    A run has one item at the least. Without its last item it costs less than each limit. A limit
    that no run reaches changes nothing.

    Args:
        bounds: one or more costs, not negative (K,), each with its limit. The runs by one are split
            by the next.

    Returns:
        The numbers of each run (L,), together 0 ... K - 1.

    >>> [run.tolist() for run in runs((torch.tensor([2, 2, 1, 3]), 4))]
    [[0, 1], [2, 3]]
    """
    cost = bounds[0][0]
    found = [torch.arange(cost.numel(), device=cost.device)] if cost.numel() else []
    for cost, limit in bounds:
        found = [piece for run in found for piece in _pieces(run, cost[run], limit)]
    return found


def _pieces(run: Tensor, cost: Tensor, limit: int) -> Sequence[Tensor]:
    number = torch.div(cost.cumsum(0) - cost, limit, rounding_mode="floor")
    return run.split(torch.unique_consecutive(number, return_counts=True)[1].tolist())


def one_of_each(values: Tensor) -> tuple[Tensor, Tensor]:
    """A row of each different value (V,), and which of these each row is (K,).

    >>> row, kind = one_of_each(torch.tensor([7, 5, 7]))
    >>> row.tolist(), kind.tolist()
    ([1, 2], [1, 0, 1])
    """
    different, kind = values.unique(return_inverse=True)
    rows = torch.arange(values.numel(), device=values.device)
    return torch.empty_like(different).scatter_(0, kind, rows), kind
