"""Sets of edits: graphs after several candidates at once, greedy and beam search over them, and
every pair.

All of it asks for logits of edited graphs only, so it serves an attack with query access and, as
the core's own search, the certificate.

Letters: G graphs, M candidates, S sets of t candidates each, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs, ranges, runs, take
from robust_augcl.models.margins import margins
from robust_augcl.oracle.pair_logits import Ask, AskPairs
from robust_augcl.threat.candidates import Candidates, first_lowest
from robust_augcl.threat.perturbations import Perturbation

Harmless = Callable[[Tensor, Tensor], Tensor]
"""Which pairs of candidates, by their numbers (P,) and (P,), cannot break their graph: (P,)
bool.
"""

_WIDTH_WORTH_IT = (
    3  # of a beam: fewer sets are extended faster as copies than the oracle for pairs is prepared
)
_FIRST_BLOCK, _LARGEST_BLOCK = (
    4,
    256,
)  # first edits of a graph whose pairs are tried between two looks at whether it is broken


@dataclass(frozen=True, eq=False)
class Found:
    """The best set of edits that a search has found for each graph.

    Args:
        edits: numbers of candidates, -1 where there are fewer (G, t).
        margin: of the graph after them; the clean one's where there are none (G,).
        broken: whether the prediction is then wrong, or was wrong before (G,).
        exhausted: whether no allowed set was left out, so that no set has a smaller margin (G,).
        evaluations: sets of more than one edit that were looked at (G,).
    """

    edits: Tensor
    margin: Tensor
    broken: Tensor
    exhausted: Tensor
    evaluations: Tensor

    def perturbations(self, candidates: Candidates) -> list[Perturbation]:
        """The edits, graph by graph."""
        return [candidates.perturbation(row[row >= 0]) for row in self.edits]


def effective(candidates: Candidates) -> Tensor:
    """Which candidates change their graph (M,): all but the addition of an edge that exists."""
    return ~candidates.exists | candidates.deletes


def edited(
    graphs: PackedGraphs, candidates: Candidates, graph: Tensor, edits: Tensor
) -> PackedGraphs:
    """A copy of a graph for each set of its candidates, with the set applied.

    Shapes: graph (S,), edits (S, t) numbers of candidates, each at most once in a set, -1 for none.
    """
    copy, place = ((edits >= 0) & effective(candidates)[edits]).nonzero().T
    return graphs.select(graph).flip(copy, candidates.pairs[:, edits[copy, place]])


def extensions(candidates: Candidates, graph: Tensor, edits: Tensor) -> tuple[Candidates, Tensor]:
    """Every set with one more candidate of its graph: single edits of the copies that `edited`
    makes, and their numbers (K,).
    """
    counts, first = candidates.counts[graph], candidates.ptr[graph]
    copy = torch.repeat_interleave(torch.arange(graph.numel(), device=graph.device), counts)
    number = ranges(first, counts)
    new = (edits[copy] != number.unsqueeze(1)).all(1)
    return of_copies(candidates, copy[new], number[new], graph.numel()), number[new]


def of_copies(candidates: Candidates, copy: Tensor, number: Tensor, num_copies: int) -> Candidates:
    """Candidates by number (K,) as edits of copies of their graphs, of which copy each (K,)."""
    return Candidates(
        copy, candidates.pairs[:, number], candidates.exists[number], num_copies, candidates.deletes
    )


def _wrong(logits: Tensor, y: Tensor) -> Tensor:
    return logits.argmax(1) != y


class _Best:
    """The best set of each graph so far, the empty one to begin with."""

    def __init__(self, clean: Tensor, y: Tensor, size: int) -> None:
        self.y, self.margin, self.broken = y, margins(clean, y), _wrong(clean, y)
        self.edits = torch.full((y.numel(), size), -1, dtype=torch.long, device=y.device)
        self.evaluations = torch.zeros_like(y)

    def judge(self, logits: Tensor, graph: Tensor, sets: Tensor) -> tuple[Tensor, Tensor]:
        """Take note of sets (S, t) of graphs (S,) by their logits (S, C); return their margins, and
        whether they break their graph.
        """
        margin, wrong = margins(logits, self.y[graph]), _wrong(logits, self.y[graph])
        breaking = wrong.nonzero().squeeze(1)
        self.broken[graph[breaking]] = True
        # Of two ties the one that breaks the graph is the lower, so that the best set of a broken
        # graph is one that breaks it.
        margin[breaking] = margin[breaking].clamp(max=-torch.finfo(margin.dtype).tiny)
        top = first_lowest(graph, margin, self.y.numel())
        top = top[top >= 0]
        top = top[margin[top] < self.margin[graph[top]]]
        self.margin[graph[top]] = margin[top]
        self.edits[graph[top], : sets.size(1)] = sets[top]
        if sets.size(1) > 1:
            self.evaluations += torch.bincount(graph, minlength=self.y.numel())
        return margin, wrong

    def found(self, exhausted: Tensor) -> Found:
        return Found(self.edits, self.margin, self.broken, exhausted, self.evaluations)


def beam_search(
    ask: Ask,
    pairs: AskPairs,
    graphs: PackedGraphs,
    candidates: Candidates,
    clean: Tensor,
    budgets: Tensor,
    width: int,
) -> Found:
    """Extend the `width` sets of the smallest margins by one edit, up to the budget or until the
    graph is broken; 1 is greedy search.

    The result is the best set seen, of any size, so a larger budget is never worse. A graph that is
    wrong already is left alone.

    Args:
        ask, pairs: for logits after one edit, of a graph or a copy that has others, and after two.
        graphs, candidates: with every allowed edit.
        clean: logits of the clean graphs (G, C).
        budgets: edits allowed (G,).
        width: sets that are kept.
    """
    most = int(budgets.max()) if budgets.numel() else 0
    best = _Best(clean, graphs.y, most)
    exhausted = (budgets <= 1) & ~best.broken
    graph = (~best.broken).nonzero().squeeze(1)
    edits = torch.empty(graph.numel(), 0, dtype=torch.long, device=graph.device)
    for step in range(most):
        going = ~best.broken[graph] & (budgets[graph] > step)
        graph, edits = graph[going], edits[going]
        owners, sets, scores = [graph[:0]], [edits.new_empty(0, step + 1)], [clean[:0, 0]]
        for part in _split(candidates.counts[graph], graphs.sizes[graph]):
            single, number = extensions(candidates, graph[part], edits[part])
            if len(single) == 0:
                continue
            if step == 1 and width >= _WIDTH_WORTH_IT:
                logits = _of_some(pairs, graphs, candidates, graph[part].unique())(
                    edits[part, 0][single.graph], number
                )
            else:
                logits = ask(edited(graphs, candidates, graph[part], edits[part]), single)
            own, longer = (
                graph[part][single.graph],
                torch.cat([edits[part][single.graph], number.unsqueeze(1)], dim=1),
            )
            margin, _ = best.judge(logits, own, longer)
            keep = _lowest(
                single.graph, margin, width * (step + 1)
            )  # a set can be reached in as many ways as it has edits
            owners.append(own[keep])
            sets.append(longer[keep])
            scores.append(margin[keep])
        graph, edits, margin = torch.cat(owners), torch.cat(sets), torch.cat(scores)
        first = _first_of_each_set(edits)
        keep = first[_lowest(graph[first], margin[first], width)]
        graph, edits = graph[keep], edits[keep]
    return best.found(exhausted)


def search_pairs(
    ask: Ask,
    pairs: AskPairs,
    graphs: PackedGraphs,
    candidates: Candidates,
    clean: Tensor,
    budgets: Tensor,
    *,
    limit: int,
    stop_when_broken: bool,
    harmless: Harmless | None = None,
) -> Found:
    """Try no edit, every single edit, and every pair where the budget is 2 or more.

    Pairs are tried from the single edits of the smallest margins onwards, up to `limit` of them a
    graph, and those of one first edit all or none: a graph with more is not exhausted. What is
    known to be harmless does not count. With `stop_when_broken` a graph is left soon after its
    prediction is wrong: then it is not exhausted either.

    Args:
        ask, pairs, graphs, candidates, clean, budgets: as `beam_search`.
        limit: pairs tried in a graph, at the most.
        stop_when_broken: whether a wrong prediction is enough, or the smallest margin is looked
            for.
        harmless: pairs that need not be tried, since they are known to break nothing.
    """
    best = _Best(clean, graphs.y, 2)
    every = torch.arange(len(candidates), device=clean.device)
    single, _ = best.judge(ask(graphs, candidates), candidates.graph, every.unsqueeze(1))
    useful = effective(candidates)
    count = torch.bincount(candidates.graph[useful], minlength=graphs.num_graphs)
    search = _Pairs(
        candidates,
        best,
        harmless,
        limit,
        order=_lowest(candidates.graph, single.masked_fill(~useful, torch.inf), len(candidates)),
    )
    done, wanted = torch.zeros_like(count), budgets >= 2
    left = wanted & (count >= 2)
    left = (left & ~best.broken if stop_when_broken else left).nonzero().squeeze(1)
    for group in runs((count[left] * graphs.sizes[left], limits().searched_states)):
        block = _FIRST_BLOCK
        ask_pairs = _of_some(pairs, graphs, candidates, left[group])
        while True:
            graph = left[group]
            going = wanted[graph] & (done[graph] < count[graph] - 1)
            graph = graph[going & ~best.broken[graph] if stop_when_broken else going]
            if graph.numel() == 0:
                break
            # The next first edits of each graph, each with all single edits that come after it, as
            # far as the limit allows.
            here = (count[graph] - 1 - done[graph]).clamp(max=block)
            owner, place = torch.repeat_interleave(graph, here), ranges(done[graph], here)
            for rows in runs((count[owner] - 1 - place, limits().extensions)):
                rows = rows[wanted[owner[rows]]]
                own = owner[rows]
                fits = search.judge(ask_pairs, own, place[rows], count[own])
                wanted[own[~fits]] = False
                done += torch.bincount(own[fits], minlength=graphs.num_graphs)
            block = min(2 * block, _LARGEST_BLOCK)
    return best.found((budgets == 1) | ((budgets == 2) & (done >= count - 1)))


class _Pairs:
    """Pairs of candidates, in the order in which they are tried.

    Args:
        candidates, harmless, limit: as `search_pairs`.
        best: takes note.
        order: candidates, by graph, the useful ones of each first and in the order in which they
            are first edits (M,).
    """

    def __init__(
        self,
        candidates: Candidates,
        best: _Best,
        harmless: Harmless | None,
        limit: int,
        order: Tensor,
    ) -> None:
        self._candidates, self._best, self._harmless, self._limit, self._order = (
            candidates,
            best,
            harmless,
            limit,
            order,
        )
        self._first = candidates.ptr[:-1]

    def judge(
        self, ask: Callable[[Tensor, Tensor], Tensor], graph: Tensor, place: Tensor, count: Tensor
    ) -> Tensor:
        """Judge the pairs of first edits, each with what comes after it: all (S,), graphs
        ascending; `count` are useful candidates.

        Return for which of them the limit allows it; of each graph the first ones (S,).
        """
        follow = count - place - 1
        begin = self._first[graph] + place
        first = self._order[begin]
        row = torch.repeat_interleave(torch.arange(graph.numel(), device=graph.device), follow)
        one, other = take(first, row), take(self._order, ranges(begin + 1, follow))
        if self._harmless is not None:
            left = (~self._harmless(one, other)).nonzero().squeeze(1)
            row, one, other = take(row, left), take(one, left), take(other, left)
            follow = torch.bincount(row, minlength=graph.numel())
        _, of_each = torch.unique_consecutive(graph, return_counts=True)
        fits = _running(follow, of_each) + self._best.evaluations[graph] <= self._limit
        allowed = fits[row]
        if not bool(allowed.all()):
            row, one, other = row[allowed], one[allowed], other[allowed]
        if row.numel():
            self._best.judge(ask(one, other), take(graph, row), torch.stack([one, other], dim=1))
        return fits


def _of_some(
    pairs: AskPairs, graphs: PackedGraphs, candidates: Candidates, some: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    """What answers questions about pairs of candidates of some of the graphs, their numbers
    ascending (B,).
    """
    number = torch.full((graphs.num_graphs,), -1, device=some.device).index_copy(
        0, some, torch.arange(some.numel(), device=some.device)
    )
    mine = (number[candidates.graph] >= 0).nonzero().squeeze(1)
    place = torch.full_like(candidates.graph, -1).index_copy(
        0, mine, torch.arange(mine.numel(), device=some.device)
    )

    @cache
    def ask() -> Callable[
        [Tensor, Tensor], Tensor
    ]:  # prepared by the first question, of which there may be none
        return pairs(
            graphs.select(some),
            of_copies(candidates, number[candidates.graph[mine]], mine, some.numel()),
        )

    return lambda one, other: ask()(take(place, one), take(place, other))


def _split(extensions: Tensor, nodes: Tensor) -> list[Tensor]:
    """Runs of 0 ... K - 1, copies of so many nodes to be extended in so many ways: what is asked at
    once.
    """
    return runs((extensions, limits().extensions), (nodes, limits().copied_nodes))


def _running(values: Tensor, counts: Tensor) -> Tensor:
    """Running sums within consecutive runs: (K,), (G,) -> (K,)."""
    total = values.cumsum(0)
    before = torch.cat([total.new_zeros(1), total])[counts.cumsum(0) - counts]
    return total - torch.repeat_interleave(before, counts)


def _lowest(group: Tensor, score: Tensor, number: int) -> Tensor:
    """The rows of the `number` lowest scores of each group, groups ascending, best first, the first
    of equals.
    """
    order = torch.argsort(score, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    _, counts = torch.unique_consecutive(group[order], return_counts=True)
    rank = torch.arange(order.numel(), device=order.device) - torch.repeat_interleave(
        counts.cumsum(0) - counts, counts
    )
    return order[rank < number]


def _first_of_each_set(edits: Tensor) -> Tensor:
    """Rows without those whose set came before; a set of candidates belongs to one graph."""
    inverse = edits.sort(1).values.unique(dim=0, return_inverse=True)[1]
    rows = torch.arange(edits.size(0), device=edits.device)
    first = torch.full_like(rows, edits.size(0)).scatter_reduce(0, inverse, rows, "amin")
    return first[first < edits.size(0)].sort().values
