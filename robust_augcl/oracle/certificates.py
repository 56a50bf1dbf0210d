"""Certificates: graphs whose prediction no allowed set of edits changes.

They are proved by exact search and by sound bounds. The search also finds edits that break other
graphs. Together they bracket the worst case: certified from below, broken from above, by the edits
that the search has found here and by any attack.

Letters: G graphs, M candidates, P pairs of candidates, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.graphs.packed import PackedGraphs, pack
from robust_augcl.oracle.answers import OpenAnswers
from robust_augcl.oracle.bounds import margin_bounds, searched_without_bound
from robust_augcl.oracle.branches.known import MOST_EDITS, Known, known
from robust_augcl.oracle.certified import Certificate, joined
from robust_augcl.oracle.edit_sets import Found, SearchProblem, is_all, of_copies, reach_of_search
from robust_augcl.oracle.harmless import harmless_pairs
from robust_augcl.oracle.head_bounds import MarginBounds
from robust_augcl.oracle.larger_sets import SMALLEST, search_larger_sets
from robust_augcl.oracle.pair_bounds import pair_margin_bounds
from robust_augcl.oracle.pair_search import search_pairs
from robust_augcl.oracle.searched import Searched
from robust_augcl.oracle.worst_edits import changing_candidates
from robust_augcl.progress import Report, silent
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

# Bounds are of exact arithmetic, predictions of single precision. So a bound below this proves
# nothing.
SLACK = 1e-3


def certify(
    victim: OpenAnswers,
    graphs: PackedGraphs | Sequence[Data],
    threat: ThreatModel,
    *,
    limit: int = 2_000_000,
    evaluations: int = 2_000_000,
    sets: int = 200_000,
    evaluations_in_all: int | None = None,
    report: Report = silent,
) -> Certificate:
    """Certify graphs against a threat.

    Every single edit is tried. Where more are allowed, branch and bound (`oracle.branches`) settles
    what the bound of bounds.py does not, for the classifiers that it knows and up to `MOST_EDITS`
    edits. For other classifiers, every pair is tried that the bound does not prove harmless, and
    then every larger set (`larger_sets`). Sets and evaluations are counted, not timed.

    >>> import torch
    >>> from robust_augcl.adversary.victim import Victim
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws))
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> right = graphs.with_labels(victim.logits(graphs).argmax(1))
    >>> wrong = graphs.with_labels((right.y + 1) % 3)
    >>> certify(victim, right, ThreatModel(2, ("add", "delete"))).exhausted
    tensor([True])
    >>> certify(victim, wrong, ThreatModel(2)).witnesses[0].num_edits
    0

    Args:
        victim: whose predictions are certified; it is asked, and counts the questions.
        graphs: with their true classes.
        threat: what is allowed.
        limit: pairs tried in one graph, at the most. A graph with more pairs that are not proved
            harmless is not exhausted.
        evaluations: of branch and bound in one graph, for each number of edits, at the most. Where
            two edits are allowed, it makes as many as the limit for pairs, if that is higher. With
            0 of them all classifiers are searched as those that it does not know.
        sets: of three edits and more that are tried in one graph, at the most, where branch and
            bound does not know the classifier. They are counted before any of them is tried.
        evaluations_in_all: of branch and bound in all graphs together, at the most; a question to
            the victim counts as a thousand of them. None where there is no such limit.
        report: told how far it is.
    """
    packed = pack(graphs).to(victim.device)
    parts, most = [], _Limits(limit, evaluations, sets, evaluations_in_all)
    for part in packed.portions():
        parts.append(_certify(victim, packed.select(part), _fixed(threat), most))
        most = most.after(parts[-1])
        done = int(part[-1]) + 1
        report(done / packed.num_graphs, f"{done} of {packed.num_graphs} graphs")
    return joined(parts)


def _fixed(threat: ThreatModel) -> ThreatModel:
    """The threat, if it is before a fixed model; else `ValueError`: nothing is proved then."""
    if threat.poisons:
        raise ValueError("Expected `setting` to be 'evasion' for certificates, got 'poisoning'")
    return threat


def bounded_margins(
    victim: OpenAnswers, graphs: PackedGraphs, threat: ThreatModel, asked: Tensor
) -> Tensor:
    """The margin of each graph that no allowed edits go below, by the bound alone (G,).

    It is what `certify` takes from the bound: less the slack for single precision, and minus
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


class _Limits(NamedTuple):
    """Pairs, evaluations of branch and bound, and larger sets in one graph, at the most.

    Args:
        in_all: evaluations in all graphs that are still to come; None where there is no limit.
    """

    pairs: int
    evaluations: int
    sets: int
    in_all: int | None

    def after(self, searched: Searched | Certificate) -> _Limits:
        """What is left of them."""
        if self.in_all is None:
            return self
        return self._replace(in_all=max(self.in_all - int(searched.cost.sum()), 0))


