"""AUGCL (arXiv 2301.13340): negatives weighted by affinity uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from robust_augcl.checks import require_positive
from robust_augcl.contrast.uncertainty import check_reward
from robust_augcl.contrast.weighting import AffinityUncertainty
from robust_augcl.method import Method


@dataclass(frozen=True)
class AUGCL(Method):
    """Official semantics: exact two-means partition of the similarities, Deep Gamblers, alpha = 1 / row mean.

    Args:
        reward: o of the Deep Gamblers loss, above 1 and at most 2.
        passes: over the data, to fit the uncertainty model.
        hidden: width of its two hidden layers.
        learning_rate: of its Adam.
        pairs_a_batch: pairs in one of its steps.

    Raises:
        ValueError: a value out of range.
    """

    reward: float = 1.9
    passes: int = 10
    hidden: int = 128
    learning_rate: float = 0.01
    pairs_a_batch: int = 2048

    def __post_init__(self) -> None:
        check_reward(self.reward)
        require_positive(self, "passes", "hidden", "learning_rate", "pairs_a_batch")

    def weighter(self, embedding_size: int, generator: torch.Generator, device: torch.device | str) -> AffinityUncertainty:
        return AffinityUncertainty(
            embedding_size,
            hidden=self.hidden,
            reward=self.reward,
            passes=self.passes,
            learning_rate=self.learning_rate,
            pairs_a_batch=self.pairs_a_batch,
            generator=generator,
            device=device,
        )
