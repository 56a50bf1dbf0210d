"""Products of states and weights that are the same on every processor, and fast there too.

In portable arithmetic MKL computes products that are the same on all processors, three to five
times slower than oneDNN. oneDNN's, held to AVX2, are the same as well: emulated processors of two
vendors gave equal bits for all shapes that were tried. So large products are oneDNN's there. Small
ones stay MKL's, as oneDNN prepares each of its own for longer than they take.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from robust_augcl.arithmetic import PORTABLE, arithmetic_in_force

_LARGE = 2**20
"""Multiplications from which on oneDNN is faster."""


class Linear(nn.Linear):
    """A linear layer whose large products are oneDNN's in portable arithmetic."""

    def forward(self, input: Tensor) -> Tensor:
        return apply_linear(input, self.weight, self.bias)


def apply_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W^T + b, as `torch.nn.functional.linear` does.

    Shapes: x (N, I), weight (O, I), bias (O,) -> (N, O).

    >>> apply_linear(torch.ones(1, 2), torch.tensor([[1.0, 2.0]]), torch.ones(1)).tolist()
    [[4.0]]
    """
    if not _is_onednns(x, weight):
        return functional.linear(x, weight, bias)
    result: Tensor = _Product.apply(x, weight, bias)
    return result


@torch.no_grad()
def multiply(left: Tensor, right: Tensor, memory: Tensor | None = None) -> Tensor:
    """Return the product of two matrices, without autograd.

    Shapes: left (N, I), right (I, O) -> (N, O).

    Args:
        left, right: the matrices.
        memory: what the result may be written to (N, O). oneDNN takes memory of its own.

    >>> multiply(torch.ones(1, 2), torch.tensor([[1.0], [2.0]])).tolist()
    [[3.0]]
    """
    if _is_onednns(left, right):
        return _onednn(left, right.t())
    return torch.mm(left, right, out=memory)


def _is_onednns(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN computes this product."""
    return (
        x.dim() == 2
        and x.size(0) * weight.numel() >= _LARGE
        and x.dtype == weight.dtype == torch.float32
        and x.is_cpu
        and arithmetic_in_force() == PORTABLE
    )


class _Product(torch.autograd.Function):
    """x W^T + b by oneDNN, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _onednn(gradient, weight.t()) if of_x else None,
            _onednn(gradient.t(), x.t()) if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x, weight = x.contiguous(), weight.contiguous()
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result
