"""Citation graphs of Planetoid by name: Cora, CiteSeer, PubMed (Yang et al. 2016).

The source is arXiv 1603.08861.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.datasets import Planetoid

from robust_augcl.data._node_files import found_files
from robust_augcl.data._number_pickles import PARTS, read_number_pickles
from robust_augcl.graphs.node_graph import NodeGraph, ReadGraph

_NODES = {"Cora": 2_708, "CiteSeer": 3_327, "PubMed": 19_717}


@dataclass(frozen=True)
class PlanetoidGraph(NodeGraph):
    """A citation graph, from the folder `Planetoid` of the archives, or downloaded once.

    Its files are Python-2 pickles. They are read only if they name nothing but arrays. The other
    settings are those of `NodeGraph`; the public split has 20 nodes a class for training, 500 for
    validation, 1,000 for test. CiteSeer has 15 nodes that its files only number: they have no
    features, no edges and no class. As usual they are of class 0, and a note counts them.

    Args:
        name: "Cora", "CiteSeer" or "PubMed".

    Raises:
        ValueError: a value out of range.

    >>> PlanetoidGraph().label
    'Cora (Planetoid, 2,708 nodes)'
    """

    name: Literal["Cora", "CiteSeer", "PubMed"] = "Cora"

    @property
    def label(self) -> str:
        return f"{self.name} (Planetoid, {_NODES[self.name]:,} nodes)"

    def files(self, archives: Path | None) -> list[Path]:
        names = [f"ind.{self.name.lower()}.{part}" for part in PARTS]
        return found_files(archives, "Planetoid", names, Planetoid.url, self.label)

    def read(self, files: list[Path]) -> ReadGraph:
        data = read_number_pickles(files, self.name)
        public = torch.full((data.num_nodes,), -1)
        for place, mask in enumerate((data.train_mask, data.val_mask, data.test_mask)):
            public[mask] = place
        return ReadGraph(data.x, data.edge_index, data.y, public, _notes(data.test_mask))


def _notes(test: Tensor) -> tuple[str, ...]:
    """What is to be told of nodes that the files number, and say nothing else of: test (N,)."""
    unknown = int((~test[int(test.nonzero()[0]) :]).sum())
    if not unknown:
        return ()
    return (f"no features, no edges, no class: {unknown} nodes, which are of class 0 as usual",)
