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
    half = precision_of(module) in (torch.float16, torch.bfloat16)
    margin = _OF_HALVES if half else _MARGIN
    scale = float(others.abs().max()) if others.numel() else 0.0
    return bool((logits - others).abs().le(margin * scale + _NOTHING).all())
