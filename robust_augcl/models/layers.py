"""Linear layers whose initial weights come from a generator."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import nn

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
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
    initialise(layer, generator)
    return layer


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
