"""Modules of a user, on graphs of one-hot features of width 3, and graphs for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GIN, global_add_pool

SOURCE = """
import torch
from torch import nn
from torch_geometric.nn import GIN, global_add_pool

class Net(nn.Module):
    def __init__(self, features=3, width=8):
        super().__init__()
        self.gnn = GIN(features, width, num_layers=2)
        self.head = nn.Linear(width, 2)

    def forward(self, x, edge_index, batch):
        return self.head(global_add_pool(self.gnn(x, edge_index), batch))

def make():
    torch.manual_seed(0)
    return Net()

def wide():
    return Net(width=9)

def mutag():
    return Net(7, 16)

def none():
    return "no module"

class Odd(Net):
    # Its `forward` cannot be called by its signature.

    def forward(self, everything):
        x, edge_index, batch = everything
        return super().forward(x, edge_index, batch)

def odd():
    torch.manual_seed(0)
    return Odd()

def call(module, data):
    return module((data.x, data.edge_index, data.batch))

def other(module, data):
    return -call(module, data)
"""
"""A file that a user may have."""

HEADER = "import torch\nfrom torch import Tensor, nn\n"
"""What a file imports that holds the source of `Counts` alone."""


class Counts(nn.Module):
    """Tells graphs of more than `most` edges from others; it has no layers, so no gradients."""

    def __init__(self, most: float = 6.0) -> None:
        super().__init__()
        self.most = most
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        size = int(batch.max()) + 1
        edges = torch.bincount(batch[edge_index[0]], minlength=size).to(x.dtype) / 2
        return self.scale * torch.stack([self.most - edges, edges - self.most], dim=1)


class Net(nn.Module):
    """A GIN with a head."""

    def __init__(self, features: int = 3, width: int = 8) -> None:
        super().__init__()
        self.gnn = GIN(features, width, num_layers=2)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        return self.head(global_add_pool(self.gnn(x, edge_index), batch))


def net(seed: int = 0, **sizes: int) -> Net:
    """A GIN with weights that the seed draws; the global random state stays."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Net(**sizes)


def graphs(count: int = 8, seed: int = 0, nodes: int = 6) -> list[Data]:
    """Random graphs; of class 1 are those of more than 6 edges."""
    chance = torch.Generator().manual_seed(seed)
    pairs = torch.combinations(torch.arange(nodes)).T
    found = []
    for _ in range(count):
        kept = pairs[:, torch.rand(pairs.size(1), generator=chance) < 0.45]
        x = torch.eye(3)[torch.randint(3, (nodes,), generator=chance)]
        edges = torch.cat([kept, kept.flip(0)], dim=1)
        found.append(Data(x=x, edge_index=edges, y=torch.tensor([int(kept.size(1) > 6)])))
    return found


def worst_of(module: nn.Module, given: Sequence[Data]) -> list[bool]:
    """Of each graph whether it is right before and after each single edit, by trying all in turn.

    An edit adds a pair of nodes that is no edge, or deletes an edge.
    """

    def right(data: Data, edges: Tensor) -> bool:
        batch = torch.zeros(len(data.x), dtype=torch.long)
        return int(module(data.x, edges, batch).argmax()) == int(data.y)

    stays = []
    for data in given:
        held = {tuple(pair) for pair in data.edge_index.T.tolist()}
        every = [right(data, data.edge_index)]
        for first, second in torch.combinations(torch.arange(len(data.x))).tolist():
            toggled = held ^ {(first, second), (second, first)}
            edges = torch.tensor(sorted(toggled), dtype=torch.long).reshape(-1, 2).T
            every.append(right(data, edges))
        stays.append(all(every))
    return stays
