"""Graphs that attacks are tried on (Zuegner et al. 2018): Cora, CiteSeer, PolBlogs.

The source is arXiv 1805.07984; DeepRobust has the same files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from robust_augcl.data._node_arrays import largest_component, read_arrays
from robust_augcl.data._node_files import found_files
from robust_augcl.graphs.node_graph import NodeGraph, ReadGraph

_URL = "https://github.com/danielzuegner/gnn-meta-attack/raw/master/data"
_NODES = {"Cora": (2_708, 2_485), "CiteSeer": (3_312, 2_110), "PolBlogs": (1_490, 1_222)}


@dataclass(frozen=True)
class AttackedGraph(NodeGraph):
    """A graph from the folder `npz` of the archives, or downloaded once.

    Its largest component is another data set than the whole graph, and the label says which it is.
    Arrays of objects in the files are never read. The other settings are those of `NodeGraph`.

    Args:
        name: "Cora", "CiteSeer" or "PolBlogs", which has no features: they are one-hot by node.
        largest_component: whether only the largest connected component is used, as in the
            literature on attacks.

    Raises:
        ValueError: a value out of range.

    >>> AttackedGraph().label, AttackedGraph(largest_component=False).label
    ('Cora (largest component, 2,485 nodes)', 'Cora (npz, 2,708 nodes)')
    """

    name: Literal["Cora", "CiteSeer", "PolBlogs"] = "Cora"
    largest_component: bool = True

    @property
    def label(self) -> str:
        whole, largest = _NODES[self.name]
        if self.largest_component:
            return f"{self.name} (largest component, {largest:,} nodes)"
        return f"{self.name} (npz, {whole:,} nodes)"

    def files(self, archives: Path | None) -> list[Path]:
        return found_files(archives, "npz", [f"{self.name.lower()}.npz"], _URL, self.label)

    def read(self, files: list[Path]) -> ReadGraph:
        read = read_arrays(files[0])
        return largest_component(read) if self.largest_component else read
