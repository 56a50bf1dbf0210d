"""Sums over neighbours, with tanh after each round."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.layers import linear


class Tanh(Encoder):
    """tanh(W (own state + the sum over the neighbours)), summed over the nodes."""

    def build(self, generator: torch.Generator) -> None:
        sizes = [self.in_features, *[self.width] * self.layers]
        self.linears = nn.ModuleList(linear(*pair, generator) for pair in pairwise(sizes))

    @property
    def embedding_size(self) -> int:
        return self.width

    def first_states(self, x: Tensor) -> Tensor:
        return x

    def round(
        self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        source, target = edge_index[0], edge_index[1]
        sent = states[source]
        if edge_weight is not None:
            sent = sent * edge_weight.unsqueeze(1)
        after: Tensor = self.linears[index](states.index_add(0, target, sent)).tanh()
        return after

    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        last = states[-1]
        return last, last.new_zeros(num_graphs, last.size(1)).index_add(0, batch, last)
