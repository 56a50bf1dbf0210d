"""TU archives that are odd, wrong or of something else: read right, mended with a word, or refused
by name. What is right is known from the lists that the archives are written from.
"""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from tu_archives import CLASSES, expected, load, plain, some_graphs, tables_of, write_archive


def test_graphs_without_edges_at_the_end_are_there_as_they_are_in_front(tmp_path):
    graphs, edgeless = some_graphs(58), [(1, []), (3, [])]
    write_archive(tmp_path, "TAIL", tables_of(graphs + edgeless, CLASSES))
    write_archive(tmp_path, "HEAD", tables_of(edgeless + graphs, CLASSES))
    tail, head = load(tmp_path, "TAIL").graphs, load(tmp_path, "HEAD").graphs
    assert plain(tail) == expected(graphs + edgeless)
    assert plain(head) == expected(edgeless + graphs)
    assert Counter(tail.y.tolist()) == {0: 30, 1: 30}
    assert tail.sizes.tolist()[-2:] == [1, 3] == head.sizes.tolist()[:2]


def test_a_set_without_any_edge_is_read(tmp_path):
    write_archive(tmp_path, "DUST", tables_of([(1 + k % 3, []) for k in range(60)], CLASSES))
    graphs = load(tmp_path, "DUST").graphs
    assert graphs.sizes.tolist() == [1 + k % 3 for k in range(60)]
    assert graphs.edge_index.shape == (2, 0)


def test_graphs_without_nodes_are_left_out_with_their_number(tmp_path):
    graphs = [(2, [(0, 1)]) if k % 2 else (0, []) for k in range(60)]
    write_archive(tmp_path, "EMPTY", tables_of(graphs, [k // 2 % 2 for k in range(60)]))
    data = load(tmp_path, "EMPTY")
    assert plain(data.graphs) == [(2, [(0, 1)])] * 30
    assert data.graphs.y.tolist() == [k // 2 % 2 for k in range(60) if k % 2]
    assert any("30 of 60 left out, the first is graph 0" in note for note in data.notes)


def test_class_labels_count_where_targets_lie_beside_them(tmp_path):
    tables = tables_of(some_graphs(), CLASSES)
    targets = [f"{number / 20:.4f}" for number in range(60)]
    write_archive(tmp_path, "BOTH", {**tables, "graph_attributes": targets})
    data = load(tmp_path, "BOTH")
    assert data.graphs.y.tolist() == CLASSES
    assert "not used: graph attributes" in data.notes


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([-1 if k % 2 else 7 for k in range(60)], [0 if k % 2 else 1 for k in range(60)]),
        ([f"{k % 3}.0" for k in range(60)], [k % 3 for k in range(60)]),
        ([10 * (k % 4) for k in range(60)], [k % 4 for k in range(60)]),
    ],
)
def test_classes_are_numbered_from_0(tmp_path, labels, classes):
    write_archive(tmp_path, "CLASSES", tables_of(some_graphs(), labels))
    data = load(tmp_path, "CLASSES")
    assert data.graphs.y.tolist() == classes
    renumbered = sorted({float(label) for label in labels}) != sorted(set(classes))
    assert any("are the classes" in note for note in data.notes) == renumbered


@pytest.mark.parametrize(("labels", "told"), [("1 2", False), ("1.0 2.0", True), ("1e0 2", True)])
def test_whole_labels_that_are_written_as_floats_come_in_with_a_word(tmp_path, labels, told):
    kinds = (labels.split() * 10)[:20]
    write_archive(tmp_path, "FLOATS", tables_of(some_graphs(20), kinds))
    loaded = load(tmp_path, "FLOATS")
    assert ("labels: whole numbers that are written as floats" in loaded.notes) == told
    assert loaded.graphs.y.tolist() == [0, 1] * 10


def test_nodes_may_stand_in_any_order(tmp_path):
    """Two graphs whose nodes alternate in the files."""
    labels = {"graph_labels": [str(k) for k in CLASSES]}
    graphs = [(2, [(0, 1)]), (3, [(0, 2)])] * 30
    first = {"A": [], "graph_indicator": [], "node_labels": []}
    for k in range(0, 60, 2):
        start = 5 * k // 2
        first["graph_indicator"] += [str(k + 1 + which) for which in (1, 0, 1, 0, 1)]
        first["node_labels"] += ["4", "0", "3", "1", "2"]
        for i, j in ((2, 4), (4, 2), (1, 5), (5, 1)):
            first["A"].append(f"{start + i}, {start + j}")
    write_archive(tmp_path, "MIXED", {**first, **labels})
    data = load(tmp_path, "MIXED")
    assert plain(data.graphs) == graphs
    assert data.graphs.x.argmax(1).tolist() == [0, 1, 4, 3, 2] * 30
    assert "nodes: sorted by their graphs" in data.notes


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(", ", ","),
    ],
    ids=["CRLF", "BOM", "no last line end", "blank lines", "no spaces"],
)
def test_ways_to_write_lines_make_no_difference(tmp_path, change):
    graphs = some_graphs()
    write_archive(tmp_path, "LINES", tables_of(graphs, CLASSES), change=change)
    found = load(tmp_path, "LINES").graphs
    assert plain(found) == expected(graphs)
    assert found.y.tolist() == CLASSES


def test_the_reader_says_what_it_used_and_what_not(tmp_path):
    tables = tables_of(some_graphs(), CLASSES)
    more = {"edge_labels": ["1"], "node_attributes": ["0.5"], "edge_attributes": ["2"]}
    write_archive(tmp_path, "MORE", {**tables, **more})
    used, unused = load(tmp_path, "MORE").notes
    assert used == "features: node labels, one-hot, 3 columns"
    assert unused == "not used: node attributes, edge labels, edge attributes"
    del tables["node_labels"]
    write_archive(tmp_path, "LESS", tables)
    assert load(tmp_path, "LESS").notes == (
        "features: the constant 1, as there are no node labels",
    )
    (note,) = load(tmp_path, "LESS", features="degree").notes
    assert note == "features: the degree in the clean graph, one-hot, 5 columns"


def test_loops_and_repeated_edges_are_counted(tmp_path):
    tables = tables_of(some_graphs(), CLASSES)
    tables["A"] += ["1, 2", "2, 1", "1, 2", "3, 3"]
    write_archive(tmp_path, "LOOPS", tables)
    data = load(tmp_path, "LOOPS")
    assert plain(data.graphs) == expected(some_graphs())
    assert "self-loops: 1 dropped, the first in graph 0" in data.notes
    assert any(note.startswith("repeated edges: 3 dropped") for note in data.notes)


def test_the_features_are_floats(tmp_path):
    write_archive(tmp_path, "FLOATS", tables_of(some_graphs(), CLASSES))
    assert load(tmp_path, "FLOATS").graphs.x.dtype == torch.float32
