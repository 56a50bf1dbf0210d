"""Graphs that are told by a name, each in one NumPy archive (Shchur et al. 2018).

The source is arXiv 1811.05868.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from robust_augcl.data._node_arrays import read_arrays
from robust_augcl.data._node_files import found_files
from robust_augcl.graphs.node_graph import NodeGraph, ReadGraph


@dataclass(frozen=True)
class NamedArrays(NodeGraph):
    """Base of these graphs. No split was published with them.

    Args:
        name: of the graph; a subclass says which there are.

    Class attributes:
        folder: of the archives, which labels call it by too.
        url: where its files are downloaded from.
        known: the file and the number of nodes of each name.
    """

    folder: ClassVar[str]
    url: ClassVar[str]
    known: ClassVar[Mapping[str, tuple[str, int]]]

    name: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} ({self.folder}, {self.known[self.name][1]:,} nodes)"

    def files(self, archives: Path | None) -> list[Path]:
        names = [self.known[self.name][0]]
        return found_files(archives, self.folder, names, self.url, self.label)

    def read(self, files: list[Path]) -> ReadGraph:
        return read_arrays(files[0])
