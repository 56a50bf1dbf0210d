"""Attention over weighted edges: a softmax in which an edge of weight 0 is no edge.

Letters: E edges, H heads.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import scatter

from robust_augcl.errors import InputError


def weighted_softmax(scores: Tensor, weights: Tensor, index: Tensor) -> Tensor:
    """Return w_e exp(s_e) over the sum of w exp(s) of all edges that end in the same node (E, H).

    The largest s + log w among the edges of weight above 0 is subtracted before the exponential is
    taken. So no score of an edge that is not there makes the others 0. The slope at the weight 0
    is exp(s_e) over that sum. It is right up to the root of the largest number of the precision,
    at which it stays.

    Args:
        scores: s, (E, H) or (E,).
        weights: w (E,). At each node there is an edge of weight above 0, as a self-loop is.
        index: the node in which each edge ends (E,).

    >>> scores, weights = torch.tensor([0.0, 900.0]), torch.tensor([1.0, 0.0])
    >>> weighted_softmax(scores, weights, torch.tensor([0, 0])).tolist()
    [1.0, 0.0]
    """
    dtype = scores.dtype if scores.dtype == torch.double else torch.float32
    precise = scores.to(dtype)
    weight = weights.to(dtype).view(-1, *[1] * (scores.dim() - 1))
    there = weight > 0
    shifted = precise + torch.where(there, weight, 1.0).log()
    size = int(index.max()) + 1 if index.numel() else 0
    known = shifted.detach().masked_fill(~there, -math.inf)
    # The largest cancels in the quotient, so no gradient flows to it.
    largest = scatter(known, index, dim=0, dim_size=size, reduce="max").index_select(0, index)
    # The exponent of an edge of weight above 0 is at most 0: only those of the others are bounded.
    exponent = (shifted - largest).clamp(max=math.log(torch.finfo(dtype).max) / 2)
    share = torch.where(there, 1.0, weight) * exponent.exp()
    total = scatter(share, index, dim=0, dim_size=size, reduce="sum")
    return (share / total.index_select(0, index)).to(scores.dtype)


class OtherSoftmax:
    """Lets a layer's `edge_update` call another softmax, until it is removed.

    The layer computes its scores by its own code, whatever its version.

    Args:
        layer: whose `edge_update` calls a function by the name `softmax`.
        softmax: takes the scores, the index, and whatever else the layer gives it.

    Raises:
        InputError: `edge_update` is another one.
    """

    def __init__(self, layer: MessagePassing, softmax: Callable[..., Tensor]) -> None:
        own: Any = type(layer).edge_update
        if "edge_update" in vars(layer) or "softmax" not in own.__code__.co_names:
            raise InputError("computes its attention in a way of its own")
        names = {**own.__globals__, "softmax": softmax}
        made = types.FunctionType(
            own.__code__, names, own.__name__, own.__defaults__, own.__closure__
        )
        self._layer = layer
        layer.edge_update = types.MethodType(made, layer)

    def remove(self) -> None:
        """Let the layer call its own softmax again."""
        del self._layer.edge_update
