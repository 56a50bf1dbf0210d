"""Whether two answers of a module are equal but for rounding.

They are if they differ by less than 1e-4 of the largest logit, or by 0.03 of it where the module
computes in half precision. The margin is relative: small logits are held to a small one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robust_augcl.models.calling import precision_of

_MARGIN, _OF_HALVES = 1e-4, 0.03
_NOTHING = 1e-12  # logits that are all 0


def same(logits: Tensor, others: Tensor, module: nn.Module) -> bool:
    """Whether logits are equal but for rounding."""
    if logits.shape != others.shape:
        return False
    scale = float(others.abs().max()) if others.numel() else 0.0
    return bool((logits - others).abs().le(_margin(module) * scale + _NOTHING).all())


def same_rows(logits: Tensor, others: Tensor, module: nn.Module) -> Tensor:
    """Which rows (B,) of logits (B, C), of one question asked twice, are equal but for rounding.

    Each is held to its own largest logit, or to a hundredth of that of all rows: large logits of
    one graph hide no change of another.
    """
    if not others.numel():
        return torch.ones(len(others), dtype=torch.bool)
    scale = others.abs().amax(1, keepdim=True)
    scale = scale.clamp(min=0.01 * float(scale.max()))
    return (logits - others).abs().le(_margin(module) * scale + _NOTHING).all(1)


def _margin(module: nn.Module) -> float:
    half = precision_of(module) in (torch.float16, torch.bfloat16)
    return _OF_HALVES if half else _MARGIN
