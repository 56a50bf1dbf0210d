"""The model that this project ships, and the graphs that it is tested on. Put yours here."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.data import Data


class EdgeCounter(nn.Module):
    """Tells graphs with more edges than a threshold from others."""

    def __init__(self, threshold: float = 6.5) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold))

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        """Logits of graphs, (graphs, 2)."""
        graphs = int(batch.max()) + 1
        edges = torch.bincount(batch[edge_index[0]], minlength=graphs).to(x.dtype) / 2
        return torch.stack([self.threshold - edges, edges - self.threshold], dim=1)


def graphs_to_attack() -> list[Data]:
    """Paths of 3 to 12 edges; their class is whether they have more than 6."""
    found = []
    for edges in range(3, 13):
        pairs = [(node, node + 1) for node in range(edges)]
        both = torch.tensor(pairs + [(end, start) for start, end in pairs]).T
        label = torch.tensor([int(edges > 6)])
        found.append(Data(x=torch.ones(edges + 1, 1), edge_index=both, y=label))
    return found
