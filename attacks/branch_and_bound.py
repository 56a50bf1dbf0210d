"""Branch and bound over sets of edits, with the victim's weights at hand (oracle/branches)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer, at_most, in_parts
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import LocalParts
from robust_augcl.oracle.beam_search import beam_search
from robust_augcl.oracle.branches.known import MOST_EDITS, known
from robust_augcl.oracle.edit_sets import SearchProblem
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class BranchAndBound(Attack):
    """Search sets of edits in order of their promise, and leave out what provably breaks nothing.

    Beam search comes first. What it does not break is searched by the weights themselves: where
    `evaluations` are enough, the answer breaks the graph if any allowed set of up to ten edits does
    (`MOST_EDITS`). So it is the strongest attack there. It sees all weights, which hardly any real
    attacker does; its queries are those of beam search, and one for each set that the search finds.

    The search knows structure2vec of two rounds with a constant feature. Against other victims this
    is beam search.

    Args:
        evaluations: of the search in one graph, for each number of edits, at the most.
        width: of the beam.

    Raises:
        ValueError: a setting is not positive.

    >>> BranchAndBound(evaluations=1000).access.name
    'WEIGHTS'
    """

    access: ClassVar[Access] = Access.WEIGHTS
    display_name: ClassVar[str] = "Branch and bound"
    effort: ClassVar[str | None] = "evaluations"

    evaluations: int = 2_000_000
    width: int = 5

    def __post_init__(self) -> None:
        require_positive(self, "evaluations", "width")

    def brief(self) -> BranchAndBound:
        return at_most(self, evaluations=20_000)

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        parts = victim.parts()
        return in_parts(lambda graphs: self._propose(victim, parts, graphs, threat), report)

    def _propose(
        self, victim: VictimView, parts: LocalParts, graphs: PackedGraphs, threat: ThreatModel
    ) -> list[Perturbation]:
        problem = SearchProblem.of(victim, graphs, threat)
        found = beam_search(problem, self.width)
        answers = found.perturbations(problem.candidates)
        standing = ~found.broken
        for number, edits in self._sets(victim, parts, problem, standing).items():
            answers[number] = problem.candidates.perturbation(edits)
        return answers

    def _sets(
        self, victim: VictimView, parts: LocalParts, problem: SearchProblem, standing: Tensor
    ) -> dict[int, Tensor]:
        """The sets that break graphs which stand (G,) so far, by the numbers of the graphs."""
        most = int(problem.budgets.max()) if problem.budgets.numel() else 1
        classifier = known(parts, problem.graphs, most)
        if classifier is None or not bool(standing.any()):
            return {}
        # Numba takes a second to be imported.
        from robust_augcl.oracle.branches.of_victim import search_sets

        searched = search_sets(
            victim,
            classifier,
            problem.graphs,
            problem.candidates,
            problem.budgets.clamp(max=MOST_EDITS),
            standing,
            most_evaluations=self.evaluations,
        )
        numbers = searched.broken.nonzero().squeeze(1).tolist()
        return {
            number: searched.sets[number][searched.sets[number] >= 0].to(problem.graphs.device)
            for number in numbers
        }
