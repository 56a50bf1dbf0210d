"""Layers that are linear in the states: their sum over the nodes needs no state of any node.

If a layer makes sum_i w_ij x_j of the states of the neighbours j of i, and its answer is pooled at
once, then the pooled sum is that of c_j x_j with c_j = sum_i w_ij. So an edit is followed one hop
less far, and a matrix is applied once for each graph.

Letters: N nodes, K messages, R rows, H width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv, GraphConv, Linear, SAGEConv
from torch_geometric.nn.aggr import MeanAggregation, SumAggregation
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from robust_augcl.graphs.ragged import take
from robust_augcl.oracle.edits import Edits

Weight = Literal["one", "mean", "norm"]
"""What a message is multiplied by: 1, one over the degree of its target, or `GCNConv`'s norm."""


_MATRICES = (nn.Linear, Linear)


class LinearLayer(NamedTuple):
    """What a linear layer does, without its bias.

    Args:
        weight: of the messages.
        loop: the weight of the loop at each node, where messages are normed; else 0.
        of_neighbours, of_self: maps of summed states (R, H), without bias; `of_self` may be none.
    """

    weight: Weight
    loop: float
    of_neighbours: Callable[[Tensor], Tensor]
    of_self: Callable[[Tensor], Tensor] | None

    @property
    def reach(self) -> int:
        """How far from the ends of an edit the weights c_j change."""
        return 0 if self.weight == "one" else 1


def linear_layer(layer: Any) -> LinearLayer | None:
    """What a known layer does, if it is linear in the states; else None."""
    maps = [getattr(layer, name, None) for name in ("lin", "lin_l", "lin_r", "lin_rel", "lin_root")]
    if any(each is not None and type(each) not in _MATRICES for each in maps):
        return None
    if (
        type(layer) is GCNConv
        and layer.lin.bias is None
        and type(layer.aggr_module) is SumAggregation
    ):
        weight: Weight = "norm" if layer.normalize else "one"
        return LinearLayer(weight, loop_of(layer) if layer.normalize else 0.0, layer.lin, None)
    kinds: dict[type, Weight] = {MeanAggregation: "mean", SumAggregation: "one"}
    kind = kinds.get(type(getattr(layer, "aggr_module", None)))
    if kind is None:
        return None
    if type(layer) is SAGEConv and not layer.normalize and not layer.project:
        own = _without_bias(layer.lin_r) if layer.root_weight else None
        return LinearLayer(kind, 0.0, _without_bias(layer.lin_l), own)
    if type(layer) is GraphConv:
        return LinearLayer(kind, 0.0, _without_bias(layer.lin_rel), _without_bias(layer.lin_root))
    return None


def loop_of(layer: GCNConv) -> float:
    """The weight of the loop at each node, which depends on the version of PyTorch Geometric."""
    edge = torch.tensor([[0, 1], [1, 0]])
    options = {"improved": layer.improved, "add_self_loops": layer.add_self_loops}
    _, weight = gcn_norm(edge, None, 2, **options, dtype=torch.double)
    return float(1 / weight[0] - 1)


def _without_bias(linear: Any) -> Callable[[Tensor], Tensor]:
    weight: Tensor = linear.weight
    return lambda states: states @ weight.T


# --- weights --------------------------------------------------------------------------------------


class Edges(NamedTuple):
    """Messages between rows and their neighbours.

    Args:
        row: of each message (K,).
        neighbour: the node at its other end (K,).
        edit: the edit after which it is sent (K,); None before any.
    """

    row: Tensor
    neighbour: Tensor
    edit: Tensor | None


class Degrees:
    """The degrees of nodes before and after edits.

    Args:
        clean: before any (N,).
        edits: the edits; None for none.
    """

    def __init__(self, clean: Tensor, edits: Edits | None) -> None:
        self._clean, self._edits = clean, edits

    def of(self, node: Tensor, edit: Tensor | None) -> Tensor:
        """The degrees of nodes, each after one edit (R,), or before any."""
        degree, edits = take(self._clean, node), self._edits
        if edit is None or edits is None:
            return degree
        is_end = (node == take(edits.i, edit)) | (node == take(edits.j, edit))
        return degree + is_end * take(edits.sign, edit)

    def norm(self, node: Tensor, edit: Tensor | None, loop: float, dtype: torch.dtype) -> Tensor:
        """One over the root of the degrees with loops, 0 for a degree of 0 (R,)."""
        norm = (self.of(node, edit).to(dtype) + loop).rsqrt()
        return norm.masked_fill(norm.isinf(), 0.0)


def column_sums(
    linear: LinearLayer,
    degrees: Degrees,
    edges: Edges,
    node: Tensor,
    edit: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """By what the state of each row is multiplied in the sum over all nodes, c_j (R,).

    Args:
        linear: the layer.
        degrees: of the nodes.
        edges: all messages of the rows.
        node, edit: of each row (R,), (R,) or None.
        dtype: of the states.
    """
    total = torch.zeros(node.numel(), dtype=dtype, device=node.device)
    if linear.weight == "norm":
        own = degrees.norm(node, edit, linear.loop, dtype)
        others = degrees.norm(edges.neighbour, edges.edit, linear.loop, dtype)
        return own * (total.index_add(0, edges.row, others) + linear.loop * own)
    of_messages = torch.ones_like(edges.row, dtype=dtype)
    if linear.weight == "mean":
        of_messages = of_messages / degrees.of(edges.neighbour, edges.edit)
    return total.index_add(0, edges.row, of_messages)