def _certify(
    victim: OpenAnswers, graphs: PackedGraphs, threat: ThreatModel, most: _Limits
) -> Certificate:
    """Certify graphs that are searched together."""
    reach = reach_of_search(victim.reach, graphs, threat)
    budgets, candidates = threat.budgets(graphs), threat.enumerate(graphs, reach)
    clean = victim.logits(graphs)
    is_right = clean.argmax(1) == graphs.y
    size = torch.minimum(budgets, changing_candidates(candidates))
    tried = torch.ones_like(size)
    problem = SearchProblem(
        victim.candidate_logits, victim.pair_logits, graphs, candidates, clean, tried
    )
    found = search_pairs(problem, limit=most.pairs, stop_when_broken=True)

    # What one edit breaks needs no bound, which may take a hundred times as long. Where branch and
    # bound cannot, pairs are searched where the bound does not decide.
    standing = ~found.broken & (size > 1)
    quick = searched_without_bound(victim.model, graphs, candidates, budgets, most.pairs)
    bounds = _bounds(victim, graphs, candidates, budgets, standing & ~quick)
    bounded = _bounded_margin(bounds, graphs)
    proved = (bounded > 0) & is_right
    classifier = _classifier(victim, graphs, budgets, most) if bool(standing.any()) else None
    by_branches = standing & (size <= MOST_EDITS) & (classifier is not None)
    pairs = standing & ~proved & ~by_branches
    if bool(pairs.any()):
        tried = torch.where(pairs, 2, 1)
        harmless = None if bounds is None else harmless_pairs(bounds, candidates, SLACK)
        found = search_pairs(
            replace(problem, budgets=tried),
            limit=most.pairs,
            stop_when_broken=True,
            harmless=harmless,
            least_after=partial(_least_after, victim, graphs, candidates),
        )
    every_edit = is_all(reach, graphs, threat)
    complete = found.exhausted & every_edit
    all_tried = (size <= tried) & complete
    survives = all_tried & ~found.broken
    margin = _searched_margin(found, tried, survives, bounds)
    lower = torch.where(all_tried, torch.maximum(bounded, margin), bounded)
    certificate = Certificate(
        certified=~found.broken & (survives | proved),
        lower_margin=lower.masked_fill(found.broken & (size > 1), -torch.inf),
        exhausted=found.broken | survives | proved,
        witnesses=_witnesses(found, candidates, ~is_right),
        cost=torch.zeros_like(size),
    )
    problem = replace(problem, budgets=size)
    by_branches &= ~certificate.exhausted & every_edit
    if classifier is not None:
        certificate = _by_branches(certificate, victim, classifier, problem, by_branches, most)
    larger = pairs & ~found.broken & (size >= SMALLEST)
    if bool(larger.any()):
        searched = search_larger_sets(
            problem, larger, found, complete, bounds, limit=most.sets, slack=SLACK
        )
        certificate = _with_searched(certificate, searched, candidates)
    return certificate


def _classifier(
    victim: OpenAnswers, graphs: PackedGraphs, budgets: Tensor, most: _Limits
) -> Known | None:
    """The classifier as branch and bound searches it; None where it does not know it, or may not
    search.
    """
    if most.evaluations == 0:
        return None
    return known(victim.model.local_parts(graphs), graphs, int(budgets.max()))


def _bounds(
    victim: OpenAnswers,
    graphs: PackedGraphs,
    candidates: Candidates,
    budgets: Tensor,
    asked: Tensor,
) -> MarginBounds | None:
    """Bounds for the graphs that are asked about (G,). For others they leave everything open."""
    some = asked.nonzero().squeeze(1)
    if not some.numel():
        return None
    mine = asked[candidates.graph].nonzero().squeeze(1)
    number = asked.cumsum(0) - 1
    of_some = of_copies(candidates, number[candidates.graph[mine]], mine, some.numel())
    found = margin_bounds(victim.model, graphs.select(some), of_some, budgets[some])
    if found is None:
        return None
    start = found.start.new_full((graphs.num_graphs, found.start.size(1)), -torch.inf)
    cost = found.cost.new_zeros(len(candidates), found.cost.size(1))
    lower = found.lower.new_full((graphs.num_graphs,), -torch.inf)
    start[some], cost[mine], lower[some] = found.start, found.cost, found.lower
    return MarginBounds(start, cost, lower)


def _least_after(
    victim: OpenAnswers, graphs: PackedGraphs, candidates: Candidates, number: int, enough: float
) -> Tensor | None:
    """What each two candidates of a graph leave of its margin at least (see `LeastAfter`)."""
    mine = (candidates.graph == number).nonzero().squeeze(1)
    alone = of_copies(candidates, torch.zeros_like(mine), mine, 1)
    some = torch.tensor([number], device=mine.device)
    return pair_margin_bounds(victim.model, graphs.select(some), alone, enough)


def _by_branches(
    certificate: Certificate,
    victim: OpenAnswers,
    classifier: Known,
    problem: SearchProblem,
    asked: Tensor,
    most: _Limits,
) -> Certificate:
    """What is known with what branch and bound says of the graphs that it is asked about (G,).

    Pairs of edits are few, so that the limit for pairs counts too.
    """
    has_pairs = problem.budgets <= 2
    of_pairs = most._replace(evaluations=max(most.evaluations, most.pairs))
    for some, limits in ((asked & has_pairs, of_pairs), (asked & ~has_pairs, most)):
        if not bool(some.any()):
            continue
        # Numba takes a second to be imported.
        from robust_augcl.oracle.branches.of_victim import search_sets

        searched = search_sets(
            victim,
            classifier,
            problem.graphs,
            problem.candidates,
            problem.budgets.clamp(max=MOST_EDITS),
            some,
            most_evaluations=limits.evaluations,
            most_in_all=most.in_all,
            slack=SLACK,
            smallest=2,
        )
        most = most.after(searched)
        certificate = _with_searched(certificate, searched, problem.candidates)
    return certificate


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


def _bounded_margin(bounds: MarginBounds | None, graphs: PackedGraphs) -> Tensor:
    """The smallest margin of each graph that the bounds leave possible (G,)."""
    if bounds is not None:
        return bounds.lower - SLACK
    return torch.full((graphs.num_graphs,), -torch.inf, dtype=torch.double, device=graphs.device)


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
