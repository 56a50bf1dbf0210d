"""RL-S2V's Q-network and its target against loops."""

import numpy as np
import pytest
import torch
from generators import seeded
from rl_s2v_by_hand import (
    THREATS,
    a_learner,
    allowed_by_loop,
    degree_victim,
    hub_graphs,
    small_victim,
    walk,
)

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._edit_process import EditSpace, best_allowed
from robust_augcl.attacks._q_learning import Learner
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.attacks.rl_s2v import RLS2V
from robust_augcl.data.components import component_graphs
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


@pytest.fixture
def victim():
    return small_victim()


def q_by_hand(network, graph, picked, node, left, half):
    """The value of one node of one graph, message by message."""
    encoder, head = network.encoder, network.head(left, half)
    marks = [
        torch.tensor([0.0, 1.0]) if other == picked else torch.tensor([1.0, 0.0])
        for other in range(graph.num_nodes)
    ]
    states = [encoder.node_to_latent(mark).relu() for mark in marks]
    for _ in range(encoder.layers):
        pooled = [torch.zeros(encoder.width) for _ in marks]
        for source, target in graph.edge_index.T.tolist():
            pooled[target] = pooled[target] + states[source]
        pooled = [p / network.mean_degree for p in pooled]
        states = [
            (encoder.conv(p) + encoder.node_to_latent(mark)).relu()
            for p, mark in zip(pooled, marks, strict=True)
        ]
    whole = torch.stack(states).sum(0) / network.mean_size
    known = [states[node], whole]
    if half == 1 and network.sees_picked:
        known.append(states[picked])
    return float(head.out(head.hidden(torch.cat(known)).relu()))


def q_max_by_loop(network, graph, clean, threat, made, picked, left, half):
    nodes = allowed_by_loop(clean, threat, made, picked)
    return max((q_by_hand(network, graph, picked, node, left, half), -node) for node in nodes)


