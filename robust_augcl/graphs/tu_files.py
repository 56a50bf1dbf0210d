"""The files of a TU data set (arXiv 2007.08663), read and checked against one another.

NAME_A.txt holds the edges, NAME_graph_indicator.txt the graph of each node, NAME_graph_labels.txt
the class label of each graph, NAME_node_labels.txt, which may be missing, labels of each node, and
NAME_edge_labels.txt, which is read on request, labels of each line of NAME_A.txt. All numbers count
from 1. Other files are not read.

Letters: G graphs, N nodes of all graphs, E directed edges, L labels a node or an edge.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import Path as ZipPath

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.data_list import LooseGraphs
from robust_augcl.graphs.entrance import local_edges

MOST_BYTES = 2**29
"""Bytes of one file, unpacked. COLLAB, the largest of the collection's usual sets, has a sixth."""
_OTHERS = (
    "node_attributes",
    "edge_labels",
    "edge_attributes",
    "graph_attributes",
)
_WHOLE = 2**53
_SHOWN = 40


class TUFiles(NamedTuple):
    """What the files say.

    Args:
        graphs: edges and class labels; the features, 0, hold the place of what is chosen later.
        node_labels: of each node, in the order of the graphs (N, L); None where there are none.
        unused: what else there is, in words.
        edge_labels: of each edge, in the order of the edges (E, L); None where nobody asked.
    """

    graphs: LooseGraphs
    node_labels: Tensor | None
    unused: tuple[str, ...]
    edge_labels: Tensor | None = None


class _Table(NamedTuple):
    """A file of numbers.

    Args:
        values: a row a line (rows, columns).
        file: its name.
        text: what it holds.
    """

    values: NDArray[np.float64]
    file: str
    text: str

    def refuse(self, bad: NDArray[Any], expected: str) -> None:
        """Raise `InputError` for the first bad row (rows,), which names file, line and value."""
        if not bad.any():
            return
        row = int(bad.argmax())
        lines = [(k, line) for k, line in enumerate(self.text.split("\n"), 1) if line]
        number, line = lines[row]
        raise InputError(
            f"Expected {self.file} to hold {expected}, got {_shortened(line)} in line {number}"
        )

    def integers(self, expected: str) -> NDArray[np.int64]:
        """The values as whole numbers; others are refused."""
        # NaN is no whole number: every comparison with it is false.
        exact = (self.values == np.floor(self.values)) & (np.abs(self.values) <= _WHOLE)
        self.refuse(~exact.all(1), expected)
        return self.values.astype(np.int64)


def read_tu(folder: Path | ZipPath, name: str, edge_labels: bool = False) -> TUFiles:
    """Read the files of the data set `name` in a folder, perhaps of an archive.

    Labels of edges are read where they are asked for; otherwise they are named as not used.

    What is read agrees: as many class labels as graphs, the largest number of a graph is the
    number of graphs, every node is in a graph, every edge within one.

    Raises:
        InputError: a file that is missing, too large or no table of numbers; files that do not
            agree. The message names file and line.
    """
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    for ending in ("A", "graph_indicator"):
        _require(there, folder, name, ending)
    if f"{name}_graph_labels.txt" not in there and f"{name}_graph_attributes.txt" in there:
        raise InputError(
            f"Expected {name}_graph_labels.txt, there is none, but {name}_graph_attributes.txt: "
            "real-valued targets are no classes"
        )
    _require(there, folder, name, "graph_labels")
    of_node, sizes, order = _graphs(_table(folder, name, "graph_indicator"), name)
    labels = _table(folder, name, "graph_labels")
    if len(labels.values) != len(sizes):
        raise InputError(
            f"Expected as many class labels as graphs, got {len(labels.values)} in {labels.file} "
            f"and graphs 1 to {len(sizes)} in {name}_graph_indicator.txt"
        )
    _one_column(labels, "one class label a graph")
    y = labels.integers("whole numbers as class labels (real-valued targets are no classes)")
    edges, edge_graph = _edges(_table(folder, name, "A"), of_node, order, sizes)
    node_labels = None
    if f"{name}_node_labels.txt" in there:
        table = _table(folder, name, "node_labels")
        node_labels = _labels(table, len(order), "nodes")[order]
    of_edges = None
    if edge_labels:
        _require(there, folder, name, "edge_labels")
        of_edges = _labels(_table(folder, name, "edge_labels"), edges.size(1), "edges")
    notes = [] if (np.diff(order) > 0).all() else ["nodes: sorted by their graphs"]
    if not set(".eE").isdisjoint(labels.text):
        notes.append("labels: whole numbers that are written as floats")
    others = [kind for kind in _OTHERS if not (edge_labels and kind == "edge_labels")]
    unused = tuple(kind.replace("_", " ") for kind in others if f"{name}_{kind}.txt" in there)
    graphs = LooseGraphs(
        torch.zeros(len(order), 1),
        edges,
        edge_graph,
        torch.from_numpy(sizes),
        torch.from_numpy(y[:, 0]),
        None,
        tuple(notes),
    )
    return TUFiles(graphs, node_labels, unused, of_edges)


