"""TU data sets by name: MUTAG, PROTEINS, NCI1, IMDB-BINARY, ... (Morris et al. 2020).

The source is arXiv 2007.08663.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import download_url
from torch_geometric.datasets import TUDataset
from torch_geometric.utils import one_hot

from robust_augcl.errors import InputError, nearest
from robust_augcl.graphs.data_list import LooseGraphs
from robust_augcl.graphs.data_source import DataSource, check_fraction, share_of_each
from robust_augcl.graphs.edge_attributes import AddedEdge, check_setting
from robust_augcl.graphs.entrance import Admitted, admit
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.graphs.tu_files import TUFiles, read_tu
from robust_augcl.revisions import LATER

_UNREADABLE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    KeyError,
    RuntimeError,
)
"""What the standard library raises at archives that are none, or damaged, or locked."""

MOST_ONE_HOT = 2**28
"""Numbers in a table of one-hot features: 2 GiB while it is made."""


@dataclass(frozen=True)
class TUGraphs(DataSource):
    """A data set of the TU collection, from an archive.

    The archive is looked for in a folder, and nowhere else where one is given; otherwise it is
    downloaded once. What is read is checked against the files (`graphs.tu_files`), and let in by
    the rules of `graphs.entrance`.

    Node labels, one-hot, are the features. Node attributes and edge attributes are not used, and
    the report says so; edge labels, one-hot, are used on request. A degree feature is that of the
    clean graph: edits do not change it. Graphs are chosen before features are made of them, so
    memory is that of the share; a one-hot feature has as many columns as the whole set needs.

    Args:
        name: the data set's name in the collection.
        features: of graphs without node labels: the "constant" 1, or the one-hot "degree".
        fraction: share of each class's graphs to use, the first ones of a random order.
        edge_attributes: whether edge labels, one-hot, are attributes of edges. For models that read
            them; the encoders of this package do not.
        added_edge: what an edge carries that an edit adds, as `entrance.admit` takes it; "mean" and
            "most_common" are of the whole set.

    Raises:
        ValueError: a value out of range.
    """

    name: str = "MUTAG"
    features: Literal["constant", "degree"] = "constant"
    fraction: float = 1.0
    edge_attributes: bool = field(default=False, metadata=LATER)
    added_edge: AddedEdge = field(default="most_common", metadata=LATER)

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise ValueError(f"Expected `name` to be the name of a TU data set, got {self.name!r}")
        check_fraction(self.fraction)
        check_setting(self.edge_attributes, self.added_edge)

    @property
    def label(self) -> str:
        return self.name

    def load(self, archives: Path | None, generator: torch.Generator) -> PackedGraphs:
        return self.admitted(archives, generator).graphs

    def admitted(self, archives: Path | None, generator: torch.Generator) -> Admitted:
        archive = self._archive(archives) if archives is not None else self._downloaded()
        try:
            with zipfile.ZipFile(archive) as file:
                read = read_tu(zipfile.Path(file) / self.name, self.name, self.edge_attributes)
            found = admit(
                self._with_labels_of_edges(read),
                edge_attributes=self.edge_attributes,
                added_edge=self.added_edge,
            )
            index = share_of_each(found.graphs.y, self.fraction, generator)
            x, used = self._features(read, found.graphs, index)
        except InputError as error:
            raise InputError(f"{archive}: {error}") from None
        except _UNREADABLE as error:
            raise InputError(
                f"Expected {archive} to be a readable archive of a TU data set "
                f"({_first_line(error)})"
            ) from error
        graphs = found.graphs if index is None else found.graphs.select(index)
        unused = [f"not used: {', '.join(read.unused)}"] if read.unused else []
        notes = (f"features: {used}", *unused, *found.notes)
        return Admitted(
            replace(graphs, x=x), notes, found.kept if index is None else found.kept[index]
        )

    def _with_labels_of_edges(self, read: TUFiles) -> LooseGraphs:
        """The graphs, with the labels of their edges one-hot where they are asked for."""
        if read.edge_labels is None:
            return read.graphs
        return read.graphs._replace(edge_attr=_one_hot(read.edge_labels, slice(None), "edges"))

    def _features(
        self, read: TUFiles, graphs: PackedGraphs, index: Tensor | None
    ) -> tuple[Tensor, str]:
        """The features of the graphs at `index` (K,), and what they are."""
        nodes = torch.arange(graphs.num_nodes)
        if index is not None:
            nodes = ranges(graphs.ptr[index], graphs.sizes[index])
        if read.node_labels is not None:
            x = _one_hot(read.node_labels, nodes, "nodes")
            return x, f"node labels, one-hot, {x.size(1)} columns"
        if self.features == "constant":
            return torch.ones(nodes.numel(), 1), "the constant 1, as there are no node labels"
        width = int(graphs.degree.max()) + 1  # self-loops and repeated edges are gone
        _check_width(width, nodes.numel(), "nodes")
        x = one_hot(graphs.degree[nodes], num_classes=width)
        return x, f"the degree in the clean graph, one-hot, {width} columns"

    def scaled(self, factor: float) -> TUGraphs:
        return replace(self, fraction=min(1.0, self.fraction * factor))

    def fingerprint(self, archives: Path | None) -> str | None:
        if archives is None:
            return None
        try:
            with self._archive(archives).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"Cannot read {archives}: {error.strerror or error}") from None

    def _archive(self, archives: Path) -> Path:
        archive = archives / "TUDataset" / f"{self.name}.zip"
        if not archive.is_file():
            known = sorted(path.stem for path in archive.parent.glob("*.zip"))
            raise InputError(
                f"Expected an archive {archive}, there is none{nearest(self.name, known)} "
                f"(there: {', '.join(known) or 'no archive'})"
            )
        return archive

    def _downloaded(self) -> Path:
        """The archive in the user's cache folder, downloaded once."""
        cache = (
            Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            / "robust_augcl"
            / "TUDataset"
        )
        archive = cache / f"{self.name}.zip"
        if archive.is_file():
            return archive
        part = f".{self.name}.{os.getpid()}.part"
        try:
            download_url(f"{TUDataset.url}/{self.name}.zip", str(cache), log=False, filename=part)
            (cache / part).replace(archive)  # whole or not at all
        except (
            Exception
        ) as error:  # the download goes through several libraries, each with errors of its own
            raise InputError(
                f"Cannot download the data set {self.name!r} ({_first_line(error)}); "
                "give a folder of archives by --archives (in Python: `archives=`) or "
                "ROBUST_AUGCL_ARCHIVES"
            ) from error
        finally:
            (cache / part).unlink(missing_ok=True)
        return archive


def _one_hot(labels: Tensor, rows: Tensor | slice, of: str) -> Tensor:
    """Labels (N, L), one-hot, of some rows; columns for each label of all rows."""
    numbers = labels - labels.min(0).values
    widths = [int(most) + 1 for most in numbers.max(0).values.tolist()]
    taken = numbers[rows]
    _check_width(sum(widths), len(taken), of)
    columns = zip(taken.unbind(1), widths, strict=True)
    tables = [one_hot(column, num_classes=width) for column, width in columns]
    return tables[0] if len(tables) == 1 else torch.cat(tables, 1)


def _check_width(columns: int, rows: int, of: str) -> None:
    """Refuse a one-hot table that would take more memory than there should be."""
    if columns * rows > MOST_ONE_HOT:
        raise InputError(
            f"Expected {MOST_ONE_HOT:,} numbers of features at the most, got {columns:,} one-hot "
            f"columns for {rows:,} {of}: take a smaller `fraction`"
        )


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
