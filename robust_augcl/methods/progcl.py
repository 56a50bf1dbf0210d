"""ProGCL, weighting (Xia et al. 2022, arXiv 2110.02027): negatives weighted by hardness.

Hardness is how likely a negative is a true one, times how similar it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.progcl.weights import MixtureSettings, MixtureWeighter


@dataclass(frozen=True)
class ProGCL(MixtureSettings, Method):
    """ProGCL with weights. The settings are those of `MixtureSettings`.

    >>> type(ProGCL(columns=50).weighter(4, torch.Generator(), "cpu")).__name__
    'MixtureWeighter'
    """

    display_name: ClassVar[str] = "ProGCL"

    def weighter(
        self, embedding_size: int, generator: torch.Generator, device: torch.device | str
    ) -> MixtureWeighter:
        return MixtureWeighter(self)
