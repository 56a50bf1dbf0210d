"""Contributions of edits bounded along directions, by lines from the last round to the first.

Intervals lose what units have in common: along a direction, a state that is not known exactly may
move one unit up and another down, and only what is left of both counts. So a direction is carried
back instead, as in CROWN (Zhang et al. 2018, arXiv 1811.00866): at each relu the contribution is
bounded by a line in the change of the pre-activation (`marginals.Lines`), the lower one where the
direction is positive and the upper one where it is negative. Changes are linear in what comes from
the round before, so the direction goes on to it. What does not come from there, states that are
heard along the edit itself, lies in known intervals; the least of it is added.

Where an edge may be gone, what it carries is y or nothing, so at least min(0, y). With y between
y_low < 0 and y_high > 0, that concave function is at least its chord, s y - s y_high with
s = -y_low / (y_high - y_low).

Letters: N nodes, E directed edges, K edits, F, H width, R directions, L rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.oracle.edit_reach import Reach
from robust_augcl.oracle.marginals import Lines, Span, least_of_each


class Heard(NamedTuple):
    """States that ends of edits hear more of, or no more.

    Args:
        side: which end hears.
        edits: whose end it is, by their places among the K.
        state: what they hear, before the matrix; negative where it is taken away.
        taken: whether the edits delete.
    """

    side: int
    edits: Tensor
    state: Span
    taken: bool


class Layer(NamedTuple):
    """A relu of a round, with the matrix (H, H) before it, and its lines by place (L, H).

    The first one's matrix is that of the round: None.
    """

    weight: Tensor | None
    lines: list[Lines]


class Round(NamedTuple):
    """What is known of one round.

    Args:
        reach: the rows.
        layers: its relus.
        weight: its matrix (F, H).
        besides: what every node sends, whatever its state (H,).
        heard: by place.
        contributed: to the states after it, by place (L, H).
        scale: of the normalisation after it (H,).
        summed: whether its states are part of the sums.
    """

    reach: Reach
    layers: list[Layer]
    weight: Tensor
    besides: Tensor | None
    heard: list[list[Heard]]
    contributed: list[Span]
    scale: Tensor | None
    summed: bool


def least_by_lines(
    rounds: list[Round],
    directions: list[Tensor | None],
    place: int,
    batch: Tensor,
    may_go: Tensor,
    shape: tuple[int, int],
) -> Tensor:
    """The least that each edit contributes at a place, along directions: `shape`, (K, R).

    Args:
        rounds: all of them.
        directions: of the states after each round, (R, H) or (G, R, H).
        place: how many other edits came before.
        batch: the graph of each node (N,).
        may_go: which edges may be deleted (E,).
        shape: the numbers of edits and of directions.
    """
    rows = max(each.reach.edit.numel() * each.weight.size(1) for each in rounds)
    at_once = max(limits().bound_values // max(rows, 1), 1)
    parts = []
    for some in torch.arange(shape[1]).split(at_once):
        wanted = [None if each is None else each[..., some, :] for each in directions]
        out = torch.zeros(shape[0], some.numel(), dtype=torch.double, device=batch.device)
        carried = None
        for number in reversed(range(len(rounds))):
            before = rounds[number - 1] if number else None
            carried = _back(
                rounds[number], before, wanted[number], carried, place, batch, may_go, out
            )
        parts.append(out)
    return torch.cat(parts, 1)


def _back(
    each: Round,
    before: Round | None,
    wanted: Tensor | None,
    carried: Tensor | None,
    place: int,
    batch: Tensor,
    may_go: Tensor,
    out: Tensor,
) -> Tensor | None:
    """Carry directions back through one round; constants are added to `out` (K, R) in place.

    Shapes: wanted (R, H) or (G, R, H), carried (L, R, H) -> (rows of the round before, R, F).
    """
    reach = each.reach
    if wanted is not None:
        graph = batch[reach.node]
        own = wanted[graph] if wanted.dim() == 3 else wanted.expand(graph.numel(), -1, -1)
        carried = own if carried is None else carried + own
    if carried is None:
        return None
    for layer in reversed(each.layers):
        carried, constant = layer.lines[place].back(carried)
        out.index_add_(0, reach.edit, constant)
        if layer.weight is not None:
            carried = carried @ layer.weight.T
    for heard in each.heard[place]:
        at_ends = carried[reach.ends[heard.side, heard.edits]]
        least = least_of_each(heard.state, at_ends @ each.weight.T)
        if each.besides is not None:
            sent = at_ends @ each.besides
            least = least - sent if heard.taken else least + sent
        out.index_add_(0, heard.edits, least)
    return None if before is None else _to_states(each, before, carried, place, may_go, out)


def _to_states(
    each: Round, before: Round, carried: Tensor, place: int, may_go: Tensor, out: Tensor
) -> Tensor:
    """Directions of what the round before contributes: (L, R, H) -> (its rows, R, F)."""
    reach = each.reach
    summed = carried.new_zeros(before.reach.edit.numel(), *carried.shape[1:])
    start, goal = reach.stays
    summed.index_add_(0, start, carried[goal])
    start, goal = reach.moves
    moved = carried[goal]
    gone = may_go[reach.edges] if place else torch.zeros_like(may_go[reach.edges])
    if bool(gone.any()):
        sends = before.contributed[place].mapped(each.weight)[start[gone]]
        low, high = least_of_each(sends, moved[gone]), -least_of_each(sends, -moved[gone])
        # 1 where all of it counts, 0 where nothing is less, between these the chord.
        share = (-low).relu() / ((-low).relu() + high.relu()).clamp(min=1e-300)
        out.index_add_(0, before.reach.edit[start[gone]], -share * high.relu())
        moved[gone] = moved[gone] * share.unsqueeze(2)
    summed.index_add_(0, start, moved)
    return summed @ each.weight.T
