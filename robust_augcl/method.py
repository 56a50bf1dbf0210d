"""The pretraining method: what happens between the shared warm-up and training on labels."""

from __future__ import annotations

from typing import ClassVar

import torch

from robust_augcl.contrast.weighting import HardnessWeighter


class Method:
    """Base of methods: a frozen dataclass of hyper-parameters.

    Class attributes:
        pretrains: whether there is any contrastive pretraining.
    """

    pretrains: ClassVar[bool] = True

    def weighter(self, embedding_size: int, generator: torch.Generator, device: torch.device | str) -> HardnessWeighter | None:
        """A new weighter for the training after the warm-up, None for plain training.

        It is fitted on the warm-up's embeddings. `generator` is the source of its initial weights.
        """
        return None
