"""Clean graphs, and what spoils them."""

from __future__ import annotations

import torch
from torch_geometric.data import Data


def graph(nodes=4, edges=((0, 1), (1, 2)), y=0, **more) -> Data:
    """A clean graph of these undirected edges; `more` replaces or adds attributes."""
    both = [pair for i, j in edges for pair in ((i, j), (j, i))]
    edge_index = torch.tensor(both, dtype=torch.long).reshape(-1, 2).T
    label = None if y is None else torch.tensor([y])
    given = {"x": torch.ones(nodes, 1), "edge_index": edge_index, "y": label, **more}
    return Data(**{name: value for name, value in given.items() if value is not None})


def directed(pairs) -> torch.Tensor:
    return torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T


CLEAN = [graph(y=0), graph(3, ((0, 2),), y=1), graph(1, (), y=1)]


def with_dirt(*dirty: Data) -> list[Data]:
    """Clean graphs, then these from number 3 on."""
    return [*CLEAN, *dirty]


def replace_y(y) -> Data:
    made = graph()
    made.y = y
    return made
