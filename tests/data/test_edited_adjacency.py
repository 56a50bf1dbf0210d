"""Graphs that DeepRobust edited, its npz of the adjacency matrix, as a data source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from real_archives import archives_or_skip
from scipy import sparse

from robust_augcl import registry
from robust_augcl.data._node_arrays import with_edges_of
from robust_augcl.errors import InputError
from robust_augcl.graphs.node_graph import ReadGraph

CLEAN = ReadGraph(torch.eye(4), torch.tensor([[0, 1], [1, 0]]), torch.tensor([0, 1, 0, 1]))


def saved(path: Path, matrix: np.ndarray) -> Path:
    sparse.save_npz(path, sparse.csr_matrix(matrix.astype(np.float32)))
    return path


def test_the_edges_are_those_of_the_matrix(tmp_path):
    matrix = np.zeros((4, 4))
    matrix[[0, 2, 3, 3, 1], [2, 0, 1, 3, 3]] = 1
    found = with_edges_of(CLEAN, saved(tmp_path / "a.npz", matrix))
    assert set(map(tuple, found.edge_index.T.tolist())) == {(0, 2), (2, 0), (3, 1), (1, 3)}
    assert found.x is CLEAN.x
    assert found.notes[-2:] == ("edges: 2 of a.npz instead of 1", "self-loops: 1 dropped")


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        (np.zeros((3, 3)), "4 x 4 entries"),
        (np.eye(4)[[1, 0, 2, 3]] * 2, "weights of 0 and 1"),
        (np.eye(4, k=1), "both directions"),
    ],
)
def test_other_matrices_are_refused(tmp_path, matrix, text):
    with pytest.raises(InputError, match=text):
        with_edges_of(CLEAN, saved(tmp_path / "a.npz", matrix))


def test_what_is_no_matrix_is_refused(tmp_path):
    (tmp_path / "a.npz").write_text("none")
    with pytest.raises(InputError, match="sparse matrix of SciPy's save_npz"):
        with_edges_of(CLEAN, tmp_path / "a.npz")


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_indices_that_lie_outside_are_refused(tmp_path, form):
    """SciPy's code in C would write where they point to."""
    np.savez(
        tmp_path / "a.npz",
        indices=np.array([10**6, 0], dtype=np.int32),
        indptr=np.array([0, 1, 2, 2, 2], dtype=np.int32),
        format=form.encode(),
        shape=(4, 4),
        data=np.ones(2, dtype=np.float32),
    )
    with pytest.raises(InputError, match="indices must be < 4"):
        with_edges_of(CLEAN, tmp_path / "a.npz")


def test_a_suite_names_the_file_beside_it(tmp_path):
    archives = archives_or_skip()
    source = registry.load("data source", "npz")(name="Cora", adjacency="mine.npz").beside(tmp_path)
    with pytest.raises(InputError, match="`adjacency`"):
        source.fingerprint(archives)
    matrix = sparse.csr_matrix(np.eye(2485, k=1) + np.eye(2485, k=-1))
    sparse.save_npz(tmp_path / "mine.npz", matrix)
    plain = registry.load("data source", "npz")(name="Cora")
    assert source.fingerprint(archives) != plain.fingerprint(archives)
    graphs = source.load(archives, torch.Generator())
    assert graphs.num_undirected_edges.tolist() == [2484]
    assert "edges of mine.npz" in source.label
    half = source.scaled(0.5)
    assert half.fingerprint(archives) == source.fingerprint(archives)
