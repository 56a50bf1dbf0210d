"""Contrastive losses, as pure functions.

Letters: B graphs in a batch, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def cosine_similarities(z1: Tensor, z2: Tensor) -> Tensor:
    """Cosine similarity of every anchor with every view: (B, D), (B, D) -> (B, B). A zero vector is similar to nothing, 0."""
    return normalize(z1, dim=1) @ normalize(z2, dim=1).T


def info_nce(z1: Tensor, z2: Tensor, *, temperature: float, weight: Tensor | None = None, positive_in_denominator: bool = True) -> Tensor:
    """Weighted InfoNCE, one direction (AUGCL, arXiv 2301.13340, equation 8; unweighted, GraphCL's NT-Xent).

    With s the cosine similarities and t the temperature, the mean over anchors i of
    ``-log( exp(s_ii / t) / (exp(s_ii / t) + sum over j != i of w_ij exp(s_ij / t)) )``;
    the first term of the denominator is left out unless `positive_in_denominator` (GraphCL's code for component graphs).

    Shapes: z1, z2 (B, D), weight (B, B) or None (all 1); the weight's diagonal is not used -> ().

    Raises:
        ValueError: a temperature that is not positive; shapes that do not fit; a single graph without the positive.
    """
    if temperature <= 0:
        raise ValueError(f"Expected `temperature` to be positive, got {temperature}")
    if z1.dim() != 2 or z1.shape != z2.shape:
        raise ValueError(f"Expected `z1` and `z2` of one shape (B, D), got {tuple(z1.shape)} and {tuple(z2.shape)}")
    size = z1.size(0)
    if weight is not None and weight.shape != (size, size):
        raise ValueError(f"Expected `weight` of shape {(size, size)}, got {tuple(weight.shape)}")
    if size < 2 and not positive_in_denominator:
        raise ValueError("Expected at least 2 graphs in a batch where the positive is left out of the denominator, got 1")
    scores = cosine_similarities(z1, z2) / temperature
    positive = scores.diagonal()
    terms = scores if weight is None else scores + weight.log()
    diagonal = torch.eye(size, dtype=torch.bool, device=z1.device)
    replacement = scores if positive_in_denominator else scores.new_tensor(-torch.inf)
    terms = torch.where(diagonal, replacement, terms)
    return (terms.logsumexp(1) - positive).mean()
