"""How encoders are tried: new or trained ones, on small graphs, in double precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.testing import bench
from robust_augcl.testing.rules import broken, require
from robust_augcl.testing.settings import seeded

LAYERS = 3
_TOLERANCE = 1e-9  # of double precision


def new(made: type[Encoder], seed: int = 0, layers: int = LAYERS) -> Encoder:
    """A new encoder in single precision."""
    return made(in_features=bench.FEATURES, width=8, layers=layers, generator=seeded(seed))


def trained(made: type[Encoder]) -> Encoder:
    """In evaluation mode, in double precision, after passes in training mode.

    So running statistics are no longer at their start.
    """
    encoder = new(made).double().train()
    with torch.no_grad():
        for seed in range(5):
            states(encoder, bench.random_graphs([12] * 4, 100 + seed))
    return encoder.eval()


def states(
    encoder: Encoder, graphs: PackedGraphs, edge_weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Node and graph states, in double precision."""
    x = graphs.x.double()
    nodes, whole = encoder(x, graphs.edge_index, graphs.batch, graphs.num_graphs, edge_weight)
    return nodes, whole


def graphs_to_embed() -> PackedGraphs:
    """Graphs of several sizes, among them one of a single node."""
    return bench.random_graphs([9, 1, 14, 6], density=0.3)


def layer_by_layer(encoder: Encoder, graphs: PackedGraphs) -> list[Tensor]:
    """States before the first round and after each."""
    x = graphs.x.double()
    found = [encoder.first_states(x)]
    for index in range(encoder.layers):
        found.append(encoder.round(index, found[-1], x, graphs.edge_index, None))
    return found


def require_close(left: Any, right: Any, what: str) -> None:
    """Say that the rule is broken where states differ."""
    for one, other in zip(left, right, strict=True):
        require(one.shape == other.shape, f"{what} have the shapes {one.shape}, {other.shape}")
        if not torch.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE):
            broken(f"{what} differ by {float((one - other).abs().max()):.2g}")
