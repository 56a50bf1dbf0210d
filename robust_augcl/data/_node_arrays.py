"""Graphs as NumPy archives of sparse arrays: those of Shchur et al. 2018, and of Nettack's authors.

An archive holds the adjacency (`adj_data`, `adj_indices`, `adj_indptr`, `adj_shape`), features in
the same form (`attr_...`, which may be missing), and `labels`. Some hold pickled objects beside
these (`idx_to_node`, ...): they are never read.

Letters: N nodes, F features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from robust_augcl.data._numpy_archives import UNREADABLE, check_size
from robust_augcl.errors import InputError, cut
from robust_augcl.graphs.node_graph import ReadGraph

MOST_NODES = 2**20
MOST_ENTRIES = 2**29
"""Of features that are dense: 2 GiB of them. Coauthor Physics has 290 million."""


def read_arrays(path: Path) -> ReadGraph:
    """Return the graph of an archive: each edge in both directions, features of 0 and 1.

    Where there are no features, node i has the i-th of N one-hot features, as DeepRobust gives it.

    Raises:
        InputError: a file that is no such archive, or whose arrays do not fit one another.
    """
    try:
        check_size(path)
        with np.load(path, allow_pickle=False) as archive:
            adjacency = _matrix(archive, "adj")
            features = _matrix(archive, "attr") if "attr_data" in archive else None
            labels = np.asarray(archive["labels"])
    except UNREADABLE as error:
        raise InputError(
            f"Expected {path} to be a NumPy archive of a graph ({type(error).__name__}: "
            f"{cut(str(error))})"
        ) from error
    nodes = adjacency.shape[0]
    if adjacency.shape[1] != nodes or not 1 <= nodes <= MOST_NODES:
        raise InputError(f"Expected {path} to hold edges of 1 to {MOST_NODES} nodes")
    if labels.shape != (nodes,) or labels.dtype.kind not in "iu" or int(labels.min()) < 0:
        raise InputError(f"Expected {path} to hold one whole label, from 0, for each of its nodes")
    notes: tuple[str, ...] = ()
    if features is None:
        features = sp.eye(nodes, format="csr")
        notes = ("features: one-hot by node, as there are none",)
    if features.shape[0] != nodes or nodes * features.shape[1] > MOST_ENTRIES:
        raise InputError(
            f"Expected {path} to hold features of each node, {MOST_ENTRIES} numbers at the most"
        )
    there = adjacency != 0  # weights may cancel one another
    joined = (there + there.T).tocoo()
    apart = joined.row != joined.col
    edges = torch.from_numpy(np.stack([joined.row[apart], joined.col[apart]]).astype(np.int64))
    if loops := int(there.diagonal().sum()):
        notes += (f"self-loops: {loops} dropped",)
    x = torch.from_numpy((features > 0).astype(np.float32).toarray())
    return ReadGraph(x, edges, torch.from_numpy(labels.astype(np.int64)), notes=notes)


def largest_component(read: ReadGraph) -> ReadGraph:
    """Return the largest connected component, its nodes in their order; of equal ones the first.

    >>> edges = torch.tensor([[0, 2, 2, 3], [2, 0, 3, 2]])
    >>> found = largest_component(ReadGraph(torch.eye(4), edges, torch.arange(4)))
    >>> found.y.tolist(), found.edge_index.tolist()
    ([0, 2, 3], [[0, 1, 1, 2], [1, 0, 2, 1]])
    """
    nodes = read.y.numel()
    edges = read.edge_index
    ones = np.ones(edges.size(1))
    adjacency = sp.csr_matrix((ones, (edges[0].numpy(), edges[1].numpy())), shape=(nodes, nodes))
    _, of_node = sp.csgraph.connected_components(adjacency, directed=False)
    keep = torch.from_numpy(of_node == np.bincount(of_node).argmax())
    number = keep.cumsum(0) - 1
    inside = keep[edges[0]]
    notes = (*read.notes, f"largest component: {int(keep.sum())} of {nodes} nodes")
    return ReadGraph(read.x[keep], number[edges[:, inside]], read.y[keep], notes=notes)


def with_edges_of(read: ReadGraph, path: Path) -> ReadGraph:
    """Return the graph with the edges of an adjacency matrix in a file of SciPy's `save_npz`.

    Raises:
        InputError: no such file; a matrix of other nodes, of weights that are not 0 or 1, or with
            edges in one direction only.
    """
    nodes = read.y.numel()
    try:
        check_size(path)
        given = sp.load_npz(path)
        if hasattr(given, "check_format"):
            given.check_format(full_check=True)  # SciPy's code in C believes the indices
        found = sp.csr_matrix(given)
        found.sum_duplicates()
    except UNREADABLE as error:
        raise InputError(
            f"Expected {path} to be a sparse matrix of SciPy's save_npz ({type(error).__name__}: "
            f"{cut(str(error))})"
        ) from error
    if found.shape != (nodes, nodes):
        raise InputError(f"Expected {path} to hold {nodes} x {nodes} entries, got {found.shape}")
    if not np.isin(found.data, (0, 1)).all():
        raise InputError(f"Expected {path} to hold weights of 0 and 1 alone")
    if (found != found.T).nnz:
        raise InputError(f"Expected {path} to hold each edge in both directions")
    entries = found.tocoo()
    apart = (entries.row != entries.col) & (entries.data != 0)
    edges = torch.from_numpy(np.stack([entries.row[apart], entries.col[apart]]).astype(np.int64))
    before, after = read.edge_index.size(1) // 2, edges.size(1) // 2
    notes = (*read.notes, f"edges: {after:,} of {path.name} instead of {before:,}")
    if loops := int((found.diagonal() != 0).sum()):
        notes += (f"self-loops: {loops} dropped",)
    return read._replace(edge_index=edges, notes=notes)


def _matrix(archive: Any, prefix: str) -> sp.csr_matrix:
    """The sparse matrix of an archive under a prefix."""
    parts = [np.asarray(archive[f"{prefix}_{name}"]) for name in ("data", "indices", "indptr")]
    made = sp.csr_matrix(tuple(parts), shape=tuple(int(n) for n in archive[f"{prefix}_shape"]))
    made.check_format(full_check=True)
    return made
