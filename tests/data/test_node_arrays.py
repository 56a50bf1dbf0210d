"""Node graphs in NumPy's archives: what is read, refused, and never run."""

from __future__ import annotations

import io
import zipfile

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from loaded_nodes import Trap, loaded, undirected
from small_planetoid import NODES, a_graph, arrays

from robust_augcl.data import _numpy_archives
from robust_augcl.data._node_arrays import MOST_ENTRIES
from robust_augcl.data.npz import AttackedGraph
from robust_augcl.errors import InputError


def test_the_largest_component_is_that_of_networkx(tmp_path):
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "cora.npz", **arrays(apart=7))
    data = loaded(AttackedGraph(), tmp_path)
    _, y, edges = a_graph()
    drawn = nx.Graph([(i, j) for i, j in edges if max(i, j) < NODES - 7])
    nodes = sorted(max(nx.connected_components(drawn), key=len))
    assert data.y.tolist() == [int(y[node]) for node in nodes]
    number = {node: place for place, node in enumerate(nodes)}
    assert undirected(data.graphs) == {
        tuple(sorted((number[i], number[j]))) for i, j in drawn.edges if i in number
    }
    assert any(note.startswith("largest component: ") for note in data.notes)
    assert "self-loops: 1 dropped" in data.notes


def test_nodes_without_features_are_told_apart_by_their_number(tmp_path):
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "polblogs.npz", **arrays(with_features=False))
    data = loaded(AttackedGraph(name="PolBlogs", largest_component=False), tmp_path)
    assert torch.equal(data.graphs.x, torch.eye(NODES))


def test_arrays_of_objects_are_never_unpickled(tmp_path):
    (tmp_path / "npz").mkdir()
    sprung, path = tmp_path / "sprung", tmp_path / "npz" / "cora.npz"
    trap = np.array([Trap(sprung)], dtype=object)
    np.savez(path, **{**arrays(), "idx_to_node": trap})
    loaded(AttackedGraph(largest_component=False), tmp_path)
    np.savez(path, **{**arrays(), "labels": trap})
    with pytest.raises(InputError, match="NumPy archive of a graph"):
        loaded(AttackedGraph(), tmp_path)
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.zeros(3, dtype=int)}, "one whole label"),
        ({"labels": np.full(NODES, 0.5)}, "one whole label"),
        ({"adj_indices": np.full(1, 9)}, "NumPy archive of a graph"),
        ({"attr_shape": np.array([59, 12])}, "NumPy archive of a graph"),
        ({"adj_data": None}, "NumPy archive of a graph"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, change, words):
    (tmp_path / "npz").mkdir()
    made = {name: value for name, value in {**arrays(), **change}.items() if value is not None}
    np.savez(tmp_path / "npz" / "cora.npz", **made)
    with pytest.raises(InputError, match=words):
        loaded(AttackedGraph(), tmp_path)


def test_classes_without_gaps_whatever_the_labels_are(tmp_path):
    (tmp_path / "npz").mkdir()
    made = arrays()
    made["labels"] = made["labels"] * 10**12 + 5
    np.savez(tmp_path / "npz" / "cora.npz", **made)
    data = loaded(AttackedGraph(largest_component=False), tmp_path)
    assert data.num_classes == 2
    assert torch.equal(data.y, torch.from_numpy(a_graph()[1]))
    assert "labels: 5, 1000000000005 are the classes 0 to 1" in data.notes


@pytest.mark.parametrize("weight", [np.uint8(128), np.float32(-1)])
def test_weights_that_would_cancel_are_edges_all_the_same(tmp_path, weight):
    """Both directions are there, and their weights add up to 0."""
    (tmp_path / "npz").mkdir()
    _, y, edges = a_graph()
    i, j = np.array(edges).T
    both = np.array([weight, weight if weight > 0 else -weight]).repeat(len(i))
    there = sp.csr_matrix((both, (np.r_[i, j], np.r_[j, i])), shape=(len(y), len(y)))
    assert (there + there.T).count_nonzero() == 0
    parts = {f"adj_{part}": getattr(there, part) for part in ("data", "indices", "indptr")}
    np.savez(tmp_path / "npz" / "cora.npz", **{**arrays(), **parts})
    data = loaded(AttackedGraph(largest_component=False), tmp_path)
    assert undirected(data.graphs) == set(edges)


def test_an_archive_that_promises_too_much_is_refused(tmp_path, monkeypatch):
    (tmp_path / "npz").mkdir()
    path = tmp_path / "npz" / "cora.npz"
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w") as archive:
        for name in arrays():
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(InputError, match="NumPy archive of a graph"):
        loaded(AttackedGraph(), tmp_path)
    np.savez(path, **arrays())
    monkeypatch.setattr(_numpy_archives, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"its arrays take [\d,]+ bytes"):
        loaded(AttackedGraph(), tmp_path)


def test_the_largest_named_graph_fits():
    physics = 34_493 * 8_415  # nodes, features
    assert physics <= MOST_ENTRIES


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "npz").mkdir()
    (tmp_path / "npz" / "cora.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match="NumPy archive of a graph"):
        loaded(AttackedGraph(), tmp_path)
