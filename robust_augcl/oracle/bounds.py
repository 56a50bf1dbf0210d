"""A sound lower bound on the margin of a graph after any k allowed edits, for structure2vec of two
rounds and a constant feature.

With pre-activation p of a node's last state and changes d_1, d_2, ... of it that edits cause, in
each dimension

    sum_i max(min(d_i, 0), -relu(p))  <=  relu(p + sum_i d_i) - relu(p)  <=  sum_i relu(d_i + min(p,
    0) / n),

n the number of changes or more. (Left: either some term is -relu(p), which no change exceeds, or
relu falls by no more than its argument. Right: relu is subadditive.) So the change of the sum of
states, in any direction, is at least a sum over edits of what each may contribute by itself,
minimised over the contexts that other edits may make for it: with a constant feature, over the
number of other edits at its ends. Edit e = {u, w} contributes to the neighbours of u, to which u
sends something else, and to u, which hears from w; and with u and w exchanged. The classifier's
head, 64-32-3 with relu, is bounded by linear functions, as in CROWN (Zhang et al. 2018, arXiv
1811.00866, section 3.2), with its hidden units bounded by edits in the same way.

Letters: G graphs, N nodes, E directed edges, M candidates, H width, R directions, C classes, T
contexts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.threat.candidates import Candidates


@dataclass(frozen=True, eq=False)
class MarginBounds:
    """After at most `budgets[g]` edits e of graph g, the true logit less that of class c is at
    least start[g, c] + sum of cost[e, c].

    Args:
        start: (G, C), infinite for the true class.
        cost: not positive (M, C).
        lower: the smallest margin that this leaves possible (G,).
    """

    start: Tensor
    cost: Tensor
    lower: Tensor


def margin_bounds(
    model: Classifier, graphs: PackedGraphs, candidates: Candidates, budgets: Tensor
) -> MarginBounds | None:
    """Bounds for the edit sets among `candidates`, in double precision; None where no bound is
    known for the model or the graphs.

    Args:
        model: in evaluation mode.
        graphs: clean, with a constant feature.
        candidates: every allowed edit.
        budgets: edits allowed (G,).
    """
    local = model.local_parts(graphs)
    if local is None:
        return None
    encoder, head = local
    if encoder.layers != 2 or not bool((graphs.x == graphs.x[:1]).all()):
        return None
    offsets = [encoder.offset(index, graphs.x) for index in range(2)]
    if (
        offsets[0] is None
        or offsets[1] is None
        or [type(part) for part in head] != [nn.Linear, nn.ReLU, nn.Linear]
    ):
        return None
    with torch.no_grad():
        return _Influences(
            encoder, graphs, offsets[0].double(), offsets[1].double(), candidates, budgets
        ).margins(head)


class _Influences:
    """What each candidate may contribute to the summed states of its graph."""

    def __init__(
        self,
        encoder: LocalEncoder,
        graphs: PackedGraphs,
        first: Tensor,
        second: Tensor,
        candidates: Candidates,
        budgets: Tensor,
    ) -> None:
        self._graphs, self._candidates, self._budgets = graphs, candidates, budgets
        self._most = most = int(budgets.max())
        adds, deletes = bool((~candidates.exists).any()), candidates.deletes
        nothing = torch.zeros(graphs.num_nodes, dtype=torch.double, device=graphs.device)
        source, target = graphs.edge_index
        self._degree = torch.bincount(source, minlength=graphs.num_nodes)
        degree = self._degree.double()
        sent = encoder.message(
            0, encoder.first_states(graphs.x), nothing.to(graphs.x.dtype)
        ).double()
        weight = encoder.message(
            1,
            torch.eye(sent.size(1), dtype=graphs.x.dtype, device=graphs.device),
            nothing[: sent.size(1)],
        ).double()
        # What a node sends in the second round when t edges have come to it, less those that have
        # gone.
        self._range = range(-most if deletes else 0, most + 1 if adds else 1)
        self._sends = {
            t: (degree.unsqueeze(1) * sent + first + t * sent).relu() @ weight for t in self._range
        }
        zeros = torch.zeros_like(second)
        self._before = zeros.index_add(0, source, self._sends[0][target]) + second
        self._sums = zeros[: graphs.num_graphs].index_add(0, graphs.batch, self._before.relu())
        self._around = {
            step: self._to_neighbours(step)
            for step, allowed in ((1, adds), (-1, deletes))
            if allowed
        }
        self._ends = candidates.pairs + graphs.ptr[candidates.graph]
        kinds = {1: ~candidates.exists, -1: candidates.exists & candidates.deletes}
        self._joints = {
            step: self._joint(kinds[step].nonzero().squeeze(1)) for step in self._around
        }

    def _bounds(self, node: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the most that one change (K, H) of a node's (K,) pre-activation contributes
        to its last state.
        """
        before = self._before[node]
        # An edit changes a node in two ways at the most: through both its ends, or as an end and
        # through the other.
        slack = before.clamp(max=0) / (2 * self._most)
        return torch.maximum(change.clamp(max=0), -before.relu()), (change + slack).relu()

    def _to_neighbours(self, step: int) -> list[tuple[Tensor, Tensor]]:
        """Contributions to all neighbours of a node (N, H), when one more edge comes to it or goes,
        by context.
        """
        source, target = self._graphs.edge_index
        out = []
        for t in self._range:
            if t + step in self._range:
                change = (self._sends[t + step] - self._sends[t])[source]
                out.append(
                    tuple(
                        torch.zeros_like(self._before).index_add(0, source, part)
                        for part in self._bounds(target, change)
                    )
                )
        return [(low, high) for low, high in out]

    def costs(self, directions: Tensor) -> Tensor:
        """The least that each candidate contributes to the sum of states in directions (R, H) or,
        by graph, (G, R, H): (M, R).
        """
        out = torch.zeros(
            len(self._candidates), directions.size(-2), dtype=torch.double, device=directions.device
        )
        for step, around in self._around.items():
            mine, here, there, place = self._joints[step]
            nodes = self._least(around, directions, self._graphs.batch)
            contexts = (
                [t for t in self._range if t >= (2 - self._most if -1 in self._range else 1)]
                if step == 1
                else [0]
            )
            ends = [out[:0]]
            for end, far in zip(
                *(
                    part.split(max(limits().bound_changes // len(contexts), 1))
                    for part in (here, there)
                ),
                strict=True,
            ):
                joined = [self._bounds(end, step * self._sends[t][far]) for t in contexts]
                ends.append(nodes[end] + self._least(joined, directions, self._graphs.batch[end]))
            both = torch.cat(ends)
            out[mine] = both.index_select(0, place[0]) + both.index_select(0, place[1])
        return out.clamp(max=0)

    def _joint(self, mine: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Candidates, and their ends: those that hear from a node of the same degree count once,
        since it sends the same.

        Shapes: mine (K,) -> mine; an end (U,) and the other one (U,); which of them each
        candidate's two ends are (2, K).
        """
        here = self._ends[:, mine]
        there = here.flip(0)
        keys, place = (here * self._graphs.num_nodes + self._degree[there]).unique(
            return_inverse=True
        )
        first = torch.empty_like(keys).scatter_(0, place.flatten(), there.flatten())  # any of them
        return mine, torch.div(keys, self._graphs.num_nodes, rounding_mode="floor"), first, place

    def _least(
        self, contexts: list[tuple[Tensor, Tensor]], directions: Tensor, graph: Tensor
    ) -> Tensor:
        """The smallest contribution over contexts, each between two vectors (K, H), in each
        direction: (K, R).
        """
        up, down = directions.clamp(min=0), directions.clamp(max=0)
        if directions.dim() == 2:
            values = [low @ up.T + high @ down.T for low, high in contexts]
        else:
            values = [
                torch.einsum("kh,krh->kr", low, up[graph])
                + torch.einsum("kh,krh->kr", high, down[graph])
                for low, high in contexts
            ]
        return torch.stack(values).amin(0)

    def worst(self, cost: Tensor) -> Tensor:
        """Sums of the `budgets` lowest costs of each graph: (M, R) -> (G, R)."""
        counts, first = self._candidates.counts, self._candidates.ptr[:-1]
        longest = max(int(counts.max()), self._most)
        if (
            counts.numel() * longest * cost.size(1) > limits().bound_costs
        ):  # graph by graph, then, since they may be of very different sizes
            graphs = zip(cost.split(counts.tolist()), self._budgets.tolist(), strict=True)
            return torch.stack(
                [
                    of_one.topk(min(budget, len(of_one)), dim=0, largest=False).values.sum(0)
                    for of_one, budget in graphs
                ]
            )
        table = cost.new_zeros(counts.numel(), longest, cost.size(1))
        place = (
            torch.arange(len(self._candidates), device=cost.device) - first[self._candidates.graph]
        )
        table[self._candidates.graph, place] = cost
        lowest = table.topk(self._most, dim=1, largest=False).values
        allowed = torch.arange(self._most, device=cost.device) < self._budgets.unsqueeze(1)
        return (lowest.sort(1).values * allowed.unsqueeze(2)).sum(1)

    def margins(self, head: nn.Module) -> MarginBounds:
        """The bound through the head."""
        weight, bias, last, last_bias = (
            head.get_parameter(name).double()
            for name in ("0.weight", "0.bias", "2.weight", "2.bias")
        )
        middle = self._sums @ weight.T + bias
        low, high = (
            middle + self.worst(self.costs(weight)),
            middle - self.worst(self.costs(-weight)),
        )
        y = self._graphs.y
        # The true logit less each other, by hidden units: (G, C, hidden).
        into, constant = last[y].unsqueeze(1) - last, last_bias[y].unsqueeze(1) - last_bias
        # A unit that may be on or off lies above 0 and above its argument, and below the chord.
        chord = (high.relu() / (high.relu() - low.clamp(max=0)).clamp(min=1e-12)).unsqueeze(1)
        below = (high > -low).double().unsqueeze(1)
        below = torch.where(
            low.unsqueeze(1) >= 0, 1.0, torch.where(high.unsqueeze(1) <= 0, 0.0, below)
        )
        slope = torch.where(into >= 0, below, chord)
        rise = torch.where(into >= 0, 0.0, -chord * low.clamp(max=0).unsqueeze(1))
        directions = (into * slope) @ weight
        start = (
            constant
            + (into * (rise + slope * bias)).sum(2)
            + torch.einsum("gch,gh->gc", directions, self._sums)
        )
        cost = self.costs(directions)
        cost[~self._candidates.changes] = 0
        start = start.scatter(1, y.unsqueeze(1), torch.inf)
        return MarginBounds(start, cost, (start + self.worst(cost)).amin(1))
