"""Threats on target nodes: where edits lie, what a budget is a share of, shared edits."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from robust_augcl import registry
from robust_augcl.adversary.supported import check_supported
from robust_augcl.errors import InputError, ThreatViolation
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.oracle.certificates import certify
from robust_augcl.plan.suite_settings import ThreatSettings
from robust_augcl.testing import bench
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from tests.helpers.node_graphs import random_node_graph

PLACES = ("anywhere", "target", "neighbours")
OPERATIONS = (("add",), ("delete",), ("add", "delete"))


@pytest.fixture(scope="module")
def targets():
    graph, y = random_node_graph(12, seed=2, degree=3.0)
    return NodeTargets(graph, torch.arange(12), y)


def is_edge(targets, i, j):
    return bool(targets.graph.has_edges(torch.tensor([i]), torch.tensor([j]))[0])


def allowed(targets, target, operations, at):
    """The allowed pairs of one target, by the words of the rule."""
    found = []
    for pair in combinations(range(12), 2):
        verb = "delete" if is_edge(targets, *pair) else "add"
        beside = [is_edge(targets, target, end) for end in pair]
        there = {
            "anywhere": True,
            "target": target in pair,
            "neighbours": target not in pair and any(beside),
        }[at]
        if there and verb in operations:
            found.append(pair)
    return found


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("operations", OPERATIONS)
def test_candidates_lie_where_they_may(targets, operations, at):
    space = ThreatModel(1, operations, at=at).space(targets)
    listed = space.list()
    drawn = space.draw(3, torch.Generator().manual_seed(0))
    for k in range(12):
        expected = allowed(targets, k, operations, at)
        mine = list(map(tuple, listed.pairs[:, listed.graph == k].T.tolist()))
        assert sorted(mine) == expected
        assert len(set(mine)) == len(mine)
        assert int(space.counts[k]) == len(expected)
        some = list(map(tuple, drawn.pairs[:, drawn.graph == k].T.tolist()))
        assert len(set(some)) == min(3, len(expected))
        assert set(some) <= set(expected)


@pytest.mark.parametrize("at", PLACES)
def test_what_is_listed_at_once_changes_nothing(targets, at):
    space = ThreatModel(1, ("add", "delete"), at=at).space(targets)
    whole = space.list()
    with using(Limits(listed_pairs=30)):
        found = space.list()
    assert all(
        torch.equal(getattr(found, name), getattr(whole, name))
        for name in ("graph", "pairs", "exists")
    )


def test_only_candidates_within_reach_are_listed(targets):
    found = ThreatModel(1).enumerate(targets, reach=1)
    for k in range(12):
        near = [v for v in range(12) if v == k or is_edge(targets, k, v)]
        expected = [pair for pair in allowed(targets, k, ("add",), "anywhere") if {*pair} & {*near}]
        mine = list(map(tuple, found.pairs[:, found.graph == k].T.tolist()))
        assert sorted(mine) == expected


@pytest.mark.parametrize("at", PLACES)
def test_edits_elsewhere_are_refused(targets, at):
    threat = ThreatModel(1, ("add", "delete"), at=at)
    one = targets.select(torch.tensor([4]))
    fine = allowed(targets, 4, ("add", "delete"), at)
    for pair in combinations(range(12), 2):
        edit = torch.tensor([pair]).T
        there = is_edge(targets, *pair)
        edits = Perturbation(removed=edit) if there else Perturbation(added=edit)
        if pair in fine:
            threat.check_all(one, [edits])
        else:
            with pytest.raises(ThreatViolation, match=f"at the {at}"):
                threat.check_all(one, [edits])


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (Perturbation(added=torch.tensor([[0, 5], [5, 0]])), "twice"),  # both directions of one
        (Perturbation(added=torch.tensor([[0], [0]])), "loop"),
        (Perturbation(added=torch.tensor([[0], [12]])), "does not exist"),
        (Perturbation(added=torch.tensor([[0, 0, 0], [4, 5, 6]])), "its budget is 2"),
    ],
)
def test_faulty_edits_are_refused(targets, edits, words):
    with pytest.raises(ThreatViolation, match=words):
        ThreatModel(2, at="target").check_all(targets.select(torch.tensor([0])), [edits])


def test_a_budget_may_be_a_share_of_the_degree(targets):
    threat = ThreatModel(0.5, share_of="degree")
    degrees = [sum(is_edge(targets, k, v) for v in range(12) if v != k) for k in range(12)]
    assert threat.budgets(targets).tolist() == [max(1, degree // 2) for degree in degrees]


def test_a_share_of_the_edges_counts_each_once(targets):
    edges = sum(is_edge(targets, *pair) for pair in combinations(range(12), 2))
    assert ThreatModel(0.25, shared=True).budgets(targets).tolist() == [edges // 4] * 12


def test_shared_edits_are_one_for_all(targets):
    threat = ThreatModel(1, shared=True)
    pair = next(pair for pair in combinations(range(12), 2) if not is_edge(targets, *pair))
    one, other = (Perturbation(added=torch.tensor([pair]).T) for _ in range(2))
    threat.check_all(targets, [one] * 12)
    with pytest.raises(ThreatViolation, match="one perturbation for all"):
        threat.check_all(targets, [one] * 11 + [other])


@pytest.mark.parametrize(
    "rules",
    [
        {"at": "elsewhere"},
        {"share_of": "nodes"},
        {"budget": 2, "share_of": "degree"},
        {"shared": True, "at": "target"},
        {"budget": 0.5, "shared": True, "share_of": "degree"},
    ],
)
def test_contradictions_are_refused(rules):
    with pytest.raises(ValueError, match="Expected"):
        ThreatModel(**rules)


def test_rules_about_targets_need_target_nodes_of_one_graph(targets):
    with pytest.raises(InputError, match="one graph"):
        ThreatModel(1, at="target").space(targets.copies)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"setting": "poisoning"}, "`shared` to be true where `setting` is 'poisoning', got False"),
        (
            {"setting": "both", "shared": True},
            "`setting` to be 'evasion' or 'poisoning', got 'both'",
        ),
    ],
)
def test_settings_that_are_not_built_are_refused_in_words(rules, words):
    for made in (ThreatModel, ThreatSettings):
        with pytest.raises(ValueError, match=words):
            made(**rules)


def test_evasion_needs_no_word_and_poisoning_is_another_threat():
    evasion, poisoning = (ThreatModel(shared=True, setting=s) for s in ("evasion", "poisoning"))
    assert evasion == ThreatModel(shared=True)
    assert "setting" not in evasion.rules
    assert poisoning.rules["setting"] == "poisoning"
    assert poisoning.before_fixed_model == evasion


def test_whoever_asks_a_fixed_model_refuses_poisoning(targets):
    threat = ThreatModel(shared=True, setting="poisoning")
    attack = registry.load("attack", "rand_sampling")()
    with pytest.raises(ValueError, match="'evasion' where an attack looks for edits"):
        check_supported(attack, threat)
    with pytest.raises(ValueError, match="'evasion' for certificates, got 'poisoning'"):
        certify(bench.new_victim(), targets, threat)