def _require(there: set[str], folder: Path | ZipPath, name: str, ending: str) -> None:
    file = f"{name}_{ending}.txt"
    if file in there:
        return
    found = ", ".join(sorted(there)[:8]) or f"no folder {folder.name}"
    raise InputError(f"Expected a file {name}/{file}, there is none (there: {found})")


def _graphs(
    indicator: _Table, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The graph of each node as the file has them, the sizes of graphs, nodes sorted by graph."""
    if not len(indicator.values):
        raise InputError(f"Expected {indicator.file} to name the graph of each node, got no line")
    expected = "the number of one graph a line, from 1"
    _one_column(indicator, expected)
    of_node = indicator.integers(expected)[:, 0]
    # A number beyond the number of nodes would leave most graphs empty; no set needs so many.
    outside = np.logical_or(of_node < 1, of_node > 2 * len(of_node) + 1_000)
    indicator.refuse(outside, expected)
    return of_node - 1, np.bincount(of_node - 1), np.argsort(of_node, kind="stable")


def _edges(
    table: _Table, of_node: NDArray[np.int64], order: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """Edges within their graphs (2, E), and the graph of each (E,)."""
    if not len(table.values):
        none = torch.zeros(0, dtype=torch.long)
        return none.reshape(1, 0).repeat(2, 1), none
    expected = f"two nodes a line, from 1 to {len(of_node)}"
    if table.values.shape[1] != 2:
        table.refuse(np.ones(len(table.values), bool), expected)
    pairs = table.integers(expected) - 1
    outside = np.logical_or(pairs < 0, pairs >= len(of_node))
    table.refuse(outside.max(1), expected)
    first, second = of_node[pairs].T
    table.refuse(np.not_equal(first, second), "edges within one graph")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    ptr = torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)]))
    return local_edges(torch.from_numpy(place[pairs].T.copy()), ptr)


def _labels(table: _Table, count: int, of: str) -> Tensor:
    """Labels, a line for each of so many nodes or edges (count, L)."""
    if len(table.values) != count:
        raise InputError(
            f"Expected a line for each of {count} {of} in {table.file}, got {len(table.values)}"
        )
    return torch.from_numpy(table.integers("whole numbers"))


def _one_column(table: _Table, expected: str) -> None:
    if table.values.shape[1] != 1:
        table.refuse(np.ones(len(table.values), bool), expected)


# --- tables ---------------------------------------------------------------------------------------


def _table(folder: Path | ZipPath, name: str, ending: str) -> _Table:
    """A file of numbers with commas between them, as many in each line; blank lines do not count.

    Raises:
        InputError: too many bytes, something that is no number, lines of different lengths.
    """
    file = f"{name}_{ending}.txt"
    with (folder / file).open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"Expected {file} to have {MOST_BYTES} bytes at the most, it has more")
    text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    if not text.strip():
        return _Table(np.zeros((0, 1)), file, "")
    try:
        values = np.loadtxt(io.StringIO(text), delimiter=",", comments=None, ndmin=2)
    except ValueError:
        raise InputError(_what_is_wrong(text, file)) from None
    return _Table(values, file, text)


def _what_is_wrong(text: str, file: str) -> str:
    """Which line keeps a text from being a table of numbers."""
    columns = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        cells = line.split(",")
        columns = columns or len(cells)
        if len(cells) != columns:
            return (
                f"Expected {file} to have {columns} numbers in each line, got {len(cells)} in line "
                f"{number}: {_shortened(line)}"
            )
        for cell in cells:
            try:
                float(cell)
            except ValueError:
                return (
                    f"Expected {file} to hold numbers with commas between them, got "
                    f"{_shortened(cell)} in line {number}"
                )
    return f"Expected {file} to hold numbers with commas between them"


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
