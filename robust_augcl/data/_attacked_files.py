"""Attacked graphs as plain files that anybody can read: a NumPy archive, and lists of edges.

Nothing in them is pickled, and the same graphs give the same bytes. An archive holds:

| array      | shape  | what it holds                                                           |
|------------|--------|-------------------------------------------------------------------------|
| about      | ()     | JSON text: the run's suite, data set, method, attack, budget, seed, ... |
| ptr        | G + 1  | the first node of each graph, and N                                     |
| x          | N, F   | features, 32-bit floats                                                 |
| edges      | E, 3   | of the clean graphs: graph, i, j; each undirected edge once, i < j      |
| graph      | T      | the graph of each target, counted in this file                          |
| number     | T      | its number in the data set                                              |
| node       | T      | the node that the target is, -1 where it is the graph as a whole        |
| y          | T      | its class                                                               |
| clean      | T      | what the victim predicted before the edits                              |
| attacked   | T      | and after them                                                          |
| added      | A, 3   | edges added: target, i, j                                               |
| removed    | R, 3   | edges removed: target, i, j                                             |

Nodes are numbered within their graph. Edits of target -1 are those of every target, of a global
attack on one graph: they stand once. Letters: G graphs, N nodes of all graphs, F features, E clean
edges, T targets, A and R edits of all targets.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from robust_augcl.data._numpy_archives import UNREADABLE, check_size
from robust_augcl.errors import InputError, cut

_SHAPES = {
    "ptr": 1,
    "x": 2,
    "edges": 2,
    "graph": 1,
    "number": 1,
    "node": 1,
    "y": 1,
    "clean": 1,
    "attacked": 1,
    "added": 2,
    "removed": 2,
}
_PER_TARGET = ("graph", "number", "node", "y", "clean", "attacked")
OF_ALL = -1
"""Stands in `added` and `removed` for every target."""
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class AttackedGraphs:
    """Attacked targets with their clean graphs, as arrays; what each holds, the module says.

    `len` is the number of targets.

    >>> graphs = AttackedGraphs(
    ...     {"attack": "by hand"},
    ...     ptr=np.array([0, 3]),
    ...     x=np.ones((3, 1), dtype=np.float32),
    ...     edges=np.array([[0, 0, 1]]),
    ...     graph=np.array([0]),
    ...     number=np.array([7]),
    ...     node=np.array([-1]),
    ...     y=np.array([1]),
    ...     clean=np.array([1]),
    ...     attacked=np.array([0]),
    ...     added=np.array([[0, 1, 2]]),
    ...     removed=np.zeros((0, 3), dtype=int),
    ... )
    >>> graphs.pairs(0).tolist()
    [[0, 1], [1, 2]]
    """

    about: Mapping[str, Any]
    ptr: np.ndarray
    x: np.ndarray
    edges: np.ndarray
    graph: np.ndarray
    number: np.ndarray
    node: np.ndarray
    y: np.ndarray
    clean: np.ndarray
    attacked: np.ndarray
    added: np.ndarray
    removed: np.ndarray

    def __len__(self) -> int:
        return len(self.graph)

    @property
    def is_one_graph(self) -> bool:
        """Whether all targets have the same edits of the same graph."""
        own = [_rows(self.added, 0), _rows(self.removed, 0)] if len(self) else []
        return len(self.ptr) == 2 and all(
            np.array_equal(_rows(edits, target), first)
            for target in range(len(self))
            for edits, first in zip((self.added, self.removed), own, strict=True)
        )

    def edits(self, target: int) -> tuple[np.ndarray, np.ndarray]:
        """The edges added and removed before a target (A, 2), (R, 2), those of all included."""
        added, removed = (
            np.concatenate([_rows(table, OF_ALL), _rows(table, target)])
            for table in (self.added, self.removed)
        )
        return added, removed

    def pairs(self, target: int, *, attacked: bool = True) -> np.ndarray:
        """The undirected edges of a target's graph, each once (E, 2), after its edits or before.

        Raises:
            IndexError: no such target.
        """
        if not 0 <= target < len(self):
            raise IndexError(f"Expected a target below {len(self)}, got {target}")
        pairs = _rows(self.edges, int(self.graph[target]))
        if attacked:
            added, removed = self.edits(target)
            gone = set(map(tuple, removed.tolist()))
            kept = [pair for pair in map(tuple, pairs.tolist()) if pair not in gone]
            made = set(map(tuple, added.tolist()))
            pairs = np.array(sorted({*kept, *made}), dtype=np.int64).reshape(-1, 2)
        return pairs

    def data(self, target: int, *, attacked: bool = True) -> Data:
        """A target's graph as PyTorch Geometric's `Data`, after its edits or before.

        It has `target_node` where the target is a node.
        """
        pairs = torch.from_numpy(self.pairs(target, attacked=attacked)).T
        first, last = self.ptr[self.graph[target]], self.ptr[self.graph[target] + 1]
        made = Data(
            x=torch.from_numpy(self.x[first:last].copy()),
            edge_index=torch.cat([pairs, pairs.flip(0)], dim=1),
            y=torch.tensor([int(self.y[target])]),
        )
        if self.node[target] >= 0:
            made.target_node = torch.tensor([int(self.node[target])])
        return made


def _rows(table: np.ndarray, key: int) -> np.ndarray:
    """The pairs of a graph or target in a table of triples that is sorted by it."""
    first, last = np.searchsorted(table[:, 0], [key, key + 1])
    return table[first:last, 1:]


def archive_of(graphs: AttackedGraphs) -> bytes:
    """The archive, as bytes that are the same for the same graphs."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in _arrays(graphs):
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return stream.getvalue()


