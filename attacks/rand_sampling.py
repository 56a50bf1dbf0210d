"""Random edits: uniformly drawn candidates (RandSampling of Dai et al. 2018, arXiv 1806.02371)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.node_space import NodeCandidateSpace
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True)
class RandSampling(Attack):
    """Draw as many different candidates as the budget allows, uniformly, for each graph.

    It never looks at the victim.

    >>> RandSampling().access.name
    'NONE'
    """

    access: ClassVar[Access] = Access.NONE
    display_name: ClassVar[str] = "RandSampling"
    shares_edits: ClassVar[bool] = True

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        def propose(graphs: PackedGraphs) -> list[Perturbation]:
            space, budgets = threat.space(graphs), threat.budgets(graphs)
            if isinstance(space, NodeCandidateSpace):  # of one large graph, which is not listed
                if threat.shared:
                    one = space.draw_one(int(budgets[0]), generator)
                    return [one] * graphs.num_graphs
                drawn = space.draw(budgets, generator)
                every = torch.arange(len(drawn)).split(drawn.counts.tolist())
                return [drawn.perturbation(mine) for mine in every]
            candidates = space.list()
            # The first k of a random order of each graph's candidates are a uniform draw without
            # replacement.
            keys = torch.rand(len(candidates), generator=generator, dtype=torch.float64)
            order = torch.argsort(candidates.graph + keys.to(graphs.device))
            counts = torch.minimum(budgets, candidates.counts).tolist()
            firsts = candidates.ptr.tolist()
            return [
                candidates.perturbation(order[first : first + count])
                for first, count in zip(firsts, counts, strict=False)
            ]

        return propose
