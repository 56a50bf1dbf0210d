"""A file of graphs of your own: JSON lines, one graph a line.

The format stands in `data/_graph_files.py`, and in docs/data.md.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.data._graph_files import MOST_BYTES, read_graphs
from robust_augcl.errors import InputError, shown
from robust_augcl.graphs.data_source import PARTS, DataSource, check_fraction, share_of_each
from robust_augcl.graphs.edge_attributes import AddedEdge, check_setting
from robust_augcl.graphs.entrance import Admitted, admit
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.validation import read_bytes

_ENDINGS = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class FileGraphs(DataSource):
    """The graphs of a file.

    A relative path begins at the folder of the suite's file, or where there is none at the current
    folder. A run's folder holds the path as the suite has it. Whoever reads that folder elsewhere
    names the folder of the file by `--archives`; the file is known by its name and its content.

    Args:
        path: the file; its name ends in .jsonl or .jsonl.gz.
        stated_parts: whether the `part` of each line is the split; `[split]` is not used then.
        fraction: share of each class's graphs to use (of each class in each part, where parts are
            stated), the first ones of a random order.
        edge_attributes: whether `edge_attr` is used. For models that read it; the encoders of this
            package do not.
        added_edge: what an edge carries that an edit adds, as `entrance.admit` takes it; "mean" and
            "most_common" are of the whole file.

    Raises:
        ValueError: a value out of range.
    """

    path: str
    stated_parts: bool = False
    fraction: float = 1.0
    edge_attributes: bool = False
    added_edge: AddedEdge = "most_common"

    def __post_init__(self) -> None:
        if not self.path.endswith(_ENDINGS) or not self.label or "\0" in self.path:
            raise ValueError(
                f"Expected `path` to be a file whose name ends in {' or '.join(_ENDINGS)}, got "
                f"{shown(self.path)}"
            )
        check_fraction(self.fraction)
        check_setting(self.edge_attributes, self.added_edge)

    @property
    def label(self) -> str:
        return Path(self.path).name.removesuffix(".gz").removesuffix(".jsonl")

    @property
    def states_parts(self) -> bool:
        return self.stated_parts

    def beside(self, folder: Path | None) -> FileGraphs:
        other = copy.copy(self)
        # No setting: it is not in addresses, and no run's folder holds it.
        object.__setattr__(other, "_folder", (folder or Path()).absolute())
        return other

    def scaled(self, factor: float) -> FileGraphs:
        other = replace(self, fraction=min(1.0, self.fraction * factor))
        folder = getattr(self, "_folder", None)
        return other if folder is None else other.beside(folder)

    def load(self, archives: Path | None, generator: torch.Generator) -> PackedGraphs:
        return self.admitted(archives, generator).graphs

    def admitted(self, archives: Path | None, generator: torch.Generator) -> Admitted:
        file = self._file(archives)
        graphs = read_graphs(file)
        parts = self._parts(file, graphs)
        try:
            found = admit(graphs, edge_attributes=self.edge_attributes, added_edge=self.added_edge)
        except InputError as error:
            raise InputError(f"{file} (its first line is graph 0): {error}") from None
        parts = None if parts is None else parts[found.kept]
        groups = found.graphs.y if parts is None else found.graphs.y * len(PARTS) + parts
        index = share_of_each(groups, self.fraction, generator)
        if index is None:
            return found._replace(parts=parts)
        return Admitted(
            found.graphs.select(index),
            found.notes,
            found.kept[index],
            None if parts is None else parts[index],
        )

    def _parts(self, file: Path, graphs: list[Data]) -> Tensor | None:
        """The part of each graph, which is taken out of the graphs; None where it is drawn."""
        said = [getattr(graph, "part", None) for graph in graphs]
        if not self.stated_parts:
            if any(said):
                raise InputError(
                    f"{file}: expected graphs without `part`, as they are split by [split], got "
                    "some with: set `stated_parts = true` to use the parts that it states"
                )
            return None
        if not all(said):
            raise InputError(f"{file}: expected graphs with `part`, as `stated_parts` is set")
        for graph in graphs:
            del graph.part
        for name in PARTS:
            if name not in said:
                raise InputError(f"{file}: expected graphs whose `part` is {name}, got none")
        return torch.tensor([PARTS.index(part) for part in said])

    def fingerprint(self, archives: Path | None) -> str | None:
        file = self._file(archives)
        try:
            return hashlib.sha256(read_bytes(file, MOST_BYTES)).hexdigest()
        except OSError as error:
            raise InputError(f"Cannot read {file}: {error.strerror or error}") from None

    def _file(self, archives: Path | None) -> Path:
        """Where the file lies.

        A path that only a run's folder holds is not followed on a machine where `--archives` says
        where the files are: there the file's name alone counts.
        """
        folder: Path | None = getattr(self, "_folder", None)
        places = []
        if folder is not None or archives is None:
            places.append((folder or Path()) / self.path)
        if archives is not None:
            places.append(archives / Path(self.path).name)
        for place in places:
            if place.is_file():
                return place
        raise InputError(
            f"Expected a file {' or '.join(map(str, places))}, there is none: name the folder that "
            "holds it by --archives"
        )
