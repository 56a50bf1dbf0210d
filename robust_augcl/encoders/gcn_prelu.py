"""GCN of GRACE (arXiv 2006.04131) with PReLU: 2 H wide, and H in the last round."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import prelu

from robust_augcl.encoders._gcn_rounds import WideGCNRounds


class GCNPReLU(WideGCNRounds):
    """GCN of GRACE with PReLU after each round: one slope for all rounds, 0.25 at first.

    The rounds are those of `WideGCNRounds`.

    >>> encoder = GCNPReLU(in_features=3, width=4, layers=2, generator=torch.Generator())
    >>> encoder.slope.tolist()
    [0.25]
    """

    revision = 2

    def build(self, generator: torch.Generator) -> None:
        super().build(generator)
        self.slope = nn.Parameter(torch.tensor([0.25]))

    def activate(self, index: int, states: Tensor) -> Tensor:
        return prelu(states, self.slope)
