"""Rounds of message passing as matrices and relu, for whoever bounds what edits do to them.

Letters: N nodes, F inputs, H width.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ReluRound:
    """One round in evaluation mode, from states s (N, F) to states (N, H).

    With p = offset + the sum of s @ weight over the neighbours (and the node itself, if it is among
    its own), the new state is

        scale * relu(... relu(relu(p) @ weight_1 + bias_1) @ weight_2 + ...) + shift,

    where weight_1, bias_1, ... are those of `inner`.

    Args:
        weight: (F, H).
        offset: (N, H).
        self_loops: whether a node is among its own neighbours.
        inner: further linear layers of each node, each with its relu: (H, H) and (H,).
        scaling: scale and shift of batch normalisation (H,), (H,); None without any.
    """

    weight: Tensor
    offset: Tensor
    self_loops: bool = False
    inner: tuple[tuple[Tensor, Tensor], ...] = ()
    scaling: tuple[Tensor, Tensor] | None = None
