"""HCL (Robinson et al. 2021, arXiv 2010.04592): hard negatives by importance, debiased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust_augcl.contrast.losses import cosine_similarities, debiased_nce_of
from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.objective import LossSettings, PairObjective
from robust_augcl.contrast.row_losses import debiased_nce_rows
from robust_augcl.contrast.rows import Rows
from robust_augcl.validation import require_not_negative


@dataclass(frozen=True)
class HCL(Method):
    """HCL: negatives count by exp(beta s / t), less what positives among them are expected to add.

    Source: equation 4 of the paper. The second part is that of DCL.

    Args:
        class_prior: tau+, the chance that a negative is of the anchor's class, in [0, 1).
        hardness: beta, not negative. With 0 this is DCL.

    Raises:
        ValueError: a value is out of range.

    >>> z, generator = torch.eye(3), torch.Generator()
    >>> objective = HCL(hardness=2.0).objective(3, LossSettings(), generator, "cpu")
    >>> objective.pair_weights(z, z).tolist()  # all are equally similar
    [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """

    display_name: ClassVar[str] = "HCL"

    class_prior: float = 0.1
    hardness: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.class_prior < 1:
            raise ValueError(
                f"Expected `class_prior` to be at least 0 and below 1, got {self.class_prior}"
            )
        require_not_negative(self, "hardness")

    def objective(
        self,
        embedding_size: int,
        settings: LossSettings,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> HardLoss:
        return HardLoss(settings, self.class_prior, self.hardness)


class HardLoss(PairObjective):
    """The loss `debiased_nce_of` with importances."""

    def __init__(self, settings: LossSettings, class_prior: float, hardness: float) -> None:
        super().__init__(settings)
        self.class_prior, self.hardness = class_prior, hardness

    def pair_loss(self, similarity: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
        return debiased_nce_of(
            similarity,
            temperature=self.settings.temperature,
            class_prior=self.class_prior,
            hardness=self.hardness,
            positive_in_denominator=self.settings.positive_in_denominator,
        )

    def row_losses(self, rows: Rows) -> Tensor:
        return debiased_nce_rows(
            rows,
            temperature=self.settings.temperature,
            class_prior=self.class_prior,
            hardness=self.hardness,
            positive_in_denominator=self.settings.positive_in_denominator,
        )

    @torch.no_grad()
    def pair_weights(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the importance of each negative over its mean in the row."""
        scores = self.hardness * cosine_similarities(z1, z2) / self.settings.temperature
        own = torch.eye(scores.size(0), dtype=torch.bool, device=scores.device)
        return scores.masked_fill(own, -torch.inf).softmax(1) * (scores.size(0) - 1)
