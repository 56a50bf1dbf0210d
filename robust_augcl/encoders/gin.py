"""GIN (Xu et al. 2019, arXiv 1810.00826) with edge weights, as in GraphCL's and AUGCL's code."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from robust_augcl.models.encoder_base import LocalEncoder, WeightedSum, mlp, sum_pool


class GIN(LocalEncoder):
    """Round l: batch_norm(relu(MLP(h + sum of neighbours' h))), MLP of two layers, epsilon 0.

    Node and graph states are those of all rounds, concatenated; a graph's is the sum over its
    nodes. D = layers * width.
    """

    self_loops: ClassVar[bool] = True
    plain_sums = True

    def build(self, generator: torch.Generator) -> None:
        sizes = [self.in_features] + [self.width] * (self.layers - 1)
        self.mlps = nn.ModuleList(mlp([size, self.width, self.width], generator) for size in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm1d(self.width) for _ in sizes)
        self.aggregate = WeightedSum()

    @property
    def embedding_size(self) -> int:
        return self.layers * self.width

    def first_states(self, x: Tensor) -> Tensor:
        return x

    def round(
        self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        pooled = states + self.aggregate(states, edge_index, edge_weight)
        out: Tensor = self.norms[index](self.mlps[index](pooled).relu())
        return out

    @property
    def summed_rounds(self) -> tuple[int, ...]:
        return tuple(range(1, self.layers + 1))

    def message(self, index: int, states: Tensor, degree: Tensor) -> Tensor:
        weight = self.mlps[index].get_parameter(
            "0.weight"
        )  # the MLP's first map is linear: it may come before the sum
        return linear(states, weight)

    def update(self, index: int, pooled: Tensor, x: Tensor, degree: Tensor) -> Tensor:
        bias, second = self.mlps[index].get_parameter("0.bias"), self.mlps[index].get_submodule("2")
        out: Tensor = self.norms[index](second((pooled + bias).relu()).relu())
        return out

    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        nodes = torch.cat(states, dim=1)
        return nodes, sum_pool(nodes, batch, num_graphs)
