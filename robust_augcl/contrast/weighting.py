"""Hardness weighting: how much each negative counts in the contrastive loss.

Letters: B graphs in a batch, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.partition import partition
from robust_augcl.contrast.uncertainty import PairNetwork, check_reward, gamblers_loss, reservation
from robust_augcl.progress import Report, silent

Views = Callable[[], Iterator[tuple[Tensor, Tensor]]]
"""One pass over the data: for each batch the embeddings of anchors and of views drawn anew, (B, D) both, detached."""


class HardnessWeighter(Protocol):
    """Weighs negatives; learns how in `fit`."""

    @property
    def notes(self) -> list[str]:
        """What a reader of the results should know, e.g. of a collapsed model."""

    def fit(self, views: Views, generator: torch.Generator, report: Report = silent) -> None:
        """Learn from passes over the data; all chance comes from `generator`."""

    def __call__(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Weights of all pairs: (B, D), (B, D) -> (B, B), non-negative, detached, diagonal 1."""


_FLAT = 0.01  # weights this close to 1 change nothing: seen where raw embeddings are so large that every pair is reserved


def mean_normalised(uncertainty: Tensor, floor: float = 1e-12) -> tuple[Tensor, Tensor]:
    """alpha u_ij with alpha = 1 / mean over all j of u_ij, then the diagonal 1 (AUGCL's code).

    A row whose mean, or whose mean over the negatives, is not above `floor` says nothing about hardness: all its weights are 1, as in
    plain InfoNCE, where the published formula gives NaN, or a loss without negatives.

    Shapes: (B, B) -> weights (B, B), and which rows collapsed (B,).
    """
    mean = uncertainty.mean(1, keepdim=True)
    negatives = uncertainty.sum(1, keepdim=True) - uncertainty.diagonal().unsqueeze(1)
    collapsed = ~(mean > floor) | ~(negatives > floor * uncertainty.size(1))
    weight = torch.where(collapsed, 1.0, uncertainty / mean.clamp(min=floor))
    return weight.fill_diagonal_(1.0), collapsed.squeeze(1)


class AffinityUncertainty:
    """AUGCL's weights (arXiv 2301.13340): the reservation of a Deep Gamblers model of the two-cluster partition.

    Args:
        embedding_size: D.
        hidden: width of the pair network's two hidden layers.
        reward: o of the Deep Gamblers loss, in (1, 2].
        passes: passes over the data.
        learning_rate: of Adam.
        pairs_a_batch: pairs in one optimisation step.
        generator: the source of the initial weights.
    """

    def __init__(
        self,
        embedding_size: int,
        *,
        hidden: int,
        reward: float,
        passes: int,
        learning_rate: float,
        pairs_a_batch: int,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        check_reward(reward)
        self.network = PairNetwork(embedding_size, hidden, generator).to(device)
        self.reward, self.passes, self.learning_rate, self.pairs_a_batch = reward, passes, learning_rate, pairs_a_batch
        self.losses: list[float] = []
        self._rows = self._collapsed = self._flat = 0

    @property
    def notes(self) -> list[str]:
        found = []
        if self._collapsed:
            share = 100 * self._collapsed / self._rows
            found.append(f"the reservation collapsed to 0 for {share:.1f} % of the anchors, whose negatives were weighted 1")
        if self._flat:
            share = 100 * self._flat / self._rows
            found.append(
                f"the uncertainty did not tell the negatives of {share:.1f} % of the anchors apart (weights within {_FLAT} of 1): "
                "there the loss is the plain one"
            )
        return found

    def fit(self, views: Views, generator: torch.Generator, report: Report = silent) -> None:
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate)
        for number in range(self.passes):
            total, count = 0.0, 0
            for z1, z2 in views():
                labels = partition(cosine_similarities(z1, z2)).flatten()
                for pairs in torch.randperm(labels.numel(), generator=generator).to(z1.device).split(self.pairs_a_batch):
                    anchor, view = pairs // z1.size(0), pairs % z1.size(0)
                    loss = gamblers_loss(self.network.pairs(z1, z2, anchor, view), labels[pairs], self.reward)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    total, count = total + float(loss.detach()) * pairs.numel(), count + pairs.numel()
            self.losses.append(total / max(count, 1))
            report((number + 1) / self.passes, f"uncertainty loss {self.losses[-1]:.3f}")

    @torch.no_grad()
    def __call__(self, z1: Tensor, z2: Tensor) -> Tensor:
        weight, collapsed = mean_normalised(reservation(self.network, z1.detach(), z2.detach()))
        self._rows += collapsed.numel()
        self._collapsed += int(collapsed.sum())
        self._flat += int((((weight - 1).abs().amax(1) < _FLAT) & ~collapsed).sum())
        return weight
