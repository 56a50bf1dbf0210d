"""The search over sets of three edits and more, for every classifier that answers pairs.

It is for classifiers that branch and bound (`branches`) does not know. First a narrow beam search
looks for sets that break a graph. Where it finds none, the sets are counted that the bound does not
prove harmless (`harmless` has the proof), before any of them is tried. Where they are too many, the
graph stays open. Else all of them are tried, the smaller ones first: copies of the graph have all
but two edits of a set, and the oracle for pairs answers about the last two.

Letters: G graphs, M candidates of one graph, K sets of t candidates each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.ragged import runs
from robust_augcl.models.margins import margins
from robust_augcl.oracle.beam_search import beam_search
from robust_augcl.oracle.edit_sets import BestSets, Found, SearchProblem, edited, of_copies
from robust_augcl.oracle.harmless import OpenSets
from robust_augcl.oracle.head_bounds import MarginBounds
from robust_augcl.oracle.searched import Searched

SMALLEST = 3
"""Edits of the smallest sets that are tried here."""
_WIDTH = 3
"""Of the beam; narrower ones are no faster, as pairs are prepared from this width on."""
# Sets that are tried between two looks at whether the graph is broken. Their number doubles from
# look to look.
_FIRST_LOOK, _LARGEST_LOOK = 500, 16_000


def search_larger_sets(
    problem: SearchProblem,
    asked: Tensor,
    fewer: Found,
    complete: Tensor,
    bounds: MarginBounds | None,
    *,
    limit: int,
    slack: float,
) -> Searched:
    """Search sets of three edits and more of the graphs that are asked about.

    No edit can be left out of a set that is found: what is left would not break the graph.

    Args:
        problem: the graphs, what is allowed, and whom to ask; its budgets are the edits of a set at
            the most.
        asked: which graphs to search (G,) bool. They are predicted rightly, and no set that was
            tried has broken them. Of others nothing is said.
        fewer: what was found with one edit and two.
        complete: where all sets of so few edits are tried or harmless, and all edits of larger ones
            are candidates (G,). Elsewhere nothing is proved.
        bounds: of these candidates and budgets, or None.
        limit: sets of three edits and more that are tried in one graph, at the most.
        slack: what a bound must be above.
    """
    most = max(int(problem.budgets.max()), 1) if problem.budgets.numel() else 1
    out = Searched.nothing(asked.numel(), most)
    beam = beam_search(replace(problem, budgets=problem.budgets.masked_fill(~asked, 0)), _WIDTH)
    out.evaluations.add_(beam.evaluations.cpu())
    for number in asked.nonzero().squeeze(1).tolist():
        edits = beam.edits[number]
        if bool(beam.broken[number]):
            _keep(out, number, _needed(problem, number, edits[edits >= 0]))
        elif bool(complete[number]):
            _try_all(out, problem, number, float(fewer.margin[number]), bounds, limit, slack)
    return out


def _keep(out: Searched, number: int, edits: Tensor) -> None:
    out.sets[number, : edits.numel()] = edits.cpu()


def _needed(problem: SearchProblem, number: int, edits: Tensor) -> Tensor:
    """The edits that break a graph (t,), without those that can be left out."""
    while edits.numel() >= SMALLEST:
        fewer = _without_one(edits)
        graph = torch.full_like(edits, number)
        copies = edited(problem.graphs, problem.candidates, graph, fewer[:, :-1])
        every = torch.arange(len(fewer), device=edits.device)
        last = of_copies(problem.candidates, every, fewer[:, -1], len(fewer))
        breaking = problem.ask(copies, last).argmax(1) != problem.graphs.y[number]
        if not bool(breaking.any()):
            break
        edits = fewer[breaking][0]
    return edits


def _without_one(edits: Tensor) -> Tensor:
    """A set (t,) without each of its edits, without the last one first (t, t - 1)."""
    # `torch.combinations` takes memory that rises as t to the power of t - 1.
    count = edits.numel()
    kept = ~torch.eye(count, dtype=torch.bool, device=edits.device).flip(0)
    return edits.expand(count, count)[kept].view(count, count - 1)


def _try_all(
    out: Searched,
    problem: SearchProblem,
    number: int,
    margin: float,
    bounds: MarginBounds | None,
    limit: int,
    slack: float,
) -> None:
    """Try all sets of one graph, where they are few enough, and keep what that says."""
    mine = (problem.candidates.graph == number) & problem.candidates.changes
    own = mine.nonzero().squeeze(1)
    sizes = range(SMALLEST, int(problem.budgets[number]) + 1)
    if _open_sets(own, number, bounds, sizes, slack).number(sizes, limit) > limit:
        return
    graph = _OneGraph(problem, number, own)
    graph.try_all(_open_sets(graph.numbers, number, bounds, sizes, slack), sizes)
    found = graph.found()
    out.evaluations[number] += int(found.evaluations)
    if bool(found.broken):
        edits = found.edits[0]
        _keep(out, number, edits[edits >= 0])
        return
    out.safe[number] = True
    # Of sets that the bound proves harmless it is only known that their margin is above the slack.
    least = min(float(found.margin), margin)
    is_bounded = bounds is not None and float(bounds.lower[number]) > -torch.inf
    out.lower[number] = min(least, slack) if is_bounded else least


def _open_sets(
    numbers: Tensor, graph: int, bounds: MarginBounds | None, sizes: range, slack: float
) -> OpenSets:
    """What the bound leaves open of a graph's candidates, in this order (M,)."""
    if bounds is None:
        return OpenSets.all_of(numbers.numel(), sizes.stop - 1, numbers.device)
    return OpenSets(bounds.start[graph], bounds.cost[numbers], slack, sizes.stop - 1)


