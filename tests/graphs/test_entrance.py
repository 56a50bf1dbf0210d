"""The entrance: every kind of dirt is mended with a word or refused by name, from every source."""

from __future__ import annotations

import inspect
import re
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from dirty_graphs import CLEAN, directed, graph, replace_y, with_dirt
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st
from time_limits import at_most
from torch_geometric.data import Data, InMemoryDataset
from tree import TREE

from robust_augcl.data.components import ComponentGraphs
from robust_augcl.errors import InputError
from robust_augcl.graphs import entrance
from robust_augcl.graphs.data_source import DataSource, Split
from robust_augcl.graphs.dataset import load_dataset
from robust_augcl.graphs.entrance import admit
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets


def edge_sets(graphs: PackedGraphs) -> list[set[tuple[int, int]]]:
    return [set(map(tuple, data.edge_index.T.tolist())) for data in graphs.to_data_list()]


def test_clean_graphs_come_in_as_they_are():
    found = admit(CLEAN)
    assert found.notes == ()
    assert found.kept.tolist() == [0, 1, 2]
    assert found.graphs.same_as(PackedGraphs.from_data_list(CLEAN))
    assert admit(found.graphs).graphs is found.graphs


# --- mended with a word ---------------------------------------------------------------------------


@st.composite
def messy(draw):
    """Edges of a graph in any order, some several times, loops among them; and the edges meant."""
    nodes = draw(st.integers(1, 6))
    pairs = [(i, j) for i in range(nodes) for j in range(i)]
    meant = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    both = [edge for i, j in meant for edge in ((i, j), (j, i))]
    again = draw(st.lists(st.sampled_from(both))) if both else []
    loops = [(node, node) for node in draw(st.lists(st.integers(0, nodes - 1)))]
    order = draw(st.permutations([*both, *again, *loops]))
    return nodes, set(both), order, len(again), len(loops)


@given(found=st.lists(messy(), min_size=1, max_size=4), as_given=st.booleans())
def test_loops_and_repeats_are_dropped_and_counted(found, as_given):
    graphs = [graph(nodes, (), edge_index=directed(order)) for nodes, _, order, _, _ in found]
    admitted = admit(graphs, as_given=as_given)
    assert admitted.graphs.sizes.tolist() == [nodes for nodes, *_ in found]
    assert edge_sets(admitted.graphs) == [meant for _, meant, *_ in found]
    said = " ".join(admitted.notes)
    repeats, loops = sum(each[3] for each in found), sum(each[4] for each in found)
    first = next((number for number, each in enumerate(found) if each[4]), None)
    assert (f"self-loops: {loops} dropped, the first in graph {first}" in said) == bool(loops)
    assert (f"repeated edges: {repeats} dropped" in said) == bool(repeats)


@pytest.mark.parametrize(
    ("labels", "classes", "word"),
    [
        ([torch.tensor([5]), torch.tensor([-2]), torch.tensor([5])], [1, 0, 1], "-2, 5 are"),
        ([torch.tensor(1.0), torch.tensor([0.0]), torch.tensor([[1.0]])], [1, 0, 1], "as floats"),
        ([torch.tensor(True), torch.tensor(False), torch.tensor(True)], [1, 0, 1], None),
        ([1, 0, 1], [1, 0, 1], None),
        ([torch.tensor([3]), torch.tensor([3]), torch.tensor([3])], [0, 0, 0], "3 is"),
    ],
)
def test_labels_become_classes_from_0(labels, classes, word):
    found = admit([replace_y(y) for y in labels])
    assert found.graphs.y.tolist() == classes
    assert found.graphs.y.dtype == torch.long
    assert any(word in note for note in found.notes) if word else found.notes == ()


