"""The threat model against loops over pairs and plain sets of edges."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.errors import ThreatViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all

OPERATIONS = [("add",), ("delete",), ("add", "delete"), ("delete", "add")]


def pairs_of(*edges):
    return torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T


def edge_set(graph):
    return {frozenset(edge) for edge in graph.edges}


# --- candidates -----------------------------------------------------------------------------------


def by_loop(graph, operations, within_component, allow_existing):
    """Allowed pairs of one networkx graph, in order, and whether each is an edge."""
    allowed = []
    for i, j in combinations(range(graph.number_of_nodes()), 2):
        if graph.has_edge(i, j):
            fits = "delete" in operations or allow_existing
        else:
            fits = "add" in operations and (not within_component or nx.has_path(graph, i, j))
        if fits:
            allowed.append((i, j, graph.has_edge(i, j)))
    return allowed


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("within_component", [False, True])
@pytest.mark.parametrize("allow_existing", [False, True])
@given(data=st.data())
def test_candidates_are_the_allowed_pairs(
    operations, within_component, allow_existing, data, data_lists, to_networkx
):
    graphs = data.draw(data_lists(max_graphs=4, max_nodes=7))
    threat = ThreatModel(1, operations, within_component, allow_existing)
    found = threat.enumerate(PackedGraphs.from_data_list(graphs))
    rows = zip(found.graph.tolist(), *found.pairs.tolist(), found.exists.tolist(), strict=True)
    expected = [
        (number, *row)
        for number, graph in enumerate(graphs)
        for row in by_loop(to_networkx(graph), operations, within_component, allow_existing)
    ]
    assert list(rows) == expected
    assert len(found) == len(expected)
    assert found.num_graphs == len(graphs)
    assert found.deletes == ("delete" in operations)
    counts = [sum(row[0] == number for row in expected) for number in range(len(graphs))]
    assert found.counts.tolist() == counts
    assert found.ptr.tolist() == [sum(counts[:number]) for number in range(len(graphs) + 1)]


def test_candidates_of_one_graph(to_data):
    threat = ThreatModel(within_component=True)
    assert threat.candidates(to_data(5, [(0, 1), (1, 2), (3, 4)])).tolist() == [[0], [2]]


@given(data=st.data(), counts=st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_best_is_the_first_of_the_lowest_in_each_graph(data, counts):
    graph = [number for number, count in enumerate(counts) for _ in range(count)]
    score = data.draw(
        st.lists(
            st.sampled_from([-1.0, 0.0, 2.0, float("inf")]),
            min_size=len(graph),
            max_size=len(graph),
        )
    )
    candidates = Candidates(
        torch.tensor(graph, dtype=torch.long),
        torch.zeros(2, len(graph)),
        torch.zeros(len(graph), dtype=torch.bool),
        len(counts),
        False,
    )
    expected = []
    for number in range(len(counts)):
        best = -1
        for place, owner in enumerate(graph):
            if owner == number and (best < 0 or score[place] < score[best]):
                best = place
        expected.append(best)
    assert candidates.best(torch.tensor(score)).tolist() == expected


@pytest.mark.parametrize("deletes", [False, True])
def test_candidates_become_a_perturbation(deletes):
    pairs = pairs_of((0, 1), (0, 2), (1, 3), (2, 3))
    candidates = Candidates(
        torch.zeros(4, dtype=torch.long),
        pairs,
        torch.tensor([True, False, True, False]),
        1,
        deletes,
    )
    taken = candidates.take(torch.tensor([3, 0, 1]))
    assert taken.pairs.T.tolist() == [[2, 3], [0, 1], [0, 2]]
    assert taken.exists.tolist() == [False, True, False]
    edits = candidates.perturbation(torch.tensor([3, 0, 1]))
    # Without deletion an existing edge is "added" once more.
    assert edits.added.T.tolist() == ([[2, 3], [0, 2]] if deletes else [[2, 3], [0, 1], [0, 2]])
    assert edits.removed.T.tolist() == ([[0, 1]] if deletes else [])
    assert edits.num_edits == 3


# --- budgets --------------------------------------------------------------------------------------


@pytest.fixture
def rings(to_data):
    """Rings of 3, 10, 30 and 100 edges, and a graph without any."""
    sizes = [3, 10, 30, 100]
    graphs = [to_data(size, [(node, (node + 1) % size) for node in range(size)]) for size in sizes]
    return PackedGraphs.from_data_list([*graphs, to_data(4, [])])


@pytest.mark.parametrize("budget", [1, 3, 50])
def test_a_count_is_the_budget_of_every_graph(rings, budget):
    assert ThreatModel(budget).budgets(rings).tolist() == [budget] * 5


@pytest.mark.parametrize(
    "budget", ["0.01", "0.05", "0.1", "0.29", "0.34", "0.53", "0.59", "0.7", "0.99", "1.0"]
)
def test_a_fraction_is_of_the_graphs_edges_rounded_down_and_at_least_1(rings, budget):
    expected = [max(1, int(Fraction(budget) * edges)) for edges in (3, 10, 30, 100, 0)]
    assert ThreatModel(float(budget)).budgets(rings).tolist() == expected


def test_fractions_are_exact_for_every_number_of_edges():
    class Graphs:
        num_undirected_edges = torch.arange(1, 1500)

    wrong = []
    for percent in range(1, 101):
        expected = [max(1, percent * edges // 100) for edges in range(1, 1500)]
        got = ThreatModel(percent / 100).budgets(Graphs()).tolist()
        wrong += [
            (percent, edges)
            for edges, (a, b) in enumerate(zip(got, expected, strict=True), start=1)
            if a != b
        ]
    assert wrong == []


@pytest.mark.parametrize("budget", [0, -1, 0.0, -0.5, 1.5, 7.0, float("nan"), float("inf")])
def test_a_bad_budget_is_refused(budget):
    with pytest.raises(ValueError, match="budget"):
        ThreatModel(budget)


@pytest.mark.parametrize(
    "operations", [(), ("add", "add"), ("add", "delete", "add"), ("flip",), ("add", "rewire")]
)
def test_bad_operations_are_refused(operations):
    with pytest.raises(ValueError, match="operations"):
        ThreatModel(operations=operations)


# --- applying edits -------------------------------------------------------------------------------


@given(data=st.data())
def test_applying_is_arithmetic_of_edge_sets(data, data_lists, to_networkx):
    graphs = data.draw(data_lists(max_nodes=6))
    packed = PackedGraphs.from_data_list(graphs)
    before = packed.edge_index.clone()
    perturbations, expected = [], []
    for graph in graphs:
        pairs = list(combinations(range(graph.num_nodes), 2))
        chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
        # Either order of the two ends, and edits that change nothing, too.
        turned = [pair if data.draw(st.booleans()) else pair[::-1] for pair in chosen]
        cut = data.draw(st.integers(0, len(turned)))
        added, removed = turned[:cut], turned[cut:]
        perturbations.append(Perturbation(pairs_of(*added), pairs_of(*removed)))
        expected.append(
            (edge_set(to_networkx(graph)) | set(map(frozenset, added)))
            - set(map(frozenset, removed))
        )
    edited = apply_all(packed, perturbations)
    assert torch.equal(packed.edge_index, before)
    assert [edge_set(to_networkx(edited[number])) for number in range(len(graphs))] == expected
    assert torch.equal(edited.x, packed.x)
    assert torch.equal(edited.y, packed.y)


def test_apply_returns_a_new_graph(to_data, to_networkx):
    data = to_data(4, [(0, 1), (1, 2)], y=2)
    edge_index, x = data.edge_index.clone(), data.x.clone()
    edited = Perturbation(added=pairs_of((3, 0)), removed=pairs_of((1, 2))).apply(data)
    assert edge_set(to_networkx(edited)) == {frozenset((0, 1)), frozenset((0, 3))}
    assert torch.equal(edited.x, x)
    assert edited.y.tolist() == [2]
    edited.x += 1
    edited.edge_index += 1
    assert torch.equal(data.edge_index, edge_index)
    assert torch.equal(data.x, x)


def test_no_edits_change_nothing(to_data):
    packed = PackedGraphs.from_data_list([to_data(3, [(0, 1)]), to_data(2, [])])
    assert Perturbation().num_edits == 0
    assert torch.equal(
        apply_all(packed, [Perturbation(), Perturbation()]).edge_index, packed.edge_index
    )


# --- checking edits -------------------------------------------------------------------------------


@pytest.fixture
def two_graphs(to_data):
    """The second is under test: a path 0-1-2-3 and an edge 4-5; the first is larger, so that its
    nodes lend no excuse.
    """
    return PackedGraphs.from_data_list(
        [to_data(9, [(0, 1)]), to_data(6, [(0, 1), (1, 2), (2, 3), (4, 5)])]
    )


BOTH = ThreatModel(2, ("add", "delete"), within_component=True)
ADD = ThreatModel(2, within_component=True)
DELETE = ThreatModel(2, ("delete",))
ANYWHERE = ThreatModel(2, ("add", "delete"))
PAPER = ThreatModel(2, within_component=True, allow_existing=True)


def added(*edges):
    return Perturbation(added=pairs_of(*edges))


def removed(*edges):
    return Perturbation(removed=pairs_of(*edges))


@pytest.mark.parametrize(
    ("threat", "edits"),
    [
        (BOTH, Perturbation()),
        (BOTH, added((0, 2), (3, 1))),
        (BOTH, Perturbation(pairs_of((0, 3)), pairs_of((2, 1)))),
        (BOTH, removed((4, 5))),
        (DELETE, removed((0, 1), (5, 4))),
        (ANYWHERE, added((0, 5))),
        (PAPER, added((0, 1))),
        (ThreatModel(0.5), added((0, 5), (1, 5))),
    ],
)
def test_allowed_edits_pass(two_graphs, threat, edits):
    threat.check_all(two_graphs, [Perturbation(), edits])
    threat.check(two_graphs[1], edits)


@pytest.mark.parametrize(
    ("threat", "edits", "why"),
    [
        (BOTH, added((0, 2), (0, 3), (1, 3)), "3 edits, its budget is 2"),
        (
            BOTH,
            Perturbation(pairs_of((0, 2), (0, 3)), pairs_of((0, 1))),
            "3 edits, its budget is 2",
        ),
        (ThreatModel(0.5), added((0, 5), (1, 5), (2, 5)), "3 edits, its budget is 2"),
        (ADD, added((0, 4)), "two components"),
        (ADD, added((0, 2), (5, 3)), "two components"),
        (PAPER, added((0, 4)), "two components"),
        (BOTH, added((0, 2), (0, 2)), "twice"),
        (BOTH, added((0, 2), (2, 0)), "twice"),
        (BOTH, removed((0, 1), (1, 0)), "twice"),
        (BOTH, Perturbation(pairs_of((1, 0)), pairs_of((0, 1))), "twice"),
        (PAPER, added((0, 1), (1, 0)), "twice"),
        (BOTH, added((0, 1)), "already there"),
        (BOTH, added((1, 0)), "already there"),
        (BOTH, removed((0, 2)), "not there"),
        (DELETE, removed((0, 5)), "not there"),
        (BOTH, added((0, 6)), "does not exist"),
        (BOTH, added((8, 0)), "does not exist"),
        (BOTH, added((0, 10**6)), "does not exist"),
        (BOTH, added((-1, 2)), "does not exist"),
        (ANYWHERE, added((-9, -8)), "does not exist"),
        (ANYWHERE, removed((-9, -8)), "does not exist"),
        (BOTH, added((3, 3)), "loop"),
        (PAPER, added((3, 3)), "loop"),
        (BOTH, removed((3, 3)), "loop"),
        (DELETE, added((0, 2)), "additions are not allowed"),
        (ADD, removed((0, 1)), "deletions are not allowed"),
        (PAPER, removed((0, 1)), "deletions are not allowed"),
    ],
)
def test_a_forbidden_edit_is_refused_by_name_of_its_graph(two_graphs, threat, edits, why):
    with pytest.raises(ThreatViolation, match=rf"graph 1 .*{why}"):
        threat.check_all(two_graphs, [Perturbation(), edits])
    with pytest.raises(ThreatViolation, match=rf"graph 0 .*{why}"):
        threat.check(two_graphs[1], edits)


def test_the_message_names_the_edit(two_graphs):
    with pytest.raises(ThreatViolation, match=r"graph 1 adds \(5, 3\)"):
        ADD.check_all(two_graphs, [Perturbation(), added((0, 2), (5, 3))])
    with pytest.raises(ThreatViolation, match=r"graph 1 removes \(0, 3\)"):
        BOTH.check_all(two_graphs, [Perturbation(), removed((0, 1), (0, 3))])


class Sly(Perturbation):
    """Says one thing and does another."""


@pytest.mark.parametrize(
    "edits",
    [
        Sly(added=pairs_of((0, 2))),
        None,
        ((0, 2),),
        Perturbation(added=pairs_of((0, 2)).float()),
        Perturbation(added=pairs_of((0, 2)).int()),
        Perturbation(removed=pairs_of((0, 1)).double()),
        Perturbation(added=torch.tensor([0, 2])),
        Perturbation(added=torch.tensor([[0, 2]])),
        Perturbation(added=torch.zeros(3, 1, dtype=torch.long)),
        Perturbation(added=torch.zeros(2, 1, 1, dtype=torch.long)),
        Perturbation(added=[[0], [2]]),
        Perturbation(removed=None),
    ],
)
def test_what_is_no_plain_perturbation_of_whole_numbers_is_refused(two_graphs, edits):
    with pytest.raises(ThreatViolation, match="graph 1"):
        BOTH.check_all(two_graphs, [Perturbation(), edits])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_one_perturbation_a_graph_is_expected(two_graphs, count):
    with pytest.raises(ThreatViolation, match=f"2, got {count}"):
        BOTH.check_all(two_graphs, [Perturbation()] * count)


@given(data=st.data())
def test_enumerated_candidates_pass_and_all_other_pairs_are_refused(data, data_lists):
    graphs = data.draw(data_lists(max_graphs=2, max_nodes=5))
    packed = PackedGraphs.from_data_list(graphs)
    threat = ThreatModel(
        1,
        data.draw(st.sampled_from(OPERATIONS)),
        within_component=data.draw(st.booleans()),
        allow_existing=data.draw(st.booleans()),
    )
    found = threat.enumerate(packed)
    allowed = set()
    for place in range(len(found)):
        edits = found.perturbation(torch.tensor([place]))
        number = int(found.graph[place])
        threat.check_all(
            packed, [edits if index == number else Perturbation() for index in range(len(graphs))]
        )
        allowed.add((number, *found.pairs[:, place].tolist(), bool(edits.removed.numel())))
    for number, graph in enumerate(graphs):
        for i, j in combinations(range(graph.num_nodes), 2):
            for removal in (False, True):
                if (number, i, j, removal) in allowed:
                    continue
                # With deletion, an existing edge is a candidate for removal, though its addition
                # may be allowed as well.
                there = bool(packed.has_edges(packed.ptr[number] + i, packed.ptr[number] + j))
                if there and not removal and threat.allow_existing and "add" in threat.operations:
                    continue
                edits = removed((i, j)) if removal else added((i, j))
                with pytest.raises(ThreatViolation):
                    threat.check_all(
                        packed,
                        [
                            edits if index == number else Perturbation()
                            for index in range(len(graphs))
                        ],
                    )
