"""From a list of `Data` to loose tensors, and from these to the tensors of packed graphs.

Kinds and shapes are checked here, and what edges join. Which rules hold for what is odd but can be
mended stands in `entrance.py`.

Letters: G graphs, N nodes of all graphs, E directed edges, F features, A edge attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import InputError
from robust_augcl.graphs.given_forms import advice
from robust_augcl.graphs.one_data import (
    attributes_of,
    edges_of,
    features_of,
    num_nodes_of,
    one_number,
    refuse_several,
)

_USED = {"x", "edge_index", "y", "num_nodes", "target_node", "batch", "ptr"}
_WHOLE = 2**53
"""Whole numbers beyond it have gaps between them where they are held as floats."""
EXACT_IN_FLOATS = 2**24
"""Whole numbers that 32-bit floats hold exactly."""


class LooseGraphs(NamedTuple):
    """Graphs as they come. Kinds and shapes of the tensors are checked, their content is not.

    Args:
        x: node features of any real type (N, F); None where there are none.
        edges: whole numbers of nodes within their graph (2, E), in any order.
        edge_graph: the graph of each edge (E,).
        sizes: nodes of each graph (G,).
        y: labels of any real type (G,); None where there are none.
        target_node: the node that each label is of (G,); None where it is the graph's.
        notes: what was not used or had to be guessed, in words.
        edge_attr: attributes of the edges, of any real type (E, A); None where there are none, or
            nobody asked for them.
    """

    x: Tensor | None
    edges: Tensor
    edge_graph: Tensor
    sizes: Tensor
    y: Tensor | None
    target_node: Tensor | None = None
    notes: tuple[str, ...] = ()
    edge_attr: Tensor | None = None

    @property
    def ptr(self) -> Tensor:
        """The first node of each graph, and N at the end (G + 1,)."""
        return torch.cat([self.sizes.new_zeros(1), self.sizes.cumsum(0)])


def loose(graphs: Iterable[Data], edge_attributes: bool = False) -> LooseGraphs:
    """The graphs of a list.

    Args:
        graphs: the list (`given_forms.as_list` makes one of other forms).
        edge_attributes: whether their `edge_attr` is used.

    Raises:
        InputError: no graphs; one that is no `Data`, or whose tensors are of another kind or shape;
            features, labels, target nodes or (where they are used) edge attributes of some graphs
            only.
    """
    listed = list(graphs)
    if not listed:
        raise InputError("Expected at least one graph, got none")
    for number, graph in enumerate(listed):
        if not isinstance(graph, Data):
            raise InputError(
                f"Expected graph {number} to be a `Data` of PyTorch Geometric, got "
                f"{type(graph).__name__}{advice(graph)}"
            )
        refuse_several(number, graph)
    edges = [edges_of(number, graph) for number, graph in enumerate(listed)]
    features = [features_of(number, graph) for number, graph in enumerate(listed)]
    counts = [
        num_nodes_of(number, *parts)
        for number, parts in enumerate(zip(listed, features, edges, strict=True))
    ]
    sizes = torch.tensor([size for size, _ in counts])
    return LooseGraphs(
        _together(features, "features"),
        torch.cat(edges, dim=1),
        torch.repeat_interleave(torch.tensor([pairs.size(1) for pairs in edges])),
        sizes,
        _labels(listed),
        packed_targets(listed, sizes),
        _notes(listed, sum(guessed for _, guessed in counts), edge_attributes),
        _edge_attributes(listed, edges) if edge_attributes else None,
    )


def packed_edges(given: LooseGraphs) -> Tensor:
    """The edges of all graphs, counted over all nodes, sorted, each direction once (2, E).

    Self-loops and repeated edges are dropped.

    Raises:
        InputError: an edge to a node that its graph does not have, or in one direction only.
    """
    sizes, ptr, (source, target) = given.sizes, given.ptr, given.edges
    outside = (given.edges < 0) | (given.edges >= sizes[given.edge_graph])
    if bool(outside.any()):
        place = int(outside.any(0).nonzero()[0])
        graph, pair = int(given.edge_graph[place]), given.edges[:, place]
        have = f"0 to {int(sizes[graph]) - 1}" if int(sizes[graph]) else "(it has none)"
        raise InputError(
            f"Expected the edges of graph {graph} to join nodes {have}, got "
            f"{int(pair[outside[:, place]][0])} in the edge {tuple(pair.tolist())}"
        )
    num_nodes = int(ptr[-1])
    offset = ptr[given.edge_graph]
    keys = ((source + offset) * num_nodes + target + offset)[source != target].unique()
    if keys.numel() == 0:
        return keys.reshape(1, 0).repeat(2, 1)
    found = torch.stack([keys // num_nodes, keys % num_nodes])
    back = found[1] * num_nodes + found[0]
    if not torch.equal(back.sort().values, keys):
        lone = found[:, ~torch.isin(back, keys)][:, 0]
        graph = int(torch.searchsorted(ptr, lone[0], right=True)) - 1
        raise InputError(
            "Expected undirected graphs with each edge in both directions, but graph "
            f"{graph} has the edge {tuple((lone - ptr[graph]).tolist())} in one direction only"
        )
    return found


def packed_targets(graphs: Sequence[Data], sizes: Tensor) -> Tensor | None:
    """The target node of each graph (G,), None where no graph has one."""
    given = [getattr(graph, "target_node", None) for graph in graphs]
    if all(node is None for node in given):
        return None
    if any(node is None for node in given):
        raise InputError("Expected all graphs to have a target node or none, got some of each")
    numbers = [one_number(i, "`target_node`", node) for i, node in enumerate(given)]
    nodes = whole(torch.cat(of_one_type(numbers)), "`target_node`")
    check_targets(nodes, sizes)
    return nodes


def check_targets(nodes: Tensor, sizes: Tensor) -> None:
    """Raise `InputError` for a target node that its graph does not have: (G,), (G,)."""
    for index in ((nodes < 0) | (nodes >= sizes)).nonzero().flatten().tolist():
        raise InputError(
            f"Expected `target_node` of graph {index} to be from 0 to {int(sizes[index]) - 1}, "
            f"got {int(nodes[index])}"
        )


def whole(values: Tensor, what: str) -> Tensor:
    """One value a graph as whole numbers (G,).

    Raises:
        InputError: a fraction, an infinity, NaN, or a number too large to be held exactly.
    """
    if values.dtype == torch.bool or not values.is_floating_point():
        return values.long()
    exact = values.double()
    bad = ~((exact == exact.floor()) & (exact.abs() <= _WHOLE))  # NaN is bad, too
    if bool(bad.any()):
        graph = int(bad.nonzero()[0])
        raise InputError(
            f"Expected {what} to be whole numbers, got {float(exact[graph])} of graph {graph}: "
            "a real-valued target is no class"
        )
    return exact.long()


def refuse_features(given: LooseGraphs, bad: Tensor, what: str) -> None:
    """Raise `InputError` for the first bad feature (N, F), which names graph, node and column."""
    if given.x is None or not bool(bad.any()):
        return
    row, column = bad.nonzero()[0].tolist()
    graph = int(torch.searchsorted(given.ptr, row, right=True)) - 1
    raise InputError(
        f"Expected features {what}, got {given.x[row, column].item()} in column {column} of node "
        f"{row - int(given.ptr[graph])} of graph {graph}"
    )


# --- all of them ----------------------------------------------------------------------------------


def _labels(graphs: Sequence[Data]) -> Tensor | None:
    """The label of each graph (G,), None where there are none."""
    given = [graph.y for graph in graphs]
    if all(y is None for y in given):
        return None
    for number, y in enumerate(given):
        if y is None:
            raise InputError(
                f"Expected all graphs to have a label or none, graph {number} has none"
            )
    for number, (y, graph) in enumerate(zip(given, graphs, strict=True)):
        x = getattr(graph, "x", None)
        if isinstance(y, Tensor) and isinstance(x, Tensor) and y.shape == x.shape[:1] != (1,):
            raise InputError(
                f"Expected the label `y` of graph {number} to be one number, got {y.numel()} of "
                "them, one a node: where nodes are classified, give one graph a target, with its "
                "number as `target_node` and its label alone"
            )
    numbers = [one_number(number, "the label `y`", y) for number, y in enumerate(given)]
    return torch.cat(of_one_type(numbers))


def _edge_attributes(graphs: Sequence[Data], edges: Sequence[Tensor]) -> Tensor | None:
    """The attributes of all edges (E, A), None where there are none.

    A graph without edges says nothing about them.
    """
    counts = [pairs.size(1) for pairs in edges]
    parts = [attributes_of(k, graphs[k], count) for k, count in enumerate(counts)]
    widths = [part.size(1) for part in parts if part is not None]
    widths = [part.size(1) for part in parts if part is not None and len(part)] or widths
    if not widths or widths[0] == 0:
        return None
    types = [part.dtype for part in parts if part is not None and len(part)]
    none = torch.zeros(0, widths[0], dtype=types[0] if types else torch.float32)
    said = [part if count else none for part, count in zip(parts, counts, strict=True)]
    return _together(said, "edge attributes", "an edge")


def _together(parts: Sequence[Tensor | None], what: str, of: str = "a node") -> Tensor | None:
    """The rows of all graphs, such as their features (N, F); None where there are none."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    for number, part in enumerate(parts):
        if part is None:
            raise InputError(f"Expected all graphs to have {what} or none, graph {number} has none")
        if part.size(1) != there[0].size(1):
            raise InputError(
                f"Expected all graphs to have {there[0].size(1)} {what} {of}, graph {number} "
                f"has {part.size(1)}"
            )
    types = {part.dtype for part in there}
    if len(types) > 1 and any(dtype.is_floating_point for dtype in types):
        _refuse_inexact(parts, what)
    return torch.cat(of_one_type(there))


