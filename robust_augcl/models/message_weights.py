"""Weights of the messages of PyTorch Geometric's layers, for modules that take no edge weights.

Hooks on the layers multiply each message by the weight of its edge, so that a gradient flows to it.
They stand only while the module is called. What a layer does with its messages decides how:

- a sum: each message is multiplied,
- a mean: the same, and the sum is divided by the sum of the weights instead of their number, as
  long as that is above 1; so a node whose only message has the weight 0 receives 0,
- a layer whose `forward` takes `edge_weight` is given the weights; `GCNConv` also norms by them,
- the attention of `GATConv` and `GATv2Conv` with self-loops: with weights it is w_e exp(s_e) over
  the sum of w exp(s), which `attention.weighted_softmax` computes in the place of their softmax.

Of all other layers nothing is known, and weights are refused. A layer may add a loop at each node
after the edges that it was given; loops have the weight 1.

Letters: N nodes, E directed edges, L loops.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GATv2Conv, MessagePassing
from torch_geometric.nn.aggr import MeanAggregation, SumAggregation
from torch_geometric.utils import scatter

from robust_augcl.errors import InputError
from robust_augcl.models.attention import OtherSoftmax, weighted_softmax


class WeightsRefused(InputError):
    """The messages of a module cannot be weighted; the text says why."""


@contextmanager
def weighted_messages(module: nn.Module, edge_index: Tensor, edge_weight: Tensor) -> Iterator[None]:
    """Weight the messages of all layers of a module while it is called.

    Shapes: edge_index (2, E) as the module is given it, edge_weight (E,).

    Raises:
        WeightsRefused: a layer of which it is not known how; or, when it is called, one that is
            given other edges than the module.

    >>> from torch_geometric.nn import SAGEConv
    >>> edges = torch.tensor([[0, 1], [1, 0]])
    >>> layer = SAGEConv(1, 1, bias=False, root_weight=False)
    >>> with torch.no_grad(), weighted_messages(layer, edges, torch.tensor([0.5, 0.0])):
    ...     half = layer(torch.ones(2, 1), edges)
    >>> torch.equal(half, layer.lin_l(torch.tensor([[0.0], [0.5]])))
    True
    """
    layers = [(name, each) for name, each in module.named_modules() if _is_layer(each)]
    if not layers:
        raise WeightsRefused("it has no message passing layer of PyTorch Geometric")
    with ExitStack() as stack:
        for name, layer in layers:
            for handle in _hooked(layer, _Weights(name, layer, edge_index, edge_weight)):
                stack.callback(handle.remove)
        yield


def _is_layer(module: nn.Module) -> bool:
    return isinstance(module, MessagePassing)


class _Weights:
    """The weights of the messages of one layer, in its present call."""

    def __init__(
        self, name: str, layer: MessagePassing, edge_index: Tensor, edge_weight: Tensor
    ) -> None:
        self.name = f"`{name}` ({type(layer).__name__})" if name else type(layer).__name__
        self.layer, self._edges, self._given = layer, edge_index, edge_weight
        self.of_messages = edge_weight

    def of(self, edges: Any) -> Tensor:
        """The weights of edges that a layer is given: the module's, then loops (E + L,).

        Raises:
            WeightsRefused: they are others.
        """
        count = self._edges.size(1)
        if (
            not isinstance(edges, Tensor)
            or edges.layout != torch.strided
            or edges.size(1) < count
            or not torch.equal(edges[:, :count], self._edges)
            or not torch.equal(edges[0, count:], edges[1, count:])
        ):
            raise WeightsRefused(f"{self.name} is given other edges than the module")
        return torch.cat([self._given, self._given.new_ones(edges.size(1) - count)])


def _hooked(layer: MessagePassing, weights: _Weights) -> list[Any]:
    """Hook one layer; return the handles of the hooks."""
    if type(layer) in (GATConv, GATv2Conv):
        return _weigh_attention(layer, weights)
    aggregation = type(layer.aggr_module)
    if type(layer).aggregate is not MessagePassing.aggregate:
        raise WeightsRefused(f"{weights.name} aggregates messages in a way of its own")
    if aggregation not in (SumAggregation, MeanAggregation):
        words = " and ".join(_words(layer.aggr_module))
        raise WeightsRefused(f"{weights.name} aggregates by {words}, and not by sum or mean alone")
    takes_weights = "edge_weight" in inspect.signature(layer.forward).parameters
    handles = []
    if takes_weights:
        handles.append(layer.register_forward_pre_hook(_hand_over(weights), with_kwargs=True))
    if not takes_weights or aggregation is MeanAggregation:
        handles.append(layer.register_propagate_forward_pre_hook(_note(weights)))
    if not takes_weights:
        handles.append(layer.register_message_forward_hook(_multiply(weights)))
    if aggregation is MeanAggregation:
        handles.append(layer.register_aggregate_forward_hook(_divide(weights)))
    return handles


def _words(aggregation: nn.Module) -> list[str]:
    """What an aggregation does, in words, also one that is made of others."""
    inside = [*getattr(aggregation, "aggrs", [])]
    inside += (
        [aggregation.aggr] if isinstance(getattr(aggregation, "aggr", None), nn.Module) else []
    )
    if inside:
        return [word for each in inside for word in _words(each)]
    return [type(aggregation).__name__.removesuffix("Aggregation").lower()]


def _note(weights: _Weights) -> Callable[..., None]:
    """Find the weights of the messages of a call."""

    def hook(layer: MessagePassing, given: tuple[Any, ...]) -> None:
        weights.of_messages = weights.of(given[0])

    return hook


def _hand_over(weights: _Weights) -> Callable[..., Any]:
    """Give a layer the weights that its `forward` takes."""

    def hook(layer: MessagePassing, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        given = inspect.signature(layer.forward).bind(*args, **named)
        of_edges = weights.of(given.arguments["edge_index"])
        before = given.arguments.get("edge_weight")
        given.arguments["edge_weight"] = of_edges if before is None else before * of_edges
        return given.args, given.kwargs

    return hook


def _multiply(weights: _Weights) -> Callable[..., Tensor]:
    """Multiply messages by their weights."""

    def hook(layer: MessagePassing, given: tuple[Any, ...], out: Tensor) -> Tensor:
        return out * _along(weights.of_messages, out, layer.node_dim)

    return hook


def _divide(weights: _Weights) -> Callable[..., Tensor]:
    """Divide by the sum of weights, where messages were divided by their number."""

    def hook(layer: MessagePassing, given: tuple[Any, ...], out: Tensor) -> Tensor:
        index, size = given[0]["index"], out.size(layer.node_dim)
        of_messages = weights.of_messages
        total = scatter(of_messages, index, dim=0, dim_size=size, reduce="sum")
        count = torch.bincount(index, minlength=size).clamp(min=1).to(out.dtype)
        # Where both are 1, `maximum` has half of each gradient: the slope of a central difference.
        return out * _along(
            count / torch.maximum(total, torch.ones_like(total)), out, layer.node_dim
        )

    return hook


def _weigh_attention(layer: MessagePassing, weights: _Weights) -> list[Any]:
    """Replace the softmax of a layer's scores by one with weights."""
    if not layer.add_self_loops:
        raise WeightsRefused(
            f"{weights.name} has attention without self-loops, which nothing is left of without "
            "edges"
        )

    def softmax(scores: Tensor, index: Tensor, *others: Any) -> Tensor:
        return weighted_softmax(scores, weights.of_messages, index)

    noted = layer.register_edge_update_forward_pre_hook(_note(weights))
    try:
        return [noted, OtherSoftmax(layer, softmax)]
    except InputError as error:
        noted.remove()
        raise WeightsRefused(f"{weights.name} {error}") from error


def _along(values: Tensor, states: Tensor, dim: int) -> Tensor:
    """Values (E,) in a shape in which they multiply states along their dimension `dim`."""
    shape = [1] * states.dim()
    shape[dim] = -1
    return values.to(states.dtype).view(shape)