def test_labels_that_mean_what_they_say_are_not_numbered_anew():
    graphs = [graph(y=3), graph(y=1)]
    assert admit(graphs, as_given=True).graphs.y.tolist() == [3, 1]
    assert admit(graphs, as_given=True).notes == ()
    for label in (-1, entrance.MOST_CLASSES, 10**9):
        with pytest.raises(InputError, match=rf"got {label} of graph 3"):
            admit(with_dirt(graph(y=label)), as_given=True)


@pytest.mark.parametrize(
    ("x", "word"),
    [
        (torch.tensor([[1], [2], [3], [4]]), "int64"),
        (torch.tensor([[True], [False], [True], [True]]), "bool"),
        (torch.tensor([[0.1], [0.2], [0.3], [0.4]], dtype=torch.float64), "float64"),
        (torch.tensor([1.0, 2.0, 3.0, 4.0]), None),
        (torch.tensor([[1.0], [2.0], [3.0], [4.0]], requires_grad=True), None),
    ],
)
def test_features_become_floats_of_32_bits(x, word):
    found = admit([graph(x=x), graph(x=x, y=1)])
    assert found.graphs.x.dtype == torch.float32
    assert not found.graphs.x.requires_grad
    assert found.graphs.x.tolist() == [[v] for v in x.detach().float().flatten().tolist()] * 2
    assert any(word in note for note in found.notes) if word else found.notes == ()


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16]
)
def test_whole_numbers_of_every_width_come_in(dtype):
    x = torch.tensor([[0], [127]]).to(dtype)
    found = admit([Data(x=x, edge_index=torch.tensor([[0, 1], [1, 0]]), y=0)])
    assert found.graphs.x.tolist() == [[0.0], [127.0]]


def test_graphs_without_features_get_the_constant():
    without = [graph(x=None, num_nodes=4, y=0), graph(2, (), x=None, num_nodes=2, y=1)]
    found = admit(without)
    assert found.graphs.x.tolist() == [[1.0]] * 6
    assert found.notes == ("no features: each node has the constant 1",)
    empty = [graph(x=torch.zeros(4, 0)), graph(x=torch.zeros(4, 0), y=1)]
    assert admit(empty).graphs.x.tolist() == [[1.0]] * 8


@pytest.mark.parametrize("as_given", [False, True])
def test_small_and_isolated_graphs_are_kept_wherever_they_stand(as_given):
    """Isolated nodes in front, between and at the end; one node; no edges, in the last graphs."""
    nodes = [5, 1, 3, 1, 2]
    edges = [((1, 3),), (), ((0, 2),), (), ()]
    labels = [0, 1, 1, 0, 1]
    graphs = [
        graph(n, some, y=y, x=torch.arange(n, dtype=torch.float32).unsqueeze(1))
        for n, some, y in zip(nodes, edges, labels, strict=True)
    ]
    found = admit(graphs, as_given=as_given)
    assert found.notes == ()
    assert found.kept.tolist() == [0, 1, 2, 3, 4]
    assert found.graphs.sizes.tolist() == nodes
    assert found.graphs.y.tolist() == labels
    assert found.graphs.x.flatten().tolist() == [float(i) for n in nodes for i in range(n)]
    both = [{pair for i, j in some for pair in ((i, j), (j, i))} for some in edges]
    assert edge_sets(found.graphs) == both
    linked = [{i for pair in some for i in pair} for some in edges]
    degrees = [int(i in some) for n, some in zip(nodes, linked, strict=True) for i in range(n)]
    assert found.graphs.degree.tolist() == degrees


def test_dirt_does_not_change_what_a_trained_model_is_asked():
    """Labels as given stay; graphs without nodes go, and the others keep their own labels."""
    dirty = [
        graph(0, (), x=torch.zeros(0, 1), y=2),
        graph(y=2.0, edge_index=directed([(0, 1), (1, 0), (1, 0), (2, 2)])),
        graph(2, (), y=0),
    ]
    found = admit(dirty, as_given=True)
    assert found.kept.tolist() == [1, 2]
    assert found.graphs.y.tolist() == [2, 0]
    assert edge_sets(found.graphs) == [{(0, 1), (1, 0)}, set()]
    assert len(found.notes) == 4
    with pytest.raises(InputError, match="with labels `y`, got none"):
        admit([graph(y=None)], as_given=True)


