"""RL-S2V against loops: the process, the Q-network, the target, the replay memory, and that it
learns.
"""

from __future__ import annotations

import copy
import random
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from generators import seeded
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import fit_attack, learn_on, run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks._edit_process import EditSpace, State, best_allowed, highest_allowed
from robust_augcl.attacks._greedy_picks import GreedyProposer
from robust_augcl.attacks._q_learning import Learner
from robust_augcl.attacks._replay_memory import Replay, Transition
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.attacks.rl_s2v import RLS2V
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.layers import mlp
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

QUICK = RLS2V(
    steps=6,
    width=8,
    rounds=2,
    batch_size=8,
    burn_in=2,
    replay_size=64,
    target_every=2,
    evaluate_every=3,
)
SMALL: dict[str, Any] = {
    "width": 16,
    "rounds": 2,
    "batch_size": 20,
    "burn_in": 60,
    "evaluate_every": 50,
}

THREATS = {
    "add one": ThreatModel(within_component=True),
    "add two": ThreatModel(budget=2, within_component=True),
    "add or delete two": ThreatModel(budget=2, operations=("add", "delete")),
    "delete two": ThreatModel(budget=2, operations=("delete",)),
    "a fraction": ThreatModel(budget=0.2, operations=("add", "delete"), within_component=True),
    "two, existing too": ThreatModel(budget=2, within_component=True, allow_existing=True),
}


# --- a victim built by hand -----------------------------------------------------------------------


def hub_graphs(to_data, seed, count=60, length=9):
    """Paths with one more leaf at an inner node: one hub of degree 3, all others of degree 2 or
    less.
    """
    generator = seeded(seed)
    graphs = []
    for _ in range(count):
        hub = int(torch.randint(1, length - 1, (), generator=generator))
        names = torch.randperm(length + 1, generator=generator).tolist()
        edges = [*((k, k + 1) for k in range(length - 1)), (hub, length)]
        graph = to_data(length + 1, [(names[i], names[j]) for i, j in edges])
        graph.x = torch.ones(length + 1, 1)
        graphs.append(graph)
    return PackedGraphs.from_data_list(graphs)


def degree_victim(needed=1.0):
    """Says 1 when the sum over nodes of relu(degree - 3) is `needed` or more, else 0: right on
    `hub_graphs` until the hub is hit.
    """
    encoder = Structure2Vec(in_features=1, width=1, layers=1, generator=seeded(0))
    model = GraphClassifier(encoder, num_classes=2, hidden=1, generator=seeded(0))
    with torch.no_grad():
        for layer, (weight, bias) in {
            encoder.node_to_latent: (1.0, 0.0),  # states are 1 at first
            encoder.conv: (1.0, -4.0),  # then relu(degree - 4 + 1)
            model.head[0]: (1.0, 0.0),
        }.items():
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
        model.head[2].weight.copy_(torch.tensor([[0.0], [1.0]]))
        model.head[2].bias.copy_(torch.tensor([needed - 0.5, 0.0]))
    return Victim(model)


def broken_share(attack, victim, graphs, threat, fit, seed=0):
    result = run_attack(attack, victim, graphs, threat, fit=fit, generator=seeded(seed))
    assert bool((result.clean_prediction == graphs.y).all())
    return float((result.attacked_prediction != graphs.y).float().mean())


def test_it_learns_where_the_hub_is(to_data):
    fit = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2))
    graphs, threat = hub_graphs(to_data, 3), ThreatModel(within_component=True)
    learner = RLS2V(**SMALL, steps=400, learning_rate=5e-3, target_every=25)
    learned = broken_share(learner, degree_victim(), graphs, threat, fit)
    assert learned > 0.9
    assert broken_share(RandSampling(), degree_victim(), graphs, threat, fit) < 0.5


def test_it_learns_two_edits_in_a_row(to_data):
    fit = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2))
    graphs, threat = hub_graphs(to_data, 3), ThreatModel(budget=2, within_component=True)
    # Twice as many steps of the process, and a reward that chance finds for one graph in twenty.
    learner = RLS2V(**SMALL, steps=800, learning_rate=3e-3, target_every=50)
    learned = broken_share(learner, degree_victim(2.0), graphs, threat, fit)
    assert learned > 0.9
    assert broken_share(RandSampling(), degree_victim(2.0), graphs, threat, fit) < 0.3


