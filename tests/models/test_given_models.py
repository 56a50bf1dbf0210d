"""PyTorch Geometric's models as victims: the exact worst case, attacks, and gradients."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
import torch
from given_modules import BODIES, centred, given
from torch.nn.functional import cross_entropy
from torch_geometric.data import Batch, Data

from robust_augcl import registry
from robust_augcl.adversary.attack_base import CombiningAttack, FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.adversary.victim_view import Access
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.models.message_weights import weighted_messages
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.oracle.certificates import certify
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel

THREAT = ThreatModel(1, ("add", "delete"))
WEIGHTS = {
    "GIN": "messages",
    "GCN": "messages",
    "GraphSAGE": "messages",
    "GAT": "messages",
    "PNA": None,
    "EdgeCNN": None,
}
"""How a gradient reaches the edges of each."""
OTHERWISE = {
    "PNA": "(PNAConv) aggregates by mean and max and std",
    "EdgeCNN": "(EdgeConv) aggregates by max",
}
"""Those whose messages cannot be weighted, and why."""


@pytest.fixture(scope="module")
def small_graphs(random_graphs) -> PackedGraphs:
    """200 graphs of 1 to 7 nodes, from sparse to dense."""
    rng = np.random.default_rng(0)
    parts = [
        random_graphs(seed, sizes=rng.integers(1, 8, 40).tolist(), density=density)
        for seed, density in enumerate((0.0, 0.2, 0.4, 0.6, 0.9))
    ]
    return PackedGraphs.from_data_list([data for part in parts for data in part.to_data_list()])


def predicted(module, graphs) -> PackedGraphs:
    """The graphs with the classes that a module predicts, but for each fifth."""
    with torch.no_grad():
        y = module(graphs.x, graphs.edge_index, graphs.batch).argmax(1)
    return graphs.with_labels(torch.where(torch.arange(len(y)) % 5 == 0, (y + 1) % 3, y))


@torch.no_grad()
def smallest_margins(module, graphs) -> torch.Tensor:
    """The smallest margin of each graph after one flip or none: all its flips are written out."""
    found = []
    for data in graphs.to_data_list():
        clean = {(i, j) for i, j in data.edge_index.T.tolist()}
        edited = []
        for flip in [(), *combinations(range(len(data.x)), 2)]:
            edges = clean ^ ({flip, flip[::-1]} if flip else set())
            index = torch.tensor(list(edges), dtype=torch.long).reshape(-1, 2).T
            edited.append(Data(x=data.x, edge_index=index))
        batch = Batch.from_data_list(edited)
        logits = module(batch.x, batch.edge_index, batch.batch)
        found.append(margins(logits, data.y.expand(len(edited))).min())
    return torch.stack(found)


def attacked(attack, model, graphs, threat):
    return run_attack(
        attack,
        Victim(model),
        graphs,
        threat,
        fit=FitGraphs(graphs, graphs),
        generator=generator("run"),
    )


@pytest.mark.thorough(but=["GIN", "PNA"])
@pytest.mark.parametrize("name", BODIES)
def test_the_exact_worst_case_is_that_of_brute_force(name, small_graphs):
    module = centred(given(name), small_graphs)
    graphs = predicted(module, small_graphs)
    expected = smallest_margins(module, graphs)
    model = ModuleClassifier(module, graphs)
    result = attacked(registry.load("attack", "exhaustive")(), model, graphs, THREAT)
    assert torch.allclose(result.attacked_margin, expected, atol=1e-4)
    assert torch.equal(certify(Victim(model), graphs, THREAT).certified, expected > 0)
    right = result.clean_margin > 0
    broken = right & (expected <= 0)
    assert int(right.sum()) > 100
    assert 5 < int(broken.sum()) < int(right.sum())  # both verdicts occur


def reason_of(access: Access, name: str) -> str | None:
    """Why a module cannot answer an attack of this access."""
    if access >= Access.GRADIENT and WEIGHTS[name] is None:
        return (
            "`forward` takes no `edge_weight`, and its messages cannot be weighted: "
            f"`body.convs.0` {OTHERWISE[name]}, and not by sum or mean alone"
        )
    if access == Access.WEIGHTS:
        return "its parts are not known one by one, so they cannot be handed over"
    return None


@pytest.mark.thorough(but=["GIN-*", "GAT-*"])
@pytest.mark.parametrize("attack", sorted(registry.names("attack")))
@pytest.mark.parametrize("name", BODIES)
def test_every_attack_runs_or_is_left_out_with_a_true_reason(name, attack, small_graphs):
    made = registry.load("attack", attack)
    if issubclass(made, CombiningAttack):
        return  # it asks nothing of a victim
    module = centred(given(name), small_graphs)
    graphs = predicted(module, small_graphs.select(torch.arange(0, 200, 15)))
    model = ModuleClassifier(module, graphs)
    reason = reason_of(made.access, name)
    assert Victim(model).refuses(made.access) == reason
    threat = ThreatModel(2, ("add", "delete"))
    if reason is not None:
        with pytest.raises(ValueError, match=re.escape(reason)):
            attacked(made(), model, graphs, threat)
    elif made.nodes_only:
        with pytest.raises(ValueError, match="Expected targets that are nodes"):
            attacked(made(), model, graphs, threat)
    else:
        result = attacked(made().brief(), model, graphs, threat)
        assert len(result.perturbations) == graphs.num_graphs
        if made.access == Access.GRADIENT:
            assert result.gradient_calls > 0


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WEIGHTS)
def test_how_gradients_reach_the_edges(name, small_graphs):
    found = ModuleClassifier(given(name), small_graphs).found
    assert found["weights"] == WEIGHTS[name]
    assert found["capabilities"]["edge_weights"] == (WEIGHTS[name] is not None)


@pytest.mark.thorough(only=["GAT-options3"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("GIN", {"norm": "batch_norm"}),
        ("GCN", {"jk": "cat"}),
        ("GraphSAGE", {}),
        ("GAT", {"heads": 2}),
        ("GAT", {"v2": True}),
    ],
)
def test_gradients_are_finite_differences(name, options, random_graphs):
    graphs = random_graphs(3, sizes=(5, 1, 4, 6), density=0.5)
    few = PackedGraphs(graphs.x.double(), graphs.edge_index, graphs.ptr, graphs.y)
    module = given(name, **options).double()
    check_gradients(ModuleClassifier(module, few), few, margin=1e-6)


def check_gradients(model, few, margin):
    """Hold the gradient of each candidate in each direction against a finite difference."""
    candidates = THREAT.enumerate(few)
    gradients = Victim(model).edge_gradients(few, candidates, few.y)
    ends, step = candidates.pairs + few.ptr[candidates.graph], 1e-6
    for k in range(len(candidates)):
        for direction in (0, 1):
            ends_k = ends[:, k : k + 1].flip(0) if direction else ends[:, k : k + 1]
            edges = torch.cat([few.edge_index, ends_k], dim=1)
            ones = few.x.new_ones(few.edge_index.size(1))
            losses = []
            for change in (step, -step):
                weight = torch.cat([ones, ones.new_tensor([change])])
                losses.append(cross_entropy(model.with_edges(few, edges, weight), few.y))
            expected = few.num_graphs * float(losses[0] - losses[1]) / (2 * step)
            assert float(gradients[k, direction]) == pytest.approx(expected, abs=margin)


@pytest.mark.parametrize("name", [name for name in WEIGHTS if WEIGHTS[name]])
def test_weights_of_0_and_1_are_edges_that_are_there_or_not(name, small_graphs):
    module = given(name).double()
    graphs = PackedGraphs(
        small_graphs.x.double(), small_graphs.edge_index, small_graphs.ptr, small_graphs.y
    )
    chance = torch.Generator().manual_seed(0)
    kept = torch.rand(graphs.edge_index.size(1), generator=chance) < 0.5
    with torch.no_grad():
        with weighted_messages(module, graphs.edge_index, kept.double()):
            weighted = module(graphs.x, graphs.edge_index, graphs.batch)
        expected = module(graphs.x, graphs.edge_index[:, kept], graphs.batch)
    torch.testing.assert_close(weighted, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in WEIGHTS if WEIGHTS[name]])
def test_no_hook_stays(name, small_graphs):
    module = given(name)
    model = ModuleClassifier(module, small_graphs)
    Victim(model).edge_gradients(small_graphs, THREAT.enumerate(small_graphs), small_graphs.y)
    for layer in module.modules():
        hooks = [value for key, value in vars(layer).items() if key.endswith("_hooks")]
        assert not any(hooks)


def test_hooks_are_removed_when_the_module_raises(small_graphs):
    module = given("GIN")
    weights = torch.ones(small_graphs.edge_index.size(1))
    with (
        pytest.raises(RuntimeError),
        weighted_messages(module, small_graphs.edge_index, weights),
    ):
        module(small_graphs.x[:, :1], small_graphs.edge_index, small_graphs.batch)
    assert not module.body.convs[0]._message_forward_hooks
