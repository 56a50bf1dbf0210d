"""GIN (Xu et al. 2019, arXiv 1810.00826) with edge weights, as in GraphCL's and AUGCL's code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robust_augcl.encoder import Encoder, WeightedSum, mlp, sum_pool


class GIN(Encoder):
    """Round l: batch_norm(relu(MLP(h + sum of neighbours' h))), MLP of two layers, epsilon 0.

    Node and graph states are those of all rounds, concatenated; a graph's is the sum over its nodes. D = layers * width.
    """

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

    def round(self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> Tensor:
        pooled = states + self.aggregate(states, edge_index, edge_weight)
        out: Tensor = self.norms[index](self.mlps[index](pooled).relu())
        return out

    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        nodes = torch.cat(states, dim=1)
        return nodes, sum_pool(nodes, batch, num_graphs)
