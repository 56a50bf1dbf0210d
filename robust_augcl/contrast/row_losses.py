"""Losses of rows of similarities: those of `losses`, with negatives in both views.

With one block of all rows, and no similarities within a view, each is the mean of what the function
of the same name in `losses` takes the mean of.

Letters: N nodes, R rows (anchors), D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.contrast.rows import Rows


def info_nce_rows(
    rows: Rows,
    *,
    temperature: float,
    weight: Tensor | None = None,
    positive_in_denominator: bool = True,
) -> Tensor:
    """Return the weighted loss of GRACE for each anchor (arXiv 2006.04131, equation 1).

    Let s be the similarities with the other view, s' those within the anchors' view, t the
    temperature. The loss of anchor i is

        -log( exp(s_ii / t) / (exp(s_ii / t)
              + sum over j != i of w_ij exp(s_ij / t) + sum over j != i of w_ij exp(s'_ij / t)) ).

    A weight is that of the node j, in either view, as in ProGCL's code. With
    `positive_in_denominator` False the first term of the denominator is left out.

    Shapes: weight (R, N) or None (all are 1); what it holds of an anchor's own is not used -> (R,).
    """
    own = rows.own.unsqueeze(1)
    positive = rows.inter.gather(1, own) / temperature
    # Cosine similarities are 1 at the most: nothing overflows, and no row underflows as a whole.
    total = _negatives(rows.inter, own, temperature, weight)
    if rows.intra is not None:
        total = total + _negatives(rows.intra, own, temperature, weight)
    total = total.unsqueeze(1)
    if positive_in_denominator:
        total = total + (positive - 1 / temperature).exp()
    smallest = torch.finfo(total.dtype).tiny
    return (total.clamp(min=smallest).log() + 1 / temperature - positive).squeeze(1)


def _negatives(
    similarity: Tensor, own: Tensor, temperature: float, weight: Tensor | None
) -> Tensor:
    """The weighted sum over the negatives of exp((s - 1) / t) (R,)."""
    terms = ((similarity - 1) / temperature).exp()
    if weight is not None:
        terms = terms * weight
    return terms.scatter(1, own, 0.0).sum(1)


def debiased_nce_rows(
    rows: Rows,
    *,
    temperature: float,
    class_prior: float,
    hardness: float = 0.0,
    positive_in_denominator: bool = True,
) -> Tensor:
    """Return the debiased loss for each anchor, with harder negatives if asked for.

    It is that of `losses.debiased_nce_of`, whose formula stands there (DCL, arXiv 2007.00224,
    equation 8; HCL, arXiv 2010.04592, equation 4). The negatives of both views are one set, as in
    the code of HCL.

    Shapes: -> (R,).
    """
    own = rows.own.unsqueeze(1)
    positive = (rows.inter.gather(1, own) / temperature).squeeze(1)
    views = [rows.inter] if rows.intra is None else [rows.inter, rows.intra]
    negatives = torch.cat(
        [(view / temperature).scatter(1, own, -torch.inf) for view in views], dim=1
    )
    count = negatives.size(1) - len(views)
    shift = torch.maximum(negatives.detach().amax(1), positive.detach())
    raised = hardness * negatives if hardness else torch.where(negatives.isinf(), negatives, 0.0)
    log_importance = raised.log_softmax(1)
    mean = (log_importance + negatives).logsumexp(1).sub(shift).exp()
    estimate = (mean - class_prior * (positive - shift).exp()) / (1 - class_prior)
    floor = (-1 / temperature - shift).exp().clamp(min=torch.finfo(positive.dtype).tiny)
    denominator = count * torch.maximum(estimate, floor)
    if positive_in_denominator:
        denominator = denominator + (positive - shift).exp()
    return denominator.log() + shift - positive


def mixed_nce_rows(
    rows: Rows,
    hardness: Tensor,
    order: Tensor,
    *,
    temperature: float,
    positive_in_denominator: bool = True,
) -> Tensor:
    """Return the loss of ProGCL's mixing variant for each anchor (arXiv 2110.02027).

    The hardest negatives of the other view are mixed, as in `progcl.mixing`; those of the anchors'
    own view count as they are.

    Shapes: hardness (R, N), a permutation of the K hardest negatives (K,) -> (R,).
    """
    own = rows.own.unsqueeze(1)
    ranked = hardness.scatter(1, own, -torch.inf).topk(order.numel(), dim=1)
    h, s = ranked.values, rows.inter.gather(1, ranked.indices)
    mixed = (h * s + h[:, order] * s[:, order]) / (h + h[:, order] + 1e-12)
    plain = info_nce_rows(
        rows, temperature=temperature, positive_in_denominator=positive_in_denominator
    )
    positive = rows.inter.gather(1, own).squeeze(1) / temperature
    return torch.logaddexp(plain, (mixed / temperature).logsumexp(1) - positive)
