"""Margins of predictions.

Letters: B graphs, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def margins(logits: Tensor, y: Tensor) -> Tensor:
    """The true class's logit less the best other one: (B, C), (B,) -> (B,). The prediction is right
    where it is above 0.
    """
    true = logits.gather(1, y.unsqueeze(1)).squeeze(1)
    others = logits.scatter(1, y.unsqueeze(1), -torch.inf)
    return true - others.max(1).values
