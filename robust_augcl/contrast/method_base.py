"""The pretraining method: what happens between the shared warm-up and training on labels."""

from __future__ import annotations

from typing import ClassVar

import torch

from robust_augcl.contrast.objective import InfoNCE, LossSettings, Objective
from robust_augcl.contrast.weighting import HardnessWeighter


class Method:
    """Base of methods: a frozen dataclass of hyper-parameters.

    A method that weighs negatives says how in `weighter`. A method that has another loss makes its
    own `objective`. Each works with any base (GraphCL, SimGRACE; of nodes GRACE, GCA), which the
    suite chooses, unless it names `bases`.

    Class attributes:
        display_name: what readers call the method; empty for its label.
        pretrains: whether there is any contrastive pretraining.
        plain: whether this is contrastive pretraining and nothing else. Reports compare every
            other method with the plain one of equal pretraining.
        bases: the bases that it stands for, by their names in suites; empty for any.
        rivals: the methods, by their names in the registry, that reports compare this one with
            besides. A method that names rivals is the one in question.
        revision: raised when the code changes what is learned (revisions.py).

    >>> from robust_augcl.contrast.objective import LossSettings
    >>> generator = torch.Generator().manual_seed(0)
    >>> objective = Method().objective(8, LossSettings(), generator, "cpu")
    >>> type(objective).__name__, objective.learns
    ('InfoNCE', False)
    """

    display_name: ClassVar[str] = ""
    pretrains: ClassVar[bool] = True
    plain: ClassVar[bool] = False
    bases: ClassVar[tuple[str, ...]] = ()
    rivals: ClassVar[tuple[str, ...]] = ()
    revision: ClassVar[int] = 1

    def weighter(
        self, embedding_size: int, generator: torch.Generator, device: torch.device | str
    ) -> HardnessWeighter | None:
        """Return a new weighter for the training after the warm-up, or None for plain training.

        The weighter is fitted on the embeddings of the warm-up's model.

        Args:
            embedding_size: D, the size of an embedding.
            generator: the source of the weighter's initial weights.
            device: where the weighter computes.
        """
        return None

    def objective(
        self,
        embedding_size: int,
        settings: LossSettings,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> Objective:
        """Return a new objective for the training after the warm-up.

        By default it is InfoNCE with the weights of `weighter`.

        Args:
            embedding_size: D, the size of an embedding.
            settings: what every loss needs.
            generator: the source of initial weights.
            device: where the objective computes.
        """
        return InfoNCE(settings, self.weighter(embedding_size, generator, device))
