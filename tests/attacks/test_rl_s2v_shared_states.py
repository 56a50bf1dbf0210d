"""RL-S2V without marks: one pass over the graphs serves both halves of an edit."""

import copy
from dataclasses import replace

import pytest
import torch
from generators import seeded
from rl_s2v_by_hand import THREATS, degree_victim, hub_graphs, small_victim

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import fit_attack
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._edit_process import EditSpace
from robust_augcl.attacks._greedy_picks import act_greedily
from robust_augcl.attacks._q_learning import Learner
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.attacks.rl_s2v import RLS2V
from robust_augcl.threat.model import ThreatModel


def a_network(max_edits=1, marks=False, seed=0):
    return TwoStepQ(
        width=8,
        rounds=2,
        max_edits=max_edits,
        generator=seeded(seed),
        mean_degree=2.5,
        mean_size=6.0,
        sees_picked=True,
        marks=marks,
    )


def a_learner(graphs, victim, threat, marks=False, **changes):
    attack = RLS2V(
        **{"width": 8, "rounds": 2, "batch_size": 6, "marks": marks, "partners": 3, **changes}
    )
    space = EditSpace.of(graphs, threat)
    network = a_network(space.max_edits, marks)
    learner = Learner(attack, network, victim.restricted(Access.QUERY), space, seeded(2))
    learner.target.load_state_dict(a_network(space.max_edits, marks, seed=3).state_dict())
    return learner


def value_by_hand(network, graph, picked, node, half):
    """The value of a node of one graph, message by message; nothing is marked."""
    encoder, head = network.encoder, network.head(1, half)
    mark = torch.tensor([1.0, 0.0])
    states = [encoder.node_to_latent(mark).relu() for _ in range(graph.num_nodes)]
    for _ in range(encoder.layers):
        pooled = [torch.zeros(encoder.width) for _ in states]
        for source, target in graph.edge_index.T.tolist():
            pooled[target] = pooled[target] + states[source] / network.mean_degree
        states = [(encoder.conv(p) + encoder.node_to_latent(mark)).relu() for p in pooled]
    known = [states[node], torch.stack(states).sum(0) / network.mean_size]
    if half == 1:
        known.append(states[picked])
    return float(head.out(head.hidden(torch.cat(known)).relu()))


@torch.no_grad()
def test_values_without_marks_equal_a_loop_that_marks_nothing(random_graphs):
    graphs, picked = random_graphs(4, sizes=(5, 6, 4)), torch.tensor([2, 0, 3])
    network = a_network()
    shared = network.shared_states(graphs)
    for half in range(2):
        values = network(graphs, picked, 1, half)
        assert torch.equal(values, network(graphs, picked, 1, half, shared))
        nodes = torch.tensor([[1, 0], [4, 4], [3, 2]])
        some = network.of_actions(graphs, picked, nodes, 1, half, shared)
        for row, first in enumerate(picked.tolist()):
            for node in range(int(graphs.sizes[row])):
                by_hand = value_by_hand(network, graphs[row], first, node, half)
                assert float(values[graphs.ptr[row] + node]) == pytest.approx(by_hand, abs=1e-5)
            for column, node in enumerate(nodes[row].tolist()):
                assert float(some[row, column]) == pytest.approx(
                    float(values[graphs.ptr[row] + node]), abs=1e-5
                )


def test_marked_graphs_share_no_states(random_graphs):
    assert a_network(marks=True).shared_states(random_graphs(4)) is None


@pytest.mark.parametrize("replay_size", [11, 1000])
def test_both_halves_of_an_edit_stand_at_the_same_places(replay_size, random_graphs):
    graphs = random_graphs(7, sizes=(6, 7, 5, 8))
    threat = ThreatModel(budget=0.4, operations=("add", "delete"))
    learner = a_learner(graphs, small_victim(), threat, replay_size=replay_size)
    for step in range(5):
        learner.play(epsilon=0.5 if step else 1.0)
    lefts = {left for left, _ in learner.replay}
    assert len(lefts) > 1
    for left in lefts:
        first, second = learner.replay[left, 0], learner.replay[left, 1]
        everything = torch.arange(len(first))
        one, two = first.at(everything), second.at(everything)
        assert torch.equal(one.state.graph, two.state.graph)
        assert torch.equal(one.state.edits, two.state.edits)
        assert torch.equal(one.node[:, 0], two.state.picked)
        assert bool((one.state.picked == -1).all())