def test_nodes_that_nobody_counts_are_guessed_with_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = admit([graph(x=None), graph(x=None, pos=torch.zeros(5, 3), y=1)])
    assert found.graphs.sizes.tolist() == [3, 5]
    assert any(note.startswith("1 graphs say neither") for note in found.notes)


def test_other_attributes_are_named():
    found = admit([graph(edge_attr=torch.ones(4, 2)), graph(pos=torch.zeros(4, 3), y=1)])
    assert found.notes == ("not used: edge_attr, pos",)


def test_graphs_without_nodes_are_left_out_and_the_others_known_by_number():
    empty = graph(0, (), x=torch.zeros(0, 1))
    found = admit([empty, graph(y=1), empty, graph(3, ((0, 2),), y=4), empty])
    assert found.kept.tolist() == [1, 3]
    assert found.graphs.sizes.tolist() == [4, 3]
    assert edge_sets(found.graphs)[1] == {(0, 2), (2, 0)}
    assert found.graphs.y.tolist() == [0, 1]
    assert any("3 of 5 left out, the first is graph 0" in note for note in found.notes)
    with pytest.raises(InputError, match="graphs with nodes, got 2 without any"):
        admit([empty, empty])


def test_a_data_set_of_pytorch_geometric_comes_in(tmp_path):
    class Mine(InMemoryDataset):
        def __init__(self):
            super().__init__(None)
            self.data, self.slices = self.collate([graph(y=2), graph(3, ((0, 2),), y=5)])

    found = admit(Mine())
    assert found.graphs.sizes.tolist() == [4, 3]
    assert edge_sets(found.graphs)[1] == {(0, 2), (2, 0)}
    assert found.graphs.y.tolist() == [0, 1]


# --- packed graphs of a generator -----------------------------------------------------------------


def packed(**change) -> PackedGraphs:
    return replace(PackedGraphs.from_data_list(CLEAN), **change)


