"""The parts of modules of which it is known what one edge can change.

- layers: the new state of a node depends on its own state and those of its neighbours, whatever
  their order. Of `GCNConv` it depends on their degrees too.
- row by row: each row of the answer depends on the same row of what is given.
- pools: the state of a graph is the sum, mean or maximum over its nodes.

Parts are known by their exact type, in evaluation mode, without hooks or replaced methods. Whatever
is not known here is evaluated in full.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch_geometric import nn as pyg
from torch_geometric.nn import aggr

LAYERS = (
    pyg.GINConv,
    pyg.SAGEConv,
    pyg.GraphConv,
    pyg.GCNConv,
    pyg.GATConv,
    pyg.GATv2Conv,
    pyg.PNAConv,
    pyg.EdgeConv,
)
POOLS: dict[Any, str] = {
    pyg.global_add_pool: "sum",
    pyg.global_mean_pool: "mean",
    pyg.global_max_pool: "max",
    aggr.SumAggregation: "sum",
    aggr.MeanAggregation: "mean",
    aggr.MaxAggregation: "max",
}
"""Function or type of module -> what it does."""

_UNORDERED = (
    aggr.SumAggregation,
    aggr.MeanAggregation,
    aggr.MaxAggregation,
    aggr.MinAggregation,
    aggr.VarAggregation,
    aggr.StdAggregation,
)
_BY_ROW = {
    *(nn.Linear, nn.Identity, nn.Embedding, nn.PReLU, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU),
    *(nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Hardtanh),
    *(nn.Dropout, nn.BatchNorm1d, nn.LayerNorm, nn.LogSoftmax, nn.Softmax),
    *(nn.Sequential, nn.ModuleList, pyg.MLP, pyg.Linear, pyg.BatchNorm),
}
_FUNCTIONS_BY_ROW: set[Callable[..., Any]] = {
    *(torch.relu, torch.tanh, torch.sigmoid, torch.exp, torch.neg, torch.abs, torch.square),
    *(functional.relu, functional.relu6, functional.leaky_relu, functional.elu, functional.selu),
    *(functional.celu, functional.gelu, functional.silu, functional.mish, functional.softplus),
    *(functional.tanh, functional.sigmoid, functional.hardtanh),
    *(functional.linear, functional.dropout, functional.normalize),
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.neg),
    *(torch.add, torch.sub, torch.mul, torch.div),
    *(functional.softmax, functional.log_softmax, torch.softmax, torch.log_softmax),
    *(torch.cat, torch.concat, torch.stack, operator.getitem, operator.iadd, operator.imul),
}
_METHODS_BY_ROW = {
    *("relu", "tanh", "sigmoid", "exp", "neg", "abs", "square", "float"),
    *("add", "sub", "mul", "div", "softmax", "log_softmax", "max", "squeeze"),
}
_OF_DIMENSIONS = {"softmax", "log_softmax", "cat", "concat", "stack", "normalize", "max", "squeeze"}
_METHODS = ("forward", "propagate", "message", "aggregate", "update", "edge_update", "norm")
_OUT_OF_PLACE = {operator.iadd: operator.add, operator.imul: operator.mul}


def refused_layer(layer: Any) -> str | None:
    """Why a layer is not known, None if it is. It is one of the types `LAYERS`."""
    if layer.training or is_changed(layer) or any(map(is_changed, layer.aggr_module.modules())):
        return "it is in training mode, or has hooks or methods that were replaced"
    if layer.flow != "source_to_target" or getattr(layer, "decomposed_layers", 1) > 1:
        return "its messages flow in another way than from source to target"
    attention = type(layer) in (pyg.GATConv, pyg.GATv2Conv)
    sums_alone = type(layer) is pyg.GCNConv and type(layer.aggr_module) is not aggr.SumAggregation
    if sums_alone or not _is_unordered(layer.aggr_module):
        return f"it aggregates by {type(layer.aggr_module).__name__}"
    of_edges = (attention or type(layer) is pyg.PNAConv) and layer.edge_dim is not None
    if of_edges or (attention and not isinstance(layer.in_channels, int)):
        return "it is made for edge attributes, or for two kinds of nodes"
    inside = [each for name, each in layer.named_children() if name != "aggr_module"]
    unknown = [type(each).__name__ for each in inside if not is_by_row(each)]
    return f"it holds {unknown[0]}" if unknown else None


def uses_degrees(layer: nn.Module) -> bool:
    """Whether what a node sends depends on its degree."""
    return isinstance(layer, pyg.GCNConv) and bool(layer.normalize)


def _is_unordered(aggregation: Any) -> bool:
    if type(aggregation) is aggr.MultiAggregation:
        return all(_is_unordered(each) for each in aggregation.aggrs)
    if type(aggregation) is aggr.DegreeScalerAggregation:  # it knows a node's own degree besides
        return _is_unordered(aggregation.aggr)
    return type(aggregation) in _UNORDERED


def is_by_row(module: nn.Module) -> bool:
    """Whether a module works row by row, with all that is in it."""
    return all(_works_by_row(each) for each in module.modules())


def _works_by_row(module: nn.Module) -> bool:
    if type(module) not in _BY_ROW or module.training or is_changed(module):
        return False
    if isinstance(module, nn.BatchNorm1d):
        return module.running_mean is not None
    if isinstance(module, nn.LayerNorm):
        return len(module.normalized_shape) == 1
    if isinstance(module, nn.LogSoftmax | nn.Softmax):
        return module.dim in (-1, 1)
    if isinstance(module, nn.Embedding):
        return module.max_norm is None  # with it, looking up changes the weights
    return not (isinstance(module, pyg.MLP) and module.supports_norm_batch)


def is_changed(module: nn.Module) -> bool:
    """Whether a part does more than its type says: it has hooks, or methods that were replaced."""
    hooks = any(
        bool(held)
        for name, held in vars(module).items()
        if name.endswith("_hooks") and "state_dict" not in name and "backward" not in name
    )
    own = any(isinstance(getattr(type(module), name, None), FunctionType) for name in vars(module))
    return hooks or own or any(map(_is_foreign, (getattr(type(module), m, None) for m in _METHODS)))


def _is_foreign(method: Any) -> bool:
    """Whether a method of a class of the libraries was replaced by a function of others."""
    home = getattr(method, "__module__", None) or "torch"
    return home.partition(".")[0] not in ("torch", "torch_geometric")


def is_function_by_row(target: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether a call of a function, or of a method by its name, works row by row."""
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    known = target in (_METHODS_BY_ROW if isinstance(target, str) else _FUNCTIONS_BY_ROW)
    if known and name == "getitem":
        return _keeps_rows(args[1])
    if known and name == "dropout":
        return named.get("training", args[2] if len(args) > 2 else True) is False
    if not known or name not in _OF_DIMENSIONS:
        return known
    at = {"normalize": 2}.get(name, 1)
    missing = {"normalize": 1}.get(name)
    dim = named.get("dim", args[at] if len(args) > at else missing)
    return dim == -1 or (dim == 1 and name not in ("stack", "max"))


def _keeps_rows(index: Any) -> bool:
    """Whether an index takes columns of all rows, as `x[:, 0]` does."""
    return type(index) is tuple and len(index) > 0 and index[0] in (slice(None), ...)


def out_of_place(target: Any) -> Any:
    """The same function, if it would change what it is given."""
    return _OUT_OF_PLACE.get(target, target) if not isinstance(target, str) else target
