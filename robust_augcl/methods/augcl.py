"""AUGCL (arXiv 2301.13340): negatives weighted by affinity uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.contrast.augcl.estimators import AffinitySettings, AffinityUncertainty
from robust_augcl.contrast.method_base import Method


@dataclass(frozen=True)
class AUGCL(AffinitySettings, Method):
    """Official semantics: two-means partition of the similarities (here exact), Deep Gamblers,
    alpha = 1 / row mean.

    See `AffinitySettings` for the settings.
    """

    display_name: ClassVar[str] = "AUGCL"

    def weighter(
        self, embedding_size: int, generator: torch.Generator, device: torch.device | str
    ) -> AffinityUncertainty:
        return AffinityUncertainty(embedding_size, self, generator, device)