PACKED = {
    "ptr": (lambda g: {"ptr": g.ptr + 1}, "`ptr`"),
    "short ptr": (lambda g: {"ptr": g.ptr[:-1], "y": g.y[:-1]}, "`ptr`"),
    "falling ptr": (lambda g: {"ptr": g.ptr[[0, 2, 1, 3]]}, "`ptr`"),
    "ptr of floats": (lambda g: {"ptr": g.ptr.float()}, "`ptr`.*int64"),
    "int32 edges": (lambda g: {"edge_index": g.edge_index.int()}, "`edge_index`.*int64"),
    "far": (lambda g: {"edge_index": directed([(0, 99), (99, 0)])}, r"0 to 7, got \(0, 99\)"),
    "between": (
        lambda g: {"edge_index": directed([(0, 5), (5, 0)])},
        "between graph 0 and graph 1",
    ),
    "one way": (lambda g: {"edge_index": directed([(4, 6)])}, r"graph 1 has the edge \(0, 2\)"),
    "few labels": (lambda g: {"y": g.y[:2]}, "each of 3 graphs, got 2"),
    "nan": (lambda g: {"x": g.x * torch.nan}, "nan in column 0 of node 0 of graph 0"),
    "flat": (lambda g: {"x": g.x[:, 0]}, "`x`"),
    "targets": (lambda g: {"target_node": torch.tensor([0, 9, 0])}, "graph 1 .*got 9"),
    "real targets": (lambda g: {"target_node": torch.zeros(3)}, "`target_node`"),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_graphs_are_not_believed(name):
    change, message = PACKED[name]
    with pytest.raises(InputError, match=message):
        admit(packed(**change(packed())))


def test_packed_graphs_are_mended_too():
    dirty = packed(
        edge_index=directed([(2, 1), (1, 2), (0, 0), (1, 0), (0, 1), (0, 1), (6, 4), (4, 6)]),
        x=torch.ones(8, 1).long(),
        y=torch.tensor([2.0, 5.0, 5.0]),
    )
    found = admit(dirty)
    assert found.graphs.same_as(PackedGraphs.from_data_list(CLEAN))
    assert len(found.notes) == 5


# --- data sets ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given(DataSource):
    """A data source of graphs that a test hands it."""

    graphs: object = None
    of_nodes: bool = False

    label = "given"

    def load(self, archives, generator):
        return self.graphs

    def scaled(self, factor):
        return self

    def targets(self, graphs):
        if not self.of_nodes:
            return None
        node = torch.arange(8) % 4
        return Targets(torch.zeros(8, dtype=torch.long), node, torch.arange(8) % 2)


def test_a_source_may_load_a_list_of_data():
    dirty = [
        graph(y=7 if k % 2 else 3, edge_index=directed([(0, 1), (1, 0), (2, 2)])) for k in range(20)
    ]
    data = load_dataset(Given(dirty), Split(0.2, 0.2), None, seeded(0))
    assert data.graphs.y.tolist() == [k % 2 for k in range(20)]
    assert len(data.notes) == 2


def test_a_data_set_has_two_classes():
    with pytest.raises(InputError, match=r"two classes at least .*given, got 1.*\(no labels"):
        load_dataset(Given([graph(y=None)] * 20), Split(), None, seeded(0))
    with pytest.raises(InputError, match="two classes at least"):
        load_dataset(Given([graph(y=4)] * 20), Split(), None, seeded(0))


def test_target_nodes_and_graphs_without_nodes_do_not_go_together():
    empty = graph(0, (), x=torch.zeros(0, 1), y=1)
    load_dataset(Given([graph(), empty], of_nodes=True), Split(0.25, 0.25), None, seeded(0))
    with pytest.raises(InputError, match="where the targets of given are nodes"):
        load_dataset(Given([empty, graph()], of_nodes=True), Split(0.25, 0.25), None, seeded(0))


def test_a_generator_that_counts_wrong_is_found_out(monkeypatch):
    source = ComponentGraphs(nodes=(6, 9), edge_probability=0.5, graphs_per_class=5)
    right = source.load(None, seeded(0))
    assert source.admitted(None, seeded(0)).graphs.same_as(right)
    wrong = right.with_labels(torch.where(torch.arange(15) == 11, 0, right.y))
    monkeypatch.setattr(ComponentGraphs, "load", lambda *_: wrong)
    with pytest.raises(InputError, match=r"graph 11 .*components.* class 0"):
        source.admitted(None, seeded(0))


# --- the rules in words ---------------------------------------------------------------------------


def test_the_rules_stand_in_the_docs_as_in_the_code():
    _, _, rules, _ = re.split(r"^=+  =+$", inspect.getdoc(entrance), flags=re.M)
    told = [tuple(re.split(r"  +", line, maxsplit=1)) for line in rules.strip().splitlines()]
    page = (TREE / "docs" / "data.md").read_text(encoding="utf-8").partition("The messages are")[0]
    rows = re.findall(r"^\| (.*?) +\| (.*?) +\|$", page, flags=re.M)
    assert len(told) > 20
    assert [row for row in rows if row[0].strip("-")][1:] == told
    assert f"{entrance.MOST_NODES:,} nodes" in page
    assert f"{entrance.MOST_NUMBERS + 1:,} features" in page


def test_large_lists_are_let_in_quickly():
    """The work is done on tensors: 3,000 graphs take no second."""
    rng = np.random.default_rng(0)
    graphs = [
        graph(20, {(i, int(rng.integers(i))) for i in range(1, 20)}, y=k % 2) for k in range(3000)
    ]
    with at_most(3):
        admit(graphs)
