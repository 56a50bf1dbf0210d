"""Which sets of edits bounds prove harmless: pairs, and larger sets.

**A set of j edits is harmless** if, of every wrong class c, start[c] + the sum of cost[e, c] over
its edits e is above the slack. For the bound (`head_bounds.MarginBounds`) holds for every set of at
most k edits, where k is the budget it was made for, and so for j <= k:

- the cost of an edit is the mean of what it costs at each of k places, c_0, ..., c_(k-1). In a set
  of j edits it stands at the first j places only, and c_i does not rise with i. So
  1/j (c_0 + ... + c_(j-1)) is no less than that cost, and no place of its own belongs to a size;
- the lines through the head hold wherever at most k edits may bring its hidden units.

All classes must be so: one margin that may fall below the slack can be a break.

**A set of t edits, to which others are added**, is left out with all sets of j edits that begin
with it, if even the j - t lowest costs of those that come after it leave each margin above the
slack. These lowest sums, L_r[p] of r edits from position p on, are exact by class: with q the first
of the r edits, L_r[p] is the least over q >= p of cost[q] + L_(r-1)[q + 1].

Letters: M candidates, P pairs of candidates, S sets of t candidates, K sets with one more, C
classes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.ragged import ranges, runs, take
from robust_augcl.oracle.head_bounds import MarginBounds
from robust_augcl.oracle.pair_search import Harmless
from robust_augcl.threat.candidates import Candidates


def harmless_pairs(bounds: MarginBounds, candidates: Candidates, slack: float) -> Harmless:
    """Return what says after which pairs the bounds leave a margin above the slack.

    Args:
        bounds: of these candidates.
        candidates: every allowed edit.
        slack: what a bound must be above.
    """
    # By class, in columns: a few times as fast as rows of so few numbers.
    after_one = [column.contiguous() for column in (bounds.start[candidates.graph] + bounds.cost).T]
    cost = [column.contiguous() for column in bounds.cost.T]

    def harmless(one: Tensor, other: Tensor) -> Tensor:
        out = torch.ones_like(one, dtype=torch.bool)
        for of_one, of_other in zip(after_one, cost, strict=True):
            out &= take(of_one, one) + take(of_other, other) > slack
        return out

    return harmless


class OpenSets:
    """The sets of candidates of one graph that a bound does not prove harmless.

    Candidates are given by their places in the order in which they are tried. Places in a set
    ascend, and sets come in the order of dictionaries, in blocks that `Limits.extensions` bounds.

    >>> start, cost = torch.tensor([1.3]), torch.tensor([[-0.9], [-0.2], [0.0], [-0.3]])
    >>> [block.tolist() for block in OpenSets(start, cost, slack=0.0, most=3).of_size(3)]
    [[[0, 1, 3]]]

    Args:
        start: what the bound leaves of each margin without costs (C,).
        cost: of each candidate, in the order in which they are tried (M, C).
        slack: what a bound must be above.
        most: edits of a set, at the most; the bound is of so many edits, or of more.
    """

    def __init__(self, start: Tensor, cost: Tensor, slack: float, most: int) -> None:
        self._count, self._slack = len(cost), slack
        can_fall = start != torch.inf  # not so of the true class
        self._start, columns = start[can_fall].tolist(), cost.T[can_fall]
        self._cost = columns.contiguous()
        self._least = _least_sums(columns, most)

    @classmethod
    def all_of(cls, candidates: int, most: int, device: torch.device) -> OpenSets:
        """All sets of so many candidates, where no bound is known."""
        start = torch.full((1,), -torch.inf, device=device)
        return cls(start, torch.zeros(candidates, 1, device=device), 0.0, most)

    def of_size(self, size: int) -> Iterator[Tensor]:
        """Blocks of all open sets of `size` candidates (K, size)."""
        device = self._cost.device
        yield from self._that_begin_with(torch.zeros(1, 0, dtype=torch.long, device=device), size)

    def number(self, sizes: range, most: int) -> int:
        """How many open sets of these sizes there are; `most` + 1 where there are more than most.

        Every beginning of a set that is looked at begins an open set. So this takes little where
        few are counted.
        """
        total = 0
        for size in sizes:
            for block in self.of_size(size):
                total += len(block)
                if total > most:
                    return most + 1
        return total

    def _that_begin_with(self, sets: Tensor, size: int) -> Iterator[Tensor]:
        if sets.size(1) == size:
            yield sets
            return
        for longer in self._longer(sets, size):
            yield from self._that_begin_with(longer, size)

    def _longer(self, sets: Tensor, size: int) -> Iterator[Tensor]:
        """Sets (S, t) with one more candidate each, where open sets of `size` begin with them."""
        after = size - sets.size(1) - 1  # candidates that are still to come after the next one
        last = sets[:, -1] if sets.size(1) else sets.new_full((len(sets),), -1)
        follow = (self._count - 1 - last - after).clamp(min=0)
        for rows in runs((follow, limits().extensions)):
            new = ranges(last[rows] + 1, follow[rows])
            of = torch.repeat_interleave(rows, follow[rows], output_size=new.numel())
            kept = self._is_open(sets, of, new, after).nonzero().squeeze(1)
            if kept.numel():
                yield torch.cat([take(sets, of[kept]), new[kept].unsqueeze(1)], dim=1)

    def _is_open(self, sets: Tensor, of: Tensor, new: Tensor, after: int) -> Tensor:
        """Whether an open set begins with one of the sets, of which each (K,), and a new one (K,).

        So many candidates come after these at the most.
        """
        out = torch.zeros_like(new, dtype=torch.bool)
        for start, cost, least in zip(self._start, self._cost, self._least[after], strict=True):
            before = start + cost[sets].sum(1)
            # What is no number proves nothing, so that it leaves a set open.
            out |= ~(take(before, of) + take(cost + least[1:], new) > self._slack)
        return out


def _least_sums(cost: Tensor, most: int) -> Tensor:
    """The least sum of r costs from each place on: (C, M) -> (most, C, M + 1), r = 0, 1, ...

    It is infinite where fewer than r are left.
    """
    least = [cost.new_zeros(cost.size(0), cost.size(1) + 1)]
    for _ in range(1, most):
        with_first = (cost + least[-1][:, 1:]).flip(1)
        from_here = torch.cummin(with_first, dim=1).values.flip(1) if cost.size(1) else with_first
        least.append(torch.cat([from_here, cost.new_full((cost.size(0), 1), torch.inf)], dim=1))
    return torch.stack(least)
