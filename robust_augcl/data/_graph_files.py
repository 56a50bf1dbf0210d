"""A file of graphs: JSON lines, one graph a line.

The format is plain: people read it, `diff` compares it, any language writes it, nothing is
unpickled, and an error names its line. A line is a JSON object with these fields:

=============  ===================================================================================
field          what it holds
=============  ===================================================================================
`edges`        pairs of nodes [[0, 1], ...], from 0; undirected, so each edge stands once
`x`            features, one row a node [[1.0], ...]; may be missing
`num_nodes`    how many nodes there are; may be missing where there is `x`
`y`            the class, a whole number; may be missing
`edge_attr`    attributes of edges, one row for each entry of `edges`; may be missing
`part`         "train", "validation" or "test": the part of the data set; may be missing
`target_node`  the node whose class `y` is; without it `y` is the class of the graph
=============  ===================================================================================

What one line has, all have; a graph without edges needs no `edge_attr`. Features are whole numbers
if all features of the file are written as such (1, not 1.0), else 32-bit floats; so are attributes
of edges. Blank lines do not count. A file whose name ends in `.gz` is compressed by gzip.

Letters: E edges of a graph, F features or attributes.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.data._line_kinds import refuse_kinds
from robust_augcl.errors import ArtifactDamaged, InputError, shown
from robust_augcl.graphs.data_list import EXACT_IN_FLOATS
from robust_augcl.results import strict
from robust_augcl.validation import read_bytes

MOST_BYTES = 2**29
"""Bytes of a file, unpacked."""
MOST_LINE = 2**24
"""Bytes of a line: 16 MiB."""
MOST_NODES = 2**26
"""Nodes of all graphs of a file: a line of few letters may name any number of them."""
_WHOLE = 2**53
_Label = Annotated[float, Field(ge=-_WHOLE, le=_WHOLE, allow_inf_nan=False)]
_ALL_OR_NONE = ("x", "y", "part", "target_node")
_UNREADABLE = (OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class _Line:
    """A graph as a line states it; the fields stand at the top of this module."""

    __pydantic_config__ = strict.STRICT

    edges: list[strict.Pair]
    x: list[list[strict.Margin]] | None = None
    num_nodes: strict.Index | None = None
    y: _Label | None = None
    edge_attr: list[list[strict.Margin]] | None = None
    part: Literal["train", "validation", "test"] | None = None
    target_node: strict.Index | None = None


class _Read(NamedTuple):
    """A line that was read.

    Args:
        at: the file and the line, for errors.
        said: the fields.
        x: features (nodes, F), int64 or float64; None where there are none.
        edge_attr: attributes (E, F), int64 or float64; None where there are none.
    """

    at: str
    said: _Line
    x: NDArray[Any] | None
    edge_attr: NDArray[Any] | None


def read_graphs(path: Path | str) -> list[Data]:
    """Read the graphs of a file of JSON lines; the format stands at the top of this module.

    Returns:
        One `Data` a line. `edge_index` has both directions of each edge, and `edge_attr` a row for
        each of them; `part` is a text.

    Raises:
        InputError: a file that cannot be read, or a line that is no graph. The message names the
            line and the field.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "two.jsonl"
    >>> _ = path.write_text('{"edges": [[0, 1]], "num_nodes": 3, "y": 0}\\n{"edges": [[0, 3]]}\\n')
    >>> try:
    ...     read_graphs(path)
    ... except InputError as error:
    ...     print(str(error).replace(folder.name, "data"))
    data/two.jsonl, line 2: expected a graph with `x` or `num_nodes`, got neither
    >>> folder.cleanup()
    """
    path = Path(path)
    lines = [_line(f"{path}, line {number}", text) for number, text in _lines(path)]
    if not lines:
        raise InputError(f"{path}: expected one graph a line, got no line")
    _check_alike(lines)
    if (nodes := sum(_size(line.said) for line in lines)) > MOST_NODES:
        raise InputError(f"{path}: expected {MOST_NODES:,} nodes at the most, got {nodes:,}")
    x = _tensors(lines, "x", [line.x for line in lines])
    rows = _tensors(lines, "edge_attr", [line.edge_attr for line in lines])
    return [_data(*parts) for parts in zip(lines, x, rows, strict=True)]


# --- lines ----------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    try:
        content = read_bytes(path, MOST_BYTES)
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(
                f"Cannot read {path}: it is larger than {MOST_BYTES:,} bytes, unpacked"
            )
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"Cannot read {path}: it is no text in UTF-8") from None
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"Cannot read {path}: {reason}") from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MOST_LINE:
            raise InputError(
                f"{path}, line {number}: expected {MOST_LINE:,} characters at the most"
            )
        if line.strip():
            yield number, line


def _line(at: str, text: str) -> _Read:
    """A line that is a graph by itself."""
    try:
        raw = strict.parse(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{at}: expected a graph as JSON ({strict.reason(error)})") from None
    try:
        said = strict.read_as(_Line, text, at, "a graph")
    except ArtifactDamaged as error:
        refuse_kinds(at, raw)
        raise InputError(str(error)) from None
    if said.num_nodes is None and said.x is None:
        raise InputError(f"{at}: expected a graph with `x` or `num_nodes`, got neither")
    size = _size(said)
    if said.x is not None and len(said.x) != size:
        raise InputError(
            f"{at}: expected a graph, its `x` to be {size} rows, as `num_nodes` says, got "
            f"{len(said.x)}"
        )
    _check_edges(at, said, size)
    if said.edge_attr is not None and len(said.edge_attr) != len(said.edges):
        raise InputError(
            f"{at}: expected a graph, its `edge_attr` to be a row for each of {len(said.edges)} "
            f"`edges`, got {len(said.edge_attr)}"
        )
    if said.target_node is not None and said.target_node >= size:
        raise InputError(
            f"{at}: expected a graph, its `target_node` to be below {size}, got {said.target_node}"
        )
    if said.y is not None and said.y != int(said.y):
        raise InputError(
            f"{at}: expected a graph, its `y` to be a whole number, as a real-valued target is no "
            f"class, got {said.y}"
        )
    x, rows = (_table(at, name, raw.get(name)) for name in ("x", "edge_attr"))
    return _Read(at, said, x, rows)


def _size(said: _Line) -> int:
    return said.num_nodes if said.num_nodes is not None else len(said.x or ())


def _check_edges(at: str, said: _Line, size: int) -> None:
    """Refuse an edge to a node that is not there, and one that stands twice."""
    seen = set()
    for place, (i, j) in enumerate(said.edges):
        if max(i, j) >= size:
            raise InputError(
                f"{at}: expected a graph, its `edges.{place}` to join nodes below {size}, got "
                f"{[i, j]}"
            )
        pair = (min(i, j), max(i, j))
        if pair in seen:
            raise InputError(
                f"{at}: expected a graph, each of its `edges` once, as they are undirected, got "
                f"{[i, j]} again at `edges.{place}`"
            )
        seen.add(pair)


def _table(at: str, name: str, rows: list[list[int | float]] | None) -> NDArray[Any] | None:
    """Rows of numbers, int64 where all are written as whole numbers, else float64."""
    if rows is None:
        return None
    width = len(rows[0]) if rows else 0
    for place, row in enumerate(rows):
        if len(row) != width:
            raise InputError(
                f"{at}: expected a graph, its `{name}.{place}` to be {width} numbers, as the first "
                f"row is, got {len(row)}"
            )
    if all(type(value) is int for row in rows for value in row):
        largest = max((abs(value) for row in rows for value in row), default=0)
        if largest > _WHOLE:
            raise InputError(
                f"{at}: expected a graph, its `{name}` to be whole numbers up to 2**53, got "
                f"{shown(largest)}"
            )
        return np.array(rows, dtype=np.int64).reshape(len(rows), width)
    for row in rows:
        _refuse_inexact(at, name, (value for value in row if type(value) is int))
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def _refuse_inexact(at: str, name: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        if abs(number) > EXACT_IN_FLOATS:
            raise InputError(
                f"{at}: expected a graph, its `{name}` to be numbers that 32-bit floats hold "
                f"exactly, got {shown(number)}"
            )


# --- the file as a whole --------------------------------------------------------------------------


def _check_alike(lines: Sequence[_Read]) -> None:
    """Refuse a field that some lines have and others do not."""
    first = lines[0]
    for name in _ALL_OR_NONE:
        there = getattr(first.said, name) is not None
        for line in lines:
            if (getattr(line.said, name) is not None) != there:
                has, lacks = (first.at, line.at) if there else (line.at, first.at)
                raise InputError(
                    f"{lacks}: expected a graph with `{name}`, as {_number(has)} has it, got none"
                )
    of_edges = [line for line in lines if line.said.edges]
    some = next((line for line in of_edges if line.edge_attr is not None), None)
    if some is None:
        return
    for line in of_edges:
        if line.edge_attr is None:
            raise InputError(
                f"{line.at}: expected a graph with `edge_attr`, as {_number(some.at)} has it, got "
                "none"
            )


def _number(at: str) -> str:
    return at.rpartition(", ")[2]


def _tensors(
    lines: Sequence[_Read], name: str, tables: Sequence[NDArray[Any] | None]
) -> list[Tensor | None]:
    """The tables of all lines in one type and width; a table without rows says nothing of them."""
    both = zip(lines, tables, strict=True)
    full = [(line, of) for line, of in both if of is not None and len(of)]
    if not full:
        return [None if of is None else torch.zeros(0, 1) for of in tables]
    first, width = full[0][0], full[0][1].shape[1]
    whole = all(of.dtype == np.int64 for _, of in full)
    for line, of in full:
        if of.shape[1] != width:
            raise InputError(
                f"{line.at}: expected a graph, the rows of its `{name}` to be {width} numbers, as "
                f"in {_number(first.at)}, got {of.shape[1]}"
            )
        if not whole and of.dtype == np.int64:
            _refuse_inexact(line.at, name, of.flatten().tolist())
    dtype = torch.int64 if whole else torch.float32
    none = torch.zeros(0, width, dtype=dtype)
    made = [
        None if of is None else torch.from_numpy(of).to(dtype) if len(of) else none for of in tables
    ]
    for line, table in zip(lines, made, strict=True):
        if table is not None and not bool(table.isfinite().all()):
            raise InputError(
                f"{line.at}: expected a graph, its `{name}` to be numbers that 32-bit floats hold, "
                "got larger ones"
            )
    return made


def _data(line: _Read, x: Tensor | None, rows: Tensor | None) -> Data:
    said = line.said
    pairs = torch.tensor(said.edges, dtype=torch.long).reshape(-1, 2).T
    apart = pairs[0] != pairs[1]  # the other direction of a self-loop is itself
    found = Data(edge_index=torch.cat([pairs, pairs[:, apart].flip(0)], dim=1))
    if x is None:
        found.num_nodes = said.num_nodes
    else:
        found.x = x
    if rows is not None:
        found.edge_attr = torch.cat([rows, rows[apart]])
    if said.y is not None:
        found.y = torch.tensor([int(said.y)])
    if said.part is not None:
        found.part = said.part
    if said.target_node is not None:
        found.target_node = torch.tensor([said.target_node])
    return found