# --- the guard's view -----------------------------------------------------------------------------


@pytest.fixture
def victim():
    encoder = Structure2Vec(in_features=3, width=8, layers=2, generator=seeded(5))
    return Victim(GraphClassifier(encoder, num_classes=3, hidden=8, generator=seeded(6)))


def edits(perturbations):
    return [(p.added.tolist(), p.removed.tolist()) for p in perturbations]


@pytest.mark.parametrize("name", THREATS)
def test_every_edit_is_allowed_and_the_budget_is_spent(name, victim, random_graphs):
    threat = THREATS[name]
    graphs = random_graphs(3, sizes=(9, 1, 14, 6, 2, 11))
    fit = FitGraphs(random_graphs(1, sizes=(8, 1, 12, 7)), random_graphs(2))
    result = run_attack(QUICK, victim, graphs, threat, fit=fit, generator=seeded(0))
    threat.check_all(graphs, result.perturbations)
    for number, perturbation in enumerate(result.perturbations):
        possible = threat.candidates(graphs[number]).size(1)
        assert perturbation.num_edits == min(int(threat.budgets(graphs)[number]), possible)
    assert result.queries > 0
    assert result.gradient_calls == 0


def test_a_graph_without_candidates_gets_no_edit(victim, to_data):
    alone, complete = to_data(1, []), to_data(3, [(0, 1), (0, 2), (1, 2)])
    for graph in (alone, complete):
        graph.x = torch.ones(graph.num_nodes, 3)
    graphs = PackedGraphs.from_data_list([alone, complete])
    result = run_attack(
        QUICK, victim, graphs, ThreatModel(), fit=FitGraphs(graphs, graphs), generator=seeded(0)
    )
    assert edits(result.perturbations) == edits([Perturbation(), Perturbation()])


def test_the_same_seed_gives_the_same_edits_and_another_may_not(victim, random_graphs):
    graphs, fit = random_graphs(3, sizes=(12,) * 10), FitGraphs(random_graphs(1), random_graphs(2))
    threat = THREATS["add or delete two"]
    first, again, other = (
        edits(
            run_attack(QUICK, victim, graphs, threat, fit=fit, generator=seeded(seed)).perturbations
        )
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_the_global_random_state_is_not_touched(victim, random_graphs):
    before = torch.random.get_rng_state()
    fit = FitGraphs(random_graphs(1), random_graphs(2))
    run_attack(QUICK, victim, random_graphs(3), THREATS["add one"], fit=fit, generator=seeded(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_it_learned_can_be_kept_and_restored(victim, random_graphs):
    fit, graphs, threat = (
        FitGraphs(random_graphs(1), random_graphs(2)),
        random_graphs(3),
        THREATS["add two"],
    )
    fitted = fit_attack(QUICK, victim, threat, fit=fit, generator=seeded(4))
    at_once = run_attack(QUICK, victim, graphs, threat, fit=fit, generator=seeded(4))
    again = run_attack(QUICK, victim, graphs, threat, fit=fit, generator=seeded(9), fitted=fitted)
    assert edits(again.perturbations) == edits(at_once.perturbations)
    assert [step for step, _, _ in fitted.curve] == [3, 6]
    assert again.queries == at_once.queries


def test_it_goes_on_from_what_it_learned_and_keeps_nothing_worse(to_data):
    fit, threat = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2)), ThreatModel()
    attack, victim = RLS2V(steps=30, width=8, rounds=2, batch_size=10, burn_in=5), degree_victim()
    before = fit_attack(attack, victim, threat, fit=fit, generator=seeded(0))
    after = learn_on(attack, victim, threat, before.state, fit=fit, generator=seeded(1))
    assert [step for step, _, _ in after.curve] == [15]  # half as many
    assert after.queries > 0
    none = fit.validation.select(torch.zeros(0, dtype=torch.long))

    def broken(fitted):
        result = run_attack(
            attack,
            victim,
            fit.validation,
            threat,
            fit=FitGraphs(none, none),
            generator=seeded(0),
            fitted=fitted,
        )
        return int((result.attacked_prediction != fit.validation.y).sum())

    assert broken(after) >= broken(before)


def test_what_it_learned_on_one_victim_is_turned_on_another(to_data):
    fit, graphs = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2)), hub_graphs(to_data, 3)
    threat = ThreatModel(within_component=True)
    learner = RLS2V(**SMALL, steps=400, learning_rate=5e-3, target_every=25)
    source, other = degree_victim(), another_degree_victim()
    fitted = fit_attack(learner, source, threat, fit=fit, generator=seeded(0))
    result = run_attack(learner, other, graphs, threat, fit=fit, generator=seeded(1), fitted=fitted)
    # Both victims err when the hub is hit, so what was learned on one breaks the other, which was
    # asked nothing.
    assert bool((result.clean_prediction == graphs.y).all())
    assert float((result.attacked_prediction != graphs.y).float().mean()) > 0.9
    assert (result.queries, other.queries) == (fitted.queries, 2 * graphs.num_graphs)
    same = run_attack(learner, source, graphs, threat, fit=fit, generator=seeded(2), fitted=fitted)
    assert edits(result.perturbations) == edits(same.perturbations)


