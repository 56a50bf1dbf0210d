"""The entrance: every graph comes in here, whatever its source, by rules that are stated.

Each kind of dirt is mended with a word, or refused by name. Nothing is silently wrong.

===================================  ============================================================
what came in                         what becomes of it
===================================  ============================================================
self-loops                           dropped, with their number
an edge more than once               kept once, with the number of the others
an edge in one direction only        refused: graph and edge
an edge to a node that is not there  refused: graph, edge and node
an edge between two graphs           refused: both graphs and the edge
a graph without nodes                left out, with their number; refused where targets are nodes
a graph of one node, or no edges     kept: edits may still reach it
no features                          the constant 1, with a word
integer, boolean, double features    32-bit floats, with a word; refused where an integer changes
NaN or infinite features             refused: graph, node and column
features of some graphs only         refused: the graph
graphs of different widths           refused: the graph
float labels                         taken if whole, with a word; others refused: no classes
labels that are not 0 ... C - 1      numbered so in ascending order, with a word
several labels a graph               refused: the graph
labels of some graphs only           refused: the graph
no labels                            class 0, with a word; a data set, or `as_given`: refused
one class                            taken; in a data set refused, which needs two classes
edge attributes                      not used, with a word; used where they are asked for
integer, double edge attributes      32-bit floats, with a word; refused where an integer changes
NaN or infinite edge attributes      refused: graph, edge and column
two directions that carry different  refused: graph and edge
edge attributes of some graphs only  refused: the graph; one without edges needs none
an edge that is added                carries what `added_edge` says, with a word
several graphs in one `Data`         refused: the graph; a `Batch` is taken apart
other attributes                     not used, with their names
no word on the number of nodes       the last is the largest number in `edge_index`, with a word
more than 2,147,483,647 nodes        refused
2,147,483,648 features and more      refused; that is 8 GiB of them
===================================  ============================================================

Letters: G graphs, N nodes of all graphs, E directed edges, F features, A edge attributes, K graphs
that are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.data_list import (
    EXACT_IN_FLOATS,
    LooseGraphs,
    check_targets,
    loose,
    packed_edges,
    refuse_features,
    whole,
)
from robust_augcl.graphs.edge_attributes import (
    AddedEdge,
    carried_by_added,
    check_setting,
    packed_attributes,
)
from robust_augcl.graphs.given_forms import as_list
from robust_augcl.graphs.one_data import is_real
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets

Graphs = PackedGraphs | LooseGraphs | Iterable[Any]
"""Graphs in any form: a list, a data set, a batch, a loader, packed or loose graphs."""

MOST_NODES = 2**31 - 1
"""Nodes of all graphs: artifacts hold their numbers in 32 bits."""
MOST_NUMBERS = 2**31 - 1
"""Numbers in the table of all features, N * F: 8 GiB of them."""
MOST_CLASSES = 2**16
"""Classes where labels are taken as they are given."""
_SHOWN = 8


class Admitted(NamedTuple):
    """Graphs that came in.

    Args:
        graphs: clean graphs.
        notes: what was mended, left out or not used, in words.
        kept: the number of each graph in what was given (K,).
        parts: the part of each graph, its place in `data_source.PARTS`, where what was read states
            it (K,). `admit` never does. Where `targets` are stated, the part of each of them (T,).
        targets: the targets with their classes, where what was read states them.
    """

    graphs: PackedGraphs
    notes: tuple[str, ...]
    kept: Tensor
    parts: Tensor | None = None
    targets: Targets | None = None


def admit(
    graphs: Graphs,
    *,
    as_given: bool = False,
    edge_attributes: bool = False,
    added_edge: AddedEdge = "most_common",
) -> Admitted:
    """Let graphs in: mend them with a word, or refuse them by name.

    The rules stand at the top of this module. Packed graphs that are clean come back as they are.

    Args:
        graphs: in any form: a list, a data set of PyTorch Geometric or a part of one, a `Batch`, a
            loader, packed graphs.
        as_given: labels mean what they say, for example the classes of a trained model, and are
            not numbered anew; labels below 0 or of `MOST_CLASSES` and more are refused, and so are
            graphs without labels.
        edge_attributes: use `edge_attr`, which is left out otherwise.
        added_edge: what an edge carries that an edit adds: "zeros", the "mean" of all edges, the
            "most_common" row of all edges, or the numbers (A,).

    Raises:
        InputError: what cannot be mended. The message names the graph.
        ValueError: an `added_edge` that is none, or that nothing would use.

    >>> from torch_geometric.data import Data
    >>> path = torch.tensor([[0, 1, 1, 2, 2], [1, 0, 2, 1, 2]])
    >>> one = Data(x=torch.ones(3, 1), edge_index=path, y=torch.tensor([-1]))
    >>> other = Data(x=torch.ones(3, 1), edge_index=path[:, :4], y=torch.tensor([1]))
    >>> admitted = admit([one, other])
    >>> admitted.graphs.y.tolist(), admitted.graphs.num_undirected_edges.tolist()
    ([0, 1], [2, 2])
    >>> for note in admitted.notes:
    ...     print(note)
    self-loops: 1 dropped, the first in graph 0
    labels: -1, 1 are the classes 0 to 1
    >>> admit([Data(x=torch.ones(3, 1), edge_index=path[:, :3], y=torch.tensor([0]))])
    Traceback (most recent call last):
    robust_augcl.errors.InputError: Expected undirected graphs with each edge in both directions, \
