"""What edits contribute to sums of states: two rounds, and a constant feature.

It holds for rounds of one matrix and a relu, without self-loops (structure2vec). With a constant
feature, what a node sends in the second round depends on its degree alone. With s what every node
sends first, o_1 and o_2 the offsets, W the second matrix and c a node's degree,

    a(c) = relu(c * s + o_1) W     is what it sends,
    p    = the sum of a over the neighbours, + o_2, is the pre-activation of its last state.

**What an edit owns** (see `bounds`). Let S be the edits, in some order, and e = {u, w} stand at
place i, after i others. Of these, t came to u (less those that went), so -i <= t <= i. If e adds,
it changes

- each neighbour x of u by a(c_u + t + 1) - a(c_u + t), where x was a neighbour before any edit, and
  has not been cut off from u before e; and likewise each neighbour of w, with w's own t;
- u by a(c_w + f), where f is how many edges come to w in the end, e among them, less those that go:
  with k edits, 2 - k <= f <= k; and likewise w.

If e deletes, the first is a(c_u + t - 1) - a(c_u + t), for all neighbours but w, and u changes by
-a(c_w + t). At each node these changes add up to the change of p by all of S. For let y be a
neighbour of x before any edit. If {x, y} stays, the changes of y's degree, one by one, lead from
a(c_y) to what y sends in the end. If it is deleted, they lead to what y sends just before, and the
deletion takes that away. And a new neighbour brings what it sends in the end.

**How much it contributes.** A node that is a neighbour of both ends changes once, by the sum of
both changes, where the t of u and w have |t_u| + |t_w| <= i: no other edit has both ends. Before e,
p has changed by i other edits; each changes it, in each unit, by at most the larger of

- the two largest changes of its neighbours, which an edit between these causes;
- the largest that comes, or goes, with an edit at the node itself.

So p lies in a range, and relu(p + d) - relu(p) between the ends that `marginals` proves. The cost
of e at place i along a direction is the sum over its nodes of the least contribution along it,
minimised over t for u's neighbours, over t for w's, over f for u and over f for w. At place 0, t is
0 and the range is a point: only f leaves anything open.

Letters: G graphs, N nodes, E directed edges, M candidates, H width, R directions, K rows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.relu_rounds import ReluRound
from robust_augcl.oracle.degree_ends import Ends, Joints
from robust_augcl.oracle.marginals import Span, exactly, largest, least_along, through_relu
from robust_augcl.threat.candidates import Candidates


class DegreeEffects:
    """What each candidate contributes, at the least, to the summed states of its graph.

    Args:
        rounds: two, in double precision.
        first: the states before the first round, the same for all nodes (N, F).
        graphs, candidates: what is edited, and how.
        most: the largest number of edits k.

    Attributes:
        sums: the summed last states of the clean graphs (G, H).
    """

    def __init__(
        self,
        rounds: list[ReluRound],
        first: Tensor,
        graphs: PackedGraphs,
        candidates: Candidates,
        most: int,
    ) -> None:
        self._graphs, self._most, self._num_candidates = graphs, most, len(candidates)
        kinds = {1: ~candidates.exists, -1: candidates.exists & candidates.deletes}
        numbers = {step: which.nonzero().squeeze(1) for step, which in kinds.items()}
        self._ends = [
            Ends.of(graphs, candidates, some, step) for step, some in numbers.items() if len(some)
        ]
        self._joints = [Joints.of(graphs, ends) for ends in self._ends]
        steps = [ends.step for ends in self._ends]
        self._deletes, self._fewest, self._highest = (
            -1 in steps,
            min(steps, default=0),
            max(steps, default=0),
        )
        self._fewest, self._highest = min(self._fewest, 0), max(self._highest, 0)
        self._sends = self._second_messages(rounds, first)
        source, target = graphs.edge_index
        self._before = rounds[1].offset.index_add(0, source, self._sends[0][target])
        # Graphs may outnumber nodes: some have none.
        nothing = self._before.new_zeros(graphs.num_graphs, self._before.size(1))
        self.sums = nothing.index_add(0, graphs.batch, self._before.relu())
        self._ranges = self._ranges_by_place()

    def _second_messages(self, rounds: list[ReluRound], first: Tensor) -> dict[int, Tensor]:
        """What nodes send in the second round (N, H), by how many edges have come to them."""
        degree = self._graphs.degree.double().unsqueeze(1)
        sent, k = first @ rounds[0].weight, self._most
        return {
            # No node has fewer neighbours than none: what is said of those is not used by any edit.
            t: ((degree + t).clamp(min=0) * sent + rounds[0].offset).relu() @ rounds[1].weight
            for t in range(k * self._fewest - 1, k * self._highest + 2)
        }

    def _before_edit(self, place: int) -> range:
        """By how many edges an end may have changed through `place` other edits."""
        return range(place * self._fewest, place * self._highest + 1)

    def _heard(self, step: int, place: int) -> range:
        """By how many edges the far end has changed when it is heard."""
        if step == -1:
            return self._before_edit(place)
        return range(1 + (self._most - 1) * self._fewest, 1 + (self._most - 1) * self._highest + 1)

    def _change(self, t: int, step: int) -> Tensor:
        """By how much what each node sends changes by one more step (N, H)."""
        return self._sends[t + step] - self._sends[t]

    def _ranges_by_place(self) -> list[Span]:
        """Where pre-activations lie before an edit, by its place (N, H)."""
        found = [exactly(self._before)]
        for place in range(self._most - 1):
            found.append(found[-1] + self._largest_effects(place))
        return found

    def _largest_effects(self, place: int) -> Span:
        """The most that one edit at a place lowers and raises pre-activations (N, H)."""
        nodes = self._graphs.num_nodes
        source, target = self._graphs.edge_index
        changes = [
            self._change(t, ends.step) for ends in self._ends for t in self._before_edit(place)
        ]
        if not changes:
            return exactly(torch.zeros_like(self._before))
        each = torch.stack(changes)
        rise = _two_largest(each.amax(0)[source], target, nodes)
        fall = _two_largest(-each.amin(0)[source], target, nodes)
        for ends in self._ends:
            heard = torch.stack(
                [ends.step * self._sends[f][ends.far_end] for f in self._heard(ends.step, place)]
            )
            rise = torch.maximum(rise, largest(heard.amax(0), ends.end, nodes))
            fall = torch.maximum(fall, largest(-heard.amin(0), ends.end, nodes))
        return Span(-fall, rise)

    def costs_at(self, place: int, directions: Tensor) -> Tensor:
        """The least that each candidate contributes at a place, along directions: (M, R).

        Shapes: directions (R, H) or, by graph, (G, R, H).
        """
        out = torch.zeros(
            self._num_candidates, directions.size(-2), dtype=torch.double, device=directions.device
        )
        for ends, joints in zip(self._ends, self._joints, strict=True):
            of_edges = torch.stack(
                [
                    self._along_edges(t, ends.step, place, directions)
                    for t in self._before_edit(place)
                ]
            )
            times, _, width = of_edges.shape
            of_nodes = of_edges.new_zeros(times, self._graphs.num_nodes, width).index_add_(
                1, self._graphs.edge_index[0], of_edges
            )
            least = of_nodes.amin(0)
            of_ends = least[ends.end] + self._least_heard(ends, place, directions)
            cost = of_ends.index_select(0, ends.place[0]) + of_ends.index_select(0, ends.place[1])
            some = joints.special
            for side in (0, 1):
                nodes = ends.nodes[side, some]
                left_out = of_edges.new_zeros(times, len(some), width).index_add_(
                    1, joints.left_out_by[side], of_edges[:, joints.left_out[side]]
                )
                cost[some] += (of_nodes[:, nodes] - left_out).amin(0) - least[nodes]
            together = self._least_together(ends.step, joints, place, directions)
            cost.index_add_(0, some[joints.owner], together)
            out[ends.numbers] = cost
        return out

    def _along(self, nodes: Tensor, change: Span, place: int, directions: Tensor) -> Tensor:
        """The least that changes (K, H) of nodes (K,) contribute along directions: (K, R)."""
        contribution = through_relu(self._ranges[place][nodes], change)
        return least_along(contribution, directions, self._graphs.batch[nodes])

    def _may_be_gone(self, place: int) -> Callable[[Span], Span]:
        """Adds to changes along an edge that there are none, where it may be gone."""
        return Span.or_nothing if self._deletes and place > 0 else lambda change: change

    def _along_edges(self, t: int, step: int, place: int, directions: Tensor) -> Tensor:
        """What a step of its source contributes to the target of each edge (E, R)."""
        source, target = self._graphs.edge_index
        change = self._may_be_gone(place)(exactly(self._change(t, step)[source]))
        return self._along(target, change, place, directions)

    def _least_heard(self, ends: Ends, place: int, directions: Tensor) -> Tensor:
        """What the ends contribute by what they hear from their far ends (U, R)."""
        return torch.stack(
            [
                self._along(
                    ends.end, exactly(ends.step * self._sends[f][ends.far_end]), place, directions
                )
                for f in self._heard(ends.step, place)
            ]
        ).amin(0)

    def _least_together(self, step: int, joints: Joints, place: int, directions: Tensor) -> Tensor:
        """What neighbours of both ends contribute by the sum of two changes (J, R)."""
        source, target = self._graphs.edge_index
        ends, node = source[joints.edges], target[joints.edges[0]]
        gone, times = self._may_be_gone(place), self._before_edit(place)
        return torch.stack(
            [
                self._along(
                    node,
                    gone(exactly(self._change(t, step)[ends[0]]))
                    + gone(exactly(self._change(other, step)[ends[1]])),
                    place,
                    directions,
                )
                for t in times
                for other in times
                if abs(t) + abs(other) <= place
            ]
        ).amin(0)


def _two_largest(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """The sum of the two largest positive values of each group: (K, H), (K,) -> (groups, H)."""
    best = largest(values, group, groups)
    is_best = values == best[group]
    times = torch.zeros_like(best).index_add_(0, group, is_best.to(best.dtype))
    second = largest(values.masked_fill(is_best, 0), group, groups)
    return best + torch.where(times > 1, best, second)
