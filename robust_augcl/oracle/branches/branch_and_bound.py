"""Branch and bound over the sets of edits of many graphs.

Sets are searched by their size, from one edit on, so what is found has no edit too many. Wrong
classes are searched one by one, the one with the highest logit first. What a search by size says is
kept. So whoever asks about three edits and then about four has the sets of three searched once, and
both answers are those of a search of their own.

Letters: G graphs, M candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

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


class Limits(NamedTuple):
    """How a search goes.

    Args:
        evaluations: made in a graph, for each size of sets, at the most.
        pairs: evaluations of the sets of two edits, if that is more: they are few.
        slack: a set is asked about if its margin is not above this.
        smallest: edits of the smallest sets that may break a graph, as far as is known.
    """

    evaluations: int
    pairs: int = 0
    slack: float = 0.0
    smallest: int = 1

    def of_size(self, size: int) -> int:
        """Evaluations of the sets of this size, at the most."""
        return max(self.evaluations, self.pairs) if size <= 2 else self.evaluations


class Branches:
    """The search of the allowed sets of edits of graphs, for one budget after the other.

    Args:
        known: the classifier.
        answer: decides what is found.
        graphs: predicted rightly where they are asked about.
        candidates: every allowed edit.
        limits: how to search.
        most: edits of a set, at the most, in any of the budgets.
    """

    def __init__(
        self,
        known: Known,
        answer: Answer,
        graphs: PackedGraphs,
        candidates: Candidates,
        limits: Limits,
        most: int,
    ) -> None:
        self._known, self._answer, self._graphs = known, answer, graphs
        self._candidates, self._limits, self._most = candidates, limits, most
        self._begun: dict[int, tuple[Tensor, _OneGraph]] = {}

    def search(self, budgets: Tensor, asked: Tensor, most_in_all: int | None = None) -> Searched:
        """What is found within budgets.

        Args:
            budgets: edits of a set at the most (G,).
            asked: which graphs to search (G,) bool. Of others nothing is said.
            most_in_all: evaluations in all graphs together, at the most, where a question to the
                victim counts as `QUESTION` of them; None where there is no such limit.
        """
        out = Searched.nothing(asked.numel(), max(self._most, 1))
        left = most_in_all
        for number in asked.nonzero().squeeze(1).tolist():
            if left == 0:
                break
            own, graph = self._graph(number)
            size, before = min(int(budgets[number]), own.numel()), graph.spent
            edits, is_safe, lower = graph.within(size, self._ask(number, own), left)
            spent = graph.spent.less(before)
            left = None if left is None else max(left - spent.cost, 0)
            out.safe[number] = is_safe
            out.lower[number] = lower if is_safe else -torch.inf
            out.evaluations[number], out.questions[number], out.set_up[number] = spent
            out.sets[number, : len(edits)] = own[torch.tensor(edits, dtype=torch.long)].cpu()
        return out

    def _graph(self, number: int) -> tuple[Tensor, _OneGraph]:
        """The numbers of a graph's candidates that change it, and its search."""
        if number not in self._begun:
            first, last = self._candidates.ptr[number : number + 2].tolist()
            own = torch.arange(first, last, device=self._candidates.changes.device)
            own = own[self._candidates.changes[own]]
            self._begun[number] = (
                own,
                _OneGraph(
                    self._known,
                    state_of(self._known, self._graphs, number, self._most),
                    edits_of(self._candidates, own),
                    int(self._graphs.y[number]),
                    self._limits,
                ),
            )
        return self._begun[number]

    def _ask(self, number: int, own: Tensor) -> Ask:
        graph = torch.tensor([number], device=own.device)

        def ask(edits: list[int]) -> Answered:
            chosen = own[torch.tensor(edits, device=own.device)].unsqueeze(0)
            return self._answer(edited(self._graphs, self._candidates, graph, chosen))

        return ask


class _Spent(NamedTuple):
    """What a search took: evaluations, questions, and setting up, in evaluations."""

    evaluations: int = 0
    questions: int = 0
    set_up: int = 0

    @property
    def cost(self) -> int:
        """In evaluations; a question to the victim counts as `QUESTION` of them."""
        return self.evaluations + self.set_up + QUESTION * self.questions

    def less(self, before: _Spent) -> _Spent:
        return _Spent(*(now - then for now, then in zip(self, before, strict=True)))


@dataclass
class _Sets:
    """What is known of the sets of up to so many edits of one graph.

    Args:
        lower: no set leaves a smaller margin, as far as the bound at the root tells.
        problem: what is searched; None after the search.
        trees: of the wrong classes that the bound leaves open. Without any, no set breaks the
            graph.

    Attributes:
        is_safe: whether no set breaks the graph.
        edits: a set that breaks it; empty where none was found.
    """

    lower: float
    problem: Problem | None
    trees: list[tuple[Output, Tree]]
    is_safe: bool = field(init=False)
    edits: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.is_safe = not self.trees
        if self.is_safe:
            self.problem = None


class _OneGraph:
    """The search of one graph.

    Attributes:
        spent: so far.
    """

    def __init__(
        self, known: Known, clean: State, edits: EditList, true: int, limits: Limits
    ) -> None:
        self._network, self._clean, self._edits = known.network, clean, edits
        outputs = [known.output(true, wrong) for wrong in range(len(known.last)) if wrong != true]
        margins = [margin_of(known.network, output, clean.sums) for output in outputs]
        self._outputs = [outputs[place] for place in np.argsort(margins, kind="stable")]
        self._clean_margin = min(margins)
        hidden = np.maximum(known.network.weight @ clean.sums + known.network.bias, 0)
        logits = known.last @ hidden + known.last_bias
        self._slack = max(_SHARE * max(float(np.abs(logits).max()), 1.0), limits.slack)
        self._limits, self._sets = limits, dict[int, _Sets]()
        self.spent, self._before = _Spent(), _Spent()
        self._most_in_all: int | None = None

    def within(self, size: int, ask: Ask, most_in_all: int | None) -> tuple[list[int], bool, float]:
        """Search sets of up to `size` edits.

        Returns:
            The first set that breaks the graph, else none; whether none does; and the margin that
            none goes below, where that is so.
        """
        self._before, self._most_in_all = self.spent, most_in_all
        if size == 0:
            return [], True, -np.inf
        smaller_sets = range(self._limits.smallest, size)
        for smaller in smaller_sets:
            if smaller in self._sets and self._sets[smaller].edits:
                return self._sets[smaller].edits, False, -np.inf
        largest = self._known_of(size)
        for smaller in () if largest.is_safe else smaller_sets:
            # Where nothing is left to be evaluated, only the bound of the largest sets may prove.
            if self._within(self._limits.of_size(smaller)) == 0:
                break
            # To sort the edits of the first node takes as many evaluations as there are edits.
            if self._limits.of_size(smaller) <= len(self._edits.one):
                continue
            found = self._searched(smaller, ask)
            if found.edits:
                self._sets.pop(size)  # its trees are large
                return found.edits, False, -np.inf
        largest = self._searched(size, ask)
        return largest.edits, largest.is_safe, largest.lower

    def _within(self, most_evaluations: int) -> int:
        """So many evaluations, or what all that was done here leaves of those in all graphs."""
        if self._most_in_all is None:
            return most_evaluations
        spent = self.spent.less(self._before)
        return min(most_evaluations, max(self._most_in_all - spent.cost, 0))

    def _may_ask(self) -> bool:
        """Whether one question more is allowed."""
        asked = self.spent.questions - self._before.questions
        return self._most_in_all is None or QUESTION * (asked + 1) <= self._most_in_all

    def _add(self, evaluations: int = 0, questions: int = 0, set_up: int = 0) -> None:
        more = evaluations, questions, set_up
        self.spent = _Spent(*(now + new for now, new in zip(self.spent, more, strict=True)))

    def _known_of(self, size: int) -> _Sets:
        """What is known of the sets of up to `size` edits, by the bound at the least."""
        if size not in self._sets:
            # Measured: 0.08, 0.5 and 9 s for 990 edits and sets of 3, 5 and 10.
            self._add(set_up=len(self._edits.one) * size**4 // 3)
            problem = search.new_problem(self._network, self._edits, self._clean, size)
            trees = [(output, search.new_tree(problem, output)) for output in self._outputs]
            bounds = [search.bound_of(tree, 0) for _, tree in trees]
            still_open = [
                tree for tree, bound in zip(trees, bounds, strict=True) if bound <= self._slack
            ]
            self._sets[size] = _Sets(min(bounds), problem, still_open)
        return self._sets[size]

    def _searched(self, size: int, ask: Ask) -> _Sets:
        """What is known of the sets of up to `size` edits, by a search where that is needed."""
        known = self._known_of(size)
        if known.problem is not None:
            # The search tries no set without edits, and asks about none above the slack.
            known.lower = min(max(known.lower, self._slack), self._clean_margin)
            self._search(known, known.problem, ask, self._limits.of_size(size))
            known.problem, known.trees = None, []
        return known

    def _search(self, known: _Sets, problem: Problem, ask: Ask, left: int) -> None:
        """Search class by class, until a set is found that breaks the graph."""
        is_safe = True
        for output, tree in known.trees:
            while True:
                end = search.advance(problem, output, tree, self._slack, self._within(left))
                if end == search.NEW_NODE:
                    search.sort_edits(problem, tree)
                    continue
                if end != search.FOUND or not self._may_ask():
                    break
                self._add(questions=1)
                edits = search.found(tree).tolist()
                is_broken, margin = ask(edits)
                if is_broken:
                    self._add(evaluations=search.evaluations_of(tree))
                    known.edits = edits
                    return
                known.lower = min(known.lower, margin)
            is_safe &= end == search.SAFE
            self._add(evaluations=search.evaluations_of(tree))
            left = max(left - search.evaluations_of(tree), 0)
        known.is_safe = is_safe
