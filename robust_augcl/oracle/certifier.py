"""Certificates of graphs that are searched together, within one budget after the other.

Letters: G graphs, M candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.answers import OpenAnswers
from robust_augcl.oracle.bounds import margin_bounds, searched_without_bound
from robust_augcl.oracle.branches.known import MOST_EDITS, known
from robust_augcl.oracle.certified import Certificate
from robust_augcl.oracle.edit_sets import Found, SearchProblem, is_all, of_copies, reach_of_search
from robust_augcl.oracle.harmless import harmless_pairs
from robust_augcl.oracle.head_bounds import MarginBounds
from robust_augcl.oracle.larger_sets import SMALLEST, search_larger_sets
from robust_augcl.oracle.pair_bounds import pair_margin_bounds
from robust_augcl.oracle.pair_search import search_pairs
from robust_augcl.oracle.searched import Searched
from robust_augcl.oracle.worst_edits import changing_candidates
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

if TYPE_CHECKING:  # numba takes a second to be imported
    from robust_augcl.oracle.branches.branch_and_bound import Branches

# Bounds are of exact arithmetic, predictions of single precision. So a bound below this proves
# nothing.
SLACK = 1e-3


class MostTried(NamedTuple):
    """What the search of a certificate may try of one target.

    Args:
        pairs: of edits, where branch and bound does not know the classifier.
        evaluations: of branch and bound, for each number of edits; of two edits it makes as many as
            `pairs`, if that is more. With 0 of them no classifier is known.
        sets: of three edits and more, where it does not know the classifier.
    """

    pairs: int
    evaluations: int
    sets: int


@dataclass(eq=False)
class _Candidates:
    """What certificates of all budgets share that have the same candidates.

    Args:
        problem: with single edits.
        found: by these.
        size: the candidates that change each graph (G,).
        branches: the search by branch and bound; None where it does not know the classifier, or was
            not needed yet.
    """

    problem: SearchProblem
    found: Found
    size: Tensor
    branches: Branches | None = None


class Certifier:
    """Certifies graphs that are searched together, against threats that differ in their budget.

    What one budget found is not searched again for the next. Each certificate is the same as if it
    were the only one.

    Args:
        victim: whose predictions are certified; it is asked, and counts the questions.
        graphs: with their true classes, on its device.
        most: what may be tried of one graph.
        largest: of all budgets, the edits of one graph at the most.
    """

    def __init__(
        self, victim: OpenAnswers, graphs: PackedGraphs, most: MostTried, largest: int
    ) -> None:
        self._victim, self._graphs, self._most, self._largest = victim, graphs, most, largest
        self._clean = victim.logits(graphs)
        self._is_right = self._clean.argmax(1) == graphs.y
        # None where branch and bound does not know the classifier, or may not search.
        self._classifier = None
        if most.evaluations > 0 and largest > 1:
            self._classifier = known(victim.model.local_parts(graphs), graphs, largest)
        self._shared: dict[int | None, _Candidates] = {}

    def certificate(self, threat: ThreatModel, most_in_all: int | None = None) -> Certificate:
        """What is proved of each graph against one threat.

        Args:
            threat: what is allowed.
            most_in_all: evaluations of branch and bound in all graphs, at the most; None where
                there is no such limit.
        """
        graphs = self._graphs
        reach = reach_of_search(self._victim.reach, graphs, threat)
        shared = self._with_candidates(threat, reach)
        size = torch.minimum(threat.budgets(graphs), shared.size)
        every_edit = is_all(reach, graphs, threat)
        standing = ~shared.found.broken & (size > 1)
        by_branches = standing & (size <= MOST_EDITS) & (self._classifier is not None)
        others = standing & ~by_branches
        certificate = self._by_pairs(shared, threat, size, others, every_edit)
        by_branches &= every_edit
        if not bool(by_branches.any()):
            return certificate
        searched = self._branches(shared).search(size.cpu(), by_branches.cpu(), most_in_all)
        return _with_searched(certificate, searched, shared.problem.candidates)

    def _with_candidates(self, threat: ThreatModel, reach: int | None) -> _Candidates:
        """The candidates up to a reach, and what single edits of them do."""
        if reach not in self._shared:
            victim, graphs = self._victim, self._graphs
            candidates = threat.enumerate(graphs, reach)
            problem = SearchProblem(
                victim.candidate_logits,
                victim.pair_logits,
                graphs,
                candidates,
                self._clean,
                torch.ones_like(graphs.y),
            )
            found = search_pairs(problem, limit=self._most.pairs, stop_when_broken=True)
            self._shared[reach] = _Candidates(problem, found, changing_candidates(candidates))
        return self._shared[reach]

    def _by_pairs(
        self,
        shared: _Candidates,
        threat: ThreatModel,
        size: Tensor,
        asked: Tensor,
        every_edit: Tensor,
    ) -> Certificate:
        """What is known without branch and bound: of the asked graphs (G,) by bounds, pairs, and
        larger sets; of the others by single edits.
        """
        found, candidates, graphs = shared.found, shared.problem.candidates, self._graphs
        # Where a search of pairs takes less time than the bound, it comes without it. What one edit
        # breaks needs neither: the bound may take a hundred times as long.
        budgets = threat.budgets(graphs)
        quick = searched_without_bound(
            self._victim.model, graphs, candidates, budgets, self._most.pairs
        )
        bounds = self._bounds(candidates, budgets, asked & ~quick)
        bounded = _bounded_margin(bounds, graphs)
        proved = (bounded > 0) & self._is_right
        pairs, tried = asked & ~proved, torch.ones_like(size)
        if bool(pairs.any()):
            tried = torch.where(pairs, 2, 1)
            found = search_pairs(
                replace(shared.problem, budgets=tried),
                limit=self._most.pairs,
                stop_when_broken=True,
                harmless=None if bounds is None else harmless_pairs(bounds, candidates, SLACK),
                least_after=partial(_least_after, self._victim, graphs, candidates),
            )
        complete = found.exhausted & every_edit
        all_tried = (size <= tried) & complete
        survives = all_tried & ~found.broken
        margin = _searched_margin(found, tried, survives, bounds)
        lower = torch.where(all_tried, torch.maximum(bounded, margin), bounded)
        certificate = Certificate(
            certified=~found.broken & (survives | proved),
            lower_margin=lower.masked_fill(found.broken & (size > 1), -torch.inf),
            exhausted=found.broken | survives | proved,
            witnesses=_witnesses(found, candidates, ~self._is_right),
            cost=torch.zeros_like(size),
        )
        larger = pairs & ~found.broken & (size >= SMALLEST)
        if not bool(larger.any()):
            return certificate
        searched = search_larger_sets(
            replace(shared.problem, budgets=size),
            larger,
            found,
            complete,
            bounds,
            limit=self._most.sets,
            slack=SLACK,
        )
        return _with_searched(certificate, searched, candidates)

    def _branches(self, shared: _Candidates) -> Branches:
        """The search by branch and bound; pairs of edits are few, so their limit counts too."""
        if shared.branches is None:
            from robust_augcl.oracle.branches.branch_and_bound import Limits
            from robust_augcl.oracle.branches.of_victim import branches_of

            assert self._classifier is not None  # else nobody asks for it
            limits = Limits(self._most.evaluations, self._most.pairs, SLACK, smallest=2)
            problem, largest = shared.problem, min(self._largest, MOST_EDITS)
            shared.branches = branches_of(
                self._victim, self._classifier, self._graphs, problem.candidates, limits, largest
            )
        return shared.branches

    def _bounds(
        self, candidates: Candidates, budgets: Tensor, asked: Tensor
    ) -> MarginBounds | None:
        """Bounds for the graphs that are asked about (G,). For others they leave all open."""
        some = asked.nonzero().squeeze(1)
        if not some.numel():
            return None
        graphs = self._graphs
        mine = asked[candidates.graph].nonzero().squeeze(1)
        number = asked.cumsum(0) - 1
        of_some = of_copies(candidates, number[candidates.graph[mine]], mine, some.numel())
        found = margin_bounds(self._victim.model, graphs.select(some), of_some, budgets[some])
        if found is None:
            return None
        start = found.start.new_full((graphs.num_graphs, found.start.size(1)), -torch.inf)
        cost = found.cost.new_zeros(len(candidates), found.cost.size(1))
        lower = found.lower.new_full((graphs.num_graphs,), -torch.inf)
        start[some], cost[mine], lower[some] = found.start, found.cost, found.lower
        return MarginBounds(start, cost, lower)


def bounded_margins(
    victim: OpenAnswers, graphs: PackedGraphs, threat: ThreatModel, asked: Tensor
) -> Tensor:
    """The margin of each graph that no allowed edits go below, by the bound alone (G,).

    It is what a certificate takes from the bound: less the slack for single precision, and minus
    infinity where no bound is known, or only one edit is allowed; also where it is not `asked` (G,)
    bool.
    """
    out = torch.full((graphs.num_graphs,), -torch.inf, dtype=torch.double)
    for portion in graphs.portions():
        numbers = portion[asked[portion]]
        if not numbers.numel():
            continue
        part = graphs.select(numbers).to(victim.device)
        budgets, bounds = threat.budgets(part), None
        if bool((budgets > 1).any()):
            bounds = margin_bounds(victim.model, part, threat.enumerate(part), budgets)
        out[numbers] = _bounded_margin(bounds, part).cpu()
    return out


def _bounded_margin(bounds: MarginBounds | None, graphs: PackedGraphs) -> Tensor:
    """The smallest margin of each graph that the bounds leave possible (G,)."""
    if bounds is not None:
        return bounds.lower - SLACK
    return torch.full((graphs.num_graphs,), -torch.inf, dtype=torch.double, device=graphs.device)


def _least_after(
    victim: OpenAnswers, graphs: PackedGraphs, candidates: Candidates, number: int, enough: float
) -> Tensor | None:
    """What each two candidates of a graph leave of its margin at least (see `LeastAfter`)."""
    mine = (candidates.graph == number).nonzero().squeeze(1)
    alone = of_copies(candidates, torch.zeros_like(mine), mine, 1)
    some = torch.tensor([number], device=mine.device)
    return pair_margin_bounds(victim.model, graphs.select(some), alone, enough)


def _with_searched(
    certificate: Certificate, searched: Searched, candidates: Candidates
) -> Certificate:
    """What is known with what a search over more edits has found."""
    safe, broken, lower = (
        each.to(certificate.certified.device)
        for each in (searched.safe, searched.broken, searched.lower)
    )
    witnesses = list(certificate.witnesses)
    for number in broken.nonzero().squeeze(1).tolist():
        edits = searched.sets[number].to(candidates.graph.device)
        witnesses[number] = candidates.perturbation(edits[edits >= 0])
    return Certificate(
        certified=certificate.certified | safe,
        lower_margin=torch.where(safe, lower, certificate.lower_margin).masked_fill(
            broken, -torch.inf
        ),
        exhausted=certificate.exhausted | safe | broken,
        witnesses=witnesses,
        cost=certificate.cost + searched.cost.to(certificate.cost.device),
    )


def _searched_margin(
    found: Found, tried: Tensor, survives: Tensor, bounds: MarginBounds | None
) -> Tensor:
    """The smallest margin of each graph by the search, where the search was complete (G,)."""
    margin = found.margin.double()
    # Pairs that were left out as harmless are only known to have a margin above the slack. After a
    # break, pairs are left out unseen.
    of_pairs = margin
    if bounds is not None:
        is_bounded = bounds.lower > -torch.inf
        of_pairs = torch.where(is_bounded, margin.clamp(max=SLACK), margin)
    return torch.where(tried == 1, margin, torch.where(survives, of_pairs, -torch.inf))


def _witnesses(found: Found, candidates: Candidates, wrong: Tensor) -> list[Perturbation | None]:
    """The breaking edits of each graph: none where it is wrong already (G,).

    Else they are the best set of the search, if that broke the graph.
    """
    # Pairs are tried only where no single edit breaks the graph, so a witness has no edit too many.
    witnesses: list[Perturbation | None] = [None] * wrong.numel()
    for number in found.broken.nonzero().squeeze(1).tolist():
        edits = found.edits[number]
        witnesses[number] = (
            Perturbation() if bool(wrong[number]) else candidates.perturbation(edits[edits >= 0])
        )
    return witnesses