def another_degree_victim():
    """As `degree_victim`, but of width 2: it says 1 as soon as a node has a degree of 4 or more."""
    encoder = Structure2Vec(in_features=1, width=2, layers=1, generator=seeded(0))
    model = GraphClassifier(encoder, num_classes=2, hidden=2, generator=seeded(0))
    with torch.no_grad():
        for layer in (encoder.node_to_latent, encoder.conv, model.head[0]):
            layer.weight.fill_(0.5)
            layer.bias.zero_()
        encoder.node_to_latent.weight.fill_(1.0)
        encoder.conv.bias.fill_(-4.0)
        model.head[2].weight.copy_(torch.tensor([[0.0, 0.0], [2.0, 2.0]]))
        model.head[2].bias.copy_(torch.tensor([1.0, 0.0]))
    return Victim(model)


def test_the_weights_kept_are_the_best_on_the_validation_graphs(to_data):
    fit, told = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2)), []
    attack = RLS2V(steps=60, width=8, rounds=2, batch_size=10, burn_in=10, evaluate_every=10)
    threat, victim = ThreatModel(), degree_victim()
    proposer = attack.prepare(
        victim.restricted(Access.QUERY),
        fit,
        threat,
        seeded(0),
        lambda fraction, text: told.append(fraction),
    )
    broken = 0
    for number, perturbation in enumerate(proposer(fit.validation)):
        edited = perturbation.apply(fit.validation[number])
        broken += int(victim.logits([edited]).argmax()) != 0
    lowest = min(accuracy for _, _, accuracy in proposer.curve)
    assert 1 - broken / 60 == pytest.approx(lowest)
    assert told == pytest.approx([k / 6 for k in range(1, 7)])


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


# --- hyper-parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "positive, got 0"),
        ("width", -1, "positive, got -1"),
        ("rounds", 0, "positive, got 0"),
        ("batch_size", 0, "positive, got 0"),
        ("learning_rate", 0.0, "positive, got 0.0"),
        ("learning_rate", float("nan"), "positive, got nan"),
        ("replay_size", 0, "positive, got 0"),
        ("target_every", 0, "positive, got 0"),
        ("evaluate_every", 0, "positive, got 0"),
        ("partners", 0, "positive, got 0"),
        ("updates", 0, "positive, got 0"),
        ("burn_in", -1, "at least 0, got -1"),
        ("max_gradient_norm", -1.0, "at least 0, got -1.0"),
        ("epsilon_start", -0.5, "between 0 and 1, got -0.5"),
        ("epsilon_end", 2.0, "between 0 and 1, got 2.0"),
        ("epsilon_anneal", 1.5, "between 0 and 1, got 1.5"),
        ("rate_end", -0.1, "between 0 and 1, got -0.1"),
    ],
)
def test_bad_hyper_parameters_are_refused_by_name(name, value, message):
    with pytest.raises(ValueError, match=f"Expected `{name}` to be {message}"):
        RLS2V(**{name: value})


