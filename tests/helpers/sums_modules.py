"""A module that adapters are tried on: others derive from it, and are called in their way."""

from __future__ import annotations

import torch
from torch import nn
from torch_geometric.nn import GraphConv, global_add_pool


class Sums(nn.Module):
    """Three logits from sums over neighbours; others derive from it and call it in their way."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv, self.head = GraphConv(3, 4), nn.Linear(4, classes)

    def logits(self, x, edge_index, batch, weight=None):
        states = self.conv(x, edge_index, weight).tanh()
        return self.head(states if batch is None else global_add_pool(states, batch))


def expected(module, graphs, weight=None):
    return module.logits(graphs.x, graphs.edge_index, graphs.batch, weight)
