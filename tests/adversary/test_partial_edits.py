"""Gradients of edits made in part: answers that use earlier ones, beside those that do not."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from victims import BOTH, double, new_model

from robust_augcl import registry
from robust_augcl.adversary.victim import Victim
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


@pytest.fixture(params=registry.names("encoder"))
def asked_victim(request):
    return Victim(new_model(registry.load("encoder", request.param)))


@pytest.mark.parametrize("features", ["alike", "different"])
def test_answers_are_those_of_questions_asked_alone(asked_victim, graphs, features):
    graphs = double(graphs)
    x = torch.ones_like(graphs.x) if features == "alike" else graphs.x
    graphs = type(graphs)(x, graphs.edge_index, graphs.ptr, graphs.y)
    candidates = BOTH.enumerate(graphs)

    def loss(logits, index):
        return -margins(logits, graphs.y[index])

    ask = asked_victim.partial_edits(graphs, candidates, loss)
    for index, parts in questions(candidates, 12):
        some = candidates.take(index)
        expected = asked_victim.relaxed(graphs, some, parts, loss)[1]
        torch.testing.assert_close(ask(index, parts), expected, rtol=1e-6, atol=1e-9)
        assert float(expected.abs().max()) > 1e-3


@pytest.mark.parametrize("name", ["structure2vec", "gin"])
def test_no_graph_is_evaluated_whose_parts_stay(name, graphs):
    victim = Victim(new_model(registry.load("encoder", name)))
    graphs = double(graphs)
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
