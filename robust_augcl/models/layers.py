"""Layers: linear ones whose initial weights come from a generator, and batch normalisation."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from robust_augcl.models.products import Linear

Initialise = Callable[[nn.Linear, torch.Generator], None]
"""Sets the initial weights of a layer, drawn from the generator."""


def glorot(layer: nn.Linear, generator: torch.Generator) -> None:
    """Set Glorot-uniform weights and biases of 0."""
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)


def torch_default(layer: nn.Linear, generator: torch.Generator) -> None:
    """Set what `nn.Linear` has by itself: weights and biases uniform in +-1 / sqrt(inputs)."""
    bound = layer.in_features**-0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def linear(
    inputs: int, outputs: int, generator: torch.Generator, initialise: Initialise = glorot
) -> nn.Linear:
    """Return a linear layer whose initial weights come from `generator`.

    The global random state is not touched.

    >>> layer = linear(3, 2, torch.Generator().manual_seed(0))
    >>> layer.weight.shape, layer.bias.tolist()
    (torch.Size([2, 3]), [0.0, 0.0])
    """
    layer: nn.Linear = nn.utils.skip_init(Linear, inputs, outputs)
    initialise(layer, generator)
    return layer


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of node states (N, H).

    Fewer than two nodes have no spread to be divided by. In training they are normalised by the
    running statistics, which they leave as they are.

    >>> norm = BatchNorm(2)
    >>> norm(torch.tensor([[3.0, 4.0]])).round().tolist(), int(norm.num_batches_tracked)
    ([[3.0, 4.0]], 0)
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or input.size(0) > 1:
            return super().forward(input)
        return batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def mlp(
    sizes: list[int], generator: torch.Generator, initialise: Initialise = glorot
) -> nn.Sequential:
    """Return linear layers of the given sizes, with relu between them.

    >>> len(mlp([4, 8, 2], torch.Generator().manual_seed(0)))
    3
    """
    parts: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        parts += [linear(inputs, outputs, generator, initialise), nn.ReLU()]
    return nn.Sequential(*parts[:-1])
