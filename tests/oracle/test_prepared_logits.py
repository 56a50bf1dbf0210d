"""Graphs that are prepared for many questions: answers are those of graphs that are not."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from generators import seeded
from models import classifier
from node_graphs import random_node_graph

from robust_augcl.adversary.victim import Victim
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.oracle.neighbourhoods import Distances
from robust_augcl.threat.model import ThreatModel

ADD = ThreatModel(within_component=True)
ADD_OR_DELETE = ThreatModel(operations=("add", "delete"))
EVEN_WHAT_IS_THERE = ThreatModel(allow_existing=True)
SOME = (17, 3, 17, 0, 19)
"""Numbers of graphs, in no order and one of them twice."""


def new_graphs(seed=0, count=20):
    draws = np.random.default_rng(seed)
    return component_graphs(np.arange(count) % 3 + 1, (6, 14), 0.2, draws)


def new_model(encoder, graphs, layers=3):
    features = graphs.x.size(1)
    return classifier(encoder, "prepared", layers=layers, features=features, width=16)


def both_answers(model, graphs, threat, index):
    """What a victim answers about some of the graphs: prepared, and plainly."""
    index = torch.tensor(index)
    copies = graphs.select(index)
    candidates = threat.enumerate(copies)
    victim = Victim(model)
    ask = victim.prepared_logits(graphs)
    ask(index[:1], threat.enumerate(graphs.select(index[:1])))  # what comes first changes nothing
    return ask(index, candidates), Victim(model).candidate_logits(copies, candidates)


@pytest.fixture
def measured(monkeypatch):
    """The numbers of graphs whose distances were measured."""
    seen, measure = [], Distances.inside

    def counting(graphs, reach):
        seen.append(graphs.num_graphs)
        return measure(graphs, reach)

    monkeypatch.setattr(Distances, "inside", staticmethod(counting))
    return seen


@pytest.mark.parametrize("threat", [ADD, ADD_OR_DELETE, EVEN_WHAT_IS_THERE])
@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("encoder", [Structure2Vec, GIN, GCN])
def test_prepared_answers_are_plain_ones_to_the_bit(encoder, layers, threat):
    graphs = new_graphs()
    graphs = graphs.with_features(torch.randn(graphs.num_nodes, 2, generator=seeded(0)))
    prepared, plain = both_answers(new_model(encoder, graphs, layers), graphs, threat, SOME)
    assert len(plain) > 80
    assert torch.equal(prepared, plain)


def test_in_portions_they_are_plain_ones_of_portions(measured):
    graphs = new_graphs()
    with using(Limits(distances=500)):
        prepared, plain = both_answers(new_model(GIN, graphs), graphs, ADD_OR_DELETE, SOME)
    assert len(measured) > 4
    assert torch.equal(prepared, plain)


def test_distances_inside_portions_are_those_of_all_graphs_and_of_networkx():
    graphs = new_graphs()
    parts = [graphs.select(part) for part in torch.arange(20).split(7)]
    joined = Distances.one_after_the_other([Distances.inside(part, 2) for part in parts])
    for got, wanted in zip(joined, Distances.inside(graphs, 2), strict=True):
        assert torch.equal(torch.as_tensor(got), torch.as_tensor(wanted))
    for number in range(20):
        data, first = graphs[number], int(graphs.ptr[number])
        graph = nx.empty_graph(data.num_nodes)
        graph.add_edges_from(data.edge_index.T.tolist())
        found = dict(nx.all_pairs_shortest_path_length(graph, cutoff=2))
        nodes = torch.arange(first, first + data.num_nodes)
        node, member, distance = joined.from_nodes(nodes).near()
        near = {(int(u), int(v)): int(d) for u, v, d in zip(node, member, distance, strict=True)}
        assert near == {(u, v): d for u in found for v, d in found[u].items() if u != v}


def test_each_graph_is_measured_and_evaluated_once(measured, monkeypatch):
    graphs = new_graphs()
    model = new_model(Structure2Vec, graphs)
    ask = Victim(model).prepared_logits(graphs)
    assert measured == []  # nothing before the first question
    for number in range(20):
        index = torch.tensor([number, 19 - number])
        ask(index, ADD.enumerate(graphs.select(index)))
    assert measured == [20]


@pytest.mark.parametrize("limit", ["too many graphs", "few questions"])
def test_where_it_is_not_worth_it_nothing_is_prepared(measured, limit):
    graphs = new_graphs()
    model, index = new_model(GIN, graphs), torch.tensor(SOME)
    copies = graphs.select(index)
    candidates = ADD.enumerate(copies)
    if limit == "few questions":
        candidates = candidates.take(torch.arange(3))
    with using(Limits(kept_distances=100 if limit == "too many graphs" else 10**6)):
        ask = Victim(model).prepared_logits(graphs)
        answers = [ask(index, candidates) for _ in range(2)]
    assert measured == ([5, 5] if limit == "too many graphs" else [])
    for answer in answers:
        assert torch.equal(answer, Victim(model).candidate_logits(copies, candidates))


def test_an_encoder_that_does_not_agree_with_its_parts_is_evaluated_in_full(full):
    class Louder(Structure2Vec):
        def round(self, *inputs):
            return 2 * super().round(*inputs)

    graphs = new_graphs()
    prepared, plain = both_answers(new_model(Louder, graphs), graphs, ADD, SOME)
    assert torch.equal(prepared, plain)
    assert sum(full) > 2 * len(plain)  # both answers, and the one that came first


def test_target_nodes_are_answered_as_ever():
    graph, y = random_node_graph()
    targets = NodeTargets(graph, torch.arange(20), y[:20])
    prepared, plain = both_answers(new_model(GIN, graph), targets, ADD, SOME)
    assert torch.equal(prepared, plain)


def test_a_question_is_a_query_and_preparing_is_none():
    graphs = new_graphs()
    victim = Victim(new_model(GIN, graphs))
    ask = victim.prepared_logits(graphs)
    assert victim.queries == 0
    index = torch.tensor(SOME)
    candidates = ADD.enumerate(graphs.select(index))
    for times in range(1, 4):
        ask(index, candidates)
        assert (victim.queries, victim.gradient_calls) == (times * len(candidates), 0)


@pytest.mark.parametrize("how", ["plain", "prepared"])
def test_benchmark_questions_about_the_same_graphs(benchmark, how):
    """16 edges that may be added to each of 50 graphs, of 200 graphs of 40 to 50 nodes: compare the
    two rows.
    """
    benchmark.group = "16 candidates of 50 of 200 graphs, 3 layers"
    draws = np.random.default_rng(0)
    graphs = component_graphs(np.arange(200) % 3 + 1, (40, 50), 0.05, draws)
    victim = Victim(classifier(Structure2Vec, "prepared", layers=3, width=64, hidden=32))
    index = torch.from_numpy(draws.permutation(200)[:50])
    copies = graphs.select(index)
    every = ADD.enumerate(copies)
    asked = every.take(torch.cat([every.ptr[:-1] + 20 * number for number in range(16)]).sort()[0])
    prepared = victim.prepared_logits(graphs)
    ask = {
        "plain": lambda: victim.candidate_logits(graphs.select(index), asked),
        "prepared": lambda: prepared(index, asked),
    }
    answer = benchmark.pedantic(ask[how], rounds=10, warmup_rounds=1)
    assert torch.equal(answer, ask["plain"]())
