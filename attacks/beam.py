"""Beam search over edits: each of the best sets of edits is extended by every further edit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.adversary.attack_base import GrowingAttack, GrowingProposer
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.beam_search import beam_searches
from robust_augcl.oracle.edit_sets import SearchProblem
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class Beam(GrowingAttack):
    """Keep the sets of edits that leave the true class the smallest margins, and extend each.

    Each set is extended by every allowed edit. A pair of nodes is edited at most once. A graph is
    left when it is broken. Else the answer is the set of the smallest margin.

    Args:
        width: how many sets are kept for each graph and step. 1 is greedy search.

    Raises:
        ValueError: the width is not positive.

    >>> Beam(width=3).access.name
    'QUERY'
    """

    access: ClassVar[Access] = Access.QUERY
    display_name: ClassVar[str] = "Beam search"
    revision: ClassVar[int] = 2  # sums of two edits are added in another order

    width: int = 1

    def __post_init__(self) -> None:
        require_positive(self, "width")

    def grow(
        self, victim: VictimView, threats: Sequence[ThreatModel], generator: torch.Generator
    ) -> GrowingProposer:
        def search(graphs: PackedGraphs) -> Iterator[list[Perturbation]]:
            problem = SearchProblem.of(victim, graphs, threats[-1])
            sizes = [int(threat.budgets(graphs).max()) for threat in threats]
            for found in beam_searches(problem, self.width, sizes):
                yield found.perturbations(problem.candidates)

        return search
