"""RL-S2V's process against loops: which picks are allowed, what is played on and remembered."""

import pytest
import torch
from generators import seeded
from rl_s2v_by_hand import (
    THREATS,
    a_learner,
    allowed_by_loop,
    degree_victim,
    hub_graphs,
    walk,
)

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._edit_process import EditSpace, State, best_allowed, highest_allowed
from robust_augcl.attacks._greedy_picks import GreedyProposer
from robust_augcl.attacks._q_learning import Learner
from robust_augcl.attacks._replay_memory import Replay, Transition
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.attacks.rl_s2v import RLS2V
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel

# --- the process ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("values", [float("nan"), float("inf"), float("-inf")])
def test_a_network_that_diverged_still_picks_what_is_allowed(values, random_graphs):
    graphs = random_graphs(0, sizes=(4, 5))
    allowed = torch.tensor([False, True, True, False, False, False, False, False, True])
    node = best_allowed(torch.full((9,), values), allowed, graphs)[1]
    assert node.tolist() == [1, 4]


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
