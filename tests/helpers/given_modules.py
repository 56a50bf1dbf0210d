"""Modules as users bring them: PyTorch Geometric's models with a pooling and a head."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch_geometric.nn import global_add_pool, global_mean_pool
from torch_geometric.nn.models import GAT, GCN, GIN, PNA, EdgeCNN, GraphSAGE


class Given(nn.Module):
    """A model of `torch_geometric.nn.models`, a pooling, and a linear head."""

    def __init__(self, body: nn.Module, pool: Callable, width: int = 8, classes: int = 3) -> None:
        super().__init__()
        self.body, self.pool = body, pool
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, x, edge_index, batch):
        return self.head(self.pool(self.body(x, edge_index), batch))


def _pna(*sizes, **options):
    return PNA(
        *sizes,
        aggregators=["mean", "max", "std"],
        scalers=["identity", "amplification"],
        deg=torch.tensor([1, 4, 3, 1]),
        **options,
    )


@torch.no_grad()
def centred(module: Given, graphs) -> Given:
    """Move the last bias so that each class is predicted: the logits are 0 in the mean."""
    logits = module(graphs.x, graphs.edge_index, graphs.batch)
    module.head[-1].bias -= logits.mean(0)
    return module


BODIES = {
    "GIN": GIN,
    "GCN": GCN,
    "GraphSAGE": GraphSAGE,
    "GAT": GAT,
    "PNA": _pna,
    "EdgeCNN": EdgeCNN,
}
"""All that derive from `BasicGNN`."""
POOLS = dict.fromkeys(["GIN", "PNA", "EdgeCNN"], global_add_pool)  # of the others the mean


def given(
    name: str, *, layers: int = 2, width: int = 8, features: int = 3, seed: int = 0, **options
) -> Given:
    """A model by name, with weights from a seed that leave no state at its start.

    The global chance is left alone.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = BODIES[name](features, width, layers, dropout=0.5, **options)
        module = Given(body, POOLS.get(name, global_mean_pool), width)
        with torch.no_grad():
            for key, value in module.state_dict().items():
                if key.endswith(("bias", "running_mean")):
                    value.uniform_(-0.5, 0.5)
                if key.endswith("running_var"):
                    value.uniform_(2, 9)
    return module.eval()
