"""Uncertainty of a negative: how unsure a model is of the cluster that it was put in (AUGCL, arXiv 2301.13340, section 3.3).

Letters: B graphs in a batch, D embedding, H hidden width, P pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robust_augcl.encoder import linear


class PairNetwork(nn.Module):
    """Three logits for a pair (z_i, z'_j): cluster 0, cluster 1, reservation. Two hidden layers of H with relu.

    The first layer is linear in the pair, W [z_i; z'_j] = W_a z_i + W_b z'_j, so the pairs are never laid side by side.
    """

    def __init__(self, embedding_size: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.embedding_size = embedding_size
        self.layer1 = linear(2 * embedding_size, hidden, generator)
        self.layer2 = linear(hidden, hidden, generator)
        self.layer3 = linear(hidden, 3, generator)

    def halves(self, z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
        """The first layer's two parts, the bias in the first: (B, D), (B, D) -> (B, H), (B, H)."""
        left, right = self.layer1.weight.split(self.embedding_size, dim=1)
        return z1 @ left.T + self.layer1.bias, z2 @ right.T

    def rest(self, first: Tensor) -> Tensor:
        """The network from the sum of the halves on: (..., H) -> (..., 3)."""
        out: Tensor = self.layer3(self.layer2(first.relu()).relu())
        return out

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Logits of all pairs: (B, D), (B, D) -> (B, B, 3)."""
        left, right = self.halves(z1, z2)
        return self.rest(left.unsqueeze(1) + right.unsqueeze(0))

    def pairs(self, z1: Tensor, z2: Tensor, anchor: Tensor, view: Tensor) -> Tensor:
        """Logits of some pairs: anchor (P,), view (P,) -> (P, 3)."""
        left, right = self.halves(z1, z2)
        return self.rest(left[anchor] + right[view])


def gamblers_loss(logits: Tensor, labels: Tensor, reward: float) -> Tensor:
    """Deep Gamblers (Liu et al. 2019, arXiv 1907.00208): -mean log(p_label + p_reservation / reward).

    Shapes: logits (P, 3), the reservation last; labels (P,) -> ().

    Raises:
        ValueError: a reward outside (1, 2], the sensible range for two classes.
    """
    check_reward(reward)
    log_p = logits.log_softmax(1)
    bet = log_p[:, :-1].gather(1, labels.unsqueeze(1)).squeeze(1)
    hedge = log_p[:, -1] - torch.log(torch.tensor(reward))
    return -torch.logaddexp(bet, hedge).mean()


def check_reward(reward: float) -> None:
    """Raise `ValueError` for a reward outside (1, 2]."""
    if not 1 < reward <= 2:
        raise ValueError(f"Expected `reward` to be above 1 and at most 2, got {reward}")


def reservation(network: PairNetwork, z1: Tensor, z2: Tensor) -> Tensor:
    """u_ij, the probability of the reservation for all pairs: (B, D), (B, D) -> (B, B)."""
    return network(z1, z2).softmax(-1)[..., -1]
