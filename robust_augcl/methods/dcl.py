"""DCL (Chuang et al. 2020, arXiv 2007.00224): the debiased contrastive loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust_augcl.contrast.losses import debiased_nce_of
from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.objective import LossSettings, PairObjective
from robust_augcl.contrast.row_losses import debiased_nce_rows
from robust_augcl.contrast.rows import Rows


@dataclass(frozen=True)
class DCL(Method):
    """DCL: the mean term of the negatives, less what positives among them are expected to add.

    Source: equation 8 of the paper.

    Args:
        class_prior: tau+, the chance that a negative is of the anchor's class, in [0, 1). The
            default is the paper's.

    Raises:
        ValueError: a value is out of range.

    >>> z, settings = torch.eye(3), LossSettings(temperature=1.0)
    >>> objective = DCL(class_prior=0.0).objective(3, settings, torch.Generator(), "cpu")
    >>> round(float(objective.loss(z, z, torch.arange(3))), 4)  # log(e + 2) - 1
    0.5514
    """

    display_name: ClassVar[str] = "DCL"

    class_prior: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.class_prior < 1:
            raise ValueError(
                f"Expected `class_prior` to be at least 0 and below 1, got {self.class_prior}"
            )

    def objective(
        self,
        embedding_size: int,
        settings: LossSettings,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> DebiasedLoss:
        return DebiasedLoss(settings, self.class_prior)


class DebiasedLoss(PairObjective):
    """The loss `debiased_nce_of` without importances."""

    def __init__(self, settings: LossSettings, class_prior: float) -> None:
        super().__init__(settings)
        self.class_prior = class_prior

    def pair_loss(self, similarity: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
        return debiased_nce_of(
            similarity,
            temperature=self.settings.temperature,
            class_prior=self.class_prior,
            positive_in_denominator=self.settings.positive_in_denominator,
        )

    def row_losses(self, rows: Rows) -> Tensor:
        return debiased_nce_rows(
            rows,
            temperature=self.settings.temperature,
            class_prior=self.class_prior,
            positive_in_denominator=self.settings.positive_in_denominator,
        )
