"""Exhaustive search for the worst case of one edit or two (Dai et al. 2018, arXiv 1806.02371)."""

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
    """Take the edits that leave the true class the smallest margin.

    No attack with as many edits breaks more graphs. With two edits, a graph may have more pairs
    than `most_pairs`. Then its most harmful single edits are extended first, as far as the limit
    allows, and the answer need not be the worst case. `oracle.certificates.certify` says for which
    graphs it is.

    Args:
        most_pairs: how many pairs of edits are tried in one graph, at the most.
        stop_when_broken: leave a graph soon after a pair breaks it. Its margin is then not the
            smallest.

    Raises:
        ValueError: the limit is not positive.

    >>> Exhaustive().max_budget
    2
    """

    access: ClassVar[Access] = Access.QUERY
    display_name: ClassVar[str] = "Exhaustive search"
    revision: ClassVar[int] = 2  # sums of two edits are added in another order
    max_budget: ClassVar[int | None] = 2
    exact: ClassVar[bool] = True
    most_tried: ClassVar[str | None] = "most_pairs"

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
        """Return for each graph the edit of the smallest margin, if it is below the clean one."""
        candidates = threat.enumerate(graphs, victim.reach)
        y = graphs.y[candidates.graph].to(victim.device)
        margin = margins(victim.candidate_logits(graphs, candidates), y).to(graphs.device)
        worst = candidates.best(margin)
        # There is no edit where every one would help the victim.
        clean = margins(victim.logits(graphs), graphs.y.to(victim.device)).to(graphs.device)
        harms = worst >= 0
        if len(candidates):
            harms &= margin[worst.clamp(min=0)] < clean
        return [
            candidates.perturbation(edit[harm])
            for edit, harm in zip(worst.split(1), harms.split(1), strict=True)
        ]

    def _two_edits(
        self, victim: VictimView, graphs: PackedGraphs, threat: ThreatModel
    ) -> list[Perturbation]:
        """Return for each graph the best that the search over pairs finds."""
        problem = SearchProblem.of(victim, graphs, threat)
        found = search_pairs(problem, limit=self.most_pairs, stop_when_broken=self.stop_when_broken)
        return found.perturbations(problem.candidates)
