"""From what edits contribute to sums of states, to what they leave of margins.

The head's hidden units are linear in the sums, and bounded from both sides. Then the relu of each
is bounded by a line, as in CROWN (Zhang et al. 2018, arXiv 1811.00866, section 3.2), and each
margin by a linear function of the sums. `bounds` has the proof.

Letters: G graphs, M candidates, D size of sums, H hidden units, R directions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.candidates import Candidates


@dataclass(frozen=True, eq=False)
class MarginBounds:
    """What edits leave of margins at the least.

    After at most `budgets[g]` edits e of graph g, the true logit less that of class c is at least
    start[g, c] + sum of cost[e, c].

    Args:
        start: (G, C), infinite for the true class.
        cost: not positive (M, C).
        lower: the smallest margin that this leaves possible (G,).
    """

    start: Tensor
    cost: Tensor
    lower: Tensor


class Effects(Protocol):
    """What each candidate contributes to the summed states of its graph.

    Attributes:
        sums: those of the clean graphs (G, D).
    """

    sums: Tensor

    def costs_at(self, place: int, directions: Tensor) -> Tensor:
        """The least that each candidate contributes along directions of the sums: (M, R).

        Shapes: directions (R, D) or, by graph, (G, R, D).

        Args:
            place: how many other edits came before.
            directions: of the sums.
        """


@dataclass(frozen=True, eq=False)
class Question:
    """Which edits are allowed of which graphs, and how many of them (G,)."""

    graphs: PackedGraphs
    candidates: Candidates
    budgets: Tensor

    @property
    def most(self) -> int:
        """The largest budget."""
        return int(self.budgets.max())


def bounds_through_head(effects: Effects, question: Question, head: nn.Module) -> MarginBounds:
    """The bound on margins, of a head in double precision: linear, relu, linear."""
    weight, bias, last, last_bias = (
        head.get_parameter(name) for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    )
    sums, y = effects.sums, question.graphs.y
    hidden = sums @ weight.T + bias
    both = torch.cat([weight, -weight])
    falls, rises = _worst(question, _costs(effects, question, both)).chunk(2, dim=1)
    # The true logit less each other one, from the hidden units: (G, C, H).
    into, constant = last[y].unsqueeze(1) - last, last_bias[y].unsqueeze(1) - last_bias
    low, high = (hidden + falls).unsqueeze(1), (hidden - rises).unsqueeze(1)
    slope, rise = _relaxed(into, low, high)
    directions = (into * slope) @ weight
    start = constant + (into * (rise + slope * bias)).sum(2)
    start = start + torch.einsum("gch,gh->gc", directions, sums)
    cost = _costs(effects, question, directions)
    cost[~question.candidates.changes] = 0
    start = start.scatter(1, y.unsqueeze(1), torch.inf)
    return MarginBounds(start, cost, (start + _worst(question, cost)).amin(1))


def _costs(effects: Effects, question: Question, directions: Tensor) -> Tensor:
    """The least that each candidate contributes, averaged over its places: not positive (M, R)."""
    budgets = question.budgets[question.candidates.graph].unsqueeze(1)
    least = total = out = torch.zeros((), dtype=torch.double, device=directions.device)
    for place in range(question.most):
        here = effects.costs_at(place, directions)
        # More edits before leave more open: what is proved of later places holds for earlier ones.
        least = here if place == 0 else torch.minimum(least, here)
        total = total + least
        out = torch.where(budgets == place + 1, total / (place + 1), out)
    return out.clamp(max=0)


def _worst(question: Question, cost: Tensor) -> Tensor:
    """Sums of the `budgets` lowest costs of each graph: (M, R) -> (G, R)."""
    candidates, most, budgets = question.candidates, question.most, question.budgets
    counts, first = candidates.counts, candidates.ptr[:-1]
    longest = max(int(counts.max()), most)
    if counts.numel() * longest * cost.size(1) > limits().bound_costs:
        # Graph by graph, since they may be of very different sizes.
        graphs = zip(cost.split(counts.tolist()), budgets.tolist(), strict=True)
        sums = [
            of_one.topk(min(budget, len(of_one)), dim=0, largest=False).values.sum(0)
            for of_one, budget in graphs
        ]
        return torch.stack(sums)
    table = cost.new_zeros(counts.numel(), longest, cost.size(1))
    graph = candidates.graph
    table[graph, torch.arange(len(graph), device=cost.device) - first[graph]] = cost
    lowest = table.topk(most, dim=1, largest=False).values
    allowed = torch.arange(most, device=cost.device) < budgets.unsqueeze(1)
    return (lowest.sort(1).values * allowed.unsqueeze(2)).sum(1)


def _relaxed(into: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Linear functions that bound the hidden units, slope * argument + rise: (G, C, H) each.

    A unit that may be on or off lies above 0 and above its argument, and below the chord. The side
    that counts is that which makes the margin smaller.

    Shapes: into (G, C, H), low and high, between which the arguments lie, (G, 1, H).
    """
    chord = high.relu() / (high.relu() - low.clamp(max=0)).clamp(min=1e-12)
    below = (high > -low).double()
    below = torch.where(low >= 0, 1.0, torch.where(high <= 0, 0.0, below))
    slope = torch.where(into >= 0, below, chord)
    rise = torch.where(into >= 0, 0.0, -chord * low.clamp(max=0))
    return slope, rise
