"""Edge attributes: what the edges of a graph carry, and what an edge carries that an edit adds.

They are used only where somebody asks for them. Both directions of an edge carry the same.

Letters: N nodes of all graphs, D directed edges as they were given, E those that are kept, A
attributes of an edge.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from robust_augcl.errors import InputError, shown
from robust_augcl.graphs.data_list import EXACT_IN_FLOATS, LooseGraphs

Rule = Literal["zeros", "mean", "most_common"]
AddedEdge = Rule | tuple[float, ...]
"""What an added edge carries: a rule, or the numbers themselves."""

MOST_ATTRIBUTES = 2**31 - 1
"""Numbers in the table of all attributes, E * A: 8 GiB of them."""


def check_setting(edge_attributes: bool, added_edge: AddedEdge) -> None:
    """Raise `ValueError` for a setting of added edges that is none, or that nothing would use."""
    is_rule = isinstance(added_edge, str)
    if is_rule and added_edge not in get_args(Rule):
        raise ValueError(
            f"Expected `added_edge` to be one of {', '.join(map(repr, get_args(Rule)))}, or a "
            f"list of numbers, got {shown(added_edge)}"
        )
    if not is_rule and not torch.tensor(added_edge, dtype=torch.float32).isfinite().all():
        raise ValueError(f"Expected `added_edge` to be finite numbers, got {shown(added_edge)}")
    if not edge_attributes and added_edge != "most_common":
        raise ValueError(
            "Expected `edge_attributes` to be true where `added_edge` is set, got false: without "
            "attributes an added edge carries none"
        )


def carried_by_added(attributes: Tensor, setting: AddedEdge) -> Tensor:
    """What an added edge carries (A,), by the attributes of the edges that are there (E, A).

    "zeros"; the "mean" of all edges; the "most_common" row of all edges, of equally common ones the
    lowest (first column first), which is zeros where there is no edge; or the numbers of a list.
    All edges count, whatever part of a data set their graph is in. Classes are not looked at.

    Raises:
        InputError: a list of another length than A.

    >>> bonds = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> carried_by_added(bonds, "most_common").tolist()
    [1.0, 0.0]
    >>> carried_by_added(bonds, (0.5, 0.5)).tolist()
    [0.5, 0.5]
    """
    width = attributes.size(1)
    if not isinstance(setting, str):
        if len(setting) != width:
            raise InputError(
                f"Expected `added_edge` to be {width} numbers, as many as each edge has "
                f"attributes, got {len(setting)}"
            )
        return torch.tensor(setting, dtype=torch.float32)
    if setting == "zeros" or attributes.size(0) == 0 or width == 0:
        return torch.zeros(width)
    if setting == "mean":
        return attributes.double().mean(0).float()
    rows, counts = attributes.unique(dim=0, return_counts=True)
    return rows[(counts == counts.max()).nonzero()[0, 0]]


def packed_attributes(given: LooseGraphs, edges: Tensor) -> Tensor:
    """The attributes of the edges that are kept, as 32-bit floats (E, A).

    Args:
        given: graphs with attributes of their edges (D, A).
        edges: those that are kept, counted over all nodes, sorted (2, E).

    Raises:
        InputError: an attribute that is not finite or that 32-bit floats do not hold; an edge whose
            directions or repeats carry different ones.
    """
    if given.edge_attr is None:
        raise InputError(
            "Expected graphs with `edge_attr`, as edge attributes are asked for, got none"
        )
    if given.edge_attr.numel() > MOST_ATTRIBUTES:
        raise InputError(
            f"Expected {MOST_ATTRIBUTES:,} edge attributes at the most, got "
            f"{given.edge_attr.numel():,}"
        )
    values = given.edge_attr.float()
    _refuse(given, ~values.isfinite(), "that are finite")
    if not given.edge_attr.is_floating_point() and given.edge_attr.dtype != torch.bool:
        wide = given.edge_attr.long()
        bad = (wide > EXACT_IN_FLOATS) | (wide < -EXACT_IN_FLOATS)
        _refuse(given, bad, "that 32-bit floats hold exactly")
    num_nodes = int(given.ptr[-1])
    ends = given.edges + given.ptr[given.edge_graph]
    rows = (ends[0] != ends[1]).nonzero().flatten()  # self-loops are dropped, whatever they carry
    low, high = ends[:, rows].aminmax(dim=0)
    pairs, pair = (low * num_nodes + high).unique(return_inverse=True)
    first = torch.full_like(pairs, len(values)).scatter_reduce(0, pair, rows, "amin")
    other = (values[rows] != values[first[pair]]).any(1)
    if bool(other.any()):
        _refuse_pair(given, int(first[pair[other][0]]), int(rows[other][0]))
    low, high = edges.aminmax(dim=0)
    return values[first[torch.searchsorted(pairs, low * num_nodes + high)]]


def _refuse(given: LooseGraphs, bad: Tensor, what: str) -> None:
    """Raise `InputError` for the first bad attribute (D, A)."""
    if given.edge_attr is None or not bool(bad.any()):
        return
    row, column = bad.nonzero()[0].tolist()
    raise InputError(
        f"Expected edge attributes {what}, got {given.edge_attr[row, column].item()} in column "
        f"{column} of the edge {tuple(given.edges[:, row].tolist())} of graph "
        f"{int(given.edge_graph[row])}"
    )


def _refuse_pair(given: LooseGraphs, first: int, second: int) -> None:
    """Raise `InputError` for two rows of one edge that carry different attributes."""
    assert given.edge_attr is not None
    one, other = (tuple(given.edges[:, row].tolist()) for row in (first, second))
    how = "twice" if one == other else "in both directions"
    raise InputError(
        f"Expected the edge {one} of graph {int(given.edge_graph[first])}, which stands {how}, to "
        f"carry the same `edge_attr`, got {shown(given.edge_attr[first].tolist())} and "
        f"{shown(given.edge_attr[second].tolist())}"
    )
