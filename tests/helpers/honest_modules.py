"""A module in which nothing is wrong, for others to derive from, and what a probe says of one."""

from __future__ import annotations

import torch
from torch import nn
from torch_geometric.nn import global_add_pool


class Honest(nn.Module):
    """Degrees and features, summed: nothing is wrong with it. Others derive from it."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.head = nn.Linear(3, 4), nn.Linear(4, 3)

    def states(self, x, edge_index):
        x = self.first(x)
        return x.tanh() + torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]]).tanh()

    def pooled(self, x, edge_index, batch):
        return global_add_pool(self.states(x, edge_index), batch)

    def forward(self, x, edge_index, batch):
        return self.head(self.pooled(x, edge_index, batch))


def probe(model, name):
    (found,) = [each for each in model.found["probes"] if each["name"] == name]
    return found["outcome"], found["words"]
