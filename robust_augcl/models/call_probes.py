"""In which of the likely ways a module that a user brings can be called: they are tried."""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from torch import Tensor, nn

from robust_augcl.errors import InputError, message_of
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.attribute_probes import needs_attributes
from robust_augcl.models.calling import call

_SORT = (
    "Expected a module that takes edges sorted by source, got one that needs them sorted by "
    "target, as LSTM aggregation does: sort them inside `forward`, as `edge_index = "
    "torch_geometric.utils.sort_edge_index(edge_index, sort_by_row=False)`"
)


@torch.no_grad()
def tried(module: nn.Module, adapter: Adapter, graphs: PackedGraphs) -> tuple[Adapter, str]:
    """State what the adapter leaves open, as it works for a graph that has edges if one has.

    Edge attributes that it can do without are left out where it works in no other way; then the
    text says what it raised.
    """
    one = graphs.select(graphs.num_undirected_edges.argmax().reshape(1))
    errors: list[Exception] = []
    ways = itertools.product(
        _features(adapter.features, graphs.x),
        _features(adapter.attributes, graphs.edge_attr),
        dict.fromkeys([adapter.ones, True]),
    )
    for features, attributes, ones in ways:
        way = replace(adapter, features=features, attributes=attributes, ones=ones)
        try:
            call(module, way, one.copy(), one.edge_index.clone())
        except Exception as error:
            errors.append(error)
        else:
            return way, ""
    if _may_go_without(module, adapter, graphs):
        bare, _ = tried(module, replace(adapter, attributes="none"), graphs)
        return bare, message_of(errors[0])
    if isinstance(errors[0], InputError):
        raise errors[0]
    if "is not sorted" in str(errors[0]):  # PyTorch Geometric's aggregations say so
        raise InputError(_SORT) from errors[0]
    without = "edge_attr" in adapter.roles and graphs.edge_attr is None
    hint = "; its `edge_attr` is None, as the edges carry no attributes" if without else ""
    given = f"positional={list(adapter.positional or ())}, named={dict(adapter.named or {})}"
    raise InputError(
        f"Expected a module that answers for the graphs, got {message_of(errors[0])} when it was "
        f"called with {given} on {graphs.device}{hint}; if that is not how it is called, say how "
        "with an Adapter"
    ) from errors[0]


def _may_go_without(module: nn.Module, adapter: Adapter, graphs: PackedGraphs) -> bool:
    """Whether edge attributes, which the user says nothing of, can be left out."""
    optional = bool(adapter.roles & {"edge_attr", "data"}) and not needs_attributes(module, adapter)
    return graphs.edge_attr is not None and adapter.attributes is None and optional


def _features(stated: str | None, values: Tensor | None) -> list[str]:
    """What features of nodes or edges may have to become, the likeliest first."""
    if stated is not None or values is None:
        return [stated or "numbers"]
    found = ["numbers"]
    if not values.is_floating_point() or bool((values == values.round()).all()):
        found += ["integer", "integers"] if values.size(1) == 1 else ["integers"]
    # Graphs without features have the constant 1.
    return [*found, "none"] if values.size(1) == 1 and bool((values == 1).all()) else found
