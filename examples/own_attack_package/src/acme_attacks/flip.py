"""Flip edges between nodes of high degree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True)
class Flip(Attack):
    """Flip the allowed edges whose ends have the most neighbours.

    Args:
        share: of the budget that is used, above 0 and up to 1; one edit at least.

    Raises:
        ValueError: the share is out of range.
    """

    access: ClassVar[Access] = Access.NONE
    display_name: ClassVar[str] = "Flip hubs"

    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"Expected `share` to be above 0 and up to 1, got {self.share}")

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        def propose(graphs: PackedGraphs) -> list[Perturbation]:
            candidates = threat.enumerate(graphs)
            ends = candidates.pairs + graphs.ptr[candidates.graph]
            neighbours = graphs.degree[ends].sum(0)
            answers = []
            for number, budget in enumerate(threat.budgets(graphs).tolist()):
                own = (candidates.graph == number).nonzero().flatten()
                most = max(1, int(budget * self.share))
                order = neighbours[own].argsort(descending=True, stable=True)
                answers.append(candidates.perturbation(own[order[:most]]))
            return answers

        return propose
