"""RND (Zuegner et al. 2018) as DeepRobust has it: edges to nodes of other classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._deeprobust import DeepRobustAttack, Task


@dataclass(frozen=True)
class DeepRobustRND(DeepRobustAttack):
    """DeepRobust's RND: random edges from the target to training nodes of other classes.

    Where these are fewer than the budget, it goes on with nodes that are not for training. Where
    training nodes lie in other graphs, the classes that the victim predicts stand for theirs.


    >>> DeepRobustRND().access.name
    'QUERY'
    """

    needs: ClassVar[str | None] = "deeprobust"
    not_on_planted: ClassVar[str | None] = (
        "it joins nodes of different classes, and planted nodes are of one"
    )
    access: ClassVar[Access] = Access.QUERY
    display_name: ClassVar[str] = "RND (DeepRobust)"
    operations: ClassVar[tuple[str, ...]] = ("add",)
    revision: ClassVar[int] = 2

    def work(self, task: Task) -> Any:
        return deeprobust_attacks.rnd(task.graph, task.target, task.edits, task.generator)
