"""Branch and bound over the sets of edits of many graphs.

Sets are searched by their size, from one edit on, so what is found has no edit too many. Wrong
classes are searched one by one, the one with the highest logit first.

Letters: G graphs, M candidates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.branches import search
from robust_augcl.oracle.branches.arrays import EditList, Output, State
from robust_augcl.oracle.branches.instances import edits_of, state_of
from robust_augcl.oracle.branches.known import Known
from robust_augcl.oracle.branches.lines import margin_of
from robust_augcl.oracle.branches.search import Problem, Tree
from robust_augcl.oracle.edit_sets import edited
from robust_augcl.oracle.searched import QUESTION, Searched
from robust_augcl.threat.candidates import Candidates

_SHARE = 1e-7
"""The least slack, as a share of the largest logit of the clean graph, or of 1.

The search rounds by 1e-12 of it.
"""

Answered = tuple[bool, float]
"""Whether an edited graph is predicted wrongly, and its margin."""

Answer = Callable[[PackedGraphs], Answered]
"""The same of one edited graph."""

Ask = Callable[[list[int]], Answered]
"""The same of a set of edits of one graph."""


def branch_and_bound(
    known: Known,
    answer: Answer,
    graphs: PackedGraphs,
    candidates: Candidates,
    budgets: Tensor,
    asked: Tensor,
    *,
    most_evaluations: int,
    slack: float,
    smallest: int = 1,
    most_in_all: int | None = None,
) -> Searched:
    """Search the allowed sets of edits of the graphs that are asked about.

    Args:
        known: the classifier.
        answer: decides what is found.
        graphs: predicted rightly where they are asked about.
        candidates: every allowed edit.
        budgets: edits of a set at the most (G,).
        asked: which graphs to search (G,) bool. Of others nothing is said.
        most_evaluations: made in a graph, for each size of sets, at the most.
        slack: a set is asked about if its margin is not above this.
        smallest: edits of the smallest sets that may break a graph, as far as is known.
        most_in_all: evaluations in all graphs together, at the most, where a question to the victim
            counts as `QUESTION` of them; None where there is no limit.
    """
    left = most_in_all
    most = max(int(budgets.max()), 1) if budgets.numel() else 1
    out = Searched.nothing(asked.numel(), most)
    first = candidates.ptr.tolist()
    changes = candidates.changes
    for number in asked.nonzero().squeeze(1).tolist():
        if left == 0:
            break
        own = torch.arange(first[number], first[number + 1], device=changes.device)
        own = own[changes[own]]
        size = min(int(budgets[number]), own.numel())
        found = _OneGraph(
            known,
            state_of(known, graphs, number, most),
            edits_of(candidates, own),
            int(graphs.y[number]),
            slack,
        )

        def asked_about(edits: list[int], own: Tensor = own, number: int = number) -> Answered:
            chosen = own[torch.tensor(edits, device=own.device)].unsqueeze(0)
            graph = torch.tensor([number], device=own.device)
            return answer(edited(graphs, candidates, graph, chosen))

        edits = found.run(smallest, size, asked_about, most_evaluations, left)
        left = None if left is None else max(left - found.cost, 0)
        out.safe[number] = found.is_safe
        out.lower[number] = found.lower if found.is_safe else -torch.inf
        out.evaluations[number], out.questions[number] = found.evaluations, found.questions
        out.set_up[number] = found.set_up
        out.sets[number, : len(edits)] = own[torch.tensor(edits, dtype=torch.long)].cpu()
    return out


class _OneGraph:
    """The search of one graph.

    Attributes:
        is_safe: whether no set breaks it.
        lower: if it is safe, no set leaves a smaller margin.
        evaluations: that the search has made.
        questions: that it has asked.
        set_up: what it took before any set was tried, in evaluations.
    """

    def __init__(
        self, known: Known, clean: State, edits: EditList, true: int, slack: float
    ) -> None:
        self._network, self._clean, self._edits = known.network, clean, edits
        outputs = [known.output(true, wrong) for wrong in range(len(known.last)) if wrong != true]
        margins = [margin_of(known.network, output, clean.sums) for output in outputs]
        self._outputs = [outputs[place] for place in np.argsort(margins, kind="stable")]
        hidden = np.maximum(known.network.weight @ clean.sums + known.network.bias, 0)
        logits = known.last @ hidden + known.last_bias
        self._slack = max(_SHARE * max(float(np.abs(logits).max()), 1.0), slack)
        self.is_safe, self.lower = False, -np.inf
        self.evaluations = self.questions = self.set_up = 0
        self._most_in_all: int | None = None

    def run(
        self,
        smallest: int,
        size: int,
        ask: Ask,
        most_evaluations: int,
        most_in_all: int | None,
    ) -> list[int]:
        """Search sets of up to `size` edits: the first that breaks the graph, else none."""
        self._most_in_all = most_in_all
        if size == 0:
            self.is_safe = True
            return []
        largest = self._problem(size)
        trees = [(output, search.new_tree(largest, output)) for output in self._outputs]
        bounds = [search.bound_of(tree, 0) for _, tree in trees]
        self.lower = min(bounds)
        still_open = [
            tree for tree, bound in zip(trees, bounds, strict=True) if bound <= self._slack
        ]
        self.is_safe = not still_open
        for smaller in range(smallest, size):
            # Where nothing is left to be evaluated, only the bound of the largest sets may prove.
            if self._within(most_evaluations) == 0:
                break
            if still_open and (edits := self._smaller(smaller, still_open, ask, most_evaluations)):
                return edits
        return self._largest(largest, still_open, ask, most_evaluations)

    @property
    def cost(self) -> int:
        """What it took: a question to the victim counts as `QUESTION` evaluations."""
        return self.evaluations + self.set_up + QUESTION * self.questions

    def _within(self, most_evaluations: int) -> int:
        """So many evaluations, or what all that was done here leaves of those in all graphs."""
        if self._most_in_all is None:
            return most_evaluations
        return min(most_evaluations, max(self._most_in_all - self.cost, 0))

    def _may_ask(self) -> bool:
        """Whether one question more is allowed."""
        return self._most_in_all is None or QUESTION * (self.questions + 1) <= self._most_in_all

    def _problem(self, size: int) -> Problem:
        # Measured: 0.08, 0.5 and 9 s for 990 edits and sets of 3, 5 and 10.
        self.set_up += len(self._edits.one) * size**4 // 3
        return search.new_problem(self._network, self._edits, self._clean, size)

    def _smaller(
        self,
        size: int,
        still_open: list[tuple[Output, Tree]],
        ask: Ask,
        most_evaluations: int,
    ) -> list[int]:
        problem = self._problem(size)
        trees = [(output, search.new_tree(problem, output)) for output, _ in still_open]
        return self._through(problem, trees, ask, most_evaluations)[0]

    def _largest(
        self,
        problem: Problem,
        trees: list[tuple[Output, Tree]],
        ask: Ask,
        most_evaluations: int,
    ) -> list[int]:
        self.lower = max(self.lower, self._slack) if trees else self.lower
        edits, self.is_safe = self._through(problem, trees, ask, most_evaluations)
        return edits

    def _through(
        self,
        problem: Problem,
        trees: list[tuple[Output, Tree]],
        ask: Ask,
        most_evaluations: int,
    ) -> tuple[list[int], bool]:
        """Search class by class: what breaks the graph, and whether nothing does."""
        left, is_safe = most_evaluations, True
        for output, tree in trees:
            while True:
                end = search.advance(problem, output, tree, self._slack, self._within(left))
                if end == search.NEW_NODE:
                    search.sort_edits(problem, tree)
                    continue
                if end != search.FOUND:
                    break
                if not self._may_ask():
                    break
                self.questions += 1
                edits = search.found(tree).tolist()
                is_broken, margin = ask(edits)
                if is_broken:
                    self.evaluations += search.evaluations_of(tree)
                    return edits, False
                self.lower = min(self.lower, margin)
            is_safe &= end == search.SAFE
            self.evaluations += search.evaluations_of(tree)
            left = max(left - search.evaluations_of(tree), 0)
        return [], is_safe
