"""Contrastive losses of very many anchors, a block of rows at a time.

A matrix of similarities of all nodes grows with the square of their number. Here it exists for a
block of anchors at a time: the loss of a block and its gradient in the block's similarities are
taken at once, and of the gradient only what belongs to embeddings is kept. That is the gradient of
the whole matrix, but for the rounding of sums.

Letters: N nodes, R rows (anchors) of a block, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from robust_augcl.graphs.limits import limits
from robust_augcl.models.products import multiply


class Rows(NamedTuple):
    """Some anchors of one view, with all nodes of both views (GRACE, arXiv 2006.04131).

    Args:
        z: the anchors' embeddings (R, D), detached.
        others: the embeddings of all nodes in the other view (N, D), detached.
        own: the number of each anchor (R,), which is the column of its positive.
        inter: similarities with all nodes in the other view (R, N).
        intra: similarities with all nodes in the anchors' view (R, N), whose own column is no
            negative. None: negatives are those of the other view alone.
    """

    z: Tensor
    others: Tensor
    own: Tensor
    inter: Tensor
    intra: Tensor | None


RowLoss = Callable[[Rows], Tensor]
"""Takes rows; returns the loss of each anchor (R,)."""


def loss_in_blocks(loss: RowLoss, z1: Tensor, z2: Tensor) -> Tensor:
    """Return the mean loss of all nodes in both views, with cosine similarities.

    GRACE, equation 2: each node of each view is an anchor once. `loss` is called for blocks of
    rows, first those of the first view.

    Shapes: z1 (N, D), z2 (N, D) -> ().

    >>> from robust_augcl.contrast.row_losses import info_nce_rows
    >>> z = torch.eye(3)
    >>> loss = loss_in_blocks(lambda rows: info_nce_rows(rows, temperature=1.0), z, z)
    >>> round(float(loss), 4)  # log(e + 4) - 1: two negatives in each view, all of 0
    0.9048
    """
    total: Tensor = _InBlocks.apply(
        normalize(z1, dim=1), normalize(z2, dim=1), z1.detach(), z2.detach(), loss
    )
    return total


class _InBlocks(torch.autograd.Function):
    """The loss, whose gradient is worked out together with it, block by block."""

    @staticmethod
    def forward(
        ctx: Any, unit1: Tensor, unit2: Tensor, z1: Tensor, z2: Tensor, loss: RowLoss
    ) -> Tensor:
        to1, to2 = torch.zeros_like(unit1), torch.zeros_like(unit2)
        total = unit1.new_zeros((), dtype=torch.float64)
        for own in row_blocks(unit1.size(0), unit1.device):
            total += _block(loss, own, (unit1, z1, to1), (unit2, z2, to2))
        for own in row_blocks(unit1.size(0), unit1.device):
            total += _block(loss, own, (unit2, z2, to2), (unit1, z1, to1))
        count = 2 * max(unit1.size(0), 1)
        ctx.save_for_backward(to1.div_(count), to2.div_(count))
        return (total / count).to(unit1.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        to1, to2 = ctx.saved_tensors
        return to1 * gradients[0], to2 * gradients[0], None, None, None


_View = tuple[Tensor, Tensor, Tensor]
"""Of one view: unit embeddings, raw embeddings, and the gradient in the former (N, D)."""


def _block(loss: RowLoss, own: Tensor, anchors: _View, others: _View) -> float:
    """Return the summed loss of a block, and add to both views' gradients."""
    unit, z, gradient = anchors
    other_unit, other_z, other_gradient = others
    first, last = int(own[0]), int(own[-1]) + 1
    rows = unit[first:last]
    inter = multiply(rows, other_unit.T).requires_grad_(True)
    intra = multiply(rows, unit.T).requires_grad_(True)
    with torch.enable_grad():
        summed = loss(Rows(z[first:last], other_z, own, inter, intra)).sum()
    by_inter, by_intra = torch.autograd.grad(summed, (inter, intra), materialize_grads=True)
    gradient[first:last] += multiply(by_inter, other_unit)
    other_gradient += multiply(by_inter.T, rows)
    gradient[first:last] += multiply(by_intra, unit)
    gradient += multiply(by_intra.T, rows)
    return float(summed.detach())


def row_blocks(count: int, device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
    """Return the numbers of `count` rows of as many columns, in blocks that fit into memory."""
    rows = max(1, limits().row_pairs // max(count, 1))
    return torch.arange(count, device=device).split(rows)
