"""PRBCD on nodes as PyTorch Geometric has it (Geisler et al. 2021, arXiv 2110.14038)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import nn

from robust_augcl.attacks._pyg_rbcd import RandomBlocks, library
from robust_augcl.validation import require_one_of, require_positive


@dataclass(frozen=True)
class PyGPRBCD(RandomBlocks):
    """PyTorch Geometric's PRBCD: weights of random blocks of edits, projected onto the budget.

    It attacks the targets together where they share their edits, else one after the other. Its
    memory grows with the edges of the graph and the block, not with the square of the nodes.

    Args:
        epochs: gradient steps. In the first four fifths the block is drawn anew.
        block_size: pairs of nodes that are weighed together; more than the budget.
        loss: what rises: "prob_margin", as published for nodes; "tanh_margin"; "margin".
        learning_rate: times budget / nodes, as published.

    Raises:
        ValueError: a value is out of its range.

    >>> PyGPRBCD(epochs=10).access.name
    'WEIGHTS'
    """

    display_name: ClassVar[str] = "PRBCD (PyTorch Geometric)"

    loss: Literal["prob_margin", "tanh_margin", "margin"] = "prob_margin"
    learning_rate: float = 1000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "learning_rate")
        require_one_of(self, "loss", ("prob_margin", "tanh_margin", "margin"))

    def made(self, model: nn.Module, block_size: int) -> Any:
        return library().PRBCDAttack(
            model,
            block_size,
            epochs=self.epochs,
            epochs_resampling=max(1, self.epochs * 4 // 5),
            loss=self.loss,
            lr=self.learning_rate,
            log=False,
        )