@pytest.mark.parametrize("sees_picked", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@torch.no_grad()
def test_the_maximum_over_allowed_picks_equals_a_loop(steps, sees_picked, random_graphs):
    threat, graphs = THREATS["add or delete two"], random_graphs(10, sizes=(6, 7, 5))
    space = EditSpace.of(graphs, threat)
    network = TwoStepQ(
        width=8,
        rounds=3,
        max_edits=2,
        generator=seeded(0),
        mean_degree=2.5,
        mean_size=6.0,
        sees_picked=sees_picked,
    )
    state, left, half = walk(space, steps, seeded(1))
    current = space.realise(state)
    best, node = best_allowed(
        network(current, state.picked, left, half), space.allowed(state, current, half), current
    )
    assert torch.equal(
        network.of_actions(current, state.picked, node.unsqueeze(1), left, half).squeeze(1)
        > best - 1e-4,
        torch.ones(3, dtype=torch.bool),
    )
    for row in range(3):
        made = [pair for pair in state.edits[row].tolist() if pair[0] >= 0]
        value, minus_node = q_max_by_loop(
            network, current[row], graphs[row], threat, made, int(state.picked[row]), left, half
        )
        assert float(best[row]) == pytest.approx(value, abs=1e-4)
        assert int(node[row]) == -minus_node


def test_every_step_has_a_head_of_its_own_and_larger_budgets_share_the_last():
    network = TwoStepQ(width=4, rounds=1, max_edits=2, generator=seeded(0))
    assert len({id(network.head(left, half)) for left in (1, 2) for half in (0, 1)}) == 4
    assert network.head(7, 1) is network.head(2, 1)
    assert TwoStepQ.max_edits_of(network.state_dict()) == 2


def target_by_recursion(learner, clean, threat, made, picked, node, reward, left, half):
    """The TD target of one transition, from the definition."""
    if (left, half) == (1, 1):
        return reward
    if half == 1:
        made, picked, left, half = [*made, (picked, node)], -1, left - 1, 0
    else:
        picked, half = node, 1
    exists = {frozenset(edge) for edge in clean.edge_index.T.tolist()}
    ends = (
        [torch.tensor([p], dtype=torch.long).T for p in made if frozenset(p) not in exists],
        [torch.tensor([p], dtype=torch.long).T for p in made if frozenset(p) in exists],
    )
    none = torch.zeros(2, 0, dtype=torch.long)
    graph = Perturbation(
        torch.cat([none, *ends[0]], dim=1), torch.cat([none, *ends[1]], dim=1)
    ).apply(clean)
    chooser = learner.network if learner.settings.double else learner.target
    best = -q_max_by_loop(chooser, graph, clean, threat, made, picked, left, half)[1]
    return q_by_hand(learner.target, graph, picked, best, left, half)


@pytest.mark.parametrize("double", [False, True])
@torch.no_grad()
def test_the_td_target_equals_its_definition(double, victim, random_graphs):
    threat, graphs = THREATS["add or delete two"], random_graphs(11, sizes=(5, 6, 4))
    learner = a_learner(graphs, victim, threat, double=double)
    learner.play(epsilon=1.0)
    for (left, half), replay in learner.replay.items():
        transition = replay.draw(4, seeded(left))
        target = learner.td_target(transition, learner.space.realise(transition.state), left, half)
        state, node, reward = transition
        for row, number in enumerate(state.graph.tolist()):
            made = [tuple(pair) for pair in state.edits[row].tolist() if pair[0] >= 0]
            for column in range(node.size(1)):
                picks = int(state.picked[row]), int(node[row, column])
                step = (made, *picks, float(reward[row, column]), left, half)
                assert float(target[row, column]) == pytest.approx(
                    target_by_recursion(learner, graphs[number], threat, *step), abs=1e-4
                )


def test_the_target_is_copied_before_the_first_update_and_then_every_so_many(to_data):
    learner = a_learner(
        hub_graphs(to_data, 1, count=6),
        degree_victim(),
        ThreatModel(),
        steps=5,
        burn_in=1,
        target_every=2,
        evaluate_every=2,
        updates=1,
    )
    fresh = []  # whether the target is the network, at each update

    def update():
        own, target = learner.network.state_dict(), learner.target.state_dict()
        fresh.append(all(torch.equal(own[name], target[name]) for name in own))
        return Learner.update(learner)

    learner.update = update
    curve = learner.learn(hub_graphs(to_data, 2, count=6), ThreatModel(), lambda *_: None)
    assert fresh == [True, False, True, False, True]
    # The last update is looked at too, although it is no multiple of 2.
    assert [step for step, _, _ in curve] == [2, 4, 5]


def test_sums_are_divided_by_means_of_the_graphs_it_learns_on_and_by_nothing_as_published(to_data):
    fit, threat = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2)), ThreatModel()
    short = {"steps": 1, "width": 4, "rounds": 1, "batch_size": 5, "burn_in": 1}
    found = []
    for settings in ({}, RLS2V.paper):
        proposer = RLS2V(**{**short, **settings}).prepare(
            degree_victim().restricted(Access.QUERY), fit, threat, seeded(0)
        )
        found.append([float(proposer.network.mean_degree), float(proposer.network.mean_size)])
        restored = RLS2V(**{**short, **settings}).restore(
            proposer.state(), degree_victim().restricted(Access.QUERY), threat
        )
        assert [float(restored.network.mean_degree), float(restored.network.mean_size)] == found[-1]
    assert found == [pytest.approx([2 * 9 / 10, 10]), [1.0, 1.0]]


def test_the_first_values_are_of_the_size_of_a_reward():
    graphs = component_graphs(np.repeat([1, 2, 3], 10), (40, 50), 0.05, np.random.default_rng(0))
    means = {
        "mean_degree": graphs.edge_index.size(1) / graphs.num_nodes,
        "mean_size": graphs.num_nodes / graphs.num_graphs,
    }
    largest = []
    for scales in ({}, means):
        network = TwoStepQ(width=64, rounds=5, max_edits=1, generator=seeded(0), **scales)
        with torch.no_grad():
            values = network(graphs, torch.full((30,), -1), 1, 0)
        largest.append(float(values.abs().mean()))
    assert largest[0] > 10
    assert largest[1] < 2
