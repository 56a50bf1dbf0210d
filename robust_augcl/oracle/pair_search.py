"""Exhaustive search over single edits and pairs of edits.

**What is left out.** Where a bound says what each pair leaves of the margin (`LeastAfter`), pairs
need not be tried that leave more than the lowest margin so far. The others are tried, by
themselves. Those that may have the lowest margin are then tried once more, together with all pairs
that would have been answered with them at once: so the search finds the same edits, and the same
margin to the last digit, as if none had been left out. They are few, mostly none.

Letters: G graphs, M candidates, S first edits, P pairs of candidates, B some of the graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.ragged import ranges, runs, take
from robust_augcl.models.margins import margins
from robust_augcl.oracle.answers import AnswerPairs
from robust_augcl.oracle.edit_sets import BestSets, Found, SearchProblem, lowest, of_copies

Harmless = Callable[[Tensor, Tensor], Tensor]
"""Which pairs of candidates, by their numbers (P,) and (P,), cannot break their graph: (P,)
bool.
"""

LeastAfter = Callable[[int, float], Tensor | None]
"""From the number of a graph to the least margin after each two of its M candidates, by their
places in it (M, M); None where that is not known. What is above the number that follows need not be
known better.
"""

_BOUNDED_FROM = 16
"""First edits of a block from which on bounds are asked for: before, many graphs are broken."""
_WORTH = 150_000
"""Pairs of a graph for which bounds take less time than the pairs themselves."""
_ROUNDED = 1e-3
"""What rounding may move margins by, as a share of the largest logit where that is above 1: ten
times of what is held for a close call.
"""

# First edits of a graph whose pairs are tried between two looks at whether it is broken. Their
# number doubles from look to look.
_FIRST_BLOCK, _LARGEST_BLOCK = 4, 256


def search_pairs(
    problem: SearchProblem,
    *,
    limit: int,
    stop_when_broken: bool,
    harmless: Harmless | None = None,
    least_after: LeastAfter | None = None,
) -> Found:
    """Try no edit, every single edit, and every pair where the budget is 2 or more.

    Pairs are tried from the single edits of the smallest margins onwards, up to `limit` of them a
    graph. The pairs of one first edit are tried all or none. A graph that has more pairs is not
    exhausted. What is known to be harmless does not count.

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
    >>> found = search_pairs(problem, limit=1000, stop_when_broken=False)
    >>> int(found.evaluations), bool(found.exhausted)  # three pairs of three candidates
    (3, True)

    Args:
        problem: the graphs, what is allowed, and whom to ask.
        limit: pairs tried in a graph, at the most.
        stop_when_broken: whether a graph is left soon after its prediction is wrong. Then it is not
            exhausted. Else the smallest margin is looked for.
        harmless: pairs that need not be tried, since they are known to break nothing.
        least_after: what is known of margins after pairs. It changes nothing but the time.
    """
    best = BestSets(problem.clean, problem.graphs.y, 2)
    search = _PairSearch(problem, best, limit, stop_when_broken, harmless, least_after)
    for graphs in search.groups():
        search.run(graphs)
    return best.found(search.exhausted())


class _PairSearch:
    """The search over pairs; made by trying every single edit. See `search_pairs`."""

    def __init__(
        self,
        problem: SearchProblem,
        best: BestSets,
        limit: int,
        stop_when_broken: bool,
        harmless: Harmless | None,
        least_after: LeastAfter | None,
    ) -> None:
        self._problem, self._best, self._limit = problem, best, limit
        self._stop_when_broken, self._harmless = stop_when_broken, harmless
        self._least_after = least_after
        self._least: dict[int, Tensor | None] = {}  # of graphs that are searched now
        candidates = problem.candidates
        every = torch.arange(len(candidates), device=problem.clean.device)
        logits = problem.ask(problem.graphs, candidates)
        margin = best.judge(logits, candidates.graph, every.unsqueeze(1))
        useful = candidates.changes
        # The order in which candidates are first edits: by graph, the useful ones first.
        self._order = lowest(
            candidates.graph, margin.masked_fill(~useful, torch.inf), len(candidates)
        )
        self._first = candidates.ptr[:-1]
        self._count = torch.bincount(candidates.graph[useful], minlength=problem.graphs.num_graphs)
        self._done = torch.zeros_like(self._count)  # first edits whose pairs have been tried
        self._wanted = problem.budgets >= 2  # the limit is not hit
        largest = problem.clean.abs().amax(1).clamp(min=1)
        largest.scatter_reduce_(0, candidates.graph, logits.abs().amax(1), "amax")
        self._rounding = _ROUNDED * largest

    def groups(self) -> list[Tensor]:
        """The graphs whose pairs are searched, in groups that are prepared at once."""
        open_graphs = self._wanted & (self._count >= 2)
        if self._stop_when_broken:
            open_graphs = open_graphs & ~self._best.broken
        graph = open_graphs.nonzero().squeeze(1)
        states = self._count[graph] * self._problem.graphs.sizes[graph]
        return [graph[group] for group in runs((states, limits().searched_states))]

    def run(self, graphs: Tensor) -> None:
        """Try the pairs of a group of graphs, block by block."""
        answer = ask_about(self._problem, graphs)
        block = _FIRST_BLOCK
        while True:
            going = self._wanted[graphs] & (self._done[graphs] < self._count[graphs] - 1)
            if self._stop_when_broken:
                going = going & ~self._best.broken[graphs]
            graph = graphs[going]
            if graph.numel() == 0:
                self._least.clear()
                return
            if block >= _BOUNDED_FROM:
                self._bound(graph)
            self._try_block(answer, graph, block)
            block = min(2 * block, _LARGEST_BLOCK)

    def _try_block(self, answer: AnswerPairs, graph: Tensor, block: int) -> None:
        """Try the next first edits of each graph, each with all single edits that come after."""
        here = (self._count[graph] - 1 - self._done[graph]).clamp(max=block)
        owner, place = torch.repeat_interleave(graph, here), ranges(self._done[graph], here)
        for rows in runs((self._count[owner] - 1 - place, limits().extensions)):
            rows = rows[self._wanted[owner[rows]]]
            own = owner[rows]
            fits = self._try(answer, own, place[rows])
            self._wanted[own[~fits]] = False
            self._done += torch.bincount(own[fits], minlength=self._done.numel())

    def _try(self, answer: AnswerPairs, graph: Tensor, place: Tensor) -> Tensor:
        """Judge the pairs of first edits, each with what comes after it in the order.

        Shapes: graph (S,) ascending, place (S,) of the first edits in their graphs' orders.
        Returned is for which of them the limit allows it: of each graph the first ones (S,).
        """
        follow = self._count[graph] - place - 1
        begin = self._first[graph] + place
        row = torch.repeat_interleave(torch.arange(graph.numel(), device=graph.device), follow)
        one = take(self._order[begin], row)
        other = take(self._order, ranges(begin + 1, follow))
        if self._harmless is not None:
            open_pairs = (~self._harmless(one, other)).nonzero().squeeze(1)
            row, one, other = (take(part, open_pairs) for part in (row, one, other))
            follow = torch.bincount(row, minlength=graph.numel())
        _, of_each = torch.unique_consecutive(graph, return_counts=True)
        fits = _running(follow, of_each) + self._best.evaluations[graph] <= self._limit
        allowed = fits[row]
        if not bool(allowed.all()):
            row, one, other = row[allowed], one[allowed], other[allowed]
        if row.numel():
            self._judge(answer, take(graph, row), one, other)
        return fits

    def _bound(self, graphs: Tensor) -> None:
        """Ask for bounds of graphs (B,) of which many pairs are left, and all may be tried."""
        if self._least_after is None:
            return
        count, done = self._count[graphs], self._done[graphs]
        worth = (count - done).square() // 2 >= _WORTH
        worth &= count * (count - 1) // 2 <= self._limit
        for number in graphs[worth].tolist():
            if number not in self._least:
                enough = float(self._best.margin[number] + self._rounding[number])
                self._least[number] = self._least_after(number, enough)

    def _judge(self, answer: AnswerPairs, graph: Tensor, one: Tensor, other: Tensor) -> None:
        """Take note of pairs (P,), (P,) of graphs (P,), as far as they may matter."""
        hopeful = self._hopeful(graph, one, other)
        runs = [slice(0, graph.numel())]
        if 2 * hopeful.numel() < graph.numel():
            runs = self._contended(answer, graph, one, other, hopeful)
        tried = torch.zeros_like(graph, dtype=torch.bool)
        for run in runs:
            tried[run] = True
            pairs = torch.stack([one[run], other[run]], dim=1)
            self._best.judge(answer(one[run], other[run]), graph[run], pairs)
        # Of the others it is known that they leave more.
        self._best.evaluations += torch.bincount(graph[~tried], minlength=self._done.numel())

    def _hopeful(self, graph: Tensor, one: Tensor, other: Tensor) -> Tensor:
        """Which of the pairs (P,) are not known to leave more than the lowest margin so far."""
        kept, start = torch.ones_like(graph, dtype=torch.bool), 0
        for number, count in zip(
            *(each.tolist() for each in torch.unique_consecutive(graph, return_counts=True)),
            strict=True,
        ):
            span, least = slice(start, start + count), self._least.get(number)
            start += count
            if least is not None:
                first, highest = self._first[number], self._best.margin + self._rounding
                place = (one[span] - first) * least.size(1) + other[span] - first
                # What is no number is known of nothing.
                kept[span] = ~(take(least.view(-1), place) > highest[number])
        return kept.nonzero().squeeze(1)

    def _contended(
        self, answer: AnswerPairs, graph: Tensor, one: Tensor, other: Tensor, hopeful: Tensor
    ) -> list[slice]:
        """The runs of pairs that hold one of the lowest margin, but for rounding."""
        if not hopeful.numel():
            return []
        of, y = graph[hopeful], self._problem.graphs.y
        margin = margins(answer(one[hopeful], other[hopeful]), y[of])
        lowest = self._best.margin.scatter_reduce(0, of, margin, "amin")
        contend = hopeful[~(margin > lowest[of] + self._rounding[of])]
        numbers = torch.div(contend, answer.at_once, rounding_mode="floor").unique().tolist()
        return [slice(each * answer.at_once, (each + 1) * answer.at_once) for each in numbers]

    def exhausted(self) -> Tensor:
        """Where no allowed set of edits has been left out (G,)."""
        budgets = self._problem.budgets
        return (budgets == 1) | ((budgets == 2) & (self._done >= self._count - 1))


def ask_about(problem: SearchProblem, some: Tensor) -> AnswerPairs:
    """Return what answers questions about pairs of candidates of some of the graphs.

    Shapes: some (B,) numbers of graphs, ascending. Questions are by the numbers of all candidates.
    The graphs are prepared by the first question, since there may be none.
    """
    graphs, candidates = problem.graphs, problem.candidates
    number = torch.full((graphs.num_graphs,), -1, device=some.device).index_copy(
        0, some, torch.arange(some.numel(), device=some.device)
    )
    mine = (number[candidates.graph] >= 0).nonzero().squeeze(1)
    place = torch.full_like(candidates.graph, -1).index_copy(
        0, mine, torch.arange(mine.numel(), device=some.device)
    )

    return _Asked(problem, some, number, mine, place)


class _Asked:
    """Answers about pairs, by the numbers of all candidates. See `ask_about`."""

    def __init__(
        self, problem: SearchProblem, some: Tensor, number: Tensor, mine: Tensor, place: Tensor
    ) -> None:
        self._problem, self._some = problem, some
        self._number, self._mine, self._place = number, mine, place

    @cached_property
    def _prepared(self) -> AnswerPairs:
        mine, candidates = self._mine, self._problem.candidates
        copies = of_copies(
            candidates, self._number[candidates.graph[mine]], mine, self._some.numel()
        )
        return self._problem.ask_pairs(self._problem.graphs.select(self._some), copies)

    @property
    def at_once(self) -> int:
        return self._prepared.at_once

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        return self._prepared(take(self._place, one), take(self._place, other))


def _running(values: Tensor, counts: Tensor) -> Tensor:
    """Running sums within consecutive runs: (K,), (G,) -> (K,)."""
    total = values.cumsum(0)
    before = torch.cat([total.new_zeros(1), total])[counts.cumsum(0) - counts]
    return total - torch.repeat_interleave(before, counts)
