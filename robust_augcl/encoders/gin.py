"""GIN (Xu et al. 2019, arXiv 1810.00826) with edge weights, as in GraphCL's and AUGCL's code."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.models.layers import BatchNorm, mlp
from robust_augcl.models.message_passing import WeightedSum, sum_pool
from robust_augcl.models.products import apply_linear
from robust_augcl.models.relu_rounds import ReluRound


class GIN(LocalEncoder):
    """GIN with edge weights: round l is batch_norm(relu(MLP(h + sum of neighbours' h))).

    The MLP has two layers, and epsilon is 0. Node states are those of all rounds, concatenated, so
    their size is layers * width. A graph state is the sum of its node states.

    >>> generator = torch.Generator().manual_seed(0)
    >>> GIN(in_features=1, width=4, layers=3, generator=generator).embedding_size
    12
    """

    self_loops: ClassVar[bool] = True
    reads_features: ClassVar[bool] = False
    plain_sums = True

    def build(self, generator: torch.Generator) -> None:
        sizes = [self.in_features] + [self.width] * (self.layers - 1)
        self.mlps = nn.ModuleList(mlp([size, self.width, self.width], generator) for size in sizes)
        self.norms = nn.ModuleList(BatchNorm(self.width) for _ in sizes)
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
        # The MLP's first map is linear, so it may come before the sum.
        weight = self.mlps[index].get_parameter("0.weight")
        return apply_linear(states, weight)

    def update(self, index: int, pooled: Tensor, x: Tensor, degree: Tensor) -> Tensor:
        bias, second = self.mlps[index].get_parameter("0.bias"), self.mlps[index].get_submodule("2")
        out: Tensor = self.norms[index](second((pooled + bias).relu()).relu())
        return out

    def relu_rounds(self, x: Tensor) -> list[ReluRound]:
        rounds = []
        for perceptron, norm in zip(self.mlps, self.norms, strict=True):
            weight, bias, inner, inner_bias = (
                perceptron.get_parameter(name)
                for name in ("0.weight", "0.bias", "2.weight", "2.bias")
            )
            spread = norm.get_buffer("running_var") + cast(BatchNorm, norm).eps
            scale = norm.get_parameter("weight") * spread.rsqrt()
            shift = norm.get_parameter("bias") - norm.get_buffer("running_mean") * scale
            rounds.append(
                ReluRound(
                    weight.T,
                    bias.expand(x.size(0), -1),
                    self_loops=True,
                    inner=((inner.T, inner_bias),),
                    scaling=(scale, shift),
                )
            )
        return rounds

    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        nodes = torch.cat(states, dim=1)
        return nodes, sum_pool(nodes, batch, num_graphs)