def test_bad_train_on_is_refused():
    with pytest.raises(
        ValueError, match="Expected `train_on` to be 'correct' or 'all', got 'wrong'"
    ):
        RLS2V(train_on="wrong")


def test_epsilon_falls_linearly_and_then_stays():
    attack = RLS2V(steps=100, epsilon_start=1.0, epsilon_end=0.2, epsilon_anneal=0.5)
    assert [attack.epsilon(step) for step in (0, 25, 50, 99)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert RLS2V(epsilon_anneal=0.0).epsilon(0) == 0.1
    assert RLS2V(**RLS2V.paper).epsilon(999) == 1.0


def test_scaled_makes_fewer_steps():
    assert RLS2V(steps=100_000).scaled(0.01) == RLS2V(steps=1000)
    assert RLS2V(steps=10).scaled(1e-6).steps == 1


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


# --- the process ----------------------------------------------------------------------------------


def allowed_by_loop(graph, threat, made, picked):
    """The nodes that may be picked next in one graph."""
    pairs = {frozenset(pair) for pair in threat.candidates(graph).T.tolist()} - {
        frozenset(pair) for pair in made
    }
    if picked < 0:
        return {node for pair in pairs for node in pair}
    return {node for pair in pairs if picked in pair for node in pair} - {picked}


def walk(space, steps, generator):
    """A state after `steps` uniform picks in all graphs that have edits enough, with the edits left
    and the half.
    """
    state = space.start((space.budgets == space.max_edits).nonzero().squeeze(1))
    for step in range(steps):
        left, half = space.max_edits - step // 2, step % 2
        graphs = space.realise(state)
        keys = torch.rand(graphs.num_nodes, generator=generator)
        node = best_allowed(keys, space.allowed(state, graphs, half), graphs)[1]
        state = state.pick(node) if half == 0 else state.edit(node, left)
    return state, space.max_edits - steps // 2, steps % 2


@pytest.mark.parametrize("name", ["add two", "add or delete two", "two, existing too"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_allowed_picks_equal_a_loop(name, steps, random_graphs):
    threat, graphs = THREATS[name], random_graphs(7, sizes=(7, 1, 9, 8, 3))
    space = EditSpace.of(graphs, threat)
    for seed in range(5):
        state, _, half = walk(space, steps, seeded(seed))
        current = space.realise(state)
        allowed = space.allowed(state, current, half)
        for row, number in enumerate(state.graph.tolist()):
            made = [pair for pair in state.edits[row].tolist() if pair[0] >= 0]
            expected = allowed_by_loop(graphs[number], threat, made, int(state.picked[row]))
            assert set(allowed[current.batch == row].nonzero().squeeze(1).tolist()) == expected


@pytest.mark.parametrize("name", ["add two", "add or delete two", "two, existing too"])
def test_the_graphs_of_a_state_equal_its_perturbations_applied(name, random_graphs):
    threat, graphs = THREATS[name], random_graphs(8, sizes=(7, 9, 8))
    space = EditSpace.of(graphs, threat)
    state, _, _ = walk(space, 4, seeded(0))
    current = space.realise(state)
    for row, perturbation in enumerate(space.perturbations(state)):
        assert perturbation.num_edits == 2
        assert torch.equal(
            current[row].edge_index, perturbation.apply(graphs[int(state.graph[row])]).edge_index
        )


def test_the_space_is_the_same_when_listed_in_pieces(random_graphs):
    graphs = random_graphs(9, sizes=(9, 1, 14, 6))
    whole = EditSpace.of(graphs, THREATS["add one"])
    with using(Limits(listed_pairs=20)):
        pieces = EditSpace.of(graphs, THREATS["add one"])
    assert torch.equal(whole.partners, pieces.partners)
    assert torch.equal(whole.first, pieces.first)
    assert torch.equal(whole.budgets, pieces.budgets)


# --- the Q-network and the target -----------------------------------------------------------------


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


@pytest.mark.parametrize("values", [float("nan"), float("inf"), float("-inf")])
def test_a_network_that_diverged_still_picks_what_is_allowed(values, random_graphs):
    graphs = random_graphs(0, sizes=(4, 5))
    allowed = torch.tensor([False, True, True, False, False, False, False, False, True])
    node = best_allowed(torch.full((9,), values), allowed, graphs)[1]
    assert node.tolist() == [1, 4]


def a_learner(graphs, victim, threat, **changes):
    attack = RLS2V(**{"width": 8, "rounds": 2, "batch_size": 6, **changes})
    space = EditSpace.of(graphs, threat)
    network = TwoStepQ(width=8, rounds=2, max_edits=space.max_edits, generator=seeded(1))
    learner = Learner(attack, network, victim.restricted(Access.QUERY), space, seeded(2))
    learner.target.load_state_dict(
        TwoStepQ(width=8, rounds=2, max_edits=space.max_edits, generator=seeded(3)).state_dict()
    )
    return learner


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


def final_margins(learner, graphs, victim, transition):
    """The margin after each episode, one edited graph at a time, by the definition."""
    state, node, _ = transition
    found = torch.full(node.shape, float("nan"))
    for row, column in (node >= 0).nonzero().tolist():
        final = state.edit(node[:, column], 1).take(torch.tensor([row]))
        (perturbation,) = learner.space.perturbations(final)
        clean = graphs[int(state.graph[row])]
        logits = victim.logits([perturbation.apply(clean)])[0].tolist()
        label = int(clean.y)
        others = [logit for number, logit in enumerate(logits) if number != label]
        found[row, column] = logits[label] - max(others)
    return found


@pytest.mark.parametrize("reward", ["outcome", "margin"])
@pytest.mark.parametrize("partners", [1, 3])
def test_the_reward_comes_at_the_end_and_is_what_the_victim_says(reward, partners, to_data):
    graphs, threat, victim = hub_graphs(to_data, 4, count=30), THREATS["add two"], degree_victim()
    learner = a_learner(graphs, victim, threat, batch_size=30, reward=reward, partners=partners)
    learner.play(epsilon=1.0)
    for step, replay in learner.replay.items():
        assert len(replay) == 30
        if step != (1, 1):
            assert not replay.draw(100, seeded(0)).reward.any()
    transition = learner.replay[1, 1].draw(100, seeded(0))
    left = final_margins(learner, graphs, victim, transition)
    assert transition.node.shape == (100, partners)
    if reward == "outcome":  # Dai et al. 2018, section 3: 1 if the classifier errs, else -1
        assert set(transition.reward.flatten().tolist()) == {-1.0, 1.0}
        expected = torch.where(left > 0, -1.0, 1.0)
    else:
        clean = [victim.logits([graphs[k]])[0] for k in range(30)]
        spread = np.std([float(logits[0] - logits[1]) for logits in clean]) / 4 or 1.0
        expected = torch.tanh(-left / spread)
    assert torch.allclose(transition.reward, expected, atol=1e-5)


def test_a_reward_of_margins_falls_with_the_margin_and_has_the_sign_of_the_outcome(
    victim, random_graphs
):
    graphs = random_graphs(30, sizes=(6, 7, 8))
    by_margin = a_learner(graphs, victim, ThreatModel(), reward="margin")
    by_outcome = a_learner(graphs, victim, ThreatModel(), reward="outcome")
    margin = torch.linspace(-3, 3, 100) * by_margin.spread  # none of them is 0
    rewards = by_margin.rewards(margin)
    assert bool((rewards.diff() < 0).all())
    assert torch.equal(rewards.sign(), by_outcome.rewards(margin))
    assert bool((rewards.abs() < 1).all())


def test_a_reward_of_margins_does_not_depend_on_the_scale_of_logits(victim, random_graphs):
    graphs = random_graphs(30, sizes=(6, 7, 8))
    margin = torch.linspace(-3, 3, 100)
    before = a_learner(graphs, victim, ThreatModel(), reward="margin").rewards(margin)
    with torch.no_grad():
        for parameter in victim.model.head[-1].parameters():
            parameter.mul_(5)
    after = a_learner(graphs, victim, ThreatModel(), reward="margin").rewards(5 * margin)
    assert torch.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize(("reward", "partners"), [("outcome", 1), ("margin", 1), ("margin", 4)])
def test_each_answer_is_one_query(reward, partners, to_data):
    graphs, victim = hub_graphs(to_data, 1, count=30), degree_victim()
    learner = a_learner(
        graphs, victim, ThreatModel(), batch_size=30, reward=reward, partners=partners
    )
    assert victim.queries == (30 if reward == "margin" else 0)  # the clean graphs, for the spread
    before = victim.queries
    learner.play(epsilon=0.5)
    assert victim.queries - before == 30 * partners
    learner.update()
    assert victim.queries - before == 30 * partners


@pytest.mark.parametrize("count", [1, 3, 5])
def test_the_highest_allowed_nodes_equal_a_loop(count, random_graphs):
    graphs = random_graphs(8, sizes=(4, 5, 9))
    keys = torch.rand(graphs.num_nodes, generator=seeded(1))
    keys[::3] = 0.5  # some are equal
    allowed = torch.rand(graphs.num_nodes, generator=seeded(2)) < 0.6
    allowed[graphs.ptr[:-1]] = True
    found = highest_allowed(keys, allowed, graphs, count)
    for row in range(graphs.num_graphs):
        first, last = int(graphs.ptr[row]), int(graphs.ptr[row + 1])
        nodes = [k for k in range(last - first) if allowed[first + k]]
        nodes.sort(key=lambda k: (-float(keys[first + k]), k))
        assert found[row].tolist() == (nodes + [-1] * count)[:count]


def test_the_learning_rate_falls_linearly():
    attack = RLS2V(steps=5, learning_rate=0.1, rate_end=0.2)
    assert [attack.rate(k) for k in range(5)] == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.02])
    assert RLS2V(steps=1).rate(0) == RLS2V().learning_rate


def test_the_published_settings_are_the_published_attack():
    published = {
        "reward": "outcome",
        "partners": 1,
        "updates": 1,
        "rate_end": 1.0,
        "sees_picked": False,
    }
    assert {name: RLS2V.paper[name] for name in published} == published


def test_random_picks_are_uniform(to_data):
    graph = to_data(6, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])
    graphs = PackedGraphs.from_data_list([graph] * 40)
    learner = a_learner(graphs, degree_victim(), ThreatModel())
    state = learner.space.start(torch.arange(40))
    counts = torch.zeros(6)
    for _ in range(50):
        picks = learner._pick(state, graphs, 1, 0, 1.0).squeeze(1)
        counts += torch.bincount(picks, minlength=6)
    # Each of the 6 nodes has a non-neighbour; 2,000 draws, standard deviation 17 around 333.
    assert counts.sum() == 2000
    assert float((counts - 2000 / 6).abs().max()) < 70


