"""Weigh negatives by how far they are from the anchor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.weighting import HardnessWeighter, Weights


class _ByDistance(HardnessWeighter):
    """The weight of a negative is 1 + strength * (1 - its cosine similarity) / 2."""

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def weigh(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Weights:
        weight = 1 + self.strength * (1 - similarity.clamp(-1, 1)) / 2
        weight.fill_diagonal_(1.0)
        none = torch.zeros(len(weight), dtype=torch.bool, device=weight.device)
        return Weights(weight, none, none)


@dataclass(frozen=True)
class Far(Method):
    """InfoNCE in which far negatives count more.

    Args:
        strength: by how much the farthest counts more, at least 0.

    Raises:
        ValueError: the strength is out of range.
    """

    display_name: ClassVar[str] = "Far negatives"
    rivals: ClassVar[tuple[str, ...]] = ("graphcl",)

    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise ValueError(f"Expected `strength` to be at least 0, got {self.strength}")

    def weighter(
        self, embedding_size: int, generator: torch.Generator, device: torch.device | str
    ) -> HardnessWeighter:
        return _ByDistance(self.strength)
