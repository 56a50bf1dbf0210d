"""Labels of edges in TU archives, as attributes of edges on request."""

from __future__ import annotations

import pytest
import torch
from tiny_tu import EDGES, NODE_LABELS, OF_GRAPH, load, write

from robust_augcl.data.tu import TUGraphs
from robust_augcl.errors import InputError
from robust_augcl.plan.step import plain

EDGE_LABELS = [3, 3, 5, 5, 3, 3, 4, 4, 5, 5, 3, 3]


def carried_by(graphs):
    """What each edge carries, by graph and nodes, from the packed tensors by a loop."""
    found = {}
    for number, data in enumerate(graphs.to_data_list()):
        for (i, j), row in zip(data.edge_index.T.tolist(), data.edge_attr.tolist(), strict=True):
            found[number, i, j] = row
    return found


def test_edge_labels_are_one_hot_on_request(tmp_path):
    write(tmp_path, node_labels=NODE_LABELS, edge_labels=EDGE_LABELS)
    graphs = load(tmp_path, edge_attributes=True)
    first = {1: 0, 2: 0, 3: 0, 4: 0, 5: 4, 6: 4, 7: 6, 8: 6, 9: 6}
    expected = {}
    for (i, j), label in zip(EDGES, EDGE_LABELS, strict=True):
        row = [float(label == column) for column in (3, 4, 5)]
        expected[OF_GRAPH[i - 1] - 1, i - 1 - first[i], j - 1 - first[j]] = row
    assert carried_by(graphs) == expected
    assert graphs.added_edge.tolist() == [1.0, 0.0, 0.0]  # 3 stands six times
    mean = load(tmp_path, edge_attributes=True, added_edge="mean").added_edge
    torch.testing.assert_close(mean, torch.tensor([6 / 12, 2 / 12, 4 / 12]))
    assert load(tmp_path).edge_attr is None


def test_a_share_has_the_columns_and_the_added_edge_of_the_whole_set(tmp_path):
    write(tmp_path, graph_labels=[1, 1, 1], edge_labels=EDGE_LABELS)
    share = load(tmp_path, fraction=0.3, edge_attributes=True)
    assert share.num_graphs == 1
    assert share.edge_attr.shape == (share.edge_index.size(1), 3)
    assert share.added_edge.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "TINY_edge_labels.txt, there is none"),
        ({"edge_labels": EDGE_LABELS[:-1]}, "each of 12 edges in TINY_edge_labels.txt, got 11"),
        ({"edge_labels": [0.5, *EDGE_LABELS[1:]]}, "TINY_edge_labels.txt .*'0.5' in line 1"),
        ({"edge_labels": [4, *EDGE_LABELS[1:]]}, r"edge \(0, 1\) of graph 0, .* both directions"),
    ],
)
def test_edge_labels_that_cannot_be_used_are_refused(tmp_path, more, message):
    write(tmp_path, **more)
    load(tmp_path)
    with pytest.raises(InputError, match=message):
        load(tmp_path, edge_attributes=True)


def test_what_an_added_edge_carries_is_said_only_where_edges_carry_something():
    with pytest.raises(ValueError, match="`edge_attributes` to be true"):
        TUGraphs(added_edge="mean")
    with pytest.raises(ValueError, match="one of 'zeros'"):
        TUGraphs(edge_attributes=True, added_edge="median")


def test_settings_that_came_later_are_not_in_older_addresses():
    before = {"type": "TUGraphs", "name": "MUTAG", "features": "constant", "fraction": 1.0}
    assert plain(TUGraphs()) == before
    later = {"edge_attributes": True, "added_edge": [0.0, 1.0]}
    now = plain(TUGraphs(edge_attributes=True, added_edge=(0.0, 1.0)))
    assert now == {**before, **later}
    assert plain(TUGraphs(edge_attributes=True)) == {**before, "edge_attributes": True}
