"""AUGCL (arXiv 2301.13340): negatives weighted by affinity uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from robust_augcl.contrast.augcl.estimators import AffinitySettings, AffinityUncertainty
from robust_augcl.contrast.method_base import Method


@dataclass(frozen=True)
class AUGCL(AffinitySettings, Method):
    """AUGCL with the semantics of its code, but an exact partition.

    The defaults are the two-means partition of the similarities, Deep Gamblers, and alpha =
    1 / row mean. The settings are those of `AffinitySettings`.

    >>> AUGCL(uncertainty="entropy").weighter(4, torch.Generator().manual_seed(0), "cpu").measure
    'uncertainty'
    """

    display_name: ClassVar[str] = "AUGCL"
    revision: ClassVar[int] = 2
    rivals: ClassVar[tuple[str, ...]] = ("progcl", "progcl_mix")

    def weighter(
        self, embedding_size: int, generator: torch.Generator, device: torch.device | str
    ) -> AffinityUncertainty:
        return AffinityUncertainty(embedding_size, self, generator, device)