but graph 0 has the edge (1, 2) in one direction only
    """
    check_setting(edge_attributes, added_edge)
    given = _loose(graphs, edge_attributes)
    if (num_nodes := int(given.sizes.sum())) > MOST_NODES:
        raise InputError(f"Expected {MOST_NODES:,} nodes at the most, got {num_nodes:,}")
    notes = [*given.notes]
    edges = packed_edges(given)
    notes += _dropped(given, edges.size(1))
    x = _features(given, notes)
    y = torch.zeros_like(given.sizes) if given.y is None else whole(given.y, "labels")
    found = PackedGraphs(x, edges, given.ptr, y, given.target_node)
    if edge_attributes:
        found = _with_attributes(found, given, added_edge, notes)
    kept = given.sizes.nonzero().flatten()
    if kept.numel() < found.num_graphs:
        found = _without_empty(found, kept, notes)
    found = found.with_labels(_classes(given, found.y, as_given, notes))
    if isinstance(graphs, PackedGraphs) and found.same_as(graphs):
        found = graphs
    return Admitted(found, tuple(notes), kept)


def _loose(graphs: Graphs, edge_attributes: bool) -> LooseGraphs:
    if isinstance(graphs, LooseGraphs):
        return graphs
    if isinstance(graphs, PackedGraphs):
        return _of_packed(graphs, edge_attributes)
    listed, notes = as_list(graphs)
    given = loose(listed, edge_attributes)
    return given._replace(notes=(*notes, *given.notes))


def _of_packed(graphs: PackedGraphs, edge_attributes: bool) -> LooseGraphs:
    """Packed graphs that somebody else has packed: nothing is believed of them."""
    ptr, edges, x, y = graphs.ptr, graphs.edge_index, graphs.x, graphs.y
    for name, tensor, dims in (("ptr", ptr, 1), ("edge_index", edges, 2), ("x", x, 2), ("y", y, 1)):
        if not is_real(tensor) or tensor.dim() != dims:
            raise InputError(f"Expected `{name}` of packed graphs to be a tensor of {dims} axes")
    for name, tensor in (("ptr", ptr), ("edge_index", edges)):
        if tensor.dtype != torch.long:
            raise InputError(f"Expected `{name}` of packed graphs to be int64, got {tensor.dtype}")
    if ptr.numel() < 2:
        raise InputError("Expected at least one graph, got none")
    if int(ptr[0]) != 0 or int(ptr[-1]) != len(x) or bool((ptr.diff() < 0).any()):
        raise InputError(
            f"Expected `ptr` of packed graphs to ascend from 0 to the number of nodes, {len(x)}"
        )
    sizes = ptr.diff()
    if y.numel() != sizes.numel():
        raise InputError(f"Expected a label for each of {sizes.numel()} graphs, got {y.numel()}")
    target = graphs.target_node
    if target is not None:
        if not is_real(target) or target.shape != sizes.shape or target.dtype != torch.long:
            raise InputError("Expected `target_node` of packed graphs to be one integer a graph")
        check_targets(target, sizes)
    rows = graphs.edge_attr
    notes: tuple[str, ...] = ()
    if rows is not None and not edge_attributes:
        rows, notes = None, ("not used: edge_attr",)
    if rows is not None and (not is_real(rows) or rows.dim() != 2 or len(rows) != edges.size(1)):
        raise InputError("Expected `edge_attr` of packed graphs to be one row of numbers an edge")
    return LooseGraphs(x, *local_edges(edges, ptr), sizes, y, target, notes, rows)


def local_edges(edges: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    """Edges by the numbers of nodes within their graph, and the graph of each (2, E), (E,).

    Shapes: edges, counted over all nodes (2, E), ptr (G + 1,).

    Raises:
        InputError: a node that is not there, or an edge between two graphs.

    >>> pairs = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    >>> edges, graph = local_edges(pairs, torch.tensor([0, 2, 4]))
    >>> edges.tolist(), graph.tolist()
    ([[0, 1, 0, 1], [1, 0, 1, 0]], [0, 0, 1, 1])
    """
    if edges.size(0) != 2:
        raise InputError(f"Expected `edge_index` to be of shape (2, E), got {tuple(edges.shape)}")
    outside = ((edges < 0) | (edges >= ptr[-1])).any(0)
    if bool(outside.any()):
        pair = tuple(edges[:, outside][:, 0].tolist())
        raise InputError(f"Expected edges to join nodes 0 to {int(ptr[-1]) - 1}, got {pair}")
    graph, other = torch.searchsorted(ptr, edges.contiguous(), right=True) - 1
    if bool((graph != other).any()):
        place = int((graph != other).nonzero()[0])
        raise InputError(
            "Expected edges to join nodes of one graph, got one between graph "
            f"{int(graph[place])} and graph {int(other[place])}: {tuple(edges[:, place].tolist())}"
        )
    return edges - ptr[graph], graph


# --- what is mended -------------------------------------------------------------------------------


def _dropped(given: LooseGraphs, left: int) -> list[str]:
    """Notes on self-loops and repeated edges; `left` edges were kept."""
    notes = []
    loops = given.edges[0] == given.edges[1]
    if count := int(loops.sum()):
        first = int(given.edge_graph[loops].min())
        notes.append(f"self-loops: {count:,} dropped, the first in graph {first}")
    if repeated := given.edges.size(1) - count - left:
        notes.append(f"repeated edges: {repeated:,} dropped, in whichever direction they stood")
    return notes


def _features(given: LooseGraphs, notes: list[str]) -> Tensor:
    """Features as 32-bit floats (N, F)."""
    x, num_nodes = given.x, int(given.ptr[-1])
    if x is None or x.size(1) == 0:
        notes.append("no features: each node has the constant 1")
        return torch.ones(num_nodes, 1)
    if x.numel() > MOST_NUMBERS:
        raise InputError(
            f"Expected {MOST_NUMBERS:,} numbers of features at the most, got {x.numel():,}"
        )
    if x.dtype == torch.float32:
        floats = x
    else:
        notes.append(f"features: {str(x.dtype).removeprefix('torch.')} became 32-bit floats")
        floats = x.float()
        if not x.is_floating_point() and x.dtype != torch.bool:
            wide = x.long()  # smaller types do not hold the limit
            bad = (wide > EXACT_IN_FLOATS) | (wide < -EXACT_IN_FLOATS)
            refuse_features(given, bad, "that 32-bit floats hold exactly")
    refuse_features(given, ~floats.isfinite(), "that are finite")
    return floats


def _with_attributes(
    found: PackedGraphs, given: LooseGraphs, added_edge: AddedEdge, notes: list[str]
) -> PackedGraphs:
    """The graphs with the attributes of their edges, and with what an added edge carries."""
    attributes = packed_attributes(given, found.edge_index)
    carried = carried_by_added(attributes, added_edge)
    dtype = given.edge_attr.dtype if given.edge_attr is not None else torch.float32
    if dtype != torch.float32:
        notes.append(f"edge attributes: {str(dtype).removeprefix('torch.')} became 32-bit floats")
    first = ", ".join(f"{number:g}" for number in carried[:_SHOWN].tolist())
    more = ", ..." if carried.numel() > _SHOWN else ""
    how = f" ({added_edge.replace('_', ' ')})" if isinstance(added_edge, str) else ""
    notes.append(
        f"edge attributes: {carried.numel()} of each edge; an added edge carries {first}{more}{how}"
    )
    return replace(found, edge_attr=attributes, added_edge=carried)


def _without_empty(graphs: PackedGraphs, kept: Tensor, notes: list[str]) -> PackedGraphs:
    """The graphs that have nodes."""
    if kept.numel() == 0:
        raise InputError(f"Expected graphs with nodes, got {graphs.num_graphs} without any")
    empty = graphs.sizes == 0
    notes.append(
        f"graphs without nodes: {int(empty.sum()):,} of {graphs.num_graphs:,} left out, the first "
        f"is graph {int(empty.nonzero()[0])}; the others are numbered anew"
    )
    return graphs.select(kept)


def _classes(given: LooseGraphs, y: Tensor, as_given: bool, notes: list[str]) -> Tensor:
    """The class of each graph that is kept (K,), from its label (K,)."""
    if given.y is None and as_given:
        raise InputError(
            "Expected graphs with labels `y`, got none: without its class, no prediction of a "
            "graph is right or wrong"
        )
    if given.y is None:
        notes.append("no labels: all graphs are of class 0")
    elif given.y.is_floating_point():
        notes.append("labels: whole numbers that are written as floats")
    if as_given:
        if int(y.min()) < 0 or int(y.max()) >= MOST_CLASSES:
            bad = (y < 0) | (y >= MOST_CLASSES)
            place = int(bad.nonzero()[0])
            raise InputError(
                f"Expected labels from 0 to {MOST_CLASSES - 1}, got {int(y[place])} of graph "
                f"{int(given.sizes.nonzero().flatten()[place])}"
            )
        return y
    return numbered(y, notes)


def numbered(y: Tensor, notes: list[str]) -> Tensor:
    """Labels (K,) as classes 0 ... C - 1, in ascending order; a note says so where it changes any.

    >>> notes = []
    >>> numbered(torch.tensor([7, 2, 7]), notes).tolist(), notes
    ([1, 0, 1], ['labels: 2, 7 are the classes 0 to 1'])
    """
    labels, classes = y.unique(sorted=True, return_inverse=True)
    if not torch.equal(labels, torch.arange(labels.numel())):
        named = ", ".join(map(str, labels[:_SHOWN].tolist()))
        more = ", ..." if labels.numel() > _SHOWN else ""
        last = labels.numel() - 1
        are = f"are the classes 0 to {last}" if last else "is the class 0"
        notes.append(f"labels: {named}{more} {are}")
    return classes
