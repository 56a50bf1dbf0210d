"""Random trees, and random trees with edges that close cycles: which of them is a graph?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch_geometric.data import Data

from robust_augcl.graphs.data_source import DataSource


@dataclass(frozen=True)
class Cycles(DataSource):
    """Random trees of 8 to 15 nodes (class 0), and such trees with 2 more edges (class 1).

    Args:
        graphs: how many, at least 2.

    Raises:
        ValueError: fewer than 2 graphs.
    """

    graphs: int = 100

    def __post_init__(self) -> None:
        if self.graphs < 2:
            raise ValueError(f"Expected `graphs` to be at least 2, got {self.graphs}")

    @property
    def label(self) -> str:
        return "cycles"

    def load(self, archives: Path | None, generator: torch.Generator) -> list[Data]:
        return [_graph(number % 2, generator) for number in range(self.graphs)]

    def scaled(self, factor: float) -> Cycles:
        return replace(self, graphs=max(2, round(self.graphs * factor)))


def _graph(label: int, generator: torch.Generator) -> Data:
    def draw(bound: int) -> int:
        return int(torch.randint(bound, (), generator=generator))

    size = 8 + draw(8)
    edges = {(draw(node), node) for node in range(1, size)}
    while label and len(edges) < size + 1:
        low, high = sorted((draw(size), draw(size)))
        edges |= {(low, high)} if low < high else set()
    one_way = torch.tensor(sorted(edges)).T
    both_ways = torch.cat([one_way, one_way.flip(0)], dim=1)
    return Data(x=torch.ones(size, 1), edge_index=both_ways, y=torch.tensor([label]))
