"""Uncertainty of a negative: how unsure a model is of the cluster that it was put in.

Source: AUGCL (arXiv 2301.13340, section 3.3).

Letters: B graphs in a batch, D embedding, H hidden width, P pairs.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from robust_augcl.models.layers import linear

NetworkName = Literal["deep_gamblers", "softmax_response", "entropy"]
EstimatorName = Literal["deep_gamblers", "softmax_response", "entropy", "distance"]


class PairNetwork(nn.Module):
    """A network that says to which cluster a pair (z_i, z'_j) belongs.

    It has two hidden layers of H with relu. Its logits are those of cluster 0 and cluster 1, and,
    with three outputs, of the reservation. The first layer is linear in the pair,
    W [z_i; z'_j] = W_a z_i + W_b z'_j, so the pairs are never laid side by side.

    Args:
        embedding_size: D.
        hidden: H.
        generator: the source of the initial weights.
        outputs: 2 or 3.
    """

    def __init__(
        self, embedding_size: int, hidden: int, generator: torch.Generator, outputs: int = 3
    ) -> None:
        super().__init__()
        self.embedding_size = embedding_size
        self.layer1 = linear(2 * embedding_size, hidden, generator)
        self.layer2 = linear(hidden, hidden, generator)
        self.layer3 = linear(hidden, outputs, generator)

    def halves(self, z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first layer's two parts, with the bias in the first.

        Shapes: z1 (B, D), z2 (B, D) -> (B, H), (B, H).
        """
        left, right = self.layer1.weight.split(self.embedding_size, dim=1)
        return torch.addmm(self.layer1.bias, z1, left.T), z2 @ right.T

    def rest(self, first: Tensor) -> Tensor:
        """Return the logits from the sum of the halves, which is overwritten.

        Shapes: first (..., H) -> (..., outputs).
        """
        # In place, where the gradient does not need what was there: fresh memory costs as much as
        # the arithmetic.
        out: Tensor = self.layer3(self.layer2(first.relu_()).relu_())
        return out

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the logits of all pairs: (B, D), (B, D) -> (B, B, outputs)."""
        left, right = self.halves(z1, z2)
        return self.rest(left.unsqueeze(1) + right.unsqueeze(0))

    @torch.no_grad()
    def logits(self, z1: Tensor, z2: Tensor, pairs_a_block: int = 2048) -> Tensor:
        """Return what `forward` returns, without gradients and a block of anchors at a time.

        A block is computed in place, so what it holds stays in the processor's cache.
        """
        left, right = self.halves(z1, z2)
        blocks = []
        for part in left.split(max(1, pairs_a_block // max(1, right.size(0)))):
            blocks.append(self.rest(part.unsqueeze(1) + right.unsqueeze(0)))
        return torch.cat(blocks)


def gamblers_loss(logits: Tensor, labels: Tensor, reward: float) -> tuple[Tensor, Tensor]:
    """Return the mean Deep Gamblers loss of pairs, and its gradient in the logits.

    The loss of a pair is -log(p_label + p_reservation / reward) (Liu et al. 2019, arXiv
    1907.00208). It is fast where the logits of one output lie side by side in memory.

    Shapes: logits (P, 3), with the reservation last; labels of 0 and 1 (P,) -> (), (P, 3).

    Raises:
        ValueError: the reward is outside (1, 2], the sensible range for two classes.

    >>> logits = torch.zeros(2, 3)
    >>> loss, gradient = gamblers_loss(logits, torch.tensor([0, 1]), reward=2.0)
    >>> round(float(loss), 4)  # log 2, as p_label + p_reservation / 2 is 1/2
    0.6931
    >>> gradient.shape
    torch.Size([2, 3])
    """
    check_reward(reward)
    rows = logits.T.contiguous()
    first, second, kept = rows
    label = labels.to(rows.dtype)
    bet = torch.lerp(first, second, label)
    hedge = kept - math.log(reward)
    log_total = torch.logaddexp(torch.logaddexp(first, second), kept)
    loss = (log_total - torch.logaddexp(bet, hedge)).mean()
    # The gradient in the logit of c is p_c less c's share of p_label + p_reservation / reward.
    gradient = (rows - log_total).exp_()
    first, second, kept = gradient
    share = (bet - hedge).sigmoid_()
    to_second = share * label
    kept.add_(share).sub_(1)
    second.sub_(to_second)
    first.sub_(share).add_(to_second)
    return loss, gradient.div_(max(labels.numel(), 1)).T


def cluster_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy of the two clusters, and its gradient in the logits.

    A reservation, if there is one, is not looked at.

    Shapes: logits (P, 2) or (P, 3), labels (P,) -> (), the gradient in the shape of the logits.

    >>> loss, gradient = cluster_loss(torch.zeros(1, 3), torch.tensor([1]))
    >>> round(float(loss), 4), gradient.tolist()
    (0.6931, [[0.5, -0.5, 0.0]])
    """
    rows = logits.T.contiguous()
    second = (labels == 1).to(rows.dtype)
    difference = rows[1] - rows[0]
    loss = softplus(difference * (1 - 2 * second)).mean()
    gradient = torch.zeros_like(rows)
    torch.sub(difference.sigmoid(), second, out=gradient[1]).div_(max(labels.numel(), 1))
    torch.neg(gradient[1], out=gradient[0])
    return loss, gradient.T


def check_reward(reward: float) -> None:
    """Raise `ValueError` for a reward outside (1, 2]."""
    if not 1 < reward <= 2:
        raise ValueError(f"Expected `reward` to be above 1 and at most 2, got {reward}")


def reservation(network: PairNetwork, z1: Tensor, z2: Tensor) -> Tensor:
    """Return u_ij, the probability of the reservation for all pairs: (B, D), (B, D) -> (B, B)."""
    return from_logits("deep_gamblers", network(z1, z2))


def from_logits(estimator: NetworkName, logits: Tensor) -> Tensor:
    """Return u_ij from the network's logits.

    "deep_gamblers": the probability of the reservation. "softmax_response": 1 - the larger
    probability. "entropy": -sum p log p.

    Shapes: logits (..., 3) or (..., 2) -> (...).

    >>> float(from_logits("softmax_response", torch.zeros(2)))
    0.5
    >>> round(float(from_logits("entropy", torch.zeros(2))), 4)
    0.6931
    """
    if estimator == "deep_gamblers":
        return logits.softmax(-1)[..., -1]
    p = logits.softmax(-1)
    if estimator == "softmax_response":
        return 1 - p.amax(-1)
    return torch.special.entr(p).sum(-1)


def distance_uncertainty(
    similarity: Tensor, labels: Tensor, beta: float, floor: float = 1e-3
) -> Tensor:
    """Return u_ij = beta / d_ij for the negatives of cluster 0 (AUGCL, section 3.3).

    The paper says neither which distance it means nor what becomes of cluster 1. Here d is the
    Euclidean distance of the unit vectors, d^2 = 2 - 2 s, and at least `floor`. The pairs of
    cluster 1 look like the positive and get 0, so they are not pushed away. So, of the negatives,
    those next to the boundary between the clusters count most.

    Shapes: similarity (B, B), labels (B, B) -> (B, B).

    >>> similarity, labels = torch.tensor([[1.0, 0.5]]), torch.tensor([[1, 0]])
    >>> distance_uncertainty(similarity, labels, beta=2.0).tolist()
    [[0.0, 2.0]]
    """
    # Not `sqrt`, which MKL rounds in other ways on other processors.
    inverse = (2 - 2 * similarity).clamp(min=floor**2).rsqrt()
    return torch.where(labels == 0, beta * inverse, 0.0)
