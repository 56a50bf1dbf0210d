"""Writing a file of graphs; its format stands in `_graph_files.py`."""

from __future__ import annotations

import copy
import gzip
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import InputError, shown
from robust_augcl.graphs.data_list import LooseGraphs, loose, packed_edges, refuse_features, whole
from robust_augcl.graphs.data_source import PARTS
from robust_augcl.graphs.edge_attributes import packed_attributes
from robust_augcl.graphs.entrance import Graphs
from robust_augcl.graphs.given_forms import as_list
from robust_augcl.graphs.packed import PackedGraphs


def write_graphs(path: Path | str, graphs: Graphs) -> tuple[str, ...]:
    """Write graphs to a file of JSON lines, which `read_graphs` reads.

    Self-loops and repeated edges are dropped; all else is written as it is, labels among it.
    A `Data` may have a `part`, which is "train", "validation" or "test". The file is there as a
    whole, or not at all; the same graphs give the same bytes.

    Args:
        path: the file; where its name ends in `.gz` it is compressed.
        graphs: in any form that `admit` takes.

    Returns:
        What was not written, in words.

    Raises:
        InputError: graphs that the format cannot hold: edges in one direction only, labels that are
            no whole numbers, features that are not finite; a file that cannot be written.

    >>> import tempfile
    >>> from robust_augcl.data._graph_files import read_graphs
    >>> edge = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]), y=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     notes = write_graphs(Path(folder) / "one.jsonl", [edge])
    ...     print(open(Path(folder) / "one.jsonl").read(), end="")
    ...     read_graphs(Path(folder) / "one.jsonl")
    {"edges": [[0, 1]], "x": [[1.0], [1.0]], "y": 1}
    [Data(edge_index=[2, 2], x=[2, 1], y=[1])]
    """
    listed, notes = _listed(graphs)
    parts = [_part(number, graph) for number, graph in enumerate(listed)]
    if None in parts and any(parts):
        raise InputError(
            f"Expected all graphs to have a `part` or none, graph {parts.index(None)} has none"
        )
    plain = [_without_part(graph) for graph in listed]
    carried = any(getattr(graph, "edge_attr", None) is not None for graph in plain)
    given = loose(plain, edge_attributes=carried)
    text = "".join(
        json.dumps(line | ({"part": part} if part else {}), allow_nan=False) + "\n"
        for line, part in zip(_lines_of(given), parts, strict=True)
    )
    _write(Path(path), text.encode())
    return (*notes, *given.notes)


def _listed(graphs: Graphs) -> tuple[list[Any], tuple[str, ...]]:
    if isinstance(graphs, PackedGraphs):
        return graphs.to_data_list(), ()
    if isinstance(graphs, LooseGraphs):
        raise InputError("Expected a list of graphs, got LooseGraphs: let `admit` pack them")
    found = as_list(graphs)
    return found.graphs, found.notes


def _part(number: int, graph: object) -> str | None:
    part = getattr(graph, "part", None)
    if part is not None and (type(part) is not str or part not in PARTS):
        raise InputError(
            f"Expected `part` of graph {number} to be {', '.join(PARTS)}, got {shown(part)}"
        )
    return part


def _without_part(graph: Any) -> Any:
    """The same graph without `part`, which is written apart."""
    if not isinstance(graph, Data) or "part" not in graph:
        return graph
    other = copy.copy(graph)
    del other.part
    return other


def _lines_of(given: LooseGraphs) -> list[dict[str, Any]]:
    """A table for each graph."""
    edges = packed_edges(given)
    once = edges[0] < edges[1]
    rows = None
    if given.edge_attr is not None:
        rows = packed_attributes(given, edges)[once].to(_kept(given.edge_attr).dtype)
    if given.x is not None:
        refuse_features(given, ~given.x.isfinite(), "that are finite")
    y = None if given.y is None else whole(given.y, "labels").tolist()
    pairs = edges[:, once].contiguous()
    first_edge = torch.searchsorted(pairs[0].contiguous(), given.ptr).tolist()
    ptr = given.ptr.tolist()
    lines = []
    for number, (start, end) in enumerate(pairwise(ptr)):
        of = slice(first_edge[number], first_edge[number + 1])
        line: dict[str, Any] = {"edges": (pairs[:, of] - start).T.tolist()}
        if given.x is None:
            line["num_nodes"] = end - start
        else:
            line["x"] = _numbers(given.x[start:end])
        if rows is not None:
            line["edge_attr"] = _numbers(rows[of])
        if y is not None:
            line["y"] = y[number]
        if given.target_node is not None:
            line["target_node"] = int(given.target_node[number])
        lines.append(line)
    return lines


def _kept(table: Tensor) -> Tensor:
    """A table in the type in which it is written: whole numbers, or 32-bit floats."""
    return table.float() if table.is_floating_point() else table.long()


def _numbers(table: Tensor) -> list[list[int | float]]:
    """Rows of numbers; a float as the shortest decimal that is the same 32-bit float."""
    of = _kept(table).numpy()
    if table.is_floating_point():
        return [[float(text) for text in row] for row in of.astype("U32").tolist()]
    found: list[list[int | float]] = of.tolist()
    return found


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
