"""GRACE as a plain loop over whole matrices: what our blocks are held against.

The loss is written from the paper (Zhu et al. 2020, arXiv 2006.04131, equations 1 and 2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def one_direction(z1: Tensor, z2: Tensor, temperature: float, weight: Tensor | None) -> Tensor:
    """The loss of each node of the first view (N,), with all matrices whole."""
    first, second = normalize(z1, dim=1), normalize(z2, dim=1)
    inter = torch.exp(first @ second.T / temperature)
    intra = torch.exp(first @ first.T / temperature)
    positive = inter.diagonal()
    if weight is None:
        weight = torch.ones_like(inter)
    others = weight * (1 - torch.eye(len(z1), dtype=weight.dtype))
    return -torch.log(positive / (positive + (others * inter).sum(1) + (others * intra).sum(1)))


def loss_of_whole_matrices(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    weights: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Tensor:
    """The mean over both views; weights are those of the anchors of each view (N, N)."""
    there = one_direction(z1, z2, temperature, weights[0])
    back = one_direction(z2, z1, temperature, weights[1])
    return ((there + back) / 2).mean()
