"""Contrastive losses, as pure functions.

Letters: B graphs in a batch, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from robust_augcl.validation import check_positive


def cosine_similarities(z1: Tensor, z2: Tensor) -> Tensor:
    """Cosine similarity of every anchor with every view: (B, D), (B, D) -> (B, B). A zero vector is
    similar to nothing, 0.
    """
    return normalize(z1, dim=1) @ normalize(z2, dim=1).T


def info_nce(
    z1: Tensor,
    z2: Tensor,
    *,
    temperature: float,
    weight: Tensor | None = None,
    positive_in_denominator: bool = True,
) -> Tensor:
    """`info_nce_of` the cosine similarities of z1 and z2 (B, D).

    Raises:
        ValueError: a temperature that is not positive; shapes that do not fit; a single graph
            without the positive.
    """
    if z1.dim() != 2 or z1.shape != z2.shape:
        raise ValueError(
            f"Expected `z1` and `z2` of one shape (B, D), got {tuple(z1.shape)} and "
            f"{tuple(z2.shape)}"
        )
    similarity = cosine_similarities(z1, z2)
    return info_nce_of(
        similarity,
        temperature=temperature,
        weight=weight,
        positive_in_denominator=positive_in_denominator,
    )


def info_nce_of(
    similarity: Tensor,
    *,
    temperature: float,
    weight: Tensor | None = None,
    positive_in_denominator: bool = True,
) -> Tensor:
    """Weighted InfoNCE, one direction (AUGCL, arXiv 2301.13340, equation 8; unweighted, GraphCL's
    NT-Xent).

    With s the similarities and t the temperature, the mean over anchors i of ``-log( exp(s_ii / t)
    / (exp(s_ii / t) + sum over j != i of w_ij exp(s_ij / t)) )``; the first term of the denominator
    is left out unless `positive_in_denominator` (GraphCL's code for component graphs).

    Shapes: similarity (B, B), weight (B, B) or None (all 1); the weight's diagonal is not used ->
    ().

    Raises:
        ValueError: a temperature that is not positive; shapes that do not fit; a single graph
            without the positive.
    """
    check_positive("temperature", temperature)
    size = similarity.size(0)
    if weight is not None and weight.shape != (size, size):
        raise ValueError(f"Expected `weight` of shape {(size, size)}, got {tuple(weight.shape)}")
    check_batch(size, positive_in_denominator)
    scores = similarity / temperature
    terms = scores if weight is None else scores + weight.log()
    diagonal = torch.eye(size, dtype=torch.bool, device=scores.device)
    replacement = scores if positive_in_denominator else scores.new_tensor(-torch.inf)
    terms = torch.where(diagonal, replacement, terms)
    return (terms.logsumexp(1) - scores.diagonal()).mean()


def check_batch(size: int, positive_in_denominator: bool) -> None:
    """Raise `ValueError` for a batch whose denominator would be empty."""
    if size < 2 and not positive_in_denominator:
        raise ValueError(
            "Expected at least 2 graphs in a batch where the positive is left out of the "
            "denominator, got 1"
        )


def debiased_nce_of(
    similarity: Tensor,
    *,
    temperature: float,
    class_prior: float,
    hardness: float = 0.0,
    positive_in_denominator: bool = True,
) -> Tensor:
    """The debiased contrastive loss, and with `hardness` above 0 the one with hard negatives. One
    direction.

    Chuang et al. 2020 (DCL, arXiv 2007.00224), equations 7 and 8, with one positive (M = 1) and N =
    B - 1 negatives; Robinson et al. 2021 (HCL, arXiv 2010.04592), equation 4. With e_ij = exp(s_ij
    / t), importance v_ij = e_ij ^ hardness, and tau the class prior, the mean over anchors i of
    ``-log( e_ii / (e_ii + N g_i) )``, where ``g_i = max( (sum_j v_ij e_ij / sum_j v_ij - tau e_ii)
    / (1 - tau), exp(-1 / t) )``, sums over the negatives. `hardness` multiplies s / t, as in HCL's
    code. The gradient goes through the importances too, as there.

    Shapes: similarity (B, B) -> ().

    Raises:
        ValueError: a temperature that is not positive, a prior outside [0, 1), a negative hardness,
            a batch of one graph.
    """
    check_positive("temperature", temperature)
    if not 0 <= class_prior < 1:
        raise ValueError(f"Expected `class_prior` to be at least 0 and below 1, got {class_prior}")
    if not 0 <= hardness < torch.inf:
        raise ValueError(f"Expected `hardness` to be at least 0, got {hardness}")
    size = similarity.size(0)
    if size < 2:
        raise ValueError(f"Expected at least 2 graphs in a batch, got {size}")
    scores = similarity / temperature
    own = scores.diagonal()
    negatives = scores.masked_fill(
        torch.eye(size, dtype=torch.bool, device=scores.device), -torch.inf
    )
    # Everything is relative to the row's largest term, so that a low temperature does not overflow.
    shift = scores.detach().amax(1)
    log_importance = (
        hardness * negatives if hardness else torch.where(negatives.isinf(), negatives, 0.0)
    ).log_softmax(1)
    mean = (log_importance + negatives).logsumexp(1).sub(shift).exp()
    estimate = (mean - class_prior * (own - shift).exp()) / (1 - class_prior)
    floor = (-1 / temperature - shift).exp().clamp(min=torch.finfo(scores.dtype).tiny)
    denominator = (size - 1) * torch.maximum(estimate, floor)
    if positive_in_denominator:
        denominator = denominator + (own - shift).exp()
    return (denominator.log() + shift - own).mean()


def adaptive_margin(weight: Tensor, temperature: float) -> Tensor:
    """The margin m_ij = (t / 2) log(w_ij) that a weight stands for (AUGCL, theorem 1), negative
    where w is below 1.

    With unit vectors and d the Euclidean distance, the weighted loss is to first order a constant
    plus a multiple of the sum over negatives of ``d_ii^2 - d_ij^2 + 4 m_ij``, where ``4 m_ij = 2 t
    log(w_ij)``: an adaptive triplet loss.

    Shapes: weight (B, B), alpha u_ij -> (B, B).
    """
    check_positive("temperature", temperature)
    return temperature / 2 * weight.log()
