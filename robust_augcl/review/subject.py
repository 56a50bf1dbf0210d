"""What is proved about: one victim on one data set, and what all proofs about it share.

Letters: G test targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError, ThreatViolation
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.oracle.worst_edits import SingleEdits, worst_single_edits
from robust_augcl.review.again import Again
from robust_augcl.review.edited import EditedTargets, Edits, perturbation_of
from robust_augcl.review.judge import beyond_rounding
from robust_augcl.steps.drift import Answers
from robust_augcl.threat.model import ThreatModel


class Subject:
    """A victim and a data set that results are about.

    Single edits are tried once, whatever the budgets. All results' edits are predicted together.

    Args:
        dataset: its test targets are what was attacked.
        victim: what was attacked.
        label_rule: how it can be proved that an edit keeps the class.
        found: the edits of all results about these two, each a list of one item a test target.

    Attributes:
        targets: the test targets (G), edited and predicted again.
    """

    def __init__(
        self,
        dataset: Dataset,
        victim: Victim,
        label_rule: str,
        found: Iterable[Sequence[Edits]] = (),
    ) -> None:
        self.targets = EditedTargets(dataset, victim, label_rule, found)
        self._before = Answers(victim, self.targets.graphs, "these")
        self._single: dict[object, SingleEdits] = {}
        self._again: dict[object, Again] = {}

    @property
    def drift(self) -> list[str]:
        """What is to be said of a given model that answers otherwise by now; nothing of others."""
        try:
            self._before.refuse_others()
        except InputError as error:  # also one that does not answer any more
            return [str(error)]
        return []

    def again(self, threat: ThreatModel) -> Again:
        """What is found again of the test targets against a threat."""
        rules = tuple(threat.rules.items())
        if rules not in self._single:
            targets = self.targets
            self._single[rules] = worst_single_edits(targets.victim, targets.graphs, threat)
        budget = type(threat.budget), threat.budget  # 1 edit is not all edges, which is 1.0
        if (rules, budget) not in self._again:
            self._again[rules, budget] = Again(self.targets, threat, self._single[rules])
        return self._again[rules, budget]

    def broken_by_others(self, claimed: Tensor, threat: ThreatModel) -> Tensor:
        """Which targets (G,) that are claimed to stand are broken by what any result has found.

        Its edits count where this threat allows them. Rounding alone excuses as few targets as it
        does elsewhere (see `beyond_rounding`).
        """
        budgets = threat.budgets(self.targets.graphs).tolist()
        broken, surely = torch.zeros_like(claimed), torch.zeros_like(claimed)
        for place in claimed.nonzero().squeeze(1).tolist():
            undecided = [
                by_rounding
                for (added, removed), by_rounding in self.targets.breaking.get(place, ())
                if len(added) + len(removed) <= budgets[place]
                and self._allows(threat, place, (added, removed))
            ]
            broken[place], surely[place] = bool(undecided), not all(undecided)
        return beyond_rounding(broken, ~surely)

    def _allows(self, threat: ThreatModel, place: int, edits: Edits) -> bool:
        graph = self.targets.graphs.select(torch.tensor([place]))
        with suppress(ThreatViolation):
            threat.check_all(graph, [perturbation_of(*edits)])
            return True
        return False
