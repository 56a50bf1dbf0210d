"""Uncertainty of a negative: how unsure a model is of the cluster that it was put in (AUGCL, arXiv 2301.13340, section 3.3).

Letters: B graphs in a batch, D embedding, H hidden width, P pairs.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from robust_augcl.encoder import linear

NetworkName = Literal["deep_gamblers", "softmax_response", "entropy"]
EstimatorName = Literal["deep_gamblers", "softmax_response", "entropy", "distance"]


class PairNetwork(nn.Module):
    """Logits for a pair (z_i, z'_j): cluster 0, cluster 1, and (three outputs) the reservation. Two hidden layers of H with relu.

    The first layer is linear in the pair, W [z_i; z'_j] = W_a z_i + W_b z'_j, so the pairs are never laid side by side.
    """

    def __init__(self, embedding_size: int, hidden: int, generator: torch.Generator, outputs: int = 3) -> None:
        super().__init__()
        self.embedding_size = embedding_size
        self.layer1 = linear(2 * embedding_size, hidden, generator)
        self.layer2 = linear(hidden, hidden, generator)
        self.layer3 = linear(hidden, outputs, generator)

    def halves(self, z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
        """The first layer's two parts, the bias in the first: (B, D), (B, D) -> (B, H), (B, H)."""
        left, right = self.layer1.weight.split(self.embedding_size, dim=1)
        return z1 @ left.T + self.layer1.bias, z2 @ right.T

    def rest(self, first: Tensor) -> Tensor:
        """The network from the sum of the halves on, which is overwritten: (..., H) -> (..., outputs)."""
        # In place where the gradient does not need what was there: fresh memory costs as much as the arithmetic.
        out: Tensor = self.layer3(self.layer2(first.relu_()).relu_())
        return out

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Logits of all pairs: (B, D), (B, D) -> (B, B, outputs)."""
        left, right = self.halves(z1, z2)
        return self.rest(left.unsqueeze(1) + right.unsqueeze(0))

    @torch.no_grad()
    def logits(self, z1: Tensor, z2: Tensor, pairs_a_block: int = 2048) -> Tensor:
        """`forward` without gradients, a block of anchors at a time, in place: what a block holds stays in the cache."""
        left, right = self.halves(z1, z2)
        blocks = []
        for part in left.split(max(1, pairs_a_block // max(1, right.size(0)))):
            blocks.append(self.rest(part.unsqueeze(1) + right.unsqueeze(0)))
        return torch.cat(blocks)

    def pairs(self, z1: Tensor, z2: Tensor, anchor: Tensor, view: Tensor) -> Tensor:
        """Logits of some pairs: anchor (P,), view (P,) -> (P, outputs)."""
        left, right = self.halves(z1, z2)
        second, third = self.layer2, self.layer3
        out: Tensor = _Rest.apply(left, right, anchor, view, second.weight, second.bias, third.weight, third.bias)
        return out


class _Rest(torch.autograd.Function):
    """`PairNetwork.rest` of left[anchor] + right[view], and its gradient, in as few and as small pieces of memory as there can be.

    Fresh memory and copies cost autograd's own version more than a third of the arithmetic.
    """

    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, anchor: Tensor, view: Tensor, w2: Tensor, b2: Tensor, w3: Tensor, b3: Tensor
    ) -> Tensor:
        h1 = left.index_select(0, anchor).add_(right.index_select(0, view)).relu_()
        h2 = torch.addmm(b2, h1, w2.T).relu_()
        ctx.save_for_backward(anchor, view, w2, w3, h1, h2)
        ctx.sizes = left.size(0), right.size(0)
        return torch.addmm(b3, h2, w3.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        anchor, view, w2, w3, h1, h2 = ctx.saved_tensors
        g2 = gradient @ w3
        g_w3, g_b3 = gradient.T @ h2, gradient.sum(0)
        torch.ops.aten.threshold_backward(g2, h2, 0, grad_input=g2)
        g_w2, g_b2 = g2.T @ h1, g2.sum(0)
        g1 = torch.mm(g2, w2, out=h2)  # which nothing needs any more; a second backward pass is refused
        torch.ops.aten.threshold_backward(g1, h1, 0, grad_input=g1)
        halves = [g1.new_zeros(size, g1.size(1)).index_add_(0, index, g1) for size, index in zip(ctx.sizes, (anchor, view), strict=True)]
        return *halves, None, None, g_w2, g_b2, g_w3, g_b3


class _Gamblers(torch.autograd.Function):
    """The loss of `gamblers_loss`; autograd's own gradient, step by step, takes as long as a layer of the network."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, reward: float) -> Tensor:
        log_p = logits.log_softmax(1)
        bet = log_p.gather(1, labels.unsqueeze(1)).squeeze(1)
        hedge = log_p[:, -1] - torch.log(torch.tensor(reward))
        ctx.save_for_backward(log_p, labels, bet, hedge)
        return -torch.logaddexp(bet, hedge).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        log_p, labels, bet, hedge = ctx.saved_tensors
        each = -gradient / labels.numel()
        shares = torch.zeros_like(log_p)
        shares.scatter_(1, labels.unsqueeze(1), (each / (1 + (hedge - bet).exp())).unsqueeze(1))
        shares[:, -1] = each / (1 + (bet - hedge).exp())
        return torch.ops.aten._log_softmax_backward_data(shares, log_p, 1, log_p.dtype), None, None


def gamblers_loss(logits: Tensor, labels: Tensor, reward: float) -> Tensor:
    """Deep Gamblers (Liu et al. 2019, arXiv 1907.00208): -mean log(p_label + p_reservation / reward).

    Shapes: logits (P, 3), the reservation last; labels (P,) -> ().

    Raises:
        ValueError: a reward outside (1, 2], the sensible range for two classes.
    """
    check_reward(reward)
    loss: Tensor = _Gamblers.apply(logits, labels, reward)
    return loss


def check_reward(reward: float) -> None:
    """Raise `ValueError` for a reward outside (1, 2]."""
    if not 1 < reward <= 2:
        raise ValueError(f"Expected `reward` to be above 1 and at most 2, got {reward}")


def reservation(network: PairNetwork, z1: Tensor, z2: Tensor) -> Tensor:
    """u_ij, the probability of the reservation for all pairs: (B, D), (B, D) -> (B, B)."""
    return from_logits("deep_gamblers", network(z1, z2))


def from_logits(estimator: NetworkName, logits: Tensor) -> Tensor:
    """u_ij from the network's logits: (..., 3 or 2) -> (...).

    "deep_gamblers": the probability of the reservation; "softmax_response": 1 - the larger probability; "entropy": -sum p log p.
    """
    if estimator == "deep_gamblers":
        return logits.softmax(-1)[..., -1]
    p = logits.softmax(-1)
    if estimator == "softmax_response":
        return 1 - p.amax(-1)
    return torch.special.entr(p).sum(-1)


def distance_uncertainty(similarity: Tensor, labels: Tensor, beta: float, floor: float = 1e-3) -> Tensor:
    """u_ij = beta / d_ij for the negatives of cluster 0 (AUGCL, section 3.3, the distance-based variant).

    The paper says neither which distance nor what becomes of cluster 1. Here d is the Euclidean distance of the unit vectors,
    d^2 = 2 - 2 s, at least `floor`; the pairs of cluster 1, which look like the positive, get 0: they are not pushed away. So of the
    negatives those next to the boundary count most.

    Shapes: similarity (B, B), labels (B, B) -> (B, B).
    """
    distance = (2 - 2 * similarity).clamp(min=floor**2).sqrt()
    return torch.where(labels == 0, beta / distance, 0.0)
