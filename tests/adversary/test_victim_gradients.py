"""The gradients of a victim against finite differences and against reference values."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy
from victims import BOTH, EVERY_PAIR, new_model

from robust_augcl import registry
from robust_augcl.adversary.victim import Victim
from robust_augcl.models.margins import margins
from robust_augcl.oracle.edge_gradients import by_states, by_weights


def loss_with(victim, data, towards, changed, by):
    """Cross-entropy of a single graph after the weight of one directed edge, present or not, is
    changed.
    """
    edges = {tuple(edge): 1.0 for edge in data.edge_index.T.tolist()}
    edges[changed] = edges.get(changed, 0.0) + by
    edge_index, weight = (
        torch.tensor(list(edges)).T,
        torch.tensor(list(edges.values()), dtype=torch.float64),
    )
    with torch.no_grad():
        _, state = victim._model.encoder(
            data.x, edge_index, torch.zeros(data.num_nodes, dtype=torch.long), 1, weight
        )
        return float(cross_entropy(victim._model.head(state), torch.tensor([towards])))


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("threat", [EVERY_PAIR, BOTH])
def test_edge_gradients_equal_finite_differences(victim, graphs, threat):
    candidates = threat.enumerate(graphs)
    towards = torch.tensor([2, 0, 1, 1])
    gradients = victim.edge_gradients(graphs, candidates, towards)
    assert gradients.shape == (len(candidates), 2)
    # Existing and absent edges are both among them.
    assert 10 < int(candidates.exists.sum()) < len(candidates) - 10
    step, expected = 1e-6, []
    for number, (i, j) in zip(candidates.graph.tolist(), candidates.pairs.T.tolist(), strict=True):
        data = graphs[number]
        row = []
        for edge in ((i, j), (j, i)):
            higher, lower = (
                loss_with(victim, data, int(towards[number]), edge, by) for by in (step, -step)
            )
            row.append((higher - lower) / (2 * step))
        expected.append(row)
    expected = torch.tensor(expected)
    assert float(expected.abs().max()) > 1e-2
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-6, check_dtype=False)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_edge_gradients_equal_the_reference(vectors, reference_graphs, reference_model, label):
    values = vectors("components")
    graphs = reference_graphs.select(values["gradient_graphs"])
    candidates = EVERY_PAIR.enumerate(graphs)
    gradients = Victim(reference_model).edge_gradients(
        graphs, candidates, torch.full((graphs.num_graphs,), label)
    )
    dense = values["gradient"][:, label]
    i, j = candidates.pairs
    # Row i of the adjacency matrix holds what node i receives: entry (j, i) is the edge from i to
    # j.
    expected = torch.stack([dense[candidates.graph, j, i], dense[candidates.graph, i, j]], dim=1)
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_the_graphs_asked_about(victim, graphs):
    # Of a graph in a batch, and of the same graph alone.
    whole = victim.edge_gradients(graphs, EVERY_PAIR.enumerate(graphs), torch.tensor([2, 0, 1, 1]))
    alone = graphs.select(torch.tensor([2]))
    mine = EVERY_PAIR.enumerate(graphs).graph == 2
    torch.testing.assert_close(
        victim.edge_gradients(alone, EVERY_PAIR.enumerate(alone), torch.tensor([1])),
        whole[mine],
        rtol=1e-5,
        atol=1e-9,
    )


@pytest.mark.usefixtures("_chunk")
def test_gradients_for_several_classes_are_those_for_one_after_the_other(victim, graphs):
    candidates = BOTH.enumerate(graphs)
    towards = torch.tensor([[2, 0], [0, 1], [1, 2], [1, 0]])
    together = victim.edge_gradients(graphs, candidates, towards)
    for column in range(2):
        torch.testing.assert_close(
            together[:, :, column], victim.edge_gradients(graphs, candidates, towards[:, column])
        )
    assert victim.gradient_calls == 16


@pytest.mark.parametrize("name", registry.names("encoder"))
def test_an_encoder_of_plain_sums_has_the_same_gradients_with_and_without_messages_of_candidates(
    name, graphs
):
    model = Victim(new_model(registry.load("encoder", name)))._model
    candidates = EVERY_PAIR.enumerate(graphs)
    asked = (
        model,
        graphs,
        candidates.graph,
        candidates.pairs,
        torch.tensor([[2, 0], [0, 1], [1, 2], [1, 0]]),
    )
    expected = by_weights(*asked)
    assert float(expected.abs().max()) > 1e-2
    if model.encoder.plain_sums:
        torch.testing.assert_close(by_states(*asked), expected, rtol=1e-9, atol=1e-12)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.usefixtures("_chunk")
def test_relaxed_gradients_equal_finite_differences(victim, graphs):
    candidates = BOTH.enumerate(graphs)
    weights = torch.linspace(0.1, 0.9, len(candidates), dtype=torch.float64)

    def loss(logits, index):
        return cross_entropy(logits, (graphs.y[index] + 1) % 3, reduction="none")

    losses, gradient = victim.relaxed(graphs, candidates, weights, loss)
    assert (losses.shape, victim.gradient_calls) == ((4,), 4)
    expected, places = [], range(0, len(candidates), 4)
    for place in places:
        step = torch.zeros_like(weights)
        step[place] = 1e-5
        up, down = (
            victim.relaxed(graphs, candidates, weights + sign * step, loss)[0] for sign in (1, -1)
        )
        expected.append(float((up - down).sum()) / 2e-5)
    torch.testing.assert_close(
        gradient[:: places.step], torch.tensor(expected), rtol=1e-4, atol=1e-6, check_dtype=False
    )
    assert not gradient.requires_grad
    assert not losses.requires_grad


@pytest.mark.parametrize("name", registry.names("encoder"))
def test_relaxed_gradients_are_the_same_with_and_without_messages_of_tiny_weights(name, graphs):
    victim = Victim(new_model(registry.load("encoder", name)))
    candidates = BOTH.enumerate(graphs)
    weights = torch.where(torch.arange(len(candidates)) % 3 == 0, 0.4, 1e-9).double()
    answers = []
    for plain in {victim._model.encoder.plain_sums, False}:
        victim._model.encoder.plain_sums = plain
        answers.append(
            victim.relaxed(
                graphs, candidates, weights, lambda logits, index: -margins(logits, graphs.y[index])
            )
        )
    for one, other in zip(answers[0], answers[-1], strict=True):
        assert float(one.abs().max()) > 1e-2
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
