"""Nettack (Zuegner et al. 2018, arXiv 1805.07984) as DeepRobust has it: unnoticeable edits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._deeprobust import DeepRobustAttack, Task
from robust_augcl.threat.model import ThreatModel
from robust_augcl.validation import require_not_negative


@dataclass(frozen=True)
class DeepRobustNettack(DeepRobustAttack):
    """DeepRobust's Nettack on the structure, by the scores of a linear surrogate.

    The surrogate is a linear GCN that DeepRobust trains on the training nodes: the victim is asked
    nothing. Edits keep the distribution of degrees, and leave no node without a neighbour.

    Args:
        influencers: neighbours of the target at which the edits are; 0: at the target itself.

    Raises:
        ValueError: a negative number.


    >>> DeepRobustNettack().access.name
    'NONE'
    """

    needs: ClassVar[str | None] = "deeprobust"
    access: ClassVar[Access] = Access.NONE
    display_name: ClassVar[str] = "Nettack (DeepRobust)"
    trains: ClassVar[bool] = True

    influencers: int = 0

    def __post_init__(self) -> None:
        require_not_negative(self, "influencers")

    @property
    def influences(self) -> bool:
        return self.influencers > 0

    def refuses(self, threat: ThreatModel) -> str | None:
        if self.influencers and threat.at == "target":
            return "its edits are at neighbours of the target (`influencers`), not at the target"
        if not self.influencers and threat.at == "neighbours":
            return "its edits are at the target: set `influencers`"
        return super().refuses(threat)

    def work(self, task: Task) -> Any:
        return deeprobust_attacks.nettack(
            task.graph, task.surrogate, task.target, task.edits, self.influencers
        )
