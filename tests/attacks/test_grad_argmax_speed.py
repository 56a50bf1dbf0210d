"""GradArgmax's speed, beside the attack as one would write it first."""

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
import torch
from attacked import attacked, edits_of
from generators import seeded
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.threat.model import ThreatModel

STRICT = ThreatModel(within_component=True)


def by_messages(model, graph, pairs, label):
    """The gradients of pairs as one would write it first: the model, with the pairs as further
    edges of weight 0.
    """
    edges = torch.tensor(pairs + [pair[::-1] for pair in pairs]).T
    data = Data(
        x=torch.ones(graph.number_of_nodes(), 1),
        edge_index=torch.cat([from_networkx(graph).edge_index, edges], dim=1),
    )
    batch = Batch.from_data_list([data])
    weight = torch.cat(
        [torch.ones(2 * graph.number_of_edges()), torch.zeros(edges.size(1))]
    ).requires_grad_()
    _, states = model.encoder(batch.x, batch.edge_index, batch.batch, 1, weight)
    (gradient,) = torch.autograd.grad(
        torch.nn.functional.cross_entropy(model.head(states), torch.tensor([label])), weight
    )
    return gradient[2 * graph.number_of_edges() :].reshape(2, -1).sum(0).tolist()


def by_dense_matrices(model, graph, pairs, label):
    """The same, written for structure2vec alone: as fast as dense matrices make it for a graph of
    50 nodes.
    """
    adjacency = (
        torch.tensor(nx.to_numpy_array(graph, nodelist=range(len(graph)))).float().requires_grad_()
    )
    own = model.encoder.node_to_latent(torch.ones(len(graph), 1))
    states = own.relu()
    for _ in range(model.encoder.layers):
        states = (model.encoder.conv(adjacency @ states) + own).relu()
    loss = torch.nn.functional.cross_entropy(
        model.head(states.sum(0, keepdim=True).relu()), torch.tensor([label])
    )
    (gradient,) = torch.autograd.grad(loss, adjacency)
    gradient = (gradient + gradient.T).tolist()
    return [gradient[i][j] for i, j in pairs]


def grad_argmax_by_networkx(victim, model, data, gradients_of):
    """GradArgmax with one edge added inside a component, on one graph."""
    graph = nx.Graph()
    graph.add_nodes_from(range(data.num_nodes))
    graph.add_edges_from(data.edge_index.T.tolist())
    parts = nx.connected_components(graph)
    pairs = sorted(
        pair
        for part in parts
        for pair in combinations(sorted(part), 2)
        if not graph.has_edge(*pair)
    )
    for label in sorted(set(range(3)) - {int(data.y)}):
        gradients = gradients_of(model, graph, pairs, label)
        best = min(range(len(pairs)), key=gradients.__getitem__)
        edited = graph.copy()
        edited.add_edge(*pairs[best])
        after = Data(x=data.x, edge_index=from_networkx(edited).edge_index, y=data.y)
        if gradients[best] <= 0 and int(victim.logits([after]).argmax()) != int(data.y):
            return [frozenset(pairs[best])]
    return []


REFERENCES = {
    "networkx and messages, graph by graph": by_messages,
    "networkx and dense matrices, graph by graph": by_dense_matrices,
}


@pytest.mark.thorough(only=["networkx*"])
@pytest.mark.parametrize("how", [*REFERENCES, "batched"])
def test_benchmark_grad_argmax(benchmark, how):
    """60 graphs of 40-50 nodes, structure2vec of width 64 and 3 rounds, one thread."""
    benchmark.group = "GradArgmax"
    graphs = component_graphs(np.repeat([1, 2, 3], 20), (40, 50), 0.05, np.random.default_rng(0))
    draws = seeded(0)
    encoder = Structure2Vec(in_features=1, width=64, layers=3, generator=draws)
    model = GraphClassifier(encoder, num_classes=3, hidden=32, generator=draws)
    victim = Victim(model)
    graphs = graphs.with_labels(
        victim.logits(graphs).argmax(1)
    )  # none is wrong already, so that all do all the work
    if how == "batched":
        propose = GradArgmax().prepare(
            victim.restricted(Access.GRADIENT), FitGraphs(graphs, graphs), STRICT, draws
        )
        found = benchmark(propose, graphs)
    else:
        graph_list = graphs.to_data_list()

        def run():
            return [
                grad_argmax_by_networkx(victim, model, data, REFERENCES[how]) for data in graph_list
            ]

        found = benchmark.pedantic(run, rounds=3)
    assert len(found) == graphs.num_graphs


@pytest.mark.thorough(only=["networkx and dense*"])
@pytest.mark.parametrize("how", REFERENCES)
def test_the_references_of_the_benchmark_do_the_same(
    victim, reference_model, reference_graphs, how
):
    graphs = reference_graphs.select(
        (victim.logits(reference_graphs).argmax(1) == reference_graphs.y).nonzero().squeeze(1)
    )
    result = attacked(GradArgmax(), victim, graphs, STRICT)
    slow = [
        grad_argmax_by_networkx(victim, reference_model, data, REFERENCES[how])
        for data in graphs.to_data_list()
    ]
    # Gradients tie up to rounding, so which of several equal edges is taken may differ.
    same = [edits_of(p) == found for p, found in zip(result.perturbations, slow, strict=True)]
    assert sum(same) >= 0.8 * len(same)
    assert any(slow)