def of_one_type(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors in a type that holds all of them: `torch.cat` would round whole numbers.

    >>> [t.dtype for t in of_one_type([torch.tensor([2**24 + 1]), torch.tensor([0.5])])]
    [torch.float64, torch.float64]
    """
    types = {tensor.dtype for tensor in tensors}
    if len(types) == 1:
        return [*tensors]
    floats = any(dtype.is_floating_point for dtype in types)
    return [tensor.double() if floats else tensor.long() for tensor in tensors]


def _refuse_inexact(parts: Sequence[Tensor | None], what: str) -> None:
    """Raise `InputError` for whole numbers that floats would change, beside graphs of floats."""
    for number, part in enumerate(parts):
        if part is None or part.is_floating_point():
            continue
        wide = part.long()
        bad = (wide > EXACT_IN_FLOATS) | (wide < -EXACT_IN_FLOATS)
        if bool(bad.any()):
            raise InputError(
                f"Expected {what} that 32-bit floats hold exactly, got {int(wide[bad][0])} in "
                f"graph {number}"
            )


def _notes(graphs: Sequence[Data], guessed: int, edge_attributes: bool) -> tuple[str, ...]:
    """What is not used, and what was guessed."""
    used = _USED | ({"edge_attr"} if edge_attributes else set())
    unused = sorted({str(key) for graph in graphs for key in graph.keys()} - used)  # noqa: SIM118
    notes = [f"not used: {', '.join(unused)}"] if unused else []
    if guessed:
        notes.append(
            f"{guessed} graphs say neither `x` nor `num_nodes`: the largest number in "
            "`edge_index` was taken for their last node"
        )
    return tuple(notes)
