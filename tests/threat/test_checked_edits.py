"""Edits that a threat model does not allow are refused by name, and all others pass."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pairs_of_nodes import OPERATIONS, pairs_of

from robust_augcl.errors import ThreatViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


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
