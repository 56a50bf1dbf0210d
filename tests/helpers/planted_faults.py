"""An attack with a fault, and which checks of the audit fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access
from robust_augcl.models.margins import margins
from robust_augcl.review.audit.all_checks import examine
from robust_augcl.review.audit.evidence import Evidence
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

THREAT = ThreatModel(within_component=True)


def failed(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """The checks that fail, with what they mark."""
    return {
        finding.check: finding.cells for finding in examine(evidence) if finding.status == "FAIL"
    }


@dataclass(frozen=True)
class Extreme(Attack):
    """Takes the candidate of the smallest margin, or the largest: then it helps the victim. Or it
    leaves the graphs alone.
    """

    access: ClassVar[Access] = Access.QUERY

    sign: int = 1

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            if not self.sign:
                return [Perturbation() for _ in range(graphs.num_graphs)]
            candidates = threat.enumerate(graphs)
            margin = margins(
                victim.candidate_logits(graphs, candidates), graphs.y[candidates.graph]
            )
            return [
                candidates.perturbation(best)
                for best in candidates.best(self.sign * margin).split(1)
            ]

        return propose
