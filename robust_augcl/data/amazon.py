"""Graphs of goods that are bought together: Amazon Photo and Computers (Shchur et al. 2018).

The source is arXiv 1811.05868.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch_geometric.datasets import Amazon

from robust_augcl.data._node_arrays import read_arrays
from robust_augcl.data._node_files import found_files
from robust_augcl.graphs.node_graph import NodeGraph, ReadGraph

_FILES = {"Photo": "amazon_electronics_photo.npz", "Computers": "amazon_electronics_computers.npz"}
_NODES = {"Photo": 7_650, "Computers": 13_752}


@dataclass(frozen=True)
class AmazonGraph(NodeGraph):
    """A graph of goods, from the folder `Amazon` of the archives, or downloaded once.

    No split was published with it. The other settings are those of `NodeGraph`.

    Args:
        name: "Photo" or "Computers".

    Raises:
        ValueError: a value out of range.

    >>> AmazonGraph().label
    'Photo (Amazon, 7,650 nodes)'
    """

    name: Literal["Photo", "Computers"] = "Photo"

    @property
    def label(self) -> str:
        return f"{self.name} (Amazon, {_NODES[self.name]:,} nodes)"

    def files(self, archives: Path | None) -> list[Path]:
        url = Amazon.url.rstrip("/")
        return found_files(archives, "Amazon", [_FILES[self.name]], url, self.label)

    def read(self, files: list[Path]) -> ReadGraph:
        return read_arrays(files[0])
