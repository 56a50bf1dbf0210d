"""The worst that single edits do to graphs.

Letters: G graphs, M candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.answers import OpenAnswers
from robust_augcl.oracle.edit_sets import BestSets
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True, eq=False)
class SingleEdits:
    """The worst that one allowed edit does to each of G graphs, whatever the budget.

    Args:
        edits: the edit of the smallest margin; none where each would help the victim.
        changing: how many candidates change the graph at all (G,).
        finite: whether the logits after each candidate are numbers (G,).
    """

    edits: list[Perturbation]
    changing: Tensor
    finite: Tensor


def worst_single_edits(
    victim: OpenAnswers, graphs: PackedGraphs, threat: ThreatModel
) -> SingleEdits:
    """Try every single edit that the threat allows, as `certify` does with any budget.

    >>> import torch
    >>> from robust_augcl.adversary.victim import Victim
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws))
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> found = worst_single_edits(victim, graphs, ThreatModel(2, ("add", "delete")))
    >>> found.changing.tolist(), found.edits[0].num_edits <= 1
    ([3], True)
    """
    parts = [_worst_single_edits(victim, graphs.select(part), threat) for part in graphs.portions()]
    nothing = graphs.sizes[:0]
    return SingleEdits(
        edits=[edit for part in parts for edit in part.edits],
        changing=torch.cat([nothing, *(part.changing for part in parts)]),
        finite=torch.cat([nothing.bool(), *(part.finite for part in parts)]),
    )


def _worst_single_edits(
    victim: OpenAnswers, graphs: PackedGraphs, threat: ThreatModel
) -> SingleEdits:
    """The same of graphs that are searched together."""
    graphs = graphs.to(victim.device)
    candidates = threat.enumerate(graphs, victim.reach)
    logits = victim.candidate_logits(graphs, candidates)
    best = BestSets(victim.logits(graphs), graphs.y, 1)
    every = torch.arange(len(candidates), device=graphs.device)
    best.judge(logits, candidates.graph, every.unsqueeze(1))
    finite = torch.ones_like(graphs.y, dtype=torch.bool)
    finite[candidates.graph[~logits.isfinite().all(1)]] = False
    ones = torch.ones_like(graphs.y)
    edits = best.found(ones.bool()).perturbations(candidates)
    return SingleEdits(edits, changing_candidates(candidates).cpu(), finite.cpu())


def changing_candidates(candidates: Candidates) -> Tensor:
    """How many candidates change each graph at all (G,)."""
    graph = candidates.graph[candidates.changes]
    return torch.bincount(graph, minlength=candidates.num_graphs)
