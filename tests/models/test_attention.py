"""Attention over weighted edges whose scores lie far apart: loops and finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from given_modules import given
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from torch_geometric.nn import GATConv, GATv2Conv

from robust_augcl import registry
from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.attention import weighted_softmax
from robust_augcl.models.message_weights import WeightsRefused, weighted_messages
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel

THREAT = ThreatModel(1, ("add", "delete"))


def sharp(v2: bool, times: float) -> torch.nn.Module:
    """A module whose attention is decided by one edge of each node."""
    module = given("GAT", v2=v2)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, GATConv):
                layer.att_src *= times
            if isinstance(layer, GATv2Conv):
                layer.att *= times
    return module


def by_loop(scores: list[float], weights: list[float], index: list[int]) -> list[float]:
    """The same in double precision, node by node, over the edges of weight above 0 alone."""
    there = [k for k, weight in enumerate(weights) if weight > 0]
    logs = {k: scores[k] + math.log(weights[k]) for k in there}
    found = [0.0] * len(scores)
    for k in there:
        others = [logs[j] for j in there if index[j] == index[k]]
        found[k] = 1 / math.fsum(math.exp(min(log - logs[k], 700.0)) for log in others)
    return found


@settings(deadline=None)
@drawn(
    st.lists(
        st.tuples(
            st.floats(-900, 900, width=32),
            st.one_of(st.just(0.0), st.floats(2.0**-100, 1, width=32)),
            st.integers(0, 2),
        ),
        max_size=8,
    )
)
def test_the_softmax_is_that_of_a_loop_however_far_scores_lie_apart(edges):
    edges = [*edges, *((float(node), 1.0, node) for node in range(3))]  # the self-loops
    scores, weights, index = (list(column) for column in zip(*edges, strict=True))
    found = weighted_softmax(torch.tensor(scores), torch.tensor(weights), torch.tensor(index))
    expected = torch.tensor(by_loop(scores, weights, index))
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("v2", [False, True])
@pytest.mark.parametrize("times", [60.0, 300.0])
def test_scores_far_apart_leave_logits_and_gradients_finite(v2, times, random_graphs):
    """In single precision, in which the attention of all edges but one is 0."""
    graphs = random_graphs(3, sizes=(5, 1, 8, 6), density=0.4)
    model = ModuleClassifier(sharp(v2, times), graphs)
    assert model.capabilities.edge_weights, model.capabilities.reasons
    gradients = Victim(model).edge_gradients(graphs, THREAT.enumerate(graphs), graphs.y)
    assert bool(gradients.isfinite().all())
    assert bool(gradients.any())


@pytest.mark.parametrize("attack", ["grad_argmax", "prbcd"])
def test_gradient_attacks_run_against_sharp_attention(attack, random_graphs):
    graphs = random_graphs(3, sizes=(5, 4, 8, 6), density=0.4)
    model = ModuleClassifier(sharp(False, 60.0), graphs)
    made = registry.load("attack", attack)().brief()
    result = run_attack(
        made,
        Victim(model),
        graphs,
        THREAT,
        fit=FitGraphs(graphs, graphs),
        generator=generator("run"),
    )
    assert result.gradient_calls > 0


@pytest.mark.parametrize("v2", [False, True])
@pytest.mark.parametrize(("times", "least", "largest"), [(1.0, 15, 0.001), (60.0, 3, 1e4)])
def test_gradients_at_the_weight_0_are_finite_differences(v2, times, least, largest, random_graphs):
    """Slopes go up to the exponential of the difference of two scores: steps are small there."""
    graphs = random_graphs(3, sizes=(5, 4, 6), density=0.5)
    few = PackedGraphs(graphs.x.double(), graphs.edge_index, graphs.ptr, graphs.y)
    model = ModuleClassifier(sharp(v2, times).double(), few)
    candidates = THREAT.enumerate(few)
    pairs = candidates.pairs + few.ptr[candidates.graph]
    edges = torch.cat([few.edge_index, pairs], dim=1)
    ones, count = few.x.new_ones(few.edge_index.size(1)), pairs.size(1)
    added = torch.zeros(count, dtype=torch.double, requires_grad=True)
    loss = cross_entropy(model.with_edges(few, edges, torch.cat([ones, added])), few.y)
    (slopes,) = torch.autograd.grad(loss, added)
    assert bool(slopes.isfinite().all())
    compared = 0
    for k in range(count):
        step = 1e-6 / max(1.0, abs(float(slopes[k])))
        losses = []
        for change in (step, -step):
            weights = torch.zeros(count, dtype=torch.double)
            weights[k] = change
            with torch.no_grad():
                logits = model.with_edges(few, edges, torch.cat([ones, weights]))
                losses.append(cross_entropy(logits, few.y))
        expected = float(losses[0] - losses[1]) / (2 * step)
        # The loss is known to about 1e-15, and the difference to that over the step.
        assert float(slopes[k]) == pytest.approx(expected, rel=1e-4, abs=4e-15 / step)
        compared += abs(expected) > 4e-11 / step
    assert compared >= least
    assert float(slopes.abs().max()) > largest


def test_the_softmax_of_the_layer_comes_back():
    layer, edges = GATConv(2, 2), torch.tensor([[0, 1], [1, 0]])
    with weighted_messages(layer, edges, torch.ones(2)):
        assert "edge_update" in vars(layer)
    assert "edge_update" not in vars(layer)
    layer.edge_update = layer.edge_update
    with (
        pytest.raises(WeightsRefused, match="computes its attention in a way of its own"),
        weighted_messages(layer, edges, torch.ones(2)),
    ):
        pass
    assert not layer._edge_update_forward_pre_hooks
