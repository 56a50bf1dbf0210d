"""What GCNs have in common: their rounds (Kipf and Welling 2017, arXiv 1609.02907, equation 2).

GRACE's and GCA's are wide in the first rounds (Zhu et al. 2020, arXiv 2006.04131, and their code).

Letters: N nodes in a batch, E directed edges, F input features, H width, B graphs.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.models.layers import linear
from robust_augcl.models.message_passing import WeightedSum, sum_pool
from robust_augcl.models.products import apply_linear
from robust_augcl.models.sparse_features import apply_to_features


class GCNRounds(LocalEncoder):
    """Round l is f(D^-1/2 (A + I) D^-1/2 h W + b), with an activation f.

    D holds the degrees of A + I. With edge weights a degree is the sum of the weights of the
    incoming edges, and 1 for the self-loop, as in PyTorch Geometric's `GCNConv`. So an edge of
    weight 0 does not count. The graph state is the sum of the last node states, of size `width`.
    """

    # An edit changes the degrees of its ends, and so what they send in the first round.
    hops_before_first_round = 1
    self_loops: ClassVar[bool] = True
    reads_features: ClassVar[bool] = False
    plain_sums = True  # a degree is such a sum too

    def build(self, generator: torch.Generator) -> None:
        self.maps = nn.ModuleList(
            linear(inputs, outputs, generator) for inputs, outputs in itertools.pairwise(self.sides)
        )
        self.aggregate = WeightedSum()

    @property
    @abstractmethod
    def sides(self) -> list[int]:
        """The size of the features, and of the states after each round."""

    @abstractmethod
    def activate(self, index: int, states: Tensor) -> Tensor:
        """Return the states of the round `index` after the activation, of the same shape."""

    @property
    def embedding_size(self) -> int:
        return self.width

    def first_states(self, x: Tensor) -> Tensor:
        return x

    def message(self, index: int, states: Tensor, degree: Tensor) -> Tensor:
        weight = self.maps[index].get_parameter("weight")
        sent = apply_linear(states, weight) if index else apply_to_features(states, weight)
        return sent * (degree + 1).rsqrt().unsqueeze(1)

    def update(self, index: int, pooled: Tensor, x: Tensor, degree: Tensor) -> Tensor:
        bias = self.maps[index].get_parameter("bias")
        return self.activate(index, pooled * (degree + 1).rsqrt().unsqueeze(1) + bias)

    def round(
        self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        ones = states.new_ones(states.size(0), 1)
        degree = self.aggregate(ones, edge_index, edge_weight).squeeze(1)
        sent = self.message(index, states, degree)
        return self.update(index, sent + self.aggregate(sent, edge_index, edge_weight), x, degree)

    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        return states[-1], sum_pool(states[-1], batch, num_graphs)


class WideGCNRounds(GCNRounds):
    """The rounds of GRACE's GCN: states of 2 H, and of H after the last round."""

    @property
    def sides(self) -> list[int]:
        return [self.in_features, *[2 * self.width] * (self.layers - 1), self.width]
