"""What a change of a pre-activation contributes to its relu, whatever other changes came before.

A pre-activation lies at p, anywhere in [low, high], and changes by d. Then relu(p + d) - relu(p)

- is monotone in p: its slope in p is [p + d > 0] - [p > 0], which is never negative if d >= 0, and
  never positive if d <= 0;
- does not fall as d rises.

So for d in [d_low, d_high] the contribution lies between

    least(d_low)  = min over p in {low, high} of  relu(p + d_low) - relu(p)    and
    most(d_high)  = max over p in {low, high} of  relu(p + d_high) - relu(p).

This is the two-sided marginal range. For single d, `least` is attained at `low` if d >= 0 and at
`high` if d <= 0, and `most` the other way round. Both are piecewise linear in d, with kinks at
d = 0 and where an end of the range meets 0. A line that is below `least` at the kinks and at both
ends of [d_low, d_high] is below it everywhere between, and so a bound that is linear in d.

Letters: K changes, F and H units, R directions, G graphs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_NARROW = 1e-9  # intervals that are narrower are bounded by a constant


@dataclass(frozen=True, eq=False)
class Span:
    """Numbers of which the least and the most are known (K, H), (K, H)."""

    least: Tensor
    most: Tensor

    def __getitem__(self, rows: Tensor) -> Span:
        """The rows at some places."""
        return Span(self.least.index_select(0, rows), self.most.index_select(0, rows))

    def __add__(self, other: Span) -> Span:
        """What the sum of two numbers may be."""
        return Span(self.least + other.least, self.most + other.most)

    def __neg__(self) -> Span:
        """The negative numbers."""
        return Span(-self.most, -self.least)

    def or_nothing(self, where: Tensor | None = None) -> Span:
        """The same, or 0; where a mask (K, 1) says so."""
        found = Span(self.least.clamp(max=0), self.most.clamp(min=0))
        if where is None:
            return found
        return Span(
            torch.where(where, found.least, self.least), torch.where(where, found.most, self.most)
        )

    def relu(self) -> Span:
        """Their relu."""
        return Span(self.least.relu(), self.most.relu())

    def mapped(self, weight: Tensor) -> Span:
        """Their products with a matrix: weight (F, H), from (K, F) to (K, H)."""
        centre = (self.least + self.most) / 2 @ weight
        radius = (self.most - self.least) / 2 @ weight.abs()
        return Span(centre - radius, centre + radius)

    def added(self, rows: Tensor, others: Span) -> Span:
        """Add others (L, H) in place to the rows (L,)."""
        self.least.index_add_(0, rows, others.least)
        self.most.index_add_(0, rows, others.most)
        return self

    def largest_effects(self, group: Tensor, groups: int) -> Span:
        """The largest fall and rise among the rows of each group, 0 without any: (groups, H)."""
        return Span(-largest(-self.least, group, groups), largest(self.most, group, groups))


def exactly(values: Tensor) -> Span:
    """Numbers that are known (K, H)."""
    return Span(values, values)


def largest(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """The largest positive value in each group, 0 without any: (K, H), (K,) -> (groups, H)."""
    index = group.unsqueeze(1).expand_as(values)
    return values.new_zeros(groups, values.size(1)).scatter_reduce(0, index, values, "amax")


def through_relu(before: Span, change: Span) -> Span:
    """What changes of pre-activations contribute to their relu (K, H).

    >>> one = torch.ones(1, 1)
    >>> span = through_relu(Span(-2 * one, one), exactly(one))
    >>> span.least.item(), span.most.item()  # nothing from -2 on, all of it from 1 on
    (0.0, 1.0)

    Args:
        before: where the pre-activations lie before the change.
        change: by how much they change.
    """
    low, high = before.least, before.most
    at_low, at_high = low.relu(), high.relu()
    return Span(
        torch.minimum((low + change.least).relu() - at_low, (high + change.least).relu() - at_high),
        torch.maximum((low + change.most).relu() - at_low, (high + change.most).relu() - at_high),
    )


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines between which contributions lie, by the change d (K, H).

    below * d + low <= contribution <= above * d + high, for d in the span that they were made for.
    """

    below: Tensor
    low: Tensor
    above: Tensor
    high: Tensor

    def back(self, directions: Tensor) -> tuple[Tensor, Tensor]:
        """What directions of contributions are of changes, and the constants that this leaves.

        Shapes: directions (K, R, H) -> (K, R, H), (K, R).
        """
        up, down = directions.clamp(min=0), directions.clamp(max=0)
        constant = torch.einsum("krh,kh->kr", up, self.low)
        constant += torch.einsum("krh,kh->kr", down, self.high)
        return up * self.below.unsqueeze(1) + down * self.above.unsqueeze(1), constant


def lines_through_relu(before: Span, change: Span) -> Lines:
    """Lines of the same (K, H): chords of `least` and `most`, moved until they hold.

    >>> one = torch.ones(1, 1)
    >>> lines = lines_through_relu(exactly(0 * one), Span(-one, one))
    >>> lines.below.item(), lines.low.item(), lines.above.item(), lines.high.item()
    (0.5, 0.0, 0.5, 0.5)
    """
    low, high = before.least, before.most
    below = _line(change, rising=low, falling=high, lower=True)
    above = _line(change, rising=high, falling=low, lower=False)
    return Lines(*below, *above)


def _line(change: Span, rising: Tensor, falling: Tensor, lower: bool) -> tuple[Tensor, Tensor]:
    """Slope and constant of a line below, or above, the contributions (K, H), (K, H).

    Args:
        change: what it has to hold for.
        rising, falling: where the pre-activations lie for changes above, and below 0.
        lower: whether the line is below.
    """
    least, most = change.least, change.most
    # From here on a rise counts; by so much a fall counts at the most.
    start, floor = -rising.clamp(max=0), -falling.relu()

    def contribution(d: Tensor) -> Tensor:
        return torch.where(d >= 0, (d - start).relu(), torch.maximum(d, floor))

    width = most - least
    slope = (contribution(most) - contribution(least)) / width.clamp(min=_NARROW)
    slope = slope.masked_fill(width < _NARROW, 0)
    kinks = (torch.zeros_like(start), start, floor)
    inside = [torch.minimum(torch.maximum(kink, least), most) for kink in kinks]
    rests = [contribution(d) - slope * d for d in (least, most, *inside)]
    return slope, torch.stack(rests).amin(0) if lower else torch.stack(rests).amax(0)


def least_along(span: Span, directions: Tensor, graph: Tensor) -> Tensor:
    """The least that numbers (K, H) may be along directions: (K, R).

    Shapes: directions (R, H) or, by graph, (G, R, H); graph of each row (K,).
    """
    if directions.dim() == 2:
        up, down = directions.clamp(min=0), directions.clamp(max=0)
        return span.least @ up.T + span.most @ down.T
    return least_of_each(span, directions[graph])


def least_of_each(span: Span, directions: Tensor) -> Tensor:
    """The least of numbers (K, H) along their own directions (K, R, H): (K, R)."""
    up, down = directions.clamp(min=0), directions.clamp(max=0)
    along = torch.einsum("kh,krh->kr", span.least, up)
    return along + torch.einsum("kh,krh->kr", span.most, down)
