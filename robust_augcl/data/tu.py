"""TU data sets by name: MUTAG, PROTEINS, NCI1, IMDB-BINARY, ... (Morris et al. 2020).

The source is arXiv 2007.08663.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch_geometric.data import Data
from torch_geometric.datasets import TUDataset
from torch_geometric.utils import degree, one_hot

from robust_augcl.errors import InputError, nearest
from robust_augcl.graphs.data_source import DataSource
from robust_augcl.graphs.packed import PackedGraphs


@dataclass(frozen=True)
class TUGraphs(DataSource):
    """A data set of the TU collection, through PyTorch Geometric.

    It is downloaded, or taken from an archive.

    Node labels, one-hot, are the features. Edge labels are not used and self-loops are dropped: an
    edge that an attack adds has neither. A degree feature is that of the clean graph: edits do not
    change it.

    Args:
        name: the data set's name in the collection.
        features: of graphs without node labels: the "constant" 1, or the one-hot "degree".
        fraction: share of each class's graphs to use, the first ones of a random order.

    Raises:
        ValueError: a value out of range.
    """

    name: str = "MUTAG"
    features: Literal["constant", "degree"] = "constant"
    fraction: float = 1.0

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise ValueError(f"Expected `name` to be the name of a TU data set, got {self.name!r}")
        if not 0 < self.fraction <= 1:
            raise ValueError(
                f"Expected `fraction` to be above 0 and at most 1, got {self.fraction}"
            )

    @property
    def label(self) -> str:
        return self.name

    def load(self, archives: Path | None, generator: torch.Generator) -> PackedGraphs:
        graphs = self._from_archive(archives) if archives is not None else self._from_cache()
        bare = graphs[0].x is None or graphs[0].x.size(1) == 0
        if bare:
            for graph in graphs:
                graph.x = torch.ones(int(graph.num_nodes or 0), 1)
        packed = PackedGraphs.from_data_list(graphs)
        if (
            bare and self.features == "degree"
        ):  # of the packed graphs: self-loops and repeated edges are gone
            packed = replace(
                packed, x=one_hot(degree(packed.edge_index[0], packed.num_nodes).long())
            )
        if self.fraction == 1:
            return packed
        keys = packed.y + torch.rand(packed.num_graphs, generator=generator, dtype=torch.float64)
        order = torch.argsort(keys)  # by class, each class in a random order
        counts = torch.bincount(packed.y)
        rank = torch.arange(packed.num_graphs) - (counts.cumsum(0) - counts)[packed.y[order]]
        return packed.select(
            order[rank < (counts * self.fraction).ceil()[packed.y[order]]].sort().values
        )

    def scaled(self, factor: float) -> TUGraphs:
        return replace(self, fraction=min(1.0, self.fraction * factor))

    def fingerprint(self, archives: Path | None) -> str | None:
        if archives is None:
            return None
        try:
            return hashlib.sha256(self._archive(archives).read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(f"Cannot read {archives}: {error.strerror or error}") from None

    def _archive(self, archives: Path) -> Path:
        archive = archives / "TUDataset" / f"{self.name}.zip"
        if not archive.is_file():
            known = sorted(path.stem for path in archive.parent.glob("*.zip"))
            raise InputError(
                f"Expected an archive {archive}, there is none{nearest(self.name, known)} "
                f"(there: {', '.join(known)})"
            )
        return archive

    def _from_archive(self, archives: Path) -> list[Data]:
        """Unpack an archive in a temporary folder; the archive's own folder is only read."""
        archive = self._archive(archives)
        with tempfile.TemporaryDirectory(prefix="robust_augcl-") as folder:
            root = Path(folder)
            try:
                with zipfile.ZipFile(archive) as file:
                    file.extractall(root / self.name)
                shutil.move(root / self.name / self.name, root / self.name / "raw")
                with contextlib.redirect_stderr(io.StringIO()):  # it announces each step of reading
                    return self._read(root)
            except (
                OSError,
                zipfile.BadZipFile,
                zlib.error,
                ValueError,
                IndexError,
                RuntimeError,
            ) as error:
                raise InputError(
                    f"Expected {archive} to be a readable archive of a TU data set "
                    f"({_first_line(error)})"
                ) from error

    def _from_cache(self) -> list[Data]:
        """Let PyTorch Geometric download the data set, once, to the user's cache folder."""
        cache = (
            Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            / "robust_augcl"
            / "TUDataset"
        )
        try:
            return self._read(cache)
        except (
            Exception
        ) as error:  # the download goes through several libraries, each with errors of its own
            raise InputError(
                f"Cannot download the data set {self.name!r} ({_first_line(error)}); "
                "give a folder of archives by --archives or ROBUST_AUGCL_ARCHIVES"
            ) from error

    def _read(self, root: Path) -> list[Data]:
        return [
            Data(x=g.x, edge_index=g.edge_index, y=g.y, num_nodes=g.num_nodes)
            for g in TUDataset(str(root), self.name)
        ]


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
