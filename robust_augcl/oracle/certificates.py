"""Certificates: graphs whose prediction no allowed set of edits changes, by exact search and by
sound bounds; and edits that break others.

A bracket of the worst case: certified from below, broken from above, by the edits that the search
found here and by any attack.

Letters: G graphs, M candidates, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.graphs.packed import PackedGraphs, pack, take
from robust_augcl.models.margins import margins
from robust_augcl.oracle.answers import Answers
from robust_augcl.oracle.bounds import MarginBounds, margin_bounds
from robust_augcl.oracle.edit_sets import Found, Harmless, effective, search_pairs
from robust_augcl.progress import Report, silent
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

# bounds are of exact arithmetic, predictions of single precision: a bound below this proves nothing
SLACK = 1e-3


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is proved of each graph, whatever the attack.

    Args:
        certified: the prediction is right, and stays so after every allowed set of edits (G,).
        lower_margin: no allowed set leaves a smaller margin, true logit less the best other one;
            minus infinity where none is known (G,).
        exhausted: the question is settled: certified, or broken by a set of edits that was found
            (G,).
        witnesses: that set, for each of the G graphs: no edit where the prediction is wrong
            already, else as few edits as were found to break the graph, one or two; None where none
            is known.
    """

    certified: Tensor
    lower_margin: Tensor
    exhausted: Tensor
    witnesses: list[Perturbation | None]


def certify(
    victim: Answers,
    graphs: PackedGraphs | Sequence[Data],
    threat: ThreatModel,
    *,
    limit: int = 2_000_000,
    report: Report = silent,
) -> Certificate:
    """Certify graphs against a threat.

    With a budget of one edit every edit is tried; with two, every pair, but for those that a bound
    proves harmless; with more, only the bound is left (see bounds.py: structure2vec of two rounds
    with a constant feature), and single edits that break a graph.

    Args:
        victim: whose predictions are certified; it is asked, and counts the questions.
        graphs: with their true classes.
        threat: what is allowed.
        limit: pairs tried in one graph, at the most; a graph with more that are not proved harmless
            is not exhausted.
        report: told how far it is.
    """
    packed = pack(graphs).to(victim.device)
    parts = []
    for part in packed.portions():
        parts.append(_certify(victim, packed.select(part), threat, limit))
        done = int(part[-1]) + 1
        report(done / packed.num_graphs, f"{done} of {packed.num_graphs} graphs")
    if not parts:
        nothing = torch.zeros(0, dtype=torch.bool)
        return Certificate(nothing, torch.zeros(0), nothing, [])
    return Certificate(
        certified=torch.cat([part.certified for part in parts]).cpu(),
        lower_margin=torch.cat([part.lower_margin for part in parts]).cpu(),
        exhausted=torch.cat([part.exhausted for part in parts]).cpu(),
        witnesses=[witness for part in parts for witness in part.witnesses],
    )


def largest_sets(graphs: PackedGraphs, threat: ThreatModel) -> Tensor:
    """How many allowed edits can change each graph at once, at the most (G,): 1 and 2 are searched,
    for more there is only the bound.
    """
    parts = [graphs.select(portion) for portion in graphs.portions()]
    return torch.cat(
        [
            graphs.sizes[:0],
            *(_sizes(threat.budgets(part), threat.enumerate(part)) for part in parts),
        ]
    )


def _sizes(budgets: Tensor, candidates: Candidates) -> Tensor:
    useful = torch.bincount(
        candidates.graph[effective(candidates)], minlength=candidates.num_graphs
    )
    return torch.minimum(budgets, useful)


def _certify(victim: Answers, graphs: PackedGraphs, threat: ThreatModel, limit: int) -> Certificate:
    budgets, candidates = threat.budgets(graphs), threat.enumerate(graphs)
    clean = victim.logits(graphs)
    bounds = (
        margin_bounds(victim.model, graphs, candidates, budgets)
        if bool((budgets > 1).any())
        else None
    )
    nothing = torch.full((graphs.num_graphs,), -torch.inf, dtype=torch.double, device=graphs.device)
    bounded = nothing if bounds is None else bounds.lower - SLACK
    proved = (bounded > 0) & (clean.argmax(1) == graphs.y)

    # Searched: single edits everywhere, and pairs where they are all there is and the bound does
    # not decide.
    size = _sizes(budgets, candidates)
    tried = torch.where(proved | (size > 2), 1, size.clamp(1, 2))
    left_out = None if bounds is None else _harmless(bounds, candidates)
    ask, pairs = victim.candidate_logits, victim.pair_logits
    found = search_pairs(
        ask,
        pairs,
        graphs,
        candidates,
        clean,
        tried,
        limit=limit,
        stop_when_broken=True,
        harmless=left_out,
    )
    complete = (size <= tried) & found.exhausted
    survives = complete & ~found.broken
    # Pairs left out are only known to have a margin above the slack; after a break, pairs are left
    # out unseen.
    searched = found.margin.double()
    searched = torch.where(
        tried == 1,
        searched,
        torch.where(
            survives, searched if bounds is None else searched.clamp(max=SLACK), -torch.inf
        ),
    )
    lower = torch.where(complete, torch.maximum(bounded, searched), bounded)
    witnesses = _witnesses(found, candidates, clean.argmax(1) != graphs.y)
    return Certificate(
        ~found.broken & (survives | proved), lower, found.broken | survives | proved, witnesses
    )


def _witnesses(found: Found, candidates: Candidates, wrong: Tensor) -> list[Perturbation | None]:
    """The breaking edits of each graph: none where it is wrong already (G,), else the best set of
    the search, if it broke the graph.
    """
    # Pairs are tried only where no single edit breaks the graph, so a witness has no edit too many.
    witnesses: list[Perturbation | None] = [None] * wrong.numel()
    for number in found.broken.nonzero().squeeze(1).tolist():
        edits = found.edits[number]
        witnesses[number] = (
            Perturbation() if bool(wrong[number]) else candidates.perturbation(edits[edits >= 0])
        )
    return witnesses


def _harmless(bounds: MarginBounds, candidates: Candidates) -> Harmless:
    """Which pairs the bounds prove harmless."""

    # By class, in columns: a few times as fast as rows of so few numbers.
    left = [column.contiguous() for column in (bounds.start[candidates.graph] + bounds.cost).T]
    cost = [column.contiguous() for column in bounds.cost.T]

    def harmless(one: Tensor, other: Tensor) -> Tensor:
        out = torch.ones_like(one, dtype=torch.bool)
        for of_one, of_other in zip(left, cost, strict=True):
            out &= take(of_one, one) + take(of_other, other) > SLACK
        return out

    return harmless


def vulnerability_map(victim: Answers, data: Data, threat: ThreatModel) -> Tensor:
    """The margin after each allowed single edit of one graph, as a symmetric matrix (N, N); NaN
    where nothing is allowed.

    Negative entries are edits that break the graph. For drawing.
    """
    graphs = pack([data])
    candidates = threat.enumerate(graphs)
    y = graphs.y.to(victim.device)[candidates.graph.to(victim.device)]
    margin = margins(victim.candidate_logits(graphs, candidates), y).cpu()
    out = torch.full((graphs.num_nodes, graphs.num_nodes), torch.nan, dtype=margin.dtype)
    i, j = candidates.pairs
    out[i, j] = out[j, i] = margin
    return out
