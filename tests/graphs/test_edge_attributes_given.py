"""Edge attributes as they are given: what is refused by name, left out or mended with a word."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from attributed_graphs import all_carried, data_of
from torch_geometric.data import Batch, Data

from robust_augcl.errors import InputError
from robust_augcl.graphs.entrance import admit
from robust_augcl.graphs.packed import PackedGraphs


def pair_of(attributes, edges=((0, 1), (1, 0))) -> Data:
    """Two nodes with the same edge in some directions."""
    return Data(x=torch.ones(2, 1), edge_index=torch.tensor(edges).T, edge_attr=attributes, y=0)


FINE = pair_of(torch.tensor([[1.0], [1.0]]))
NAN, INF = float("nan"), float("inf")
REFUSED = {
    "directions": (
        pair_of(torch.tensor([[1.0], [2.0]])),
        r"edge \(0, 1\) of graph 1, which stands in both directions.*\[1.0\] and \[2.0\]",
    ),
    "twice": (
        pair_of(torch.tensor([[1.0], [1.0], [2.0]]), ((0, 1), (1, 0), (0, 1))),
        r"edge \(0, 1\) of graph 1, which stands twice",
    ),
    "nan": (pair_of(torch.tensor([[NAN], [NAN]])), r"nan in column 0 of the edge \(0, 1\) of gr"),
    "inf": (pair_of(torch.tensor([[1.0], [INF]])), r"inf in column 0 of the edge \(1, 0\) of gr"),
    "large": (pair_of(torch.full((2, 1), 1e300, dtype=torch.float64)), "finite, got 1e.300"),
    "whole": (pair_of(torch.full((2, 1), 2**24 + 1)), f"exactly, got {2**24 + 1} in graph 1"),
    "rows": (pair_of(torch.ones(3, 1)), "graph 1 to have a row for each of 2 columns.*got 3"),
    "width": (pair_of(torch.ones(2, 2)), "1 edge attributes an edge, graph 1 has 2"),
    "some": (pair_of(None), "edge attributes or none, graph 1 has none"),
    "cube": (pair_of(torch.ones(2, 1, 1)), r"graph 1 to be real numbers.*\(2, 1, 1\)"),
    "list": (pair_of([1.0, 1.0]), "graph 1 to be real numbers.*list"),
    "complex": (pair_of(torch.ones(2, 1, dtype=torch.complex64)), "graph 1 to be real numbers"),
}


@pytest.mark.parametrize("as_given", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_attributes_that_cannot_be_mended_are_refused_by_name(name, as_given):
    dirty, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as refused:
        admit([FINE, dirty], edge_attributes=True, as_given=as_given)
    assert len(str(refused.value).splitlines()) == 1


def test_attributes_that_nobody_asks_for_are_left_out_with_a_word():
    found = admit([FINE, REFUSED["directions"][0]])
    assert found.graphs.edge_attr is None
    assert "not used: edge_attr" in found.notes
    packed = admit([FINE], edge_attributes=True).graphs
    again = admit(packed)
    assert again.graphs.edge_attr is None
    assert again.graphs.added_edge is None
    assert "not used: edge_attr" in again.notes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_a_graph_without_edges_says_nothing_of_their_type(dtype):
    edge, none = torch.tensor([[0, 1], [1, 0]]), torch.zeros(2, 0, dtype=torch.long)
    one = Data(x=torch.ones(2, 1), edge_index=edge, y=0, edge_attr=torch.ones(2, 1, dtype=dtype))
    bare = Data(x=torch.ones(2, 1), edge_index=none, y=1)
    for both in ([one, bare], [bare, one]):
        found = admit(both, edge_attributes=True)
        assert found.graphs.edge_attr.tolist() == [[1.0], [1.0]]
        became = [note for note in found.notes if "became 32-bit floats" in note]
        name = str(dtype).removeprefix("torch.")
        wanted = [f"edge attributes: {name} became 32-bit floats"]
        assert became == (wanted if dtype != torch.float32 else [])


def test_attributes_that_are_not_there_are_refused_where_they_are_asked_for():
    bare = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]), y=0)
    with pytest.raises(InputError, match="`edge_attr`, as edge attributes are asked for, got none"):
        admit([bare], edge_attributes=True)
    with pytest.raises(InputError, match="`edge_attr`, as edge attributes are asked for, got none"):
        admit(PackedGraphs.from_data_list([bare]), edge_attributes=True)


def test_attributes_of_packed_graphs_are_not_believed():
    packed = admit([FINE], edge_attributes=True).graphs
    for change in ({"edge_attr": torch.ones(1, 1)}, {"edge_attr": torch.ones(2)}):
        with pytest.raises(InputError, match="one row of numbers an edge"):
            admit(replace(packed, **change), edge_attributes=True)
    crooked = replace(packed, edge_attr=torch.tensor([[1.0], [3.0]]))
    with pytest.raises(InputError, match="in both directions"):
        admit(crooked, edge_attributes=True)


def test_mended_edges_keep_the_right_attributes():
    """Loops go, whatever they carry; repeats that agree are one; whole numbers become floats."""
    edges = ((1, 0), (0, 0), (0, 1), (1, 1), (1, 0))
    dirty = pair_of(torch.tensor([5, 7, 5, 8, 5]), edges)
    lonely = Data(x=torch.ones(1, 1), edge_index=torch.zeros(2, 0, dtype=torch.long), y=0)
    found = admit([dirty, lonely], edge_attributes=True)
    assert found.graphs.edge_attr.tolist() == [[5.0], [5.0]]
    assert found.graphs.edge_attr.dtype == torch.float32
    assert "edge attributes: int64 became 32-bit floats" in found.notes
    assert "self-loops: 2 dropped, the first in graph 0" in found.notes
    assert any(note.startswith("repeated edges: 1 dropped") for note in found.notes)


def test_a_batch_of_pytorch_geometric_brings_its_attributes():
    graphs = [data_of(3, {(0, 2): (1.0, 2.0)}), data_of(2, {(0, 1): (3.0, 4.0)})]
    found = admit(Batch.from_data_list(graphs), edge_attributes=True)
    assert all_carried(found.graphs) == [{(0, 2): (1.0, 2.0)}, {(0, 1): (3.0, 4.0)}]
