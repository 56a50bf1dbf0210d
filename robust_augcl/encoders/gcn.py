"""GCN (Kipf and Welling 2017, arXiv 1609.02907, equation 2) with edge weights, for graphs."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.models.layers import linear
from robust_augcl.models.message_passing import WeightedSum, sum_pool
from robust_augcl.models.products import apply_linear


class GCN(LocalEncoder):
    """GCN with edge weights: round l is relu(D^-1/2 (A + I) D^-1/2 h W + b).

    D holds the degrees of A + I. The graph state is the sum of the last node states, of size
    `width`. With edge weights a degree is the sum of the weights of the incoming edges, and 1 for
    the self-loop, so an edge of weight 0 does not count.

    >>> generator = torch.Generator().manual_seed(0)
    >>> encoder = GCN(in_features=1, width=4, layers=2, generator=generator)
    >>> x, edges = torch.ones(2, 1), torch.tensor([[0, 1], [1, 0]])
    >>> nodes, graphs = encoder(x, edges, torch.zeros(2, dtype=torch.long), 1)
    >>> nodes.shape, graphs.shape
    (torch.Size([2, 4]), torch.Size([1, 4]))
    """

    # An edit changes the degrees of its ends, and so what they send in the first round.
    hops_before_first_round = 1
    self_loops: ClassVar[bool] = True
    reads_features: ClassVar[bool] = False
    plain_sums = True  # a degree is such a sum too

    def build(self, generator: torch.Generator) -> None:
        sizes = [self.in_features] + [self.width] * (self.layers - 1)
        self.maps = nn.ModuleList(linear(size, self.width, generator) for size in sizes)
        self.aggregate = WeightedSum()

    @property
    def embedding_size(self) -> int:
        return self.width

    def first_states(self, x: Tensor) -> Tensor:
        return x

    def message(self, index: int, states: Tensor, degree: Tensor) -> Tensor:
        weight = self.maps[index].get_parameter("weight")
        return apply_linear(states, weight) * (degree + 1).rsqrt().unsqueeze(1)

    def update(self, index: int, pooled: Tensor, x: Tensor, degree: Tensor) -> Tensor:
        bias = self.maps[index].get_parameter("bias")
        return (pooled * (degree + 1).rsqrt().unsqueeze(1) + bias).relu()

    def round(
        self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        ones = states.new_ones(states.size(0), 1)
        degree = self.aggregate(ones, edge_index, edge_weight).squeeze(1)
        sent = self.message(index, states, degree)
        return self.update(index, sent + self.aggregate(sent, edge_index, edge_weight), x, degree)

    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        return states[-1], sum_pool(states[-1], batch, num_graphs)