def test_all_graphs_are_played_on_when_none_that_is_right_can_be_edited(to_data, monkeypatch):
    alone, path = to_data(1, []), hub_graphs(to_data, 1, count=1)[0]
    alone.x, path.y = (
        torch.ones(1, 1),
        torch.tensor([1]),
    )  # the victim is right about the single node only
    graphs = PackedGraphs.from_data_list([alone, path])
    seen = []
    monkeypatch.setattr(
        Learner, "learn", lambda self, *rest: seen.append(self.space.graphs.num_graphs) or []
    )
    RLS2V().prepare(
        degree_victim().restricted(Access.QUERY),
        FitGraphs(graphs, graphs),
        ThreatModel(),
        seeded(0),
    )
    assert seen == [2]


def test_only_graphs_that_are_right_when_clean_are_played_on(to_data, monkeypatch):
    right = hub_graphs(to_data, 1, count=4)
    mixed = right.with_labels(torch.tensor([0, 1, 0, 1]))
    seen = []
    monkeypatch.setattr(
        Learner, "learn", lambda self, *rest: seen.append(self.space.graphs.num_graphs) or []
    )
    for train_on, graphs in (
        ("correct", mixed),
        ("all", mixed),
        ("correct", right.with_labels(torch.ones(4, dtype=torch.long))),
    ):
        view = degree_victim().restricted(Access.QUERY)
        RLS2V(train_on=train_on).prepare(view, FitGraphs(graphs, graphs), ThreatModel(), seeded(0))
    assert seen == [2, 4, 4]


