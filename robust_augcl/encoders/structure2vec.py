"""structure2vec, mean field (Dai et al. 2016, arXiv 1603.05629), as in Dai et al. 2018."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from robust_augcl.graphs.unfolding import UnfoldedBatch
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.models.layers import linear
from robust_augcl.models.message_passing import WeightedSum, sum_pool
from robust_augcl.models.products import apply_linear
from robust_augcl.models.relu_rounds import ReluRound


class Structure2Vec(LocalEncoder):
    """structure2vec: h_0 = relu(W1 x), and h_l = relu(W2 (sum of neighbours' h_(l-1)) + W1 x).

    All rounds share W2, and both maps have biases. The graph state is relu(sum of h_L over the
    nodes), of size `width`.

    >>> generator = torch.Generator().manual_seed(0)
    >>> encoder = Structure2Vec(in_features=1, width=4, layers=2, generator=generator)
    >>> x, edges = torch.ones(2, 1), torch.tensor([[0, 1], [1, 0]])
    >>> nodes, graphs = encoder(x, edges, torch.zeros(2, dtype=torch.long), 1)
    >>> torch.equal(graphs[0], nodes.sum(0).relu())
    True
    """

    plain_sums = True

    def build(self, generator: torch.Generator) -> None:
        self.node_to_latent = linear(self.in_features, self.width, generator)
        self.conv = linear(self.width, self.width, generator)
        self.aggregate = WeightedSum()

    @property
    def embedding_size(self) -> int:
        return self.width

    def first_states(self, x: Tensor) -> Tensor:
        return self.node_to_latent(x).relu()

    def round(
        self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        pooled = self.aggregate(states, edge_index, edge_weight)
        return (self.conv(pooled) + self.node_to_latent(x)).relu()

    def message(self, index: int, states: Tensor, degree: Tensor) -> Tensor:
        return apply_linear(states, self.conv.weight)

    def update(self, index: int, pooled: Tensor, x: Tensor, degree: Tensor) -> Tensor:
        return (pooled + self._offset(x)).relu()

    def _offset(self, x: Tensor) -> Tensor:
        return self.node_to_latent(x) + self.conv.bias

    def relu_rounds(self, x: Tensor) -> list[ReluRound]:
        one = ReluRound(self.conv.weight.T, self._offset(x))
        return [one] * self.layers

    def readout(self, sums: Tensor) -> Tensor:
        return sums.relu()

    def embed_unfolded(self, batch: UnfoldedBatch) -> Tensor:
        first, *deeper = batch.levels
        states = self.first_states(first.x)
        for level in deeper:
            pooled = embedding_bag(level.children, states, level.offsets, mode="sum")
            states = (self.conv(pooled) + self.node_to_latent(level.x)).relu()
        return embedding_bag(batch.roots, states, batch.offsets, mode="sum").relu()

    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        return states[-1], sum_pool(states[-1], batch, num_graphs).relu()
