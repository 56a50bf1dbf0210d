"""The exact worst case for one edit: every candidate is tried (exhaustive search of Dai et al. 2018, arXiv 1806.02371)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.attack import Attack, FitGraphs, Proposer
from robust_augcl.graphs import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.threat import Perturbation, ThreatModel
from robust_augcl.victim import Access, VictimView, margins

_GRAPHS_AT_ONCE = 50  # bounds memory, and lets the attack tell how far it is


@dataclass(frozen=True)
class Exhaustive(Attack):
    """Take the candidate that leaves the true class the smallest margin: no attack with one edit breaks more graphs."""

    access: ClassVar[Access] = Access.QUERY
    max_budget: ClassVar[int | None] = 1
    exact: ClassVar[bool] = True

    def prepare(
        self, victim: VictimView, fit: FitGraphs, threat: ThreatModel, generator: torch.Generator, report: Report = silent
    ) -> Proposer:
        def propose(graphs: PackedGraphs) -> list[Perturbation]:
            perturbations = []
            for part in torch.arange(graphs.num_graphs).split(_GRAPHS_AT_ONCE):
                chunk = graphs.select(part)
                candidates = threat.enumerate(chunk)
                y = chunk.y[candidates.graph].to(victim.device)
                margin = margins(victim.candidate_logits(chunk, candidates), y).to(chunk.device)
                perturbations += [candidates.perturbation(worst[worst >= 0]) for worst in candidates.best(margin).split(1)]
                report(len(perturbations) / graphs.num_graphs, f"{len(perturbations)} of {graphs.num_graphs} graphs searched")
            return perturbations

        return propose
