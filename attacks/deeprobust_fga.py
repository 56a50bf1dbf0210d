"""FGA (Chen et al. 2018, arXiv 1809.02797) as DeepRobust has it: one gradient a flip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._deeprobust import DeepRobustAttack, Task
from robust_augcl.revisions import LATER
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class DeepRobustFGA(DeepRobustAttack):
    """DeepRobust's FGA on the victim itself, which it is handed as a module of dense matrices.

    It flips the pair at the target that raises the loss of the target's class the fastest, takes
    the gradient anew, and goes on until the budget is used up.

    Args:
        most_nodes: of a graph; larger ones are refused, since some six dense matrices of all nodes
            are held.

    Raises:
        ValueError: a number that is not positive.

    >>> DeepRobustFGA().access.name
    'WEIGHTS'
    """

    needs: ClassVar[str | None] = "deeprobust"
    access: ClassVar[Access] = Access.WEIGHTS
    display_name: ClassVar[str] = "FGA (DeepRobust)"

    most_nodes: int = field(default=10_000, metadata=LATER)

    def __post_init__(self) -> None:
        require_positive(self, "most_nodes")

    def work(self, task: Task) -> Any:
        return deeprobust_attacks.fga(task.graph, task.surrogate, task.target, task.edits)
