"""GCN of GRACE (arXiv 2006.04131) with ReLU: 2 H wide, and H in the last round."""

from __future__ import annotations

from torch import Tensor

from robust_augcl.encoders._gcn_rounds import WideGCNRounds


class GCNReLU(WideGCNRounds):
    """GCN of GRACE with ReLU after each round. The rounds are those of `WideGCNRounds`.

    >>> import torch
    >>> encoder = GCNReLU(in_features=3, width=4, layers=2, generator=torch.Generator())
    >>> [layer.out_features for layer in encoder.maps]
    [8, 4]
    """

    revision = 2

    def activate(self, index: int, states: Tensor) -> Tensor:
        return states.relu()
