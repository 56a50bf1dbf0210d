"""Graphs of authors who wrote together: Coauthor CS and Physics (Shchur et al. 2018).

The source is arXiv 1811.05868.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch_geometric.datasets import Coauthor

from robust_augcl.data._node_arrays import read_arrays
from robust_augcl.data._node_files import found_files
from robust_augcl.graphs.node_graph import NodeGraph, ReadGraph

_FILES = {"CS": "ms_academic_cs.npz", "Physics": "ms_academic_phy.npz"}
_NODES = {"CS": 18_333, "Physics": 34_493}


@dataclass(frozen=True)
class CoauthorGraph(NodeGraph):
    """A graph of authors, from the folder `Coauthor` of the archives, or downloaded once.

    No split was published with it. The other settings are those of `NodeGraph`.

    Args:
        name: "CS" or "Physics".

    Raises:
        ValueError: a value out of range.

    >>> CoauthorGraph().label
    'CS (Coauthor, 18,333 nodes)'
    """

    name: Literal["CS", "Physics"] = "CS"

    @property
    def label(self) -> str:
        return f"{self.name} (Coauthor, {_NODES[self.name]:,} nodes)"

    def files(self, archives: Path | None) -> list[Path]:
        url = Coauthor.url.rstrip("/")
        return found_files(archives, "Coauthor", [_FILES[self.name]], url, self.label)

    def read(self, files: list[Path]) -> ReadGraph:
        return read_arrays(files[0])
