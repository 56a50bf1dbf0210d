"""PGD (Xu et al. 2019, arXiv 1906.04214) as DeepRobust has it, on all pairs of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.attack_base import at_most
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._deeprobust import DeepRobustAttack, Task
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class DeepRobustPGD(DeepRobustAttack):
    """DeepRobust's PGDAttack on the victim itself, for small graphs: it holds every pair of nodes.

    It raises the cross-entropy of the targets: of all at once where the threat is shared.

    Args:
        epochs: steps of projected gradient ascent.
        most_nodes: of a graph; larger ones are refused.

    Raises:
        ValueError: a number that is not positive.


    >>> DeepRobustPGD().access.name
    'WEIGHTS'
    """

    needs: ClassVar[str | None] = "deeprobust"
    # More edges and fewer make their cross-entropy rise alike, so its gradient is 0.
    not_on_planted: ClassVar[str | None] = "the cross-entropy that it follows is flat there"
    access: ClassVar[Access] = Access.WEIGHTS
    display_name: ClassVar[str] = "PGD (DeepRobust)"
    effort: ClassVar[str | None] = "epochs"
    everywhere: ClassVar[bool] = True
    shares_edits: ClassVar[bool] = True

    epochs: int = 200
    most_nodes: int = 3000

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "most_nodes")

    def brief(self) -> DeepRobustPGD:
        return at_most(self, epochs=3)

    def work(self, task: Task) -> Any:
        return deeprobust_attacks.pgd(
            task.graph, task.surrogate, task.targets, task.edits, task.generator, epochs=self.epochs
        )
