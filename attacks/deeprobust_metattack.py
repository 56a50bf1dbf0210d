"""Metattack (Zuegner and Guennemann 2019, arXiv 1902.08412) as DeepRobust has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.attack_base import at_most
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._deeprobust import DeepRobustAttack, Task
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class DeepRobustMetattack(DeepRobustAttack):
    """DeepRobust's Metattack of the structure, for small graphs: gradients of a whole training.

    Each edit is the one that a training on the edited graph would suffer most from, by the
    gradient through that training. The surrogate's own predictions stand for the classes of the
    targets (self-training), so the victim is asked nothing.

    Args:
        train_iters: steps of the inner training.
        most_nodes: of a graph; larger ones are refused.

    Raises:
        ValueError: a number that is not positive.


    >>> DeepRobustMetattack().access.name
    'NONE'
    """

    needs: ClassVar[str | None] = "deeprobust"
    access: ClassVar[Access] = Access.NONE
    display_name: ClassVar[str] = "Metattack (DeepRobust)"
    trains: ClassVar[bool] = True
    everywhere: ClassVar[bool] = True
    shares_edits: ClassVar[bool] = True

    train_iters: int = 100
    most_nodes: int = 3000

    def __post_init__(self) -> None:
        require_positive(self, "train_iters", "most_nodes")

    def brief(self) -> DeepRobustMetattack:
        return at_most(self, train_iters=5)

    def work(self, task: Task) -> Any:
        return deeprobust_attacks.metattack(
            task.graph,
            task.surrogate,
            task.targets,
            task.edits,
            task.generator,
            train_iters=self.train_iters,
        )
