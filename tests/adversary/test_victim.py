"""The victim: its answers against answers computed one by one, its gradients against finite
differences, and its access levels.
"""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from robust_augcl import registry
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.errors import AccessViolation
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.margins import margins
from robust_augcl.oracle.edge_gradients import by_states, by_weights
from robust_augcl.threat.model import ThreatModel

ADD = ThreatModel()
BOTH = ThreatModel(operations=("add", "delete"))
PAPER = ThreatModel(within_component=True, allow_existing=True)
EVERY_PAIR = ThreatModel(allow_existing=True)


def new_model(encoder, seed=0):
    """In double precision; normalisation and biases are not at their start."""
    generator = seeded(seed)
    model = GraphClassifier(
        encoder(in_features=3, width=6, layers=3, generator=generator),
        num_classes=3,
        hidden=5,
        generator=generator,
    )
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith(("bias", "running_mean")):
                value.uniform_(-0.3, 0.3, generator=generator)
            if name.endswith("running_var"):
                value.uniform_(5, 20, generator=generator)
    return model.double()


def double(graphs):
    return PackedGraphs(graphs.x.double(), graphs.edge_index, graphs.ptr, graphs.y)


@pytest.fixture(params=[Structure2Vec, GIN, GCN])
def victim(request):
    return Victim(new_model(request.param))


@pytest.fixture
def graphs(random_graphs):
    return double(random_graphs(3, [5, 2, 8, 6]))


@pytest.fixture(params=[Limits(), Limits(nodes=9, distances=50, edits=7, entries=60)])
def _chunk(request):
    """Everything in one piece, or a few graphs at a time."""
    with using(request.param):
        yield


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


# --- gradients ------------------------------------------------------------------------------------


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


# --- what a victim is -----------------------------------------------------------------------------


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


def relaxed(asked, graphs):
    candidates = BOTH.enumerate(graphs)
    weights = torch.linspace(0.1, 0.9, len(candidates))
    return asked.relaxed(
        graphs, candidates, weights, lambda logits, index: -margins(logits, graphs.y[index])
    )


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


# --- access ---------------------------------------------------------------------------------------

QUESTIONS = {
    "logits": (Access.QUERY, lambda view, graphs: view.logits(graphs)),
    "candidate_logits": (
        Access.QUERY,
        lambda view, graphs: view.candidate_logits(graphs, ADD.enumerate(graphs)),
    ),
    "pair_logits": (
        Access.QUERY,
        lambda view, graphs: view.pair_logits(graphs, ADD.enumerate(graphs))(
            *torch.tensor([[0, 1], [2, 0]])
        ),
    ),
    "edge_gradients": (
        Access.GRADIENT,
        lambda view, graphs: view.edge_gradients(graphs, ADD.enumerate(graphs), graphs.y),
    ),
    "relaxed": (Access.GRADIENT, lambda view, graphs: torch.cat(relaxed(view, graphs))),
}


@pytest.mark.parametrize("access", list(Access))
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_view_answers_up_to_its_level(victim, graphs, access, question):
    needed, ask = QUESTIONS[question]
    view = victim.restricted(access)
    if access >= needed:
        assert torch.equal(ask(view, graphs), ask(victim, graphs))
        return
    with pytest.raises(AccessViolation, match=f"{access.name.lower()}.*{question}"):
        ask(view, graphs)
    assert (victim.queries, victim.gradient_calls) == (0, 0)


@pytest.mark.parametrize("access", list(Access))
def test_a_view_holds_neither_module_nor_tensor(victim, access):
    view = victim.restricted(access)
    assert not hasattr(view, "__dict__")
    held = [getattr(view, name) for name in dir(view) if not name.startswith("__")]
    assert not any(isinstance(value, nn.Module | Tensor | Victim) for value in held)
    assert not any(
        hasattr(view, name) for name in ("_model", "model", "victim", "_victim", "parameters")
    )
    assert view.num_classes == 3
    assert view.device == torch.device("cpu")


@pytest.mark.parametrize("access", [Access.NONE, Access.QUERY])
def test_a_view_takes_no_further_attributes(victim, access):
    with pytest.raises(AttributeError):
        victim.restricted(access).model = victim._model
