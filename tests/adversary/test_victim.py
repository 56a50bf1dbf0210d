"""The victim: its answers against answers computed one by one, and what it is."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from victims import ADD, BOTH, PAPER, new_model

from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.encoders.gin import GIN
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.threat.model import ThreatModel


def test_margins_by_loop():
    logits = torch.randn(30, 4, generator=seeded(0))
    y = torch.arange(30) % 4
    expected = [
        row[c] - max(v for k, v in enumerate(row) if k != c)
        for row, c in zip(logits.tolist(), y.tolist(), strict=True)
    ]
    before = logits.clone()
    torch.testing.assert_close(margins(logits, y), torch.tensor(expected))
    assert torch.equal(logits, before)
    assert ((margins(logits, y) > 0) == (logits.argmax(1) == y)).all()


@pytest.mark.usefixtures("_chunk")
def test_logits_equal_the_models_graph_by_graph(victim, graphs):
    expected = [
        victim._model.eval()(PackedGraphs.from_data_list([graphs[number]])) for number in range(4)
    ]
    torch.testing.assert_close(victim.logits(graphs), torch.cat(expected), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        victim.logits(graphs.to_data_list()), torch.cat(expected), rtol=1e-9, atol=1e-12
    )


def test_no_graphs_have_no_logits(victim, graphs):
    assert victim.logits(graphs.select(torch.zeros(0, dtype=torch.long))).shape == (0, 3)


@pytest.mark.thorough(
    only=[
        "_chunk1-GIN-*",
        "_chunk1-GCN-threat1",
        "_chunk1-GCN-threat3",
        "_chunk0-GIN-threat1",
        "_chunk0-GIN-threat3",
    ]
)
@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("threat", [ADD, BOTH, PAPER, ThreatModel(operations=("delete",))])
def test_candidate_logits_equal_those_of_each_edited_graph(victim, graphs, threat):
    candidates = threat.enumerate(graphs)
    before = graphs.edge_index.clone()
    logits = victim.candidate_logits(graphs, candidates)
    assert logits.shape == (len(candidates), 3)
    for place in range(len(candidates)):
        data = graphs[int(candidates.graph[place])]
        edges = {tuple(edge) for edge in data.edge_index.T.tolist()}
        i, j = candidates.pairs[:, place].tolist()
        if (i, j) not in edges:
            edges |= {(i, j), (j, i)}
        elif "delete" in threat.operations:
            edges -= {(i, j), (j, i)}
        data.edge_index = torch.tensor(sorted(edges), dtype=torch.long).reshape(-1, 2).T
        expected = victim.logits([data])[0]
        torch.testing.assert_close(logits[place], expected, rtol=1e-9, atol=1e-12)
    assert torch.equal(graphs.edge_index, before)


def test_adding_an_edge_that_exists_leaves_the_graph_as_it_is(victim, graphs):
    candidates = PAPER.enumerate(graphs)
    assert candidates.exists.any()
    clean = victim.logits(graphs)[candidates.graph]
    same = torch.isclose(
        victim.candidate_logits(graphs, candidates), clean, rtol=1e-9, atol=1e-12
    ).all(1)
    assert same[candidates.exists].all()
    assert not same[~candidates.exists].all()


def test_candidate_logits_of_some_candidates_in_any_order(victim, graphs):
    candidates = BOTH.enumerate(graphs)
    index = torch.randperm(len(candidates), generator=seeded(0))[:20]
    some, every = (
        victim.candidate_logits(graphs, candidates.take(index)),
        victim.candidate_logits(graphs, candidates),
    )
    torch.testing.assert_close(some, every[index], rtol=1e-9, atol=1e-12)


def test_no_candidates_have_no_logits(victim, to_data):
    complete = to_data(3, [(0, 1), (0, 2), (1, 2)])
    complete.x = torch.ones(3, 3, dtype=torch.float64)
    candidates = ADD.enumerate(PackedGraphs.from_data_list([complete]))
    assert victim.candidate_logits([complete], candidates).shape == (0, 3)
    assert victim.edge_gradients([complete], candidates, torch.tensor([0])).shape == (0, 2)


def test_questions_are_counted(victim, graphs):
    candidates = ADD.enumerate(graphs)
    assert (victim.queries, victim.gradient_calls) == (0, 0)
    victim.logits(graphs)
    assert (victim.queries, victim.gradient_calls) == (4, 0)
    victim.candidate_logits(graphs, candidates)
    assert (victim.queries, victim.gradient_calls) == (4 + len(candidates), 0)
    victim.edge_gradients(graphs, candidates, graphs.y)
    assert (victim.queries, victim.gradient_calls) == (4 + len(candidates), 4)
    view = victim.restricted(Access.GRADIENT)
    view.logits(graphs)
    view.edge_gradients(graphs, candidates, graphs.y)
    assert (victim.queries, victim.gradient_calls) == (8 + len(candidates), 8)


def test_a_victim_is_frozen_and_in_evaluation_mode(graphs):
    model = new_model(GIN).train()
    victim = Victim(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    first = victim.logits(graphs)
    victim.edge_gradients(graphs, ADD.enumerate(graphs), graphs.y)
    assert torch.equal(victim.logits(graphs), first)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_answers_carry_no_gradient(victim, graphs):
    candidates = BOTH.enumerate(graphs)
    graphs.x.requires_grad_(True)
    answers = [
        victim.logits(graphs),
        victim.candidate_logits(graphs, candidates),
        victim.edge_gradients(graphs, candidates, graphs.y),
    ]
    for answer in answers:
        assert not answer.requires_grad
        assert answer.grad_fn is None
