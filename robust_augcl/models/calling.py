"""Calls of a module that a user brings: what it is given, and logits of whatever it returns.

Letters: B graphs, N nodes, E directed edges, C classes, R rows of logits: graphs, or nodes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from robust_augcl.errors import InputError, shown
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter

_LEAST = 1e-30  # a probability of which the logarithm is taken


def call(
    module: nn.Module,
    adapter: Adapter,
    graphs: PackedGraphs,
    edge_index: Tensor,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """Return what a module says of packed graphs, joined by these edges: logits (B, C).

    Where the targets are nodes, they are the logits of the target nodes. A module of one logit z
    has two classes, of the logits 0 and z. Numbers of another precision than the module's are
    changed to its own, and its logits back.

    Shapes: edge_index (2, E) over all graphs, edge_weight (E,) or None.

    Raises:
        InputError: the answer cannot be read.
    """
    given = _given(module, adapter, graphs, edge_index, edge_weight)
    if adapter.function is not None:
        out: Any = adapter.function(module, given["data"])
    else:
        named = {
            name: given[role]
            for name, role in (adapter.named or {}).items()
            if given[role] is not None or role == "x"
        }
        out = module(*(given[role] for role in adapter.positional or ()), **named)
    rows = graphs.num_nodes if graphs.target_node is not None else graphs.num_graphs
    logits = logits_of(adapter, out, rows, "nodes" if graphs.target_node is not None else "graphs")
    if logits.device != graphs.device:
        raise InputError(
            f"Expected logits on {graphs.device}, where the graphs are, got some on "
            f"{logits.device}: make tensors with `device=x.device`"
        )
    logits = logits.to(graphs.x.dtype)
    return logits if graphs.target_node is None else logits[graphs.target_rows]


def precision_of(module: nn.Module) -> torch.dtype | None:
    """The precision of a module's first floating parameter or buffer; None without any."""
    tensors = (*module.parameters(), *module.buffers())
    return next((each.dtype for each in tensors if each.is_floating_point()), None)


def _given(
    module: nn.Module,
    adapter: Adapter,
    graphs: PackedGraphs,
    edge_index: Tensor,
    edge_weight: Tensor | None,
) -> dict[str, Any]:
    """What there is to give, by role."""
    own = precision_of(module) or graphs.x.dtype
    if edge_weight is None and adapter.ones:
        edge_weight = graphs.x.new_ones(edge_index.size(1))
    if edge_weight is not None:
        edge_weight = edge_weight.to(own)
        edge_weight = edge_weight.unsqueeze(1) if adapter.column else edge_weight
    given = {
        "x": _changed(adapter.features, graphs.x, own),
        "edge_index": edge_index,
        "batch": graphs.batch,
        "edge_weight": edge_weight,
        "edge_attr": _attributes(adapter, graphs, edge_index, own),
        "num_graphs": graphs.num_graphs,
        "ptr": graphs.ptr,
    }
    if "data" in adapter.roles:
        kept = ("x", "edge_index", "batch", "ptr")
        data = Batch(**{name: given[name] for name in kept})
        data.num_nodes = graphs.num_nodes
        if given["edge_attr"] is not None:
            data.edge_attr = given["edge_attr"]
        if edge_weight is not None:
            data[adapter.weight] = edge_weight
        given["data"] = data
    return given


def _attributes(
    adapter: Adapter, graphs: PackedGraphs, edge_index: Tensor, own: torch.dtype
) -> Tensor | None:
    """The attributes of these edges (E, D), None without any."""
    if graphs.edge_attr is None or not adapter.roles & {"edge_attr", "data"}:
        return None
    same_edges = edge_index is graphs.edge_index
    attributes = graphs.edge_attr if same_edges else graphs.attributes_of(edge_index)
    return _changed(adapter.attributes, attributes, own)


def _changed(how: str | None, values: Tensor, own: torch.dtype) -> Tensor | None:
    """Features of nodes or edges, as `Adapter.features` says."""
    if how == "none":
        return None
    if how == "integers":
        return values.long()
    return values[:, 0].long() if how == "integer" else values.to(own)


def features_of(module: nn.Module, adapter: Adapter, graphs: PackedGraphs) -> Tensor | None:
    """The node features of graphs as a module is given them."""
    return _changed(adapter.features, graphs.x, precision_of(module) or graphs.x.dtype)


def logits_of(adapter: Adapter, out: Any, rows: int, what: str) -> Tensor:
    """Read logits (R, C) from an answer.

    Args:
        adapter: says which part of the answer they are.
        out: the answer.
        rows: R.
        what: stands in a row, in words.

    Raises:
        InputError: the answer cannot be read.
    """
    part = whole = part_of(adapter, out)
    if isinstance(part, Tensor) and part.dim() == 0 and rows == 1:
        part = part.reshape(1, 1)  # one logit of one graph, as `squeeze()` leaves it
    if isinstance(part, Tensor) and part.dim() == 1 and rows == 1 and part.numel() > 1:
        part = part.unsqueeze(0)  # logits of one graph, without a row for each graph
    if isinstance(part, Tensor) and part.dim() == 1:
        part = part.unsqueeze(1)
    if (
        not isinstance(part, Tensor)
        or part.dim() != 2
        or len(part) != rows
        or part.size(1) < 1
        or not part.is_floating_point()
    ):
        got = type(whole).__name__
        if isinstance(whole, Tensor):
            got = f"{tuple(whole.shape)} of {str(whole.dtype).removeprefix('torch.')}"
        raise InputError(
            f"Expected logits of shape ({rows}, classes) for {rows} {what}, or one logit for each, "
            f"got {got}: return logits, one row for each of the {what}, or say with "
            "Adapter(item=...) which part of the answer they are"
        )
    if adapter.scale == "probabilities":
        both = torch.cat([1 - part, part], dim=1) if part.size(1) == 1 else part
        return both.clamp(min=_LEAST).log()
    if part.size(1) == 1:
        return torch.cat([torch.zeros_like(part), part], dim=1)
    return part


def part_of(adapter: Adapter, out: Any) -> Any:
    """The part of an answer that the logits are.

    Raises:
        InputError: it has no such part.
    """
    if adapter.item is None:
        return out[0] if isinstance(out, tuple | list) and out else out
    try:
        return out[adapter.item]
    except Exception:
        raise InputError(
            f"Expected an answer with the part {adapter.item!r}, as `item` says, got {shown(out)}"
        ) from None
