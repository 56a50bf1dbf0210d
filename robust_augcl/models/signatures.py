"""What the signature of a module's `forward` says of how it is called."""

from __future__ import annotations

import inspect
from dataclasses import replace

from torch import nn

from robust_augcl.errors import InputError
from robust_augcl.models.adapter import Adapter

SYNONYMS = {
    "x": "x",
    "features": "x",
    "feats": "x",
    "feat": "x",
    "h": "x",
    "node_features": "x",
    "node_feats": "x",
    "edge_index": "edge_index",
    "edges": "edge_index",
    "batch": "batch",
    "batch_index": "batch",
    "batch_idx": "batch",
    "edge_weight": "edge_weight",
    "edge_weights": "edge_weight",
    "edge_attr": "edge_attr",
    "edge_attrs": "edge_attr",
    "edge_features": "edge_attr",
    "num_graphs": "num_graphs",
    "batch_size": "num_graphs",
    "ptr": "ptr",
    "data": "data",
}
"""Name of a parameter -> what it is given."""

_RARE = ("num_graphs", "ptr", "data")  # given only where `forward` needs them


def by_signature(module: nn.Module, adapter: Adapter) -> Adapter:
    """Return the adapter with the roles that the signature of `forward` tells.

    Parameters are known by their names (`SYNONYMS`). The first three that are not known, and have
    no default, are x, edge_index and batch by their place, as far as these are not named. A single
    parameter that is not known is a `Batch`, as PyTorch Geometric's loaders give it.

    Raises:
        InputError: a parameter without a default that nothing is known to be given for.

    >>> class Pair(nn.Module):
    ...     def forward(self, feats, edge_index, graph, edge_weight=None): ...
    >>> found = by_signature(Pair(), Adapter())
    >>> found.positional, found.named
    (('x', 'edge_index', 'batch'), {'edge_weight': 'edge_weight'})
    """
    if adapter.function is not None:
        return replace(adapter, positional=("data",), named={})
    if adapter.positional is not None or adapter.named is not None:
        return replace(adapter, positional=adapter.positional or (), named=adapter.named or {})
    parameters = list(inspect.signature(module.forward).parameters.values())
    if any(each.kind is each.VAR_POSITIONAL for each in parameters[:1]):
        return replace(adapter, positional=("x", "edge_index", "batch"), named={})
    needed = [each for each in parameters if _is_needed(each)]
    known = {SYNONYMS[each.name] for each in parameters if each.name in SYNONYMS}
    alone = len(needed) == 1 and "edge_index" not in known
    if alone and (needed[0].name not in SYNONYMS or needed[0].name == "batch"):
        return replace(adapter, positional=("data",), named={})
    left = [role for role in ("x", "edge_index", "batch") if role not in known]
    positional: list[str] = []
    named: dict[str, str] = {}
    for each in parameters:
        role = SYNONYMS.get(each.name)
        if role is None and _is_needed(each):
            if not left:
                raise InputError(
                    f"Cannot tell what to give for `{each.name}` of `forward`: say it with "
                    "Adapter(named={...}), which names the role of each parameter"
                )
            role = left.pop(0)
        if role is None or (role in _RARE and not _is_needed(each)):
            continue
        by_place = each.kind is not each.KEYWORD_ONLY and len(positional) == parameters.index(each)
        if by_place and _is_needed(each):
            positional.append(role)
        else:
            named[each.name] = role
    return replace(adapter, positional=tuple(positional), named=named)


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )
