"""The optimizer of all training."""

from __future__ import annotations

import torch
from torch import nn


def adam(model: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """Adam in one fused step for all parameters: their number, not their size, is the cost here."""
    return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
