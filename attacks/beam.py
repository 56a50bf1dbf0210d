"""Beam search over edits: from each of the best sets of edits, every further edit is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.attack import Attack, FitGraphs, Proposer
from robust_augcl.checks import require_positive
from robust_augcl.edit_sets import beam_search
from robust_augcl.graphs import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.threat import Perturbation, ThreatModel
from robust_augcl.victim import Access, VictimView

_GRAPHS_AT_ONCE = 50  # bounds memory, and lets the attack tell how far it is


@dataclass(frozen=True)
class Beam(Attack):
    """Keep the sets of edits that leave the true class the smallest margins; extend each by every allowed edit.

    A pair of nodes is edited once at the most. A graph is left when it is broken; else the set of the smallest margin is returned.

    Args:
        width: sets kept a graph and step; 1 is greedy search.

    Raises:
        ValueError: a width that is not positive.
    """

    access: ClassVar[Access] = Access.QUERY

    width: int = 1

    def __post_init__(self) -> None:
        require_positive(self, "width")

    def prepare(
        self, victim: VictimView, fit: FitGraphs, threat: ThreatModel, generator: torch.Generator, report: Report = silent
    ) -> Proposer:
        def propose(graphs: PackedGraphs) -> list[Perturbation]:
            perturbations: list[Perturbation] = []
            for part in torch.arange(graphs.num_graphs).split(_GRAPHS_AT_ONCE):
                chunk = graphs.select(part).to(victim.device)
                candidates = threat.enumerate(chunk)
                found = beam_search(
                    victim.candidate_logits, chunk, candidates, victim.logits(chunk), threat.budgets(chunk), width=self.width
                )
                perturbations += found.perturbations(candidates)
                report(len(perturbations) / graphs.num_graphs, f"{len(perturbations)} of {graphs.num_graphs} graphs searched")
            return perturbations

        return propose
