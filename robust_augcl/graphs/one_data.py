"""What one `Data` holds: kinds and shapes of its tensors are checked, their content is not.

Letters: E directed edges, F features, A edge attributes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import InputError
from robust_augcl.graphs.given_forms import instead_of_edges


def is_real(tensor: object) -> bool:
    """Whether something is a dense tensor of real numbers, and holds them: on "meta" none does."""
    return (
        isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and not tensor.is_complex()
        and not tensor.is_meta
    )


def refuse_several(number: int, graph: Data) -> None:
    """Raise `InputError` for several graphs in one `Data`."""
    batch = graph.batch
    if isinstance(batch, Tensor) and batch.numel() and bool((batch != batch.flatten()[0]).any()):
        raise InputError(
            f"Expected graph {number} to be one graph, got several, as its `batch` says: hand over "
            "a list of them, or a `Batch` that `Batch.from_data_list` made"
        )


def edges_of(number: int, graph: Data) -> Tensor:
    """The edges of a graph (2, E), whatever they join."""
    edges: Any = graph.edge_index
    if not is_real(edges) or edges.dim() != 2 or edges.size(0) != 2:
        raise InputError(
            f"Expected `edge_index` of graph {number} to be of shape (2, E), got {_form(edges)}"
            f"{instead_of_edges(graph) if edges is None else ''}"
        )
    edges = edges.detach().cpu().as_subclass(Tensor)
    if edges.numel() and (edges.is_floating_point() or edges.dtype == torch.bool):
        raise InputError(
            f"Expected `edge_index` of graph {number} to hold whole numbers, got {edges.dtype}"
        )
    return edges.long()


def features_of(number: int, graph: Data) -> Tensor | None:
    """The features of a graph (nodes, F); None where it has none."""
    x: Any = graph.x
    if x is None:
        return None
    if not is_real(x) or x.dim() not in (1, 2):
        raise InputError(
            f"Expected `x` of graph {number} to be real numbers of shape (nodes, features), got "
            f"{_form(x)}"
        )
    x = x.detach().cpu()
    return x.unsqueeze(1) if x.dim() == 1 else x


def _form(value: object) -> str:
    """What a value is, for errors."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    where = ' on the device "meta", which holds no numbers' if value.is_meta else ""
    return f"{tuple(value.shape)} of {value.dtype}{where}"


def attributes_of(number: int, graph: Data, num_edges: int) -> Tensor | None:
    """The attributes of a graph's edges (E, A); None where it has none."""
    given: Any = graph.edge_attr
    if given is None:
        return None
    if not is_real(given) or given.dim() not in (1, 2):
        raise InputError(
            f"Expected `edge_attr` of graph {number} to be real numbers of shape (edges, "
            f"attributes), got {_form(given)}"
        )
    if len(given) != num_edges:
        raise InputError(
            f"Expected `edge_attr` of graph {number} to have a row for each of {num_edges} columns "
            f"of `edge_index`, got {len(given)}"
        )
    given = given.detach().cpu()
    return given.unsqueeze(1) if given.dim() == 1 else given


def num_nodes_of(number: int, graph: Data, x: Tensor | None, edges: Tensor) -> tuple[int, bool]:
    """How many nodes a graph has, and whether that had to be guessed from its edges."""
    told = graph.num_nodes if "num_nodes" in graph else None
    if told is None and x is None:
        pos: Any = graph.pos
        if isinstance(pos, Tensor):
            return len(pos), False
        return (int(edges.max()) + 1 if edges.numel() else 0), True
    size = int(told) if told is not None else len(x)  # type: ignore[arg-type]
    if size < 0 or (x is not None and len(x) != size):
        rows = "" if x is None else f"{len(x)} rows of `x` and "
        raise InputError(
            f"Expected graph {number} to have as many features as nodes, got {rows}{size} nodes"
        )
    return size, False


def one_number(number: int, what: str, value: Any) -> Tensor:
    """The one number that a graph carries (1,)."""
    try:
        tensor = value.detach().cpu() if isinstance(value, Tensor) else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        tensor = None
    if tensor is None or not is_real(tensor):
        raise InputError(
            f"Expected {what} of graph {number} to be a number, got {type(value).__name__}"
        )
    if tensor.numel() != 1:
        raise InputError(
            f"Expected {what} of graph {number} to be one number, got {tensor.numel()} of them"
        )
    return tensor.reshape(1)
