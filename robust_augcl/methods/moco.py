"""Momentum contrast (MoCo, He et al. 2020, arXiv 1911.05722): a queue of keys from a slow encoder.

Letters: B graphs in a batch, D embedding, K keys in the queue.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.objective import LossSettings, Objective, Views
from robust_augcl.progress import Report, silent
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class MoCo(Method):
    """Momentum contrast: queries are the graphs, and negatives are keys of earlier batches.

    Keys are the second views, embedded by a momentum encoder.

    Args:
        queue: how many keys are kept.
        momentum: m of the key encoder, in [0, 1). The paper's 0.999 is for hundreds of thousands of
            steps. In the tens or hundreds of steps here, the key encoder would not move.

    Raises:
        ValueError: a value is out of range.

    >>> objective = MoCo(queue=64).objective(8, LossSettings(), torch.Generator(), "cpu")
    >>> objective.learns, len(objective.keys)
    (True, 0)
    """

    display_name: ClassVar[str] = "MoCo"
    bases: ClassVar[tuple[str, ...]] = ("graphcl", "simgrace")

    queue: int = 512
    momentum: float = 0.9

    def __post_init__(self) -> None:
        require_positive(self, "queue")
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"Expected `momentum` to be at least 0 and below 1, got {self.momentum}"
            )

    def objective(
        self,
        embedding_size: int,
        settings: LossSettings,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> MomentumContrast:
        return MomentumContrast(settings, self.queue, self.momentum)


class MomentumContrast(Objective):
    """The loss of equation 1 over the queue's keys, and the momentum of equation 2 after each step.

    Departures from the code: The queue starts with keys of the warm-up's model, not with noise. A
    small training set comes around within a queue, so a key of the anchor's own graph is no
    negative of it. An anchor without any negative, where the positive is left out of the
    denominator, has no loss. The code shuffles batch normalisation between devices; there is one
    device here. `directions` changes nothing: keys carry no gradient, so there is no reverse.
    """

    learns = True

    def __init__(self, settings: LossSettings, queue: int, momentum: float) -> None:
        self.settings, self.queue, self.momentum = settings, queue, momentum
        self.keys, self.owners = torch.empty(0), torch.empty(0, dtype=torch.long)
        self._slow: nn.Module | None = None

    def fit(self, views: Views, generator: torch.Generator, report: Report = silent) -> None:
        for _, z2, numbers in views():
            self._push(z2, numbers)

    def begin(self, model: nn.Module) -> None:
        self._slow = copy.deepcopy(model).requires_grad_(False).train()

    def key_model(self, model: nn.Module) -> nn.Module:
        return model if self._slow is None else self._slow

    def loss(self, z1: Tensor, z2: Tensor, numbers: Tensor) -> Tensor:
        keys = z2.detach()
        loss = queue_nce(z1, keys, self.keys, self.owners == numbers.unsqueeze(1), self.settings)
        self._push(keys, numbers)
        return loss

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        if self._slow is not None:
            for slow, fast in zip(self._slow.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 1 - self.momentum)  # equation 2

    def _push(self, keys: Tensor, numbers: Tensor) -> None:
        keys = normalize(keys.detach(), dim=1)
        if self.keys.numel():
            keys = torch.cat([self.keys.to(keys), keys])
        self.keys = keys[-self.queue :]
        self.owners = torch.cat([self.owners.to(numbers), numbers])[-self.queue :]


def queue_nce(z1: Tensor, z2: Tensor, queue: Tensor, own: Tensor, settings: LossSettings) -> Tensor:
    """Return -log of the positive's share among itself and the queue (equation 1).

    It is the mean over the anchors. `own` says which keys are no negatives of an anchor.

    Shapes: z1 (B, D), z2 (B, D), queue (K, D), own (B, K) bool -> ().

    >>> z, queue = torch.eye(2), torch.tensor([[1.0, 0.0]])
    >>> own = torch.tensor([[True], [False]])
    >>> round(float(queue_nce(z, z, queue, own, LossSettings(temperature=1.0))), 4)
    0.1566
    """
    scores = z1.new_empty(z1.size(0), 0)
    if queue.numel():
        scores = cosine_similarities(z1, queue) / settings.temperature
    positive = (normalize(z1, dim=1) * normalize(z2, dim=1)).sum(1) / settings.temperature
    terms = scores.masked_fill(own, -torch.inf)
    if settings.positive_in_denominator:
        return (torch.cat([positive.unsqueeze(1), terms], dim=1).logsumexp(1) - positive).mean()
    has_negatives = ~own.all(1)
    loss = terms[has_negatives].logsumexp(1) - positive[has_negatives]
    return loss.sum() / max(int(has_negatives.sum()), 1)
