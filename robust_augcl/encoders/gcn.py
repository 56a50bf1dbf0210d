"""GCN (Kipf and Welling 2017, arXiv 1609.02907, equation 2) with edge weights, for graphs."""

from __future__ import annotations

from torch import Tensor

from robust_augcl.encoders._gcn_rounds import GCNRounds


class GCN(GCNRounds):
    """GCN with edge weights: round l is relu(D^-1/2 (A + I) D^-1/2 h W + b).

    All states have the size `width`. The rounds are those of `GCNRounds`.

    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> encoder = GCN(in_features=1, width=4, layers=2, generator=generator)
    >>> x, edges = torch.ones(2, 1), torch.tensor([[0, 1], [1, 0]])
    >>> nodes, graphs = encoder(x, edges, torch.zeros(2, dtype=torch.long), 1)
    >>> nodes.shape, graphs.shape
    (torch.Size([2, 4]), torch.Size([1, 4]))
    """

    revision = 2

    @property
    def sides(self) -> list[int]:
        return [self.in_features, *[self.width] * self.layers]

    def activate(self, index: int, states: Tensor) -> Tensor:
        return states.relu()
