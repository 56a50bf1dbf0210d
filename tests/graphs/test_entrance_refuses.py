"""The entrance: what cannot be mended is refused by name, from every source."""

from __future__ import annotations

import pytest
import torch
from dirty_graphs import CLEAN, directed, graph, replace_y, with_dirt
from torch_geometric.data import HeteroData

from robust_augcl.errors import InputError
from robust_augcl.graphs import entrance
from robust_augcl.graphs.entrance import admit
from robust_augcl.graphs.packed import PackedGraphs

NAN, INF = float("nan"), float("inf")
REFUSED = {
    "one direction": (graph(edge_index=directed([(0, 1), (1, 0), (3, 1)])), r"graph 3 .*\(3, 1\)"),
    "too far": (
        graph(edge_index=directed([(0, 4), (4, 0)])),
        r"graph 3 .* 0 to 3, got 4 .*\(0, 4\)",
    ),
    "negative": (graph(edge_index=directed([(-1, 0), (0, -1)])), r"graph 3 .* got -1"),
    "no nodes": (graph(0, (), edge_index=directed([(0, 0)])), r"graph 3 .*it has none"),
    "float edges": (
        graph(edge_index=torch.zeros(2, 2)),
        "graph 3 .*whole numbers, got torch.float",
    ),
    "lists": (graph(edge_index=[[0, 1], [1, 0]]), r"graph 3 .*\(2, E\), got list"),
    "three rows": (graph(edge_index=torch.zeros(3, 2).long()), r"graph 3 .*\(2, E\), got \(3, 2\)"),
    "no edge_index": (graph(edge_index=None), r"graph 3 .*\(2, E\), got NoneType"),
    "nan": (
        graph(x=torch.tensor([[1.0], [1.0], [NAN], [1.0]])),
        "nan in column 0 of node 2 of graph 3",
    ),
    "infinite": (
        graph(x=torch.tensor([[1.0], [-INF], [1.0], [1.0]])),
        "-inf in .* node 1 of graph 3",
    ),
    "overflow": (
        graph(x=torch.full((4, 1), 1e200, dtype=torch.float64)),
        "got 1e.200 in .* node 0 of graph 3",
    ),
    "wide": (graph(x=torch.ones(4, 2)), "1 features a node, graph 3 has 2"),
    "none of them": (graph(x=None, num_nodes=4), "features or none, graph 3 has none"),
    "rows": (graph(num_nodes=7), "graph 3 .*4 rows of `x` and 7 nodes"),
    "complex": (graph(x=torch.ones(4, 1, dtype=torch.complex64)), "graph 3 .*real numbers"),
    "cube": (graph(x=torch.ones(4, 1, 1)), r"graph 3 .*\(4, 1, 1\)"),
    "target": (graph(y=0.7), "got 0.69.* of graph 3: .*no class"),
    "nan label": (graph(y=NAN), "got nan of graph 3"),
    "huge label": (graph(y=1e300), "of graph 3"),
    "several": (replace_y(torch.tensor([0, 1])), "graph 3 to be one number, got 2"),
    "no label": (graph(y=None), "a label or none, graph 3 has none"),
    "text": (replace_y("mutagenic"), "graph 3 to be a number, got str"),
    "another": (HeteroData(), "graph 3 .*got HeteroData"),
    "not at all": ("graph", "graph 3 .*got str"),
    "some targets": (graph(target_node=torch.tensor([0])), "target node or none"),
}


@pytest.mark.parametrize("as_given", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_mended_is_refused_by_name(name, as_given):
    """As a data set, and as graphs for a trained model (`as_given`)."""
    dirty, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as refused:
        admit(with_dirt(dirty), as_given=as_given)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["one direction", "too far", "several", "target", "lists", "wide", "nan"]
)
def test_packing_refuses_the_same(name):
    """Whoever packs graphs without the entrance gets no silent nonsense either."""
    dirty, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        PackedGraphs.from_data_list(with_dirt(dirty))


@pytest.mark.parametrize("name", ["x", "edge_index", "y"])
def test_what_holds_no_numbers_is_refused(name):
    spoilt = graph(x=torch.ones(4, 1))
    spoilt[name] = spoilt[name].to("meta")
    with pytest.raises(InputError, match=f"`{name}` of graph 1"):
        admit([graph(x=torch.ones(4, 1)), spoilt])


def test_integers_that_floats_would_change_are_refused():
    fine, bad = 2**24, 2**24 + 1
    assert admit([graph(x=torch.full((4, 1), fine))]).graphs.x[0, 0] == fine
    with pytest.raises(InputError, match=f"got {bad} in column 0 of node 0 of graph 1"):
        admit([graph(x=torch.full((4, 1), fine)), graph(x=torch.full((4, 1), bad))])


def test_integers_beside_floats_are_not_rounded():
    """`torch.cat` makes 32-bit floats of both: 2**24 + 1 would become 2**24."""
    fine, bad = 2**24, 2**24 + 1
    mixed = [graph(x=torch.full((4, 1), 0.5)), graph(x=torch.full((4, 1), fine))]
    assert admit(mixed).graphs.x.flatten().tolist() == [0.5] * 4 + [fine] * 4
    with pytest.raises(InputError, match=f"hold exactly, got {bad} in graph 1"):
        admit([mixed[0], graph(x=torch.full((4, 1), bad))])
    labels = [torch.tensor([float(fine)]), torch.tensor([bad]), torch.tensor([fine])]
    assert admit([replace_y(y) for y in labels]).graphs.y.tolist() == [0, 1, 0]
    types = [torch.uint8, torch.int64, torch.uint16, torch.bool]
    of_each = [graph(x=torch.ones(4, 1, dtype=dtype)) for dtype in types]
    assert admit(of_each).graphs.x.tolist() == [[1.0]] * 16


@pytest.mark.parametrize("given", [[], CLEAN[0], 5, None])
def test_what_is_no_list_of_graphs_is_refused(given):
    with pytest.raises(InputError, match="Expected"):
        admit(given)


def test_limits_are_held(monkeypatch):
    monkeypatch.setattr(entrance, "MOST_NODES", 7)
    with pytest.raises(InputError, match="7 nodes at the most, got 8"):
        admit(CLEAN)
    monkeypatch.setattr(entrance, "MOST_NODES", 8)
    admit(CLEAN)
    monkeypatch.setattr(entrance, "MOST_NUMBERS", 7)
    with pytest.raises(InputError, match="7 numbers of features at the most, got 8"):
        admit(CLEAN)
