"""GRBCD on nodes as PyTorch Geometric has it (Geisler et al. 2021, arXiv 2110.14038)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import nn

from robust_augcl.attacks._pyg_rbcd import RandomBlocks, library
from robust_augcl.validation import require_one_of


@dataclass(frozen=True)
class PyGGRBCD(RandomBlocks):
    """PyTorch Geometric's GRBCD: in each epoch it flips the best pairs of a random block.

    It attacks the targets together where they share their edits, else one after the other.

    Args:
        epochs: gradient steps; the budget is divided among them.
        block_size: pairs of nodes that are looked at together; more than the budget.
        loss: what rises: "masked", the cross-entropy of nodes that are still right, as published;
            "prob_margin"; "tanh_margin"; "margin".

    Raises:
        ValueError: a value is out of its range.

    >>> PyGGRBCD(epochs=10).access.name
    'WEIGHTS'
    """

    display_name: ClassVar[str] = "GRBCD (PyTorch Geometric)"

    loss: Literal["masked", "prob_margin", "tanh_margin", "margin"] = "masked"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "loss", ("masked", "prob_margin", "tanh_margin", "margin"))

    def made(self, model: nn.Module, block_size: int) -> Any:
        return library().GRBCDAttack(
            model, block_size, epochs=self.epochs, loss=self.loss, log=False
        )