def test_an_empty_set_of_graphs_has_no_perturbations(to_data):
    network = TwoStepQ(width=4, rounds=1, max_edits=1, generator=seeded(0))
    none = hub_graphs(to_data, 1, count=2).select(torch.zeros(0, dtype=torch.long))
    assert GreedyProposer(network, ThreatModel(), [])(none) == []


# --- the replay memory ----------------------------------------------------------------------------


def numbered(first, last):
    """Transitions that carry their number everywhere."""
    number = torch.arange(first, last)
    state = State(number, number.reshape(-1, 1, 1).expand(-1, 1, 2), number)
    return Transition(state, number.unsqueeze(1), number.unsqueeze(1).float())


def test_the_ring_overwrites_the_oldest():
    replay = Replay(10, 1, torch.device("cpu"))
    for first, last, kept in (
        (0, 4, range(4)),
        (4, 9, range(9)),
        (9, 13, range(3, 13)),
        (13, 40, range(30, 40)),
    ):
        replay.add(numbered(first, last))
        state, node, reward = replay.draw(500, seeded(first))
        assert set(node.flatten().tolist()) == set(kept)
        assert len(replay) == len(kept)
        for other in (
            state.graph,
            state.picked,
            state.edits[:, 0, 0],
            state.edits[:, 0, 1],
            reward.squeeze(1).long(),
        ):
            assert torch.equal(other, node.squeeze(1))


