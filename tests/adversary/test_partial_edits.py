"""Gradients of edits made in part: answers that use earlier ones, beside those that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from attacked import THREATS
from generators import seeded
from victims import BOTH, double, new_model

from robust_augcl import registry
from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.gin import GIN
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.models.margins import margins


def questions(candidates, count):
    """Candidates and parts, one question after the other: parts stay, change, go and come back."""
    draws = seeded(1)
    made = torch.rand(len(candidates), generator=draws, dtype=torch.double)
    made[torch.rand(len(candidates), generator=draws) < 0.7] = 1e-8
    for number in range(count):
        graphs = torch.rand(candidates.num_graphs, generator=draws) < 0.7
        graphs[number % candidates.num_graphs] = True
        changing = torch.rand(candidates.num_graphs, generator=draws) < 0.4
        fresh = torch.rand(len(candidates), generator=draws, dtype=torch.double) * 0.5
        few = torch.rand(len(candidates), generator=draws) < 0.1
        made = torch.where(changing[candidates.graph] & few, fresh, made)
        looked_at = (made > 1e-6) | (torch.rand(len(candidates), generator=draws) < 0.4)
        looked_at &= torch.rand(len(candidates), generator=draws) < 0.95
        index = (looked_at & graphs[candidates.graph]).nonzero().squeeze(1)
        yield index, made[index]


class Sized(GIN):
    """Nodes send the same within a graph, and something else in a graph of another size."""

    def forward(self, x, edge_index, batch, num_graphs, edge_weight=None):
        sizes = torch.bincount(batch, minlength=num_graphs)[batch].unsqueeze(1)
        return super().forward(x / sizes, edge_index, batch, num_graphs, edge_weight)


class Numbered(GIN):
    """Nodes of even graphs send their numbers. So features alike do not tell what is sent."""

    def forward(self, x, edge_index, batch, num_graphs, edge_weight=None):
        sizes = torch.bincount(batch, minlength=num_graphs)
        number = torch.arange(len(x)) - (sizes.cumsum(0) - sizes)[batch]
        own = torch.where(sizes[batch] % 2 == 0, number, 0).unsqueeze(1)
        return super().forward(x + 0.1 * own, edge_index, batch, num_graphs, edge_weight)


class Shifted(GIN):
    """GIN with an epsilon of 0.3, and sums in the first round of something else than the states."""

    def first_states(self, x):
        return x - 0.2

    def round(self, index, states, x, edge_index, edge_weight):
        pooled = 1.3 * states + self.aggregate(1 - states, edge_index, edge_weight)
        return self.norms[index](self.mlps[index](pooled).relu())


ENCODERS = {name: registry.load("encoder", name) for name in registry.names("encoder")}
OWN = {own.__name__: own for own in (Sized, Numbered, Shifted)}
FEATURES = {
    "alike": lambda graphs: torch.ones_like(graphs.x),
    "alike within a graph": lambda graphs: graphs.x[graphs.ptr[:-1]][graphs.batch],
    "different": lambda graphs: graphs.x,
}


def right_answers(victim, graphs, threat=BOTH):
    """Compare a dozen questions with the same, each asked alone."""
    candidates = threat.enumerate(graphs)

    def loss(logits, index):
        return -margins(logits, graphs.y[index])

    ask = victim.partial_edits(graphs, candidates, loss)
    largest = []
    for index, parts in questions(candidates, 12):
        some = candidates.take(index)
        expected = victim.relaxed(graphs, some, parts, loss)[1]
        torch.testing.assert_close(ask(index, parts), expected, rtol=1e-6, atol=1e-9)
        largest += expected.abs().tolist()
    assert max(largest) > 1e-3


@pytest.mark.thorough(but=["*-different-1", "*-alike within a graph-3"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("name", [*ENCODERS, *OWN])
def test_answers_are_those_of_questions_asked_alone(name, graphs, features, layers):
    victim = Victim(new_model({**ENCODERS, **OWN}[name], layers=layers))
    right_answers(victim, replace(graphs, x=FEATURES[features](graphs)))


@pytest.mark.parametrize("most_nodes", [7, 9])
@pytest.mark.parametrize("name", ["gin", *OWN])
def test_graphs_that_are_evaluated_apart_are_no_others(name, graphs, most_nodes):
    victim = Victim(new_model({**ENCODERS, **OWN}[name]))
    with using(Limits(nodes=most_nodes, distances=50, edits=7, entries=60)):
        right_answers(victim, replace(graphs, x=torch.ones_like(graphs.x)))


@pytest.mark.parametrize("name", ["structure2vec", "gin", "gcn"])
@pytest.mark.parametrize("threat", THREATS)
def test_answers_about_nodes_of_each_threat(name, graphs, threat):
    targets = torch.tensor([4, 0, 3, 5])
    for x in (torch.ones_like(graphs.x), graphs.x):
        right_answers(
            Victim(new_model(ENCODERS[name])), replace(graphs, x=x, target_node=targets), threat
        )


@pytest.mark.parametrize("name", ["structure2vec", "gcn"])
def test_answers_about_nodes_of_one_graph_are_those_of_its_copies(name, random_graphs):
    graph = double(random_graphs(3, [9]))
    nodes, y = torch.tensor([4, 0, 7]), torch.tensor([0, 1, 2])
    targets = NodeTargets(graph, nodes, y)
    copies = replace(graph.select(torch.zeros(3).long()), y=y, target_node=nodes)
    candidates = BOTH.enumerate(copies)
    victim = Victim(new_model(ENCODERS[name]))
    index = torch.arange(len(candidates))
    parts = torch.rand(len(index), generator=seeded(0), dtype=torch.double)
    # No copies of all targets at once are made.
    with using(Limits(nodes=9, copied_numbers=50)):
        got = victim.partial_edits(targets, candidates, lambda logits, index: logits[:, 0])(
            index, parts
        )
    expected = victim.relaxed(copies, candidates, parts, lambda logits, index: logits[:, 0])[1]
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["structure2vec", "gin", "gcn"])
def test_graphs_without_candidates_are_no_hindrance(name, random_graphs):
    graphs = double(random_graphs(3, [1, 5, 1, 0, 6, 1]))
    victim = Victim(new_model(ENCODERS[name]))
    for x in (torch.ones_like(graphs.x), graphs.x):
        candidates = BOTH.enumerate(graphs)
        index = torch.arange(len(candidates))
        assert candidates.counts.tolist() == [0, 10, 0, 0, 15, 0]
        given = replace(graphs, x=x)
        ask = victim.partial_edits(given, candidates, lambda logits, index: logits[:, 0])
        parts = torch.linspace(0, 0.9, len(index), dtype=torch.double)
        expected = torch.cat(
            [
                victim.relaxed(
                    given.select(torch.tensor([number])),
                    replace(own, graph=own.graph - number, num_graphs=1),
                    parts[candidates.graph == number],
                    lambda logits, index: logits[:, 0],
                )[1]
                for number in (1, 4)
                for own in [candidates.take((candidates.graph == number).nonzero().squeeze(1))]
            ]
        )
        torch.testing.assert_close(ask(index, parts), expected, rtol=1e-6, atol=1e-9)
        assert ask(index[:0], parts[:0]).shape == (0,)


@pytest.mark.parametrize("name", ["gin", "gcn"])
@pytest.mark.parametrize(
    ("index", "parts", "message"),
    [
        ([0, 15, 1], [0.1, 0.2, 0.3], "`index` to be sorted by graph, got an earlier graph later"),
        ([0, 3, 3], [0.1, 0.2, 0.3], "`index` to name each candidate once, got 3 twice"),
        ([0, 3], [0.1], r"`parts` to be one for each candidate, got \(1,\) for \(2,\)"),
    ],
)
def test_questions_that_would_get_wrong_answers_are_refused(name, graphs, index, parts, message):
    ask = Victim(new_model(ENCODERS[name])).partial_edits(
        graphs, BOTH.enumerate(graphs), lambda logits, index: logits[:, 0]
    )
    with pytest.raises(ValueError, match=message):
        ask(torch.tensor(index), torch.tensor(parts))


@pytest.mark.parametrize("name", ["structure2vec", "gin"])
def test_no_graph_is_evaluated_whose_parts_stay(name, graphs):
    victim = Victim(new_model(registry.load("encoder", name)))
    candidates = BOTH.enumerate(graphs)
    evaluated = []

    def loss(logits, index):
        evaluated.append(index.tolist())
        return logits[:, 0]

    ask = victim.partial_edits(graphs, candidates, loss)
    index, parts = torch.arange(len(candidates)), torch.full((len(candidates),), 1e-8)
    ask(index[::2], parts[::2])
    ask(index[1::2], parts[1::2])
    assert evaluated == [[0, 1, 2, 3]]
    parts[candidates.graph == 2] = 0.3
    ask(index, parts)
    ask(index, parts)
    assert evaluated[1:] == [[2]]
    ask(index[:1], parts[:1])  # other graphs are not named, and keep their parts
    ask(index, parts)
    assert len(evaluated) == 2
    # One a graph that is named: by halves of the candidates, three times all, and one alone.
    halves = sum(len(candidates.graph[half].unique()) for half in (index[::2], index[1::2]))
    assert victim.gradient_calls == halves + 3 * graphs.num_graphs + 1