@pytest.mark.parametrize("marks", [False, True])
def test_an_update_learns_from_both_halves_or_from_one_of_marked_graphs(marks, random_graphs):
    graphs = random_graphs(8, sizes=(6, 7, 5, 8))
    learner = a_learner(graphs, small_victim(), THREATS["add one"], marks=marks)
    learner.play(epsilon=1.0)
    before = copy.deepcopy(learner.network)
    chance = learner.generator.clone_state()
    loss = learner.update()

    half = int(torch.randint(2, (), generator=chance))  # one edit: two steps of the process
    places = learner.replay[1, half].places(6, chance)
    now, learner.network = learner.network, before
    expected = 0.0
    for each in (half,) if marks else (0, 1):
        transition = learner.replay[1, each].at(places)
        clean = learner.space.realise(transition.state)
        with torch.no_grad():
            target = learner.td_target(transition, clean, 1, each)
            errors = [
                float(
                    before(clean, transition.state.picked, 1, each)[clean.ptr[row] + node]
                    - target[row, column]
                )
                ** 2
                for row, nodes in enumerate(transition.node.tolist())
                for column, node in enumerate(nodes)
                if node >= 0
            ]
        expected += sum(errors) / len(errors)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    heads = [
        any(
            not torch.equal(a, b)
            for a, b in zip(
                now.head(1, each).parameters(), before.head(1, each).parameters(), strict=True
            )
        )
        for each in range(2)
    ]
    assert heads == ([each == half for each in range(2)] if marks else [True, True])


@torch.no_grad()
def test_the_target_is_the_same_with_states_that_are_known(random_graphs):
    graphs = random_graphs(9, sizes=(6, 7, 5, 8))
    learner = a_learner(graphs, small_victim(), THREATS["add or delete two"])
    learner.play(epsilon=1.0)
    for (left, half), replay in learner.replay.items():
        transition = replay.draw(8, seeded(left))
        current = learner.space.realise(transition.state)
        shared = learner.network.shared_states(current)
        alone = learner.td_target(transition, current, left, half)
        assert torch.equal(alone, learner.td_target(transition, current, left, half, shared))


@torch.no_grad()
def test_greedy_picks_are_the_highest_values_of_each_half(random_graphs):
    graphs = random_graphs(5, sizes=(6, 7, 5, 8))
    threat, network = ThreatModel(operations=("add", "delete")), a_network()
    state = act_greedily(network, EditSpace.of(graphs, threat))
    for row in range(len(graphs)):
        first, second = state.edits[row, 0].tolist()
        pairs = {frozenset(pair) for pair in threat.candidates(graphs[row]).T.tolist()}
        ends = {node for pair in pairs for node in pair}
        value = {node: value_by_hand(network, graphs[row], -1, node, 0) for node in ends}
        assert value[first] >= max(value.values()) - 1e-5
        partners = {node for pair in pairs if first in pair for node in pair} - {first}
        value = {node: value_by_hand(network, graphs[row], first, node, 1) for node in partners}
        assert value[second] >= max(value.values()) - 1e-5


def test_what_it_learned_without_marks_is_restored_without_them(to_data):
    graphs = hub_graphs(to_data, 3, count=20)
    victim, fit = degree_victim(), FitGraphs(graphs, graphs)
    attack = RLS2V(steps=4, width=8, rounds=2, batch_size=8, burn_in=1)
    threat = THREATS["add one"]
    fitted = fit_attack(attack, victim, threat, fit=fit, generator=seeded(0))
    view = victim.restricted(Access.QUERY)
    again = attack.restore(fitted.state, view, threat)
    assert not again.network.marks
    assert replace(attack, marks=True).restore(fitted.state, view, threat).network.marks
    learned = attack.prepare(view, fit, threat, seeded(0))(graphs)
    assert [p.added.tolist() for p in again(graphs)] == [p.added.tolist() for p in learned]
