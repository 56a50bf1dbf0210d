"""The forms in which people hand over graphs, and what to do about those that cannot come in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric.data import Batch, Data, HeteroData

from robust_augcl.errors import InputError, one_line


class Listed(NamedTuple):
    """Graphs as a list, and what had to be said of the form that they came in."""

    graphs: list[Any]
    notes: tuple[str, ...] = ()


def as_list(graphs: object) -> Listed:
    """The graphs of a list, a data set, a part of one, a batch or a loader, in their own order.

    Raises:
        InputError: something else; the message says what to do.

    >>> path = torch.tensor([[0, 1], [1, 0]])
    >>> two = Batch.from_data_list([Data(edge_index=path, num_nodes=2)] * 2)
    >>> len(as_list(two).graphs)
    2
    """
    if isinstance(graphs, DataLoader):
        if not _is_sequence(graphs.dataset):
            return Listed(_of_batches(graphs))
        inner = as_list(graphs.dataset)
        note = "a loader: the graphs of its data set were taken, in the data set's order"
        return Listed(inner.graphs, (note, *inner.notes))
    if isinstance(graphs, Batch):
        return Listed(_of_batch(graphs))
    if isinstance(graphs, Data):
        raise InputError("Expected a list of graphs, got one `Data`: hand over a list, [data]")
    module = type(graphs).__module__.partition(".")[0]
    no_list = isinstance(graphs, str | bytes | dict | Tensor | HeteroData) or module in _OTHERS
    if no_list or not (isinstance(graphs, Iterable) or _is_sequence(graphs)):
        raise InputError(f"Expected a list of graphs, got {type(graphs).__name__}{advice(graphs)}")
    held: Any = graphs
    found = held if isinstance(graphs, Iterable) else (held[k] for k in range(len(held)))
    return Listed([graph for one in found for graph in _apart(one)])


_OTHERS = {"networkx", "scipy", "dgl", "torch_sparse"}
"""Packages whose graphs can be gone through, node by node or row by row."""


def _apart(one: Any) -> list[Any]:
    """The graphs of a batch, or the one graph that something else is."""
    return _of_batch(one) if isinstance(one, Batch) else [one]


def _is_sequence(graphs: object) -> bool:
    """Whether graphs are asked for by number, as in a `torch.utils.data.Subset`."""
    return hasattr(graphs, "__len__") and hasattr(graphs, "__getitem__")


def _of_batches(batches: Iterable[object]) -> list[Any]:
    """The graphs of one batch after the other."""
    return [graph for batch in batches for graph in as_list(batch).graphs]


def _of_batch(batch: Batch) -> list[Any]:
    """The graphs of a batch."""
    try:
        found: list[Any] = batch.to_data_list()
    except Exception as error:
        raise InputError(
            "Expected a `Batch` that can be taken apart, got one that cannot "
            f"({one_line(error)}): make it with `Batch.from_data_list`, or hand over the list"
        ) from error
    return found


def advice(given: object) -> str:
    """What to do about something that is no `Data`, as the end of a sentence.

    >>> advice(HeteroData())
    ': where its kinds of nodes may be told by features, hand over `data.to_homogeneous()`'
    """
    module = type(given).__module__.partition(".")[0]
    if isinstance(given, HeteroData):
        return (
            ": where its kinds of nodes may be told by features, hand over `data.to_homogeneous()`"
        )
    if module == "networkx":
        return ": hand over a list of `torch_geometric.utils.from_networkx(graph)`"
    if module == "scipy":
        return (
            ": hand over a list of `Data(edge_index="
            "torch_geometric.utils.from_scipy_sparse_matrix(matrix)[0], x=x, y=y)`"
        )
    if module == "dgl":
        return ": hand over a list of `torch_geometric.utils.from_dgl(graph)`"
    if module == "torch_sparse" or _is_sparse(given):
        return (
            ": hand over a list of `Data(edge_index=torch.stack(adj.coo()[:2]), x=x, y=y)`, or "
            "`adj.to_sparse_coo().coalesce().indices()` for a tensor of PyTorch"
        )
    if isinstance(given, Tensor):
        return _DENSE
    return ""


_DENSE = (
    ": hand over a list of `Data(edge_index=torch_geometric.utils.dense_to_sparse(adj)[0], x=x, "
    "y=y)`"
)


def instead_of_edges(graph: Data) -> str:
    """What to do about a graph without `edge_index` that tells its edges otherwise.

    >>> instead_of_edges(Data(adj=torch.eye(2)))[:34]
    ': it has a dense `adj`, which the '
    """
    if "adj_t" in graph:
        return (
            ": it has `adj_t`, which the transform `ToSparseTensor` made: leave the transform out, "
            "or set `data.edge_index = torch.stack(data.adj_t.t().coo()[:2])` (of a sparse tensor "
            "of PyTorch, `data.adj_t.t().to_sparse_coo().coalesce().indices()`)"
        )
    if "adj" in graph:
        return (
            ": it has a dense `adj`, which the transform `ToDense` made: leave the transform out, "
            "or set `data.edge_index = torch_geometric.utils.dense_to_sparse(data.adj)[0]`, and "
            "drop the nodes that it was padded with"
        )
    return ""


def _is_sparse(given: object) -> bool:
    return isinstance(given, Tensor) and given.layout != torch.strided
