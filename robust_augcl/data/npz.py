"""Graphs that attacks are tried on (Zuegner et al. 2018): Cora, CiteSeer, PolBlogs.

The source is arXiv 1805.07984; DeepRobust has the same files.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from robust_augcl.data._node_arrays import largest_component, read_arrays, with_edges_of
from robust_augcl.data._node_files import found_files
from robust_augcl.errors import InputError
from robust_augcl.graphs.node_graph import NodeGraph, ReadGraph
from robust_augcl.revisions import LATER

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
        adjacency: a file of an edited graph's adjacency matrix, as DeepRobust and SciPy's
            `save_npz` write it (beside the suite's file; with archives, also in their folder).
            Its edges take the place of the graph's; nodes, features and classes stay.

    Raises:
        ValueError: a value out of range.

    >>> AttackedGraph().label, AttackedGraph(largest_component=False).label
    ('Cora (largest component, 2,485 nodes)', 'Cora (npz, 2,708 nodes)')
    """

    name: Literal["Cora", "CiteSeer", "PolBlogs"] = "Cora"
    largest_component: bool = True
    adjacency: str = field(default="", metadata=LATER)

    @property
    def label(self) -> str:
        whole, largest = _NODES[self.name]
        edited = f", edges of {Path(self.adjacency).name}" if self.adjacency else ""
        if self.largest_component:
            return f"{self.name} (largest component, {largest:,} nodes{edited})"
        return f"{self.name} (npz, {whole:,} nodes{edited})"

    def files(self, archives: Path | None) -> list[Path]:
        files = found_files(archives, "npz", [f"{self.name.lower()}.npz"], _URL, self.label)
        return [*files, self._edited(archives)] if self.adjacency else files

    def read(self, files: list[Path]) -> ReadGraph:
        read = read_arrays(files[0])
        read = largest_component(read) if self.largest_component else read
        return with_edges_of(read, files[1]) if self.adjacency else read

    def beside(self, folder: Path | None) -> AttackedGraph:
        other = copy.copy(self)
        # No setting: it is not in addresses, and no run's folder holds it.
        object.__setattr__(other, "_folder", (folder or Path()).absolute())
        return other

    def scaled(self, factor: float) -> AttackedGraph:
        folder = getattr(self, "_folder", None)
        other = super().scaled(factor)
        return other if folder is None else other.beside(folder)

    def fingerprint(self, archives: Path | None) -> str | None:
        if archives is None and self.adjacency:
            return hashlib.sha256(self._edited(None).read_bytes()).hexdigest()
        return super().fingerprint(archives)

    def _edited(self, archives: Path | None) -> Path:
        """Where the file of the edited graph lies: beside the suite, or in the archives."""
        places = [getattr(self, "_folder", Path()) / self.adjacency]
        if archives is not None:
            places.append(archives / Path(self.adjacency).name)
        for place in places:
            if place.is_file():
                return place
        raise InputError(
            f"Expected a file {' or '.join(map(str, places))} (`adjacency`), there is none"
        )
