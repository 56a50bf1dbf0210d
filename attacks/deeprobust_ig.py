"""IG-FGSM (Wu et al. 2019, arXiv 1903.01610) as DeepRobust has it: integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.attack_base import at_most
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._deeprobust import DeepRobustAttack, Task
from robust_augcl.errors import InputError
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class DeepRobustIG(DeepRobustAttack):
    """DeepRobust's IGAttack on the structure and the victim itself, for a few hundred nodes.

    It integrates the gradient of each pair at the target over a path of normalised matrices, and
    flips the pairs of the highest scores. It takes as many gradients as there are nodes, times
    `steps`. The victim's encoder must be a GCN: for others such a path means nothing.

    Args:
        steps: points of each path.
        most_nodes: of a graph; larger ones are refused.

    Raises:
        ValueError: a number that is not positive.


    >>> DeepRobustIG().access.name
    'WEIGHTS'
    """

    needs: ClassVar[str | None] = "deeprobust"
    not_on_planted: ClassVar[str | None] = "it attacks a GCN alone, and planted victims count walks"
    access: ClassVar[Access] = Access.WEIGHTS
    display_name: ClassVar[str] = "IGAttack (DeepRobust)"

    steps: int = 10
    most_nodes: int = 500

    def __post_init__(self) -> None:
        require_positive(self, "steps", "most_nodes")

    def brief(self) -> DeepRobustIG:
        return at_most(self, steps=3)

    def work(self, task: Task) -> Any:
        if not task.surrogate.normalises:
            raise InputError("Expected a victim whose encoder is a GCN for deeprobust_ig")
        return deeprobust_attacks.integrated_gradients(
            task.graph, task.surrogate, task.target, task.edits, self.steps
        )
