"""ProGCL, mixing (arXiv 2110.02027): harder negatives mixed from the hardest true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.objective import LossSettings
from robust_augcl.contrast.progcl.mixing import MixedNegatives
from robust_augcl.contrast.progcl.weights import MixtureSettings
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class ProGCLMix(MixtureSettings, Method):
    """ProGCL with mixed negatives. The other settings are those of `MixtureSettings`.

    Args:
        hardest: how many negatives of each anchor are mixed. ProGCL takes 1,000 of thousands of
            nodes.

    Raises:
        ValueError: a value is out of range.

    >>> generator = torch.Generator().manual_seed(0)
    >>> ProGCLMix(hardest=8).objective(4, LossSettings(), generator, "cpu").hardest
    8
    """

    display_name: ClassVar[str] = "ProGCL, mixing"

    hardest: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "hardest")

    def objective(
        self,
        embedding_size: int,
        settings: LossSettings,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> MixedNegatives:
        return MixedNegatives(settings, self, self.hardest, generator)
