"""Small archives in the format of the TU collection, written from plain lists."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from generators import seeded

from robust_augcl.data.tu import TUGraphs
from robust_augcl.graphs.data_source import Split
from robust_augcl.graphs.dataset import load_dataset
from robust_augcl.graphs.packed import PackedGraphs

Graph = tuple[int, list[tuple[int, int]]]
"""Number of nodes, and undirected edges, each once, numbered within the graph."""


def tables_of(
    graphs: Sequence[Graph],
    labels: Sequence[object] | None = None,
    node_labels: bool = True,
    both_ways: bool = True,
) -> dict[str, list[str]]:
    """The lines of each file, by the ending of its name."""
    indicator, edges, kinds, first = [], [], [], 1
    for number, (nodes, pairs) in enumerate(graphs, 1):
        indicator += [str(number)] * nodes
        kinds += [str((number + node) % 3) for node in range(nodes)]
        for i, j in pairs:
            edges.append(f"{first + i}, {first + j}")
            if both_ways:
                edges.append(f"{first + j}, {first + i}")
        first += nodes
    tables = {"A": edges, "graph_indicator": indicator}
    if labels is not None:
        tables["graph_labels"] = [str(label) for label in labels]
    if node_labels:
        tables["node_labels"] = kinds
    return tables


def write_archive(
    archives: Path,
    name: str,
    tables: dict[str, list[str]],
    prefix: str | None = None,
    change: Callable[[str], str] = str,
) -> Path:
    """Write `tables` as the archive of that name; `prefix` is how the files inside are called."""
    folder = archives / "TUDataset"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for ending, lines in tables.items():
            text = "".join(f"{line}\n" for line in lines)
            file.writestr(f"{name}/{prefix or name}_{ending}.txt", change(text))
    return folder / f"{name}.zip"


def some_graphs(number: int = 60) -> list[Graph]:
    """Different graphs of 5 to 9 nodes: cycles with chords."""
    graphs = []
    for k in range(number):
        nodes = 5 + k % 5
        cycle = [(i, i + 1) for i in range(nodes - 1)] + [(0, nodes - 1)]
        chords = [(0, 2 + j) for j in range(k % 3) if 2 + j < nodes - 1]
        graphs.append((nodes, cycle + chords))
    return graphs


def star(nodes: int) -> Graph:
    """One node that all others are joined to."""
    return nodes, [(0, other) for other in range(1, nodes)]


CLASSES = [number % 2 for number in range(60)]


def load(archives: Path, name: str, **settings):
    return load_dataset(TUGraphs(name, **settings), Split(0.2, 0.2), archives, seeded(0))


def plain(graphs: PackedGraphs) -> list[Graph]:
    """Number of nodes and undirected edges of each graph."""
    found = []
    for data in graphs.to_data_list():
        pairs = sorted({(min(i, j), max(i, j)) for i, j in data.edge_index.T.tolist()})
        found.append((data.num_nodes, pairs))
    return found


def expected(graphs: list[Graph]) -> list[Graph]:
    return [(nodes, sorted(pairs)) for nodes, pairs in graphs]
