"""Random edits anywhere, as DeepRobust has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._deeprobust import DeepRobustAttack, Task
from robust_augcl.threat.model import ThreatModel


@dataclass(frozen=True)
class DeepRobustRandom(DeepRobustAttack):
    """DeepRobust's Random: pairs of nodes anywhere, added, removed, or flipped.

    They are flipped where the threat allows both.

    >>> DeepRobustRandom().access.name
    'NONE'
    """

    needs: ClassVar[str | None] = "deeprobust"
    access: ClassVar[Access] = Access.NONE
    display_name: ClassVar[str] = "Random (DeepRobust)"
    everywhere: ClassVar[bool] = True
    shares_edits: ClassVar[bool] = True

    def refuses(self, threat: ThreatModel) -> str | None:
        if threat.operations == ("delete",):
            return None if threat.at == "anywhere" else "it edits anywhere"
        own = replace(threat, operations=("add", "delete"))
        return super().refuses(own)

    def work(self, task: Task) -> Any:
        kind = _KINDS[frozenset(task.operations)]
        return deeprobust_attacks.random_edits(task.graph, task.edits, kind, task.generator)


_KINDS: dict[frozenset[str], Literal["add", "remove", "flip"]] = {
    frozenset({"add"}): "add",
    frozenset({"delete"}): "remove",
    frozenset({"add", "delete"}): "flip",
}
