"""Edge attributes against plain dictionaries: from an edge's two ends to what it carries."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import networkx as nx
import pytest
import torch
from attributed_graphs import ADDED, all_carried, attributed, data_of, several
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.data_source import Split
from robust_augcl.graphs.dataset import Dataset, split_by_class
from robust_augcl.graphs.edge_attributes import carried_by_added, check_setting
from robust_augcl.graphs.entrance import admit
from robust_augcl.graphs.keys import graph_keys
from robust_augcl.graphs.targets import Targets
from robust_augcl.steps.artifacts import dataset_artifact, dataset_of
from robust_augcl.store.artifact import Artifact
from robust_augcl.threat.perturbations import Perturbation, apply_all


@given(found=several())
def test_each_edge_carries_what_it_was_given_whatever_the_order(found):
    drawn, graphs = found
    assert all_carried(graphs) == [carried for _, carried in drawn]
    assert graphs.added_edge.tolist() == list(ADDED)
    assert admit(graphs, edge_attributes=True, added_edge=ADDED).graphs is graphs


@given(found=several(), data=st.data())
def test_edits_take_attributes_with_them_and_added_edges_carry_theirs(found, data):
    drawn, graphs = found
    expected, perturbations = [], []
    for nodes, carried in drawn:
        pairs = list(combinations(range(nodes), 2))
        edits = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
        removed = [pair for pair in edits if pair in carried]
        added = [pair for pair in edits if pair not in carried]
        after = {pair: of for pair, of in carried.items() if pair not in removed}
        expected.append(after | dict.fromkeys(added, ADDED))
        as_pairs = (
            torch.tensor(some, dtype=torch.long).reshape(-1, 2).T for some in (added, removed)
        )
        perturbations.append(Perturbation(*as_pairs))
    edited = apply_all(graphs, perturbations)
    assert all_carried(edited) == expected
    again = apply_all(graphs, [Perturbation() for _ in drawn])
    assert again.same_as(graphs)


@given(found=several(), data=st.data())
def test_selection_and_subgraphs_and_joins_take_attributes_with_them(found, data):
    drawn, graphs = found
    index = data.draw(st.lists(st.integers(0, len(drawn) - 1), min_size=1, max_size=5))
    picked = graphs.select(torch.tensor(index))
    assert all_carried(picked) == [drawn[k][1] for k in index]
    joined = concatenate([picked, graphs])
    assert all_carried(joined) == [*(drawn[k][1] for k in index), *(of for _, of in drawn)]
    assert joined.added_edge.tolist() == list(ADDED)
    kept = [sorted(data.draw(st.sets(st.integers(0, nodes - 1), min_size=1))) for nodes, _ in drawn]
    mask = torch.cat(
        [
            torch.isin(torch.arange(nodes), torch.tensor(some))
            for (nodes, _), some in zip(drawn, kept, strict=True)
        ]
    )
    expected = [
        {
            (some.index(i), some.index(j)): of
            for (i, j), of in carried.items()
            if i in some and j in some
        }
        for (_, carried), some in zip(drawn, kept, strict=True)
    ]
    assert all_carried(graphs.keep_nodes(mask)) == expected


@given(found=several(), data=st.data())
def test_attributes_of_pairs_are_those_of_edges_or_what_an_added_edge_carries(found, data):
    drawn, graphs = found
    pairs, expected = [], []
    for offset, (nodes, carried) in zip(graphs.ptr.tolist(), drawn, strict=False):
        for pair in combinations(range(nodes), 2):
            i, j = pair if data.draw(st.booleans()) else pair[::-1]
            pairs.append((i + offset, j + offset))
            expected.append(carried.get(pair, ADDED))
    found = graphs.attributes_of(torch.tensor(pairs).T)
    assert [tuple(row) for row in found.tolist()] == expected


@given(found=several())
def test_a_stored_data_set_keeps_attributes(found):
    drawn, graphs = found
    parts = (torch.tensor([k], dtype=torch.long) for k in range(2))
    data = Dataset(graphs, *parts, torch.zeros(0, dtype=torch.long), num_classes=1)
    stored = dataset_artifact(data, {})
    assert dataset_of(stored).graphs.same_as(graphs)
    plain = replace(graphs, edge_attr=None, added_edge=None)
    names = dataset_artifact(replace(data, graphs=plain), {}).tensors.keys()
    assert stored.tensors.keys() - names == {"edge_attr", "added_edge"}
    assert len(drawn) == graphs.num_graphs


def test_copies_and_targets_and_comparisons_know_of_attributes():
    graphs = admit(
        [data_of(3, {(0, 1): (1.0, 0.0), (1, 2): (0.0, 1.0)})], edge_attributes=True
    ).graphs
    assert graphs.copy().same_as(graphs)
    assert graphs.to("cpu").same_as(graphs)
    other = graphs.copy()
    other.edge_attr[0, 0] += 1
    assert not other.same_as(graphs)
    assert not replace(graphs, edge_attr=None, added_edge=None).same_as(graphs)
    nodes = Targets(torch.zeros(2, dtype=torch.long), torch.tensor([0, 2]), torch.tensor([1, 0]))
    packed = nodes.pack(graphs)
    assert all_carried(packed) == all_carried(graphs) * 2
    assert packed.target_node.tolist() == [0, 2]
    plain = replace(graphs, edge_attr=None, added_edge=None)
    with pytest.raises(InputError, match="edge attributes or none"):
        concatenate([graphs, plain])
    with pytest.raises(InputError, match="carry the same"):
        concatenate([graphs, replace(graphs, added_edge=torch.zeros(2))])
    with pytest.raises(ValueError, match="with edge attributes, got graphs without"):
        plain.attributes_of(torch.tensor([[0], [1]]))


# --- what an added edge carries -------------------------------------------------------------------


ROWS = [(0.0, 1.0), (1.0, 0.0), (1.0, 0.0), (0.5, 0.25), (0.0, 1.0)]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("zeros", [0.0, 0.0]),
        ("mean", [sum(row[column] for row in ROWS) / len(ROWS) for column in range(2)]),
        ("most_common", list(min(r for r, n in Counter(ROWS).items() if n == 2))),
        ((3.0, -4.0), [3.0, -4.0]),
    ],
)
def test_what_an_added_edge_carries(setting, expected):
    carried = dict(zip(combinations(range(5), 2), ROWS, strict=False))
    found = admit([data_of(5, carried)], edge_attributes=True, added_edge=setting)
    torch.testing.assert_close(found.graphs.added_edge, torch.tensor(expected))
    words = " ".join(found.notes)
    assert "edge attributes: 2 of each edge; an added edge carries " in words
    assert f"{expected[0]:g}, {expected[1]:g}" in words


def test_without_edges_the_most_common_row_is_zeros():
    empty = torch.zeros(0, 3)
    assert carried_by_added(empty, "most_common").tolist() == [0.0] * 3
    assert carried_by_added(empty, "mean").tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("use", "setting", "message"),
    [
        (True, "median", "one of 'zeros', 'mean', 'most_common'"),
        (True, (1.0, float("nan")), "finite"),
        (True, (1e300,), "finite"),
        (False, "zeros", "`edge_attributes` to be true"),
        (False, (1.0,), "`edge_attributes` to be true"),
    ],
)
def test_settings_that_are_none(use, setting, message):
    with pytest.raises(ValueError, match=message):
        check_setting(use, setting)
    with pytest.raises(ValueError, match=message):
        admit([data_of(2, {})], edge_attributes=use, added_edge=setting)


# --- keys -----------------------------------------------------------------------------------------


@given(data=st.data())
def test_keys_are_equal_exactly_where_networkx_finds_the_same_colours(data):
    drawn = data.draw(st.lists(attributed(), min_size=2, max_size=5))
    drawn = [(2, {(0, 1): (0.0, 0.0)}), *drawn]
    graphs = admit([data_of(*each) for each in drawn], edge_attributes=True).graphs
    keys = graph_keys(graphs, rounds=8).tolist()
    colours = []
    for nodes, carried in drawn:
        graph = nx.Graph()
        graph.add_nodes_from(range(nodes), kind="node")
        for (i, j), of in carried.items():
            graph.add_edge(i, j, of=str(of))
        how = {"edge_attr": "of", "node_attr": "kind", "iterations": 8}
        colours.append((nodes, nx.weisfeiler_lehman_graph_hash(graph, **how)))
    for one, other in combinations(range(len(drawn)), 2):
        assert (keys[one] == keys[other]) == (colours[one] == colours[other])


# --- damaged artifacts ----------------------------------------------------------------------------


def spoilt(change) -> Artifact:
    graphs = [data_of(3, {(0, 1): (1.0, 0.0), (1, 2): (0.0, 1.0)}, y=k % 2) for k in range(10)]
    packed = admit(graphs, edge_attributes=True).graphs
    made = dataset_artifact(split_by_class(packed, Split(0.2, 0.2), seeded(0)), {})
    tensors = {name: tensor.clone() for name, tensor in made.tensors.items()}
    change(tensors)
    return Artifact(tensors, made.info)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda of: of.pop("added_edge"), "tensors: "),
        (lambda of: of.pop("edge_attr"), "tensors: "),
        (lambda of: of["edge_attr"][0].add_(1), "the same in both directions"),
        (lambda of: of["edge_attr"][0].fill_(torch.nan), "finite"),
        (lambda of: of["added_edge"].fill_(torch.inf), "finite"),
        (lambda of: of.update(edge_attr=of["edge_attr"][:-1]), "a row for each edge"),
        (lambda of: of.update(added_edge=of["added_edge"][:1]), "a row for each edge"),
        (lambda of: of.update(edge_attr=of["edge_attr"].long()), "32-bit floats"),
        (lambda of: of.update(edge_attr=of["edge_attr"][:, 0]), "of 2 axes"),
    ],
)
def test_stored_attributes_that_are_none_are_refused(change, message):
    dataset_of(spoilt(lambda of: None))
    with pytest.raises(ArtifactDamaged, match=message):
        dataset_of(spoilt(change))
