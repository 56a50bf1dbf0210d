"""Margins of predictions.

Letters: B graphs, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def margins(logits: Tensor, y: Tensor) -> Tensor:
    """Return the logit of the true class less the best other one.

    The prediction is right where the margin is above 0.

    Shapes: logits (B, C), y (B,) -> (B,).

    >>> margins(torch.tensor([[2.0, 0.5, 1.0], [0.0, 1.0, 3.0]]), torch.tensor([0, 1])).tolist()
    [1.0, -2.0]
    """
    true = logits.gather(1, y.unsqueeze(1)).squeeze(1)
    others = logits.scatter(1, y.unsqueeze(1), -torch.inf)
    return true - others.max(1).values


def gaps(logits: Tensor) -> Tensor:
    """Return the highest logit less the second highest one, whatever the true class.

    Shapes: logits (B, C) -> (B,).

    >>> gaps(torch.tensor([[2.0, 0.5, 1.0], [0.0, 1.0, 3.0]])).tolist()
    [1.0, 2.0]
    """
    # A loop over classes is several times as fast as sorting each row.
    columns = logits.T.contiguous()
    best, second = columns[0], torch.full_like(columns[0], -torch.inf)
    for column in columns[1:]:
        second = torch.maximum(second, torch.minimum(best, column))
        best = torch.maximum(best, column)
    return best - second


def spreads(logits: Tensor) -> Tensor:
    """Return the highest logit less the lowest one: a number added to all of them changes nothing.

    Shapes: logits (B, C) -> (B,).

    >>> spreads(torch.tensor([[2.0, 0.5, 1.0], [1000.0, 1001.0, 1003.0]])).tolist()
    [1.5, 3.0]
    """
    return logits.amax(1) - logits.amin(1)
