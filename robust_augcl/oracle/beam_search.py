"""Greedy and beam search over sets of edits.

Letters: G graphs, S sets of t candidates each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.ragged import runs
from robust_augcl.oracle.edit_sets import (
    BestSets,
    Found,
    SearchProblem,
    edited,
    extensions,
    lowest,
)
from robust_augcl.oracle.pair_search import ask_about
from robust_augcl.threat.candidates import Candidates

_WIDTH_WORTH_IT = 3  # of a beam; fewer sets are extended faster as copies than pairs are prepared


@dataclass(frozen=True, eq=False)
class _Beam:
    """The sets that are extended.

    Args:
        graph: of each set (S,).
        edits: the numbers of its candidates (S, t).
        margin: of the graph after them (S,).
    """

    graph: Tensor
    edits: Tensor
    margin: Tensor

    def take(self, index: Tensor) -> _Beam:
        return _Beam(self.graph[index], self.edits[index], self.margin[index])


def beam_search(problem: SearchProblem, width: int) -> Found:
    """Extend the `width` sets of the smallest margins by one edit, up to the budget.

    With a width of 1 this is greedy search. A graph that is broken, or wrong already, is left
    alone. The result is the best set seen, of any size, so a larger budget is never worse.

    >>> import torch
    >>> from robust_augcl.adversary.victim import Victim
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.graphs.packed import PackedGraphs
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> from robust_augcl.threat.model import ThreatModel
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws))
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> problem = SearchProblem.of(victim, graphs, ThreatModel(2, ("add", "delete")))
    >>> found = beam_search(problem, width=2)
    >>> bool(found.margin <= beam_search(problem, width=1).margin)
    True

    Args:
        problem: the graphs, what is allowed, and whom to ask.
        width: sets that are kept.
    """
    budgets = problem.budgets
    most = int(budgets.max()) if budgets.numel() else 0
    (found,) = beam_searches(problem, width, [most])
    return found


def beam_searches(problem: SearchProblem, width: int, sizes: Sequence[int]) -> Iterator[Found]:
    """What `beam_search` finds with each of these numbers of edits, by one search.

    A search for few edits is the beginning of that for more. Nothing is asked for one number that
    is not needed for it.

    Args:
        problem: as for `beam_search`.
        width: sets that are kept.
        sizes: ascending numbers of edits; the budgets of the problem count as well.
    """
    budgets = problem.budgets
    best = BestSets(problem.clean, problem.graphs.y, max(sizes))
    exhausted = (budgets <= 1) & ~best.broken
    unbroken = (~best.broken).nonzero().squeeze(1)
    no_edits = torch.empty(unbroken.numel(), 0, dtype=torch.long, device=unbroken.device)
    beam = _Beam(unbroken, no_edits, best.margin[unbroken])
    done = 0
    for last in sizes:
        for size in range(done, last):
            beam = beam.take(~best.broken[beam.graph] & (budgets[beam.graph] > size))
            beam = _narrowed(_extended(problem, beam, best, width), width)
        done = last
        yield best.found(exhausted)


def _extended(problem: SearchProblem, beam: _Beam, best: BestSets, width: int) -> _Beam:
    """The sets with one more edit each: at least the `width` best ones of each graph."""
    candidates, size = problem.candidates, beam.edits.size(1) + 1
    kept = [
        _Beam(beam.graph[:0], beam.edits.new_empty(0, size), beam.margin[:0]),
    ]
    for part in runs(
        (candidates.counts[beam.graph], limits().extensions),
        (problem.graphs.sizes[beam.graph], limits().copied_nodes),
    ):
        sets = beam.take(part)
        single, number = extensions(candidates, sets.graph, sets.edits)
        if len(single) == 0:
            continue
        logits = _logits(problem, sets, single, number, width)
        graph = sets.graph[single.graph]
        longer = torch.cat([sets.edits[single.graph], number.unsqueeze(1)], dim=1)
        margin = best.judge(logits, graph, longer)
        # A set can be reached in as many ways as it has edits.
        top = lowest(single.graph, margin, width * size)
        kept.append(_Beam(graph, longer, margin).take(top))
    return _Beam(
        torch.cat([sets.graph for sets in kept]),
        torch.cat([sets.edits for sets in kept]),
        torch.cat([sets.margin for sets in kept]),
    )


def _logits(
    problem: SearchProblem, sets: _Beam, single: Candidates, number: Tensor, width: int
) -> Tensor:
    """Logits (K, C) after the sets' edits and one more each, as `extensions` returns them."""
    if sets.edits.size(1) == 1 and width >= _WIDTH_WORTH_IT:
        return ask_about(problem, sets.graph.unique())(sets.edits[:, 0][single.graph], number)
    copies = edited(problem.graphs, problem.candidates, sets.graph, sets.edits)
    return problem.ask(copies, single)


def _narrowed(beam: _Beam, width: int) -> _Beam:
    """The `width` sets of the smallest margins of each graph, each set once."""
    beam = beam.take(_first_of_each_set(beam.edits))
    return beam.take(lowest(beam.graph, beam.margin, width))


def _first_of_each_set(edits: Tensor) -> Tensor:
    """Rows without those whose set came before; a set of candidates belongs to one graph."""
    inverse = edits.sort(1).values.unique(dim=0, return_inverse=True)[1]
    rows = torch.arange(edits.size(0), device=edits.device)
    first = torch.full_like(rows, edits.size(0)).scatter_reduce(0, inverse, rows, "amin")
    return first[first < edits.size(0)].sort().values
