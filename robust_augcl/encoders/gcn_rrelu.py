"""GCN of GCA (arXiv 2010.14945) with RReLU: 2 H wide, and H in the last round."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from robust_augcl.encoders._gcn_rounds import WideGCNRounds
from robust_augcl.seeds import spawn

_LOWEST, _HIGHEST = 1 / 8, 1 / 3  # slopes of torch.nn.RReLU


class GCNRReLU(WideGCNRounds):
    """GCN of GCA with a randomised leaky ReLU after each round (Xu et al. 2015, arXiv 1505.00853).

    In training the slope of each negative entry is uniform in [1/8, 1/3]; in evaluation mode it is
    the mean of these. The rounds are those of `WideGCNRounds`.

    >>> encoder = GCNRReLU(in_features=3, width=4, layers=2, generator=torch.Generator()).eval()
    >>> round(float(encoder.activate(0, torch.tensor(-1.0))), 4)
    -0.2292
    """

    def build(self, generator: torch.Generator) -> None:
        super().build(generator)
        self._noise = int(torch.randint(2**62, (), generator=spawn(generator)))
        self._drawn: torch.Generator | None = None

    def activate(self, index: int, states: Tensor) -> Tensor:
        if not self.training:
            return leaky_relu(states, (_LOWEST + _HIGHEST) / 2)
        if self._drawn is None:
            self._drawn = torch.Generator().manual_seed(self._noise)
        slope = torch.empty(states.shape).uniform_(_LOWEST, _HIGHEST, generator=self._drawn)
        return torch.where(states >= 0, states, states * slope.to(states))
