"""TU data sets from archives: what features, edges and classes come of the files."""

from __future__ import annotations

import pytest
import torch
from tiny_tu import EDGES, NODE_LABELS, edge_sets, load, write

from robust_augcl.data.tu import TUGraphs


def test_node_labels_are_the_features(tmp_path):
    write(tmp_path, node_labels=NODE_LABELS)
    graphs = load(tmp_path)
    assert graphs.sizes.tolist() == [4, 2, 3]
    assert graphs.y.tolist() == [0, 1, 1]
    assert graphs.x.dtype == torch.float32
    assert graphs.x.tolist() == [
        [float(label == column) for column in range(3)] for label in NODE_LABELS
    ]
    assert edge_sets(graphs) == [[(0, 1), (0, 2), (1, 2)], [(0, 1)], [(0, 1), (1, 2)]]


@pytest.mark.parametrize("features", ["constant", "degree"])
def test_node_labels_go_before_other_features(tmp_path, features):
    write(tmp_path, node_labels=NODE_LABELS)
    assert load(tmp_path, features=features).x.size(1) == 3


def test_without_node_labels_the_feature_is_constant(tmp_path):
    write(tmp_path)
    graphs = load(tmp_path)
    assert torch.equal(graphs.x, torch.ones(9, 1))
    assert graphs.sizes.tolist() == [4, 2, 3]


def test_without_node_labels_the_feature_may_be_the_degree(tmp_path):
    write(tmp_path)
    degrees = [2, 2, 2, 0, 1, 1, 1, 2, 1]
    assert load(tmp_path, features="degree").x.tolist() == [
        [float(degree == column) for column in range(3)] for degree in degrees
    ]


@pytest.mark.parametrize("features", ["constant", "degree"])
def test_node_attributes_are_no_node_labels(tmp_path, features):
    # Coordinates and the like are not used: such graphs are graphs without node labels.
    write(tmp_path, node_attributes=[(0.5, float(node)) for node in range(9)])
    graphs = load(tmp_path, features=features)
    assert graphs.x.size(1) == (1 if features == "constant" else 3)
    assert torch.equal(graphs.x.sum(1), torch.ones(9))


def test_node_labels_are_found_beside_attributes_and_edge_labels_are_not_used(tmp_path):
    write(
        tmp_path,
        node_labels=NODE_LABELS,
        node_attributes=[(0.5, float(node)) for node in range(9)],
        edge_labels=[i % 4 for i in range(12)],
    )
    assert load(tmp_path).x.argmax(1).tolist() == NODE_LABELS


def test_repeated_lines_and_loops_are_dropped(tmp_path):
    write(tmp_path, edges=[*EDGES, (1, 2), (2, 1), (5, 6), (3, 3), (9, 9)], node_labels=NODE_LABELS)
    graphs = load(tmp_path)
    assert edge_sets(graphs) == [[(0, 1), (0, 2), (1, 2)], [(0, 1)], [(0, 1), (1, 2)]]
    assert graphs.edge_index.size(1) == 12


def test_a_loop_does_not_count_as_degree(tmp_path):
    write(tmp_path, edges=[*EDGES, (4, 4)])
    assert load(tmp_path, features="degree").x[3].tolist() == [1.0, 0.0, 0.0]


def test_the_archives_folder_is_only_read(tmp_path):
    archive = write(tmp_path, node_labels=NODE_LABELS)
    before = archive.read_bytes()
    for folder in (archive.parent, tmp_path):
        folder.chmod(0o555)
    try:
        load(tmp_path)
        assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
            "TUDataset",
            "TUDataset/TINY.zip",
        ]
        assert archive.read_bytes() == before
    finally:
        for folder in (archive.parent, tmp_path):
            folder.chmod(0o755)


def test_scaled_takes_a_smaller_fraction_and_never_more_than_all():
    assert TUGraphs("TINY", fraction=0.5).scaled(0.5).fraction == 0.25
    assert TUGraphs("TINY").scaled(3).fraction == 1.0


@pytest.mark.parametrize("name", ["", "../TINY", "a/b", ".", "..", ".hidden", "/TINY"])
def test_a_name_that_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="`name`"):
        TUGraphs(name)


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction"):
        TUGraphs(fraction=fraction)
