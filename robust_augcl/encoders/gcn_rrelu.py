"""GCN of GCA (arXiv 2010.14945) with the slope of RReLU: 2 H wide, and H in the last round."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import leaky_relu

from robust_augcl.encoders._gcn_rounds import WideGCNRounds

_SLOPE = (1 / 8 + 1 / 3) / 2  # the mean of the slopes of torch.nn.RReLU


class GCNRReLU(WideGCNRounds):
    """GCN of GCA with a leaky ReLU after each round, whose slope is the mean of those of RReLU.

    A randomised leaky ReLU (Xu et al. 2015, arXiv 1505.00853) draws slopes in training. GCA's code
    asks for it as a function whose `training` is off, so that none is ever drawn: its published
    numbers are those of this slope. The rounds are those of `WideGCNRounds`.

    >>> import torch
    >>> encoder = GCNRReLU(in_features=3, width=4, layers=2, generator=torch.Generator())
    >>> round(float(encoder.activate(0, torch.tensor(-1.0))), 4)
    -0.2292
    """

    revision = 3

    def activate(self, index: int, states: Tensor) -> Tensor:
        return leaky_relu(states, _SLOPE)
