"""ProGCL, weighting (arXiv 2110.02027): negatives weighted by how likely they are true and how
similar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.progcl.weights import MixtureSettings, MixtureWeighter


@dataclass(frozen=True)
class ProGCL(MixtureSettings, Method):
    """See `MixtureSettings` for the settings."""

    display_name: ClassVar[str] = "ProGCL"

    def weighter(
        self, embedding_size: int, generator: torch.Generator, device: torch.device | str
    ) -> MixtureWeighter:
        return MixtureWeighter(self)
