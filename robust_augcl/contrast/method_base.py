"""The pretraining method: what happens between the shared warm-up and training on labels."""

from __future__ import annotations

from typing import ClassVar

import torch

from robust_augcl.contrast.objective import InfoNCE, LossSettings, Objective
from robust_augcl.contrast.weighting import HardnessWeighter


class Method:
    """Base of methods: a frozen dataclass of hyper-parameters.

    A method that weighs negatives says how in `weighter`; one that has another loss makes its own
    `objective`. Either composes with any base (GraphCL, SimGRACE) by configuration.

    Class attributes:
        display_name: what readers call the method; empty for its label.
        pretrains: whether there is any contrastive pretraining.
        revision: raised when its code changes what is learnt (revisions.py).
    """

    display_name: ClassVar[str] = ""
    pretrains: ClassVar[bool] = True
    revision: ClassVar[int] = 1

    def weighter(
        self, embedding_size: int, generator: torch.Generator, device: torch.device | str
    ) -> HardnessWeighter | None:
        """A new weighter for the training after the warm-up, None for plain training.

        It is fitted on the warm-up's embeddings. `generator` is the source of its initial weights.
        """
        return None

    def objective(
        self,
        embedding_size: int,
        settings: LossSettings,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> Objective:
        """A new objective for the training after the warm-up: InfoNCE with `weighter`'s weights,
        unless a method has its own.
        """
        return InfoNCE(settings, self.weighter(embedding_size, generator, device))
