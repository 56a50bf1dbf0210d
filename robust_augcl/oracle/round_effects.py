"""What edits contribute to sums of states: any number of rounds, any features.

It holds for encoders whose rounds are matrices and relu (`models.relu_rounds`): structure2vec, and
GIN with batch normalisation in evaluation mode. An affine normalisation is taken into the matrices
that come after it.

**What an edit owns** (see `bounds`). Let S be the edits, in some order, and e = {u, w} stand at
place i, after i others. In round l, let h_x be the state of node x, V the matrix, and D_x what e
contributes to h_x, which is known from the round before. To the pre-activation of node v it
contributes

- D_x V for each neighbour x of v before any edit, but for those that v has been cut off from before
  e or by e; with self-loops for v itself as well;
- if v = u: what w sends in the end, if e adds; less what w sends just before e, if it deletes; and
  likewise if v = w.

At each node these add up to the change of its pre-activation by all of S. For let x be a neighbour
before any edit. If {x, v} stays, the D_x V lead from what x sends clean to what it sends in the
end. If it is deleted, they lead to what x sends just before, which the deletion takes away. And a
new neighbour brings what it sends in the end. In the first round there are no D_x.

**How much that is.** All of it is bounded by intervals, unit by unit, round by round. Before e, a
pre-activation has changed by i other edits, each by at most the largest change that any edit makes
there at its place. So it lies in a range, and what comes through the relu lies between the ends
that `marginals` proves. What a node sends in the end is bounded by the range after e and k - 1
others, what it sends just before by the range after i others. Where another edit may delete the
edge {x, v} and i > 0, D_x V may be nothing.

**Along a direction** the intervals give one bound on the least contribution. Lines give another
(`round_lines`), and the larger one counts.

Letters: G graphs, N nodes, M candidates, F, H width, D size of sums, R directions, L rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.relu_rounds import ReluRound
from robust_augcl.oracle.edit_reach import Edits, Reach
from robust_augcl.oracle.marginals import (
    Lines,
    Span,
    exactly,
    least_along,
    lines_through_relu,
    through_relu,
)
from robust_augcl.oracle.round_lines import Heard, Layer, Round, least_by_lines
from robust_augcl.threat.candidates import Candidates


@dataclass(frozen=True, eq=False)
class _States:
    """Node states before the normalisation, and what edits do to them.

    Args:
        clean: of the clean graphs (N, H).
        before: where they lie before an edit, by its place (N, H).
        contributed: what the edit of each row contributes to its node, by place (L, H).
        final: where they lie after the edit of each row and all others (L, H).
    """

    clean: Tensor
    before: list[Span]
    contributed: list[Span]
    final: Span | None


class RoundEffects:
    """What each candidate contributes, at the least, to the summed states of its graph.

    Args:
        rounds: in double precision.
        first: the states before the first round (N, F).
        summed: the rounds whose states make up the sums, from 1.
        graphs, candidates: what is edited, and how.
        most: the largest number of edits k.

    Attributes:
        sums: the summed states of the clean graphs (G, D).
    """

    def __init__(
        self,
        rounds: list[ReluRound],
        first: Tensor,
        summed: tuple[int, ...],
        graphs: PackedGraphs,
        candidates: Candidates,
        most: int,
    ) -> None:
        self._graphs, self._most, self._num_candidates = graphs, most, len(candidates)
        self._edits = Edits.of(graphs, candidates)
        self._rounds: list[Round] = []
        states = _States(first, [exactly(first)] * most, [], None)
        scaling = None
        found = []
        for number, each in enumerate(rounds, 1):
            weight, besides = each.weight, None
            if scaling is not None:
                weight, besides = scaling[0].unsqueeze(1) * weight, scaling[1] @ weight
            states = self._round(each, weight, besides, states, number in summed)
            scaling = each.scaling
            if number in summed:
                clean = states.clean
                found.append(clean if scaling is None else clean * scaling[0] + scaling[1])
        nodes = torch.cat(found, 1)
        nothing = nodes.new_zeros(graphs.num_graphs, nodes.size(1))
        self.sums = nothing.index_add(0, graphs.batch, nodes)

    def _round(
        self,
        each: ReluRound,
        weight: Tensor,
        besides: Tensor | None,
        states: _States,
        summed: bool,
    ) -> _States:
        """One round, from the states of the one before."""
        graphs, edits = self._graphs, self._edits
        if self._rounds:
            reach = self._rounds[-1].reach.next(graphs, edits, each.self_loops)
        else:
            reach = Reach.first(graphs, edits)
        sent = states.clean @ weight
        sent = sent if besides is None else sent + besides
        source, target = graphs.edge_index
        before = each.offset.index_add(0, source, sent[target])
        before = before + sent if each.self_loops else before
        changes, heard = [], []
        for place in range(self._most):
            change = self._carried(reach, states, weight, place)
            heard.append(self._heard(states, place))
            for one in heard[-1]:
                sends = one.state.mapped(weight)
                if besides is not None:
                    sends = sends + exactly(-besides if one.taken else besides)
                change.added(reach.ends[one.side, one.edits], sends)
            changes.append(change)
        layers = []
        states, lines = self._through(reach, before, changes)
        layers.append(Layer(None, lines))
        for inner, bias in each.inner:
            changes = [contribution.mapped(inner) for contribution in states.contributed]
            states, lines = self._through(reach, states.clean @ inner + bias, changes)
            layers.append(Layer(inner, lines))
        self._rounds.append(
            Round(
                reach,
                layers,
                weight,
                besides,
                heard,
                states.contributed,
                None if each.scaling is None else each.scaling[0],
                summed,
            )
        )
        return states

    def _carried(self, reach: Reach, states: _States, weight: Tensor, place: int) -> Span:
        """What changes of states, carried by edges, change in pre-activations (L, H)."""
        shape = reach.edit.numel(), weight.size(1)
        change = Span(weight.new_zeros(shape), weight.new_zeros(shape))
        if not states.contributed:
            return change
        sends = states.contributed[place].mapped(weight)
        start, goal = reach.stays
        change.added(goal, sends[start])
        start, goal = reach.moves
        moved = sends[start]
        if place:
            moved = moved.or_nothing(self._edits.may_go[reach.edges].unsqueeze(1))
        return change.added(goal, moved)

    def _heard(self, states: _States, place: int) -> list[Heard]:
        """The states that ends hear more of, or no more, by their edits."""
        found = []
        for taken in (False, True):
            some = (self._edits.deletes == taken).nonzero().squeeze(1)
            for side in (0, 1) if some.numel() else ():
                far = self._edits.ends[1 - side, some]
                if taken:
                    state = -states.before[place][far]
                elif states.final is None:
                    state = exactly(states.clean[far])
                else:
                    state = states.final[self._rounds[-1].reach.ends[1 - side, some]]
                found.append(Heard(side, some, state, taken))
        return found

    def _through(
        self, reach: Reach, clean: Tensor, changes: list[Span]
    ) -> tuple[_States, list[Lines]]:
        """Changes of pre-activations (L, H), by place, through the relu."""
        span, before, contributed, lines = exactly(clean), [], [], []
        for place, change in enumerate(changes):
            before.append(span)
            here = span[reach.node]
            contributed.append(through_relu(here, change))
            lines.append(lines_through_relu(here, change))
            if place + 1 < self._most:
                span = span + change.largest_effects(reach.node, clean.size(0))
        final = (span[reach.node] + changes[-1]).relu()
        return _States(clean.relu(), [each.relu() for each in before], contributed, final), lines

    def costs_at(self, place: int, directions: Tensor) -> Tensor:
        """The least that each candidate contributes at a place, along directions: (M, R).

        Shapes: directions (R, D) or, by graph, (G, R, D).
        """
        shape = self._edits.numbers.numel(), directions.size(-2)
        by_intervals = torch.zeros(shape, dtype=torch.double, device=directions.device)
        parts = self._of_rounds(directions)
        for each, part in zip(self._rounds, parts, strict=True):
            if part is not None:
                batch = self._graphs.batch[each.reach.node]
                least = least_along(each.contributed[place], part, batch)
                by_intervals.index_add_(0, each.reach.edit, least)
        by_lines = least_by_lines(
            self._rounds, parts, place, self._graphs.batch, self._edits.may_go, shape
        )
        out = by_intervals.new_zeros(self._num_candidates, shape[1])
        out[self._edits.numbers] = torch.maximum(by_intervals, by_lines)
        return out

    def _of_rounds(self, directions: Tensor) -> list[Tensor | None]:
        """Directions of the states before normalisation, by round."""
        found: list[Tensor | None] = []
        first = 0
        for each in self._rounds:
            if not each.summed:
                found.append(None)
                continue
            width = each.contributed[0].least.size(1)
            part = directions[..., first : first + width]
            found.append(part if each.scale is None else part * each.scale)
            first += width
        return found
