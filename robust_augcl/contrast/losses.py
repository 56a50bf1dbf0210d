"""Contrastive losses, as pure functions of embeddings or of similarities.

Letters: B graphs in a batch, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from robust_augcl.validation import check_positive


def cosine_similarities(z1: Tensor, z2: Tensor) -> Tensor:
    """Return the cosine similarity of every anchor with every view.

    A zero vector has the similarity 0 with everything.

    Shapes: z1 (B, D), z2 (B, D) -> (B, B).

    >>> anchors = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> views = torch.tensor([[3.0, 0.0], [0.0, 0.0]])
    >>> cosine_similarities(anchors, views).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
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
    """Return the loss `info_nce_of` for the cosine similarities of two sets of embeddings.

    Shapes: z1 (B, D), z2 (B, D), weight (B, B) or None -> ().

    Raises:
        ValueError: the temperature is not positive; or the shapes do not fit; or the batch is a
            single graph and the positive is left out of the denominator.

    >>> z = torch.eye(2)
    >>> round(float(info_nce(z, z, temperature=0.5)), 4)  # log(1 + exp(-2))
    0.1269
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
    """Return the weighted InfoNCE loss in one direction (AUGCL, arXiv 2301.13340, equation 8).

    Without weights this is the NT-Xent loss of GraphCL. Let s be the similarities and t the
    temperature. The loss is the mean over the anchors i of

        -log( exp(s_ii / t) / (exp(s_ii / t) + sum over j != i of w_ij exp(s_ij / t)) ).

    If `positive_in_denominator` is False, the first term of the denominator is left out, as in
    GraphCL's code for component graphs.

    Shapes: similarity (B, B), weight (B, B) or None (all weights are 1) -> (). The diagonal of
    `weight` is not used.

    Raises:
        ValueError: the temperature is not positive; or the shapes do not fit; or the batch is a
            single graph and the positive is left out of the denominator.

    >>> similarity = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> plain = info_nce_of(similarity, temperature=1.0)
    >>> halved = info_nce_of(similarity, temperature=1.0, weight=torch.full((2, 2), 0.5))
    >>> round(float(plain), 4), round(float(halved), 4)
    (0.3133, 0.1688)
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
    """Return the debiased contrastive loss in one direction, with harder negatives if asked for.

    Sources: Chuang et al. 2020 (DCL, arXiv 2007.00224), equations 7 and 8, with one positive
    (M = 1) and N = B - 1 negatives; Robinson et al. 2021 (HCL, arXiv 2010.04592), equation 4.

    Let e_ij = exp(s_ij / t), let the importance be v_ij = e_ij ^ hardness, and let tau be the
    class prior. All sums are over the negatives of i. The loss is the mean over the anchors i of

        -log( e_ii / (e_ii + N g_i) ), where
        g_i = max( (sum_j v_ij e_ij / sum_j v_ij - tau e_ii) / (1 - tau), exp(-1 / t) ).

    With `hardness` 0 all importances are 1, and this is DCL. As in HCL's code, `hardness`
    multiplies s / t, and the gradient goes through the importances too.

    Shapes: similarity (B, B) -> ().

    Raises:
        ValueError: the temperature is not positive; or the prior is outside [0, 1); or the hardness
            is negative; or the batch is a single graph.

    >>> similarity = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(float(debiased_nce_of(similarity, temperature=1.0, class_prior=0.0)), 4)
    0.3133
    >>> round(float(debiased_nce_of(similarity, temperature=1.0, class_prior=0.1)), 4)
    0.2606
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
    # All terms are taken relative to the row's largest one: a low temperature must not overflow.
    shift = scores.detach().amax(1)
    raised = hardness * negatives if hardness else torch.where(negatives.isinf(), negatives, 0.0)
    log_importance = raised.log_softmax(1)  # log(v_ij / sum_j v_ij)
    # HCL, equation 4: the negatives' mean term, less what positives among them add, bounded below.
    mean = (log_importance + negatives).logsumexp(1).sub(shift).exp()
    estimate = (mean - class_prior * (own - shift).exp()) / (1 - class_prior)
    floor = (-1 / temperature - shift).exp().clamp(min=torch.finfo(scores.dtype).tiny)
    denominator = (size - 1) * torch.maximum(estimate, floor)
    if positive_in_denominator:
        denominator = denominator + (own - shift).exp()
    return (denominator.log() + shift - own).mean()


def adaptive_margin(weight: Tensor, temperature: float) -> Tensor:
    """Return the margin m_ij = (t / 2) log(w_ij) that a weight stands for (AUGCL, theorem 1).

    The margin is negative where the weight is below 1. For unit vectors, let d be the Euclidean
    distance. To first order the weighted loss is a constant plus a multiple of the sum over the
    negatives of ``d_ii^2 - d_ij^2 + 4 m_ij``, where ``4 m_ij = 2 t log(w_ij)``. That is a triplet
    loss with an adaptive margin.

    Shapes: weight (B, B), the alpha u_ij of the paper -> (B, B).

    Raises:
        ValueError: the temperature is not positive.

    >>> adaptive_margin(torch.tensor([[1.0, 0.25]]), temperature=1.0)
    tensor([[ 0.0000, -0.6931]])
    """
    check_positive("temperature", temperature)
    return temperature / 2 * weight.log()