def _arrays(graphs: AttackedGraphs) -> Iterator[tuple[str, np.ndarray]]:
    yield "about", np.array(json.dumps(graphs.about, sort_keys=True))
    for name in _SHAPES:
        yield name, np.ascontiguousarray(getattr(graphs, name))


def edge_list_of(graphs: AttackedGraphs) -> bytes:
    """The attacked graphs as text: target, i, j, one undirected edge a line.

    Where all targets have the same edits of one graph, its edges stand once, as those of target 0.
    Where targets of one graph have edits of their own, its clean edges stand once, as those of
    target -1, and the edits follow in a fourth column: 1 is added, 0 removed.
    """
    lines = ["# target i j"]
    if len(graphs.ptr) > 2 or len(graphs) < 2 or graphs.is_one_graph:
        once = range(min(1, len(graphs)) if graphs.is_one_graph else len(graphs))
        lines += [f"{target} {i} {j}" for target in once for i, j in graphs.pairs(target).tolist()]
    else:
        lines = ["# target i j added; target -1: the clean graph"]
        lines += [f"-1 {i} {j} 1" for i, j in graphs.pairs(0, attacked=False).tolist()]
        edits = [(*row, 1) for row in graphs.added.tolist()]
        edits += [(*row, 0) for row in graphs.removed.tolist()]
        lines += [" ".join(map(str, row)) for row in sorted(edits)]
    return ("\n".join(lines) + "\n").encode()


def load_attacked(path: Path | str) -> AttackedGraphs:
    """Read an archive of attacked graphs, as `robust-augcl export` writes it.

    Raises:
        InputError: a file that is no such archive, or whose arrays do not fit one another.

    >>> import tempfile
    >>> none = np.zeros((0, 3), dtype=int)
    >>> few = [np.zeros(0, dtype=int)] * 6
    >>> empty = AttackedGraphs({}, np.array([0]), np.zeros((0, 1)), none, *few, none, none)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "none.npz"
    ...     _ = file.write_bytes(archive_of(empty))
    ...     len(load_attacked(file))
    0
    """
    try:
        check_size(path)
        with np.load(path, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            arrays = {name: np.asarray(archive[name]) for name in _SHAPES}
    except UNREADABLE as error:
        raise InputError(
            f"Expected {path} to be an archive of attacked graphs ({type(error).__name__}: "
            f"{cut(str(error))})"
        ) from error
    if not isinstance(about, dict):
        raise InputError(f"Expected `about` of {path} to be a table, got {type(about).__name__}")
    for name, fault in _faults(arrays):
        raise InputError(f"Expected `{name}` of {path} to be {fault}")
    assert {field.name for field in fields(AttackedGraphs)} == {"about", *arrays}
    return AttackedGraphs(about, **arrays)


def _faults(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """What is wrong with arrays: the name, and what was expected."""
    for name, dimensions in _SHAPES.items():
        array = arrays[name]
        kinds = "f" if name == "x" else "iu"
        if array.ndim != dimensions or array.dtype.kind not in kinds:
            yield (
                name,
                f"{'numbers' if name == 'x' else 'whole numbers'} in {dimensions} dimensions",
            )
            return
    targets, ptr = len(arrays["graph"]), arrays["ptr"]
    for name in _PER_TARGET:
        if len(arrays[name]) != targets:
            yield name, f"one number for each of {targets} targets"
    if not len(ptr) or ptr[0] != 0 or ptr[-1] != len(arrays["x"]) or (np.diff(ptr) < 0).any():
        yield "ptr", "ascending, from 0 to the number of nodes"
        return
    sizes = np.diff(ptr)
    graph = arrays["graph"]
    if ((graph < 0) | (graph >= len(sizes))).any():
        yield "graph", f"numbers below {len(sizes)}"
        return
    lowest = OF_ALL if len(sizes) == 1 and targets else 0
    for name, limit, first in (
        ("edges", sizes, 0),
        ("added", sizes[graph], lowest),
        ("removed", sizes[graph], lowest),
    ):
        table = arrays[name]
        if table.shape[1] != 3:
            yield name, "triples"
        elif ((table[:, 0] < first) | (table[:, 0] >= len(limit))).any():
            yield name, f"of graphs or targets below {len(limit)}"
        elif (np.diff(table[:, 0]) < 0).any():
            yield name, "sorted by its first column"
        elif ((table[:, 1] < 0) | (table[:, 2] >= limit[table[:, 0]])).any() or (
            table[:, 1] >= table[:, 2]
        ).any():
            yield name, "pairs i < j of nodes of their graph"
    if ((arrays["node"] < -1) | (arrays["node"] >= sizes[graph])).any():
        yield "node", "nodes of their graph, or -1"
