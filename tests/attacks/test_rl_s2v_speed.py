"""RL-S2V's speed, beside the same course of learning as one would write it first."""

import copy
import random

import networkx as nx
import numpy as np
import pytest
import torch
from generators import seeded
from rl_s2v_by_hand import (
    THREATS,
    degree_victim,
    hub_graphs,
)
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx

from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks._edit_process import EditSpace
from robust_augcl.attacks._q_learning import Learner
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.attacks.rl_s2v import RLS2V
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.layers import mlp


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


@pytest.mark.thorough(but=["vectorised"])
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
