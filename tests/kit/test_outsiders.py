"""Plug-ins as a stranger would write them, in other styles than ours: the kit finds no fault."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GraphConv, global_mean_pool
from torch_geometric.utils import erdos_renyi_graph

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access
from robust_augcl.graphs.data_source import DataSource
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.margins import margins
from robust_augcl.testing import check_attack, check_data_source, check_encoder
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True)
class DoesNothing(Attack):
    """Leave every graph as it is."""

    access = Access.NONE

    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: [Perturbation() for _ in range(graphs.num_graphs)]


@dataclass(frozen=True)
class ByNumPy(Attack):
    """Draw edits by NumPy, whose generator is seeded by the one that is handed over."""

    access: ClassVar[Access] = Access.NONE
    tries: int = 3

    def prepare(self, victim, fit, threat, generator, report=None):
        chance = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))

        def propose(graphs):
            candidates, answers = threat.enumerate(graphs), []
            for number, budget in enumerate(threat.budgets(graphs).tolist()):
                own = np.flatnonzero(candidates.graph.numpy() == number)
                chosen = chance.permutation(own)[:budget]
                answers.append(candidates.perturbation(torch.from_numpy(chosen)))
            return answers

        return propose


@dataclass(frozen=True)
class Deletes(Attack):
    """Delete the edges whose gradients promise most; add none."""

    access = Access.GRADIENT
    display_name = "Deletes"

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            candidates = threat.enumerate(graphs)
            slope = victim.edge_gradients(graphs, candidates, graphs.y).sum(1)
            slope[~(candidates.exists & candidates.changes)] = (
                torch.inf
            )  # adding is none of its edits
            answers = []
            for number, budget in enumerate(threat.budgets(graphs).tolist()):
                own = (candidates.graph == number).nonzero().flatten()
                own = own[slope[own].argsort(stable=True)][:budget]
                answers.append(candidates.perturbation(own[slope[own] < 0]))
            return answers

        return propose


@dataclass(frozen=True)
class GraphByGraph(Attack):
    """Try every single edit of one graph after another, as a loop would."""

    access = Access.QUERY
    max_budget = 1
    exact = True

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            return [one(graphs.select(torch.tensor([n]))) for n in range(graphs.num_graphs)]

        def one(graph):
            candidates = threat.enumerate(graph)
            best, lowest = Perturbation(), float(margins(victim.logits(graph), graph.y)[0])
            if not len(candidates):
                return best
            found = margins(victim.candidate_logits(graph, candidates), graph.y[candidates.graph])
            for place, value in enumerate(found.tolist()):
                if value < lowest:
                    best, lowest = candidates.perturbation(torch.tensor([place])), value
            return best

        return propose


@pytest.mark.thorough(but=["ByNumPy", "GraphByGraph"])
@pytest.mark.parametrize("attack", [DoesNothing, ByNumPy, Deletes, GraphByGraph])
def test_no_false_alarm_of_attacks(attack):
    check_attack(attack)


class OfPyG(Encoder):
    """Layers of PyTorch Geometric, and the mean of the last states."""

    def build(self, generator):
        sizes = [self.in_features] + [self.width] * self.layers
        with torch.random.fork_rng():  # these layers draw from the global generator
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            self.convs = nn.ModuleList(map(GraphConv, sizes, sizes[1:]))

    @property
    def embedding_size(self):
        return self.width

    def first_states(self, x):
        return x

    def round(self, index, states, x, edge_index, edge_weight):
        return self.convs[index](states, edge_index, edge_weight).relu()

    def pool(self, states, batch, num_graphs):
        return states[-1], global_mean_pool(states[-1], batch, num_graphs)


def test_no_false_alarm_of_encoders():
    check_encoder(OfPyG)


@dataclass(frozen=True)
class Mixed(DataSource):
    """Random graphs as `Data`, some without edges, whose edges are in no order."""

    count: int = 24
    density: float = 0.3

    @property
    def label(self):
        return f"mixed {self.count}"

    def load(self, archives, generator):
        found = []
        with torch.random.fork_rng():
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            for number in range(self.count):
                density = 0.0 if number % 8 == 0 else self.density
                edges = erdos_renyi_graph(6, density)
                x = torch.randn(6, 2, generator=generator)
                edges = edges[:, torch.randperm(edges.size(1))]
                found.append(Data(x=x, edge_index=edges, y=torch.tensor([number % 3])))
        return found

    def scaled(self, factor):
        return replace(self, count=max(6, int(self.count * factor)))


def test_no_false_alarm_of_data_sources():
    check_data_source(Mixed)
    check_data_source(Mixed(30, density=0.5))