class _OneGraph:
    """The search of one graph. Sets are of places in the order of candidates.

    Attributes:
        numbers: of its candidates, those of the smallest margins first (M,).
    """

    def __init__(self, problem: SearchProblem, number: int, own: Tensor) -> None:
        some = torch.tensor([number], device=own.device)
        self._problem, self._graph = problem, problem.graphs.select(some)
        single = of_copies(problem.candidates, torch.zeros_like(own), own, 1)
        y = self._graph.y.expand(own.numel())
        order = torch.argsort(margins(problem.ask(self._graph, single), y), stable=True)
        self.numbers, self._candidates = own[order], single.take(order)
        budget = int(problem.budgets[number])
        self._best = BestSets(problem.clean[some], self._graph.y, budget)
        self._nodes = int(problem.graphs.sizes[number])
        self._look = _FIRST_LOOK

    def try_all(self, open_sets: OpenSets, sizes: range) -> None:
        """Try the open sets of these sizes, until one breaks the graph."""
        for size in sizes:
            for block in open_sets.of_size(size):
                for sets in self._pieces(block):
                    self._try(sets)
                    if bool(self._best.broken):
                        return

    def found(self) -> Found:
        """The best set of those tried."""
        return self._best.found(~self._best.broken)

    def _pieces(self, block: Tensor) -> Iterator[Tensor]:
        """Cut sets (K, t) by how often to look, and by what their copies take."""
        begin = 0
        while begin < len(block):
            sets = block[begin : begin + self._look]
            begin += len(sets)
            self._look = min(2 * self._look, _LARGEST_LOOK)
            nodes = torch.full((len(sets),), self._nodes, device=sets.device)
            is_new = torch.ones_like(nodes)
            is_new[1:] = (sets[1:, :-2] != sets[:-1, :-2]).any(1)
            # A set asks about two edits of its copy, many of which other sets ask about as well.
            for rows in runs(
                (nodes * is_new, limits().copied_nodes), (2 * nodes, limits().searched_states)
            ):
                yield sets[rows]

    def _try(self, sets: Tensor) -> None:
        """Judge sets (K, t); those with the same first t - 2 edits stand together."""
        first, copy = torch.unique_consecutive(sets[:, :-2], dim=0, return_inverse=True)
        graph = torch.zeros_like(copy)
        copies = edited(self._graph, self._candidates, graph[: len(first)], first)
        # Only what is asked about is prepared: the bound may leave few pairs of many candidates.
        count = len(self._candidates)
        keys, place = (copy.unsqueeze(1) * count + sets[:, -2:]).unique(return_inverse=True)
        asked = of_copies(self._candidates, keys // count, keys % count, len(first))
        logits = self._problem.ask_pairs(copies, asked)(*place.T)
        self._best.judge(logits, graph, self.numbers[sets])
