"""The optimizer of all training."""

from __future__ import annotations

import torch
from torch import nn


def adam(model: nn.Module, learning_rate: float, weight_decay: float = 0.0) -> torch.optim.Adam:
    """Return Adam, which updates all parameters in one fused step.

    The number of the parameters, and not their size, is the cost here.
    """
    return torch.optim.Adam(
        model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