# --- speed ----------------------------------------------------------------------------------------


class PlainLearner:
    """The same course of learning for one edit, as one would write it first: networkx graphs,
    copied at every step, one after the other.
    """

    def __init__(self, victim, graphs, seed, width=64, rounds=5, batch_size=50):
        self.victim, self.batch_size, self.random = victim, batch_size, random.Random(seed)
        self.graphs = [to_networkx(data) for data in graphs.to_data_list()]
        draws = seeded(seed)
        self.network = torch.nn.ModuleDict(
            {"encoder": Structure2Vec(in_features=2, width=width, layers=rounds, generator=draws)}
        )
        for half in range(2):
            self.network[f"head {half}"] = mlp([2 * width, width, 1], draws)
        self.target = copy.deepcopy(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.replay = ([], [])

    def batch(self, states):
        data_list = []
        for graph, picked in states:
            x = torch.tensor([[0.0, 1.0] if node == picked else [1.0, 0.0] for node in graph])
            data_list.append(Data(x=x, edge_index=from_networkx(graph).edge_index))
        return Batch.from_data_list(data_list)

    def values(self, network, states, half):
        batch = self.batch(states)
        nodes, whole = network["encoder"](batch.x, batch.edge_index, batch.batch, len(states))
        return (
            network[f"head {half}"](torch.cat([nodes, whole[batch.batch]], dim=1))
            .squeeze(1)
            .split([len(g) for g, _ in states])
        )

    def allowed(self, graph, picked):
        if picked is None:
            parts = nx.connected_components(graph)
            return [node for part in parts for node in part if graph.degree(node) < len(part) - 1]
        return [
            node
            for node in nx.node_connected_component(graph, picked)
            if node != picked and not graph.has_edge(node, picked)
        ]

    @torch.no_grad()
    def play(self, epsilon):
        chosen = self.random.sample(range(len(self.graphs)), self.batch_size)
        states = [(copy.deepcopy(self.graphs[number]), None) for number in chosen]
        for half in range(2):
            greedy = [self.random.random() >= epsilon for _ in states]
            rows = [row for row, wants in enumerate(greedy) if wants]
            values = (
                dict(
                    zip(
                        rows,
                        self.values(self.network, [states[row] for row in rows], half),
                        strict=True,
                    )
                )
                if rows
                else {}
            )
            nodes = []
            for row, state in enumerate(states):
                allowed = self.allowed(*state)
                nodes.append(
                    max(allowed, key=values[row].tolist().__getitem__)
                    if greedy[row]
                    else self.random.choice(allowed)
                )
            after = []
            for (graph, picked), node in zip(states, nodes, strict=True):
                edited = copy.deepcopy(graph)
                if half:
                    edited.add_edge(picked, node)
                after.append((edited, None if half else node))
            rewards = [0.0] * len(states)
            if half:
                data_list = [
                    Data(x=torch.ones(len(g), 1), edge_index=from_networkx(g).edge_index)
                    for g, _ in after
                ]
                wrong = self.victim.logits(data_list).argmax(1) != torch.tensor(
                    [self.graphs[n].graph["y"] for n in chosen]
                )
                rewards = [1.0 if errs else -1.0 for errs in wrong.tolist()]
            self.replay[half].extend(zip(states, nodes, rewards, after, strict=True))
            states = after

    def update(self):
        half = self.random.randrange(2)
        transitions = self.random.choices(self.replay[half], k=self.batch_size)
        target = torch.tensor([reward for _, _, reward, _ in transitions])
        if half == 0:
            with torch.no_grad():
                states = [after for _, _, _, after in transitions]
                of_online, of_target = (
                    self.values(network, states, 1) for network in (self.network, self.target)
                )
                best = [
                    max(self.allowed(*state), key=row.tolist().__getitem__)
                    for state, row in zip(states, of_online, strict=True)
                ]
                target = torch.stack([row[node] for row, node in zip(of_target, best, strict=True)])
        values = self.values(self.network, [state for state, _, _, _ in transitions], half)
        taken = torch.stack(
            [row[node] for row, (_, node, _, _) in zip(values, transitions, strict=True)]
        )
        loss = torch.nn.functional.mse_loss(taken, target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def to_networkx(data):
    graph = nx.Graph(y=int(data.y))
    graph.add_nodes_from(range(data.num_nodes))
    graph.add_edges_from(data.edge_index.T.tolist())
    return graph


@pytest.mark.parametrize("how", ["networkx and deepcopy", "vectorised"])
def test_benchmark_a_step_of_learning(benchmark, how):
    """Graphs of 40-50 nodes: play on 50, learn from 50, half of the picks greedy, one thread; a
    Q-network of width 64, five rounds.
    """
    benchmark.group = "RL-S2V, a step of learning"
    graphs = component_graphs(np.repeat([1, 2, 3], 40), (40, 50), 0.05, np.random.default_rng(0))
    draws = seeded(0)
    encoder = Structure2Vec(in_features=1, width=64, layers=3, generator=draws)
    victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=32, generator=draws))
    if how == "vectorised":
        space = EditSpace.of(graphs, THREATS["add one"])
        network = TwoStepQ(width=64, rounds=5, max_edits=1, generator=draws)
        learner = Learner(RLS2V(), network, victim.restricted(Access.QUERY), space, draws)
    else:
        learner = PlainLearner(victim, graphs, 0)

    def steps():
        for _ in range(4):
            learner.play(0.5)
            loss = learner.update()
        return loss

    steps()
    assert bool(
        benchmark.pedantic(steps, rounds=3 if how == "networkx and deepcopy" else 10).isfinite()
    )


def test_the_plain_learner_of_the_benchmark_learns_from_the_same_rewards(to_data):
    graphs = hub_graphs(to_data, 1, count=30)
    learner = PlainLearner(degree_victim(), graphs, 0, width=8, rounds=2, batch_size=20)
    learner.play(1.0)
    assert learner.update().isfinite()
    states, nodes, rewards, after = zip(*learner.replay[1], strict=True)
    assert set(rewards) == {-1.0, 1.0}
    for (graph, picked), node, reward, (edited, _) in zip(
        states, nodes, rewards, after, strict=True
    ):
        assert set(edited.edges) - set(graph.edges) in ({(picked, node)}, {(node, picked)})
        hub = max(graph.degree, key=lambda pair: pair[1])[0]
        assert (reward > 0) == (hub in (picked, node))
