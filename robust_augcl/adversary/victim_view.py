"""What an attack sees of a victim: no more than the access that it declares.

Letters: G graphs, C classes, M candidate edits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import AccessViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import LocalParts
from robust_augcl.oracle.answers import AnswerPairs, AskAgain
from robust_augcl.oracle.edge_gradients import Loss
from robust_augcl.threat.candidates import Candidates


class Access(IntEnum):
    """What an attack may ask of a victim; each level includes those before it."""

    NONE = 0
    QUERY = 1
    GRADIENT = 2
    WEIGHTS = 3


class Seen(Protocol):
    """What everybody may know of a victim, whatever the access."""

    num_classes: int
    device: torch.device

    @property
    def reach(self) -> int | None:
        """See `victim.Victim.reach`."""


class VictimView:
    """A victim limited to an access level.

    It carries no module, no parameters and no autograd graph; at the level of weights it hands out
    copies. Whatever lies beyond the level raises `AccessViolation`.
    """

    __slots__ = ("_ask", "access", "device", "num_classes", "reach")

    def __init__(self, victim: Seen, access: Access) -> None:
        self.access = access
        self.num_classes = victim.num_classes
        self.device = victim.device
        self.reach = victim.reach

        def ask(needed: Access, what: str) -> Callable[..., Any]:
            if access < needed:
                raise AccessViolation(
                    f"The attack declared access {access.name.lower()!r} and asked for {what}"
                )
            method: Callable[..., Any] = getattr(victim, what)
            return method

        self._ask = ask

    def logits(self, graphs: PackedGraphs | Sequence[Data]) -> Tensor:
        """See `victim.Victim.logits`; needs query access."""
        return cast(Tensor, self._ask(Access.QUERY, "logits")(graphs))

    def candidate_logits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates
    ) -> Tensor:
        """See `victim.Victim.candidate_logits`; needs query access."""
        return cast(Tensor, self._ask(Access.QUERY, "candidate_logits")(graphs, candidates))

    def prepared_logits(self, graphs: PackedGraphs | Sequence[Data]) -> AskAgain:
        """See `victim.Victim.prepared_logits`; needs query access."""
        return cast(AskAgain, self._ask(Access.QUERY, "prepared_logits")(graphs))

    def pair_logits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates
    ) -> AnswerPairs:
        """See `victim.Victim.pair_logits`; needs query access."""
        return cast(AnswerPairs, self._ask(Access.QUERY, "pair_logits")(graphs, candidates))

    def edge_gradients(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates, towards: Tensor
    ) -> Tensor:
        """See `victim.Victim.edge_gradients`; needs gradient access."""
        return cast(
            Tensor, self._ask(Access.GRADIENT, "edge_gradients")(graphs, candidates, towards)
        )

    def relaxed(
        self,
        graphs: PackedGraphs | Sequence[Data],
        candidates: Candidates,
        weights: Tensor,
        loss: Loss,
    ) -> tuple[Tensor, Tensor]:
        """See `victim.Victim.relaxed`; needs gradient access."""
        return cast(
            tuple[Tensor, Tensor],
            self._ask(Access.GRADIENT, "relaxed")(graphs, candidates, weights, loss),
        )

    def parts(self) -> LocalParts:
        """See `victim.Victim.parts`; needs access to the weights."""
        return cast(LocalParts, self._ask(Access.WEIGHTS, "parts")())

    def partial_edits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates, loss: Loss
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """See `victim.Victim.partial_edits`; needs gradient access."""
        ask = self._ask(Access.GRADIENT, "partial_edits")(graphs, candidates, loss)
        return cast(Callable[[Tensor, Tensor], Tensor], ask)
