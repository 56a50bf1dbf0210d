"""One graph as plain matrices, and the edits between two of them.

Letters: N nodes, F features, E directed edges, L nodes of known class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from robust_augcl.errors import ThreatViolation
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True, eq=False)
class PlainGraph:
    """One graph with classes of its nodes, as libraries of attacks on nodes take it.

    Args:
        adjacency: 0 and 1, symmetric, no diagonal (N, N).
        x: features (N, F).
        y: classes, those of L nodes are true, the others somebody's guess (N,).
        known: the nodes whose classes are true (L,).
    """

    adjacency: sparse.csr_matrix
    x: np.ndarray
    y: np.ndarray
    known: np.ndarray

    @property
    def num_nodes(self) -> int:
        return int(self.adjacency.shape[0])

    @property
    def sparse_x(self) -> sparse.csr_matrix:
        """The features as a sparse matrix (N, F)."""
        return sparse.csr_matrix(self.x)


def adjacency_of(edge_index: Tensor, num_nodes: int) -> sparse.csr_matrix:
    """The adjacency matrix (N, N) of directed edges (2, E), each once."""
    source, target = edge_index.cpu().numpy()
    ones = np.ones(len(source), dtype=np.float32)
    return sparse.csr_matrix((ones, (source, target)), shape=(num_nodes, num_nodes))


def edits_between(before: sparse.csr_matrix, after: Any) -> Perturbation:
    """The edits that make one adjacency matrix of another. What they may be, the guard judges.

    Args:
        before: the clean graph (N, N).
        after: what an attack made of it: sparse, dense, or a tensor (N, N).

    Raises:
        ThreatViolation: an edge that differs in one direction only, or a weight that is neither 0
            nor 1.

    >>> clean = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]))
    >>> edits_between(clean, np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]])).added.tolist()
    [[0], [2]]
    """
    changed = after.detach().cpu().numpy() if isinstance(after, Tensor) else after
    other = sparse.csr_matrix(changed)
    if not np.isin(other.data, (0, 1)).all():
        raise ThreatViolation("An adjacency matrix holds a weight that is neither 0 nor 1")
    difference = (other - before).tocoo()
    there = difference.data != 0
    rows, columns, signs = (
        part[there] for part in (difference.row, difference.col, difference.data)
    )
    edits = set(zip(rows.tolist(), columns.tolist(), strict=True))
    for i, j in sorted(edits):
        if (j, i) not in edits:
            raise ThreatViolation(f"An adjacency matrix differs in ({i}, {j}), not in ({j}, {i})")
    once = rows <= columns
    pairs = torch.from_numpy(np.stack([rows[once], columns[once]]).astype(np.int64))
    added = torch.from_numpy(signs[once] > 0)
    return Perturbation(added=pairs[:, added], removed=pairs[:, ~added])
