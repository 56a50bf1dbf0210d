"""DICE (Waniek et al. 2018) as DeepRobust has it: delete internally, connect externally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._deeprobust import DeepRobustAttack, Task


@dataclass(frozen=True)
class DeepRobustDICE(DeepRobustAttack):
    """DeepRobust's DICE: random edits anywhere, which delete within classes and add between them.

    Classes are those of training nodes and of targets; of all others the victim is asked.


    >>> DeepRobustDICE().access.name
    'QUERY'
    """

    needs: ClassVar[str | None] = "deeprobust"
    not_on_planted: ClassVar[str | None] = (
        "it joins nodes of different classes, and planted nodes are of one"
    )
    access: ClassVar[Access] = Access.QUERY
    display_name: ClassVar[str] = "DICE (DeepRobust)"
    guesses: ClassVar[bool] = True
    everywhere: ClassVar[bool] = True
    shares_edits: ClassVar[bool] = True

    def work(self, task: Task) -> Any:
        return deeprobust_attacks.dice(task.graph, task.edits, task.generator)
