"""The exact worst case for one edit or two: every candidate is tried (exhaustive search of Dai et
al. 2018, arXiv 1806.02371).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer, in_parts
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.oracle.edit_sets import SearchProblem
from robust_augcl.oracle.pair_search import search_pairs
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class Exhaustive(Attack):
    """Take the edits that leave the true class the smallest margin: no attack with as many edits
    breaks more graphs.

    With two edits, a graph whose pairs are more than `most_pairs` is searched from its most harmful
    single edits onwards as far as that allows: then the result is an attack, and not the worst
    case. `certificate.certify` says of which graphs that holds.

    Args:
        most_pairs: pairs of edits that are tried in one graph, at the most.
        stop_when_broken: leave a graph soon after a pair that breaks it; its margin is then not the
            smallest.

    Raises:
        ValueError: a limit that is not positive.
    """

    access: ClassVar[Access] = Access.QUERY
    display_name: ClassVar[str] = "Exhaustive search"
    revision: ClassVar[int] = 2  # sums of two edits are added in another order
    max_budget: ClassVar[int | None] = 2
    exact: ClassVar[bool] = True

    most_pairs: int = 2_000_000
    stop_when_broken: bool = True

    def __post_init__(self) -> None:
        require_positive(self, "most_pairs")

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        search = self._one_edit if threat.budget == 1 else self._two_edits
        return in_parts(lambda graphs: search(victim, graphs, threat), report)

    def _one_edit(
        self, victim: VictimView, graphs: PackedGraphs, threat: ThreatModel
    ) -> list[Perturbation]:
        candidates = threat.enumerate(graphs)
        y = graphs.y[candidates.graph].to(victim.device)
        margin = margins(victim.candidate_logits(graphs, candidates), y).to(graphs.device)
        worst = candidates.best(margin)
        # At most one edit: none where every one would help the victim.
        clean = margins(victim.logits(graphs), graphs.y.to(victim.device)).to(graphs.device)
        harms = (
            (worst >= 0) & (margin[worst.clamp(min=0)] < clean) if len(candidates) else worst >= 0
        )
        return [
            candidates.perturbation(edit[harm])
            for edit, harm in zip(worst.split(1), harms.split(1), strict=True)
        ]

    def _two_edits(
        self, victim: VictimView, graphs: PackedGraphs, threat: ThreatModel
    ) -> list[Perturbation]:
        problem = SearchProblem.of(victim, graphs, threat)
        found = search_pairs(problem, limit=self.most_pairs, stop_when_broken=self.stop_when_broken)
        return found.perturbations(problem.candidates)
