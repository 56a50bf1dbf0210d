"""Victims made of modules that a user brings."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch_geometric.nn import GCNConv, GINConv, GraphConv, global_add_pool, global_mean_pool

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.attacks.prbcd import PRBCD
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.oracle.bounds import margin_bounds
from robust_augcl.oracle.certificates import certify
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel


class Gin(nn.Module):
    """PyTorch Geometric's GIN with pooling and a head."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [3, 8]
        self.convs = nn.ModuleList(
            GINConv(nn.Sequential(nn.Linear(size, 8), nn.ReLU(), nn.Linear(8, 8))) for size in sizes
        )
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(8, 3)

    def forward(self, x, edge_index, batch):
        for conv in self.convs:
            x = self.dropout(conv(x, edge_index).relu())
        return self.head(global_add_pool(x, batch))


class Gcn(nn.Module):
    """PyTorch Geometric's GCN with edge weights."""

    def __init__(self, conv=GCNConv, pool=global_mean_pool, **options) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv(3, 8, **options), conv(8, 8, **options)])
        self.head = nn.Linear(8, 3)
        self.pool = pool

    def forward(self, x, edge_index, edge_weight=None, batch=None):
        for conv in self.convs:
            x = conv(x, edge_index, edge_weight).relu()
        return self.head(x if self.pool is None else self.pool(x, batch))


class Scattered(nn.Module):
    """Sums over neighbours without any layer of PyTorch Geometric, and without edge weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x, edge_index, batch):
        return self.head(global_add_pool(self.states(x, edge_index, None), batch))

    def states(self, x, edge_index, weight):
        source, target = edge_index
        for layer in (self.first, self.second):
            sent = x[source] if weight is None else x[source] * weight.unsqueeze(1)
            x = layer(x + torch.zeros_like(x).index_add(0, target, sent)).relu()
        return x


def made(module, *args, **options):
    """A module with weights that are the same in each run; the global chance is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return module(*args, **options)


@pytest.fixture
def graphs(random_graphs) -> PackedGraphs:
    return random_graphs(8, sizes=(6, 5, 1, 7, 4), density=0.4)


def attacked(attack, model, graphs, threat):
    fit = FitGraphs(graphs, graphs)
    return run_attack(attack, Victim(model), graphs, threat, fit=fit, generator=generator("run"))


def smallest_margin(model, data) -> float:
    """After any flip of one pair of nodes, or none, one graph after the other."""
    found = []
    clean = {(i, j) for i, j in data.edge_index.T.tolist()}
    for flip in [(), *combinations(range(len(data.x)), 2)]:
        edges = clean ^ ({flip, flip[::-1]} if flip else set())
        index = torch.tensor(sorted(edges), dtype=torch.long).reshape(-1, 2).T
        logits = model.module(data.x, index, batch=torch.zeros(len(data.x)).long())
        found.append(float(margins(logits, data.y)))
    return min(found)


# --- attacks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [Gin, Gcn])
@torch.no_grad()
def test_the_exhaustive_attack_finds_the_worst_flip(module, graphs):
    model = ModuleClassifier(made(module), graphs)
    threat = ThreatModel(1, ("add", "delete"))
    result = attacked(Exhaustive(), model, graphs, threat)
    expected = torch.tensor([smallest_margin(model, data) for data in graphs.to_data_list()])
    assert torch.allclose(result.attacked_margin, expected, atol=1e-4)
    assert torch.equal(certify(Victim(model), graphs, threat).certified, expected > 0)


@torch.no_grad()
def test_two_edits_are_tried_in_pairs(graphs):
    few = graphs.select(torch.tensor([1, 4]))
    model = ModuleClassifier(made(Gin), graphs)
    attack = Exhaustive(stop_when_broken=False)
    result = attacked(attack, model, few, ThreatModel(2, ("add", "delete")))
    for k, data in enumerate(few.to_data_list()):
        once = [ThreatModel(1, ("add", "delete")).enumerate(few.select(torch.tensor([k])))]
        flips = once[0].pairs.T.tolist()
        found = [smallest_margin(model, data)]
        for pair in combinations(flips, 2):
            edges = {tuple(edge) for edge in data.edge_index.T.tolist()}
            edges ^= {(i, j) for i, j in pair} | {(j, i) for i, j in pair}
            index = torch.tensor(sorted(edges), dtype=torch.long).reshape(-1, 2).T
            logits = model.module(data.x, index, torch.zeros(len(data.x)).long())
            found.append(float(margins(logits, data.y)))
        assert float(result.attacked_margin[k]) == pytest.approx(min(found), abs=1e-4)


@pytest.mark.parametrize("attack", [GradArgmax(), PRBCD()])
def test_an_attack_that_needs_gradients_is_refused_with_the_reason(attack, graphs):
    model = ModuleClassifier(made(Scattered), graphs)
    with pytest.raises(ValueError, match="`forward` takes no `edge_weight`"):
        attacked(attack, model, graphs, ThreatModel())


def test_other_attacks_are_not_refused(graphs):
    model = ModuleClassifier(made(Scattered), graphs)
    assert len(attacked(RandSampling(), model, graphs, ThreatModel()).perturbations) == 5
    assert Victim(model).refuses(Access.QUERY) is None
    assert Victim(model).refuses(Access.GRADIENT) == (
        "`forward` takes no `edge_weight`, and its messages cannot be weighted: it has no message "
        "passing layer of PyTorch Geometric"
    )


def test_questions_about_gradients_raise_the_reason(graphs):
    victim = Victim(ModuleClassifier(made(Scattered), graphs))
    with pytest.raises(NotImplementedError, match="takes no `edge_weight`"):
        victim.edge_gradients(graphs, ThreatModel().enumerate(graphs), graphs.y)


@pytest.mark.parametrize("attack", [GradArgmax(), PRBCD()])
def test_attacks_by_gradients_run_where_edge_weights_act(attack, graphs):
    model = ModuleClassifier(made(Gcn), graphs)
    assert model.capabilities.edge_weights
    right = graphs.with_labels(model(graphs).argmax(1))  # PRBCD leaves graphs that are broken
    result = attacked(attack, model, right, ThreatModel(2, ("add", "delete")))
    assert result.gradient_calls > 0


@pytest.mark.parametrize("options", [{}, {"conv": GraphConv, "pool": global_add_pool}])
def test_gradients_are_finite_differences(options, graphs):
    few = PackedGraphs(graphs.x.double(), graphs.edge_index, graphs.ptr, graphs.y)
    model = ModuleClassifier(made(Gcn, **options).double(), few)
    candidates = ThreatModel(1, ("add", "delete")).enumerate(few)
    gradients = Victim(model).edge_gradients(few, candidates, few.y)
    ends, step = candidates.pairs + few.ptr[candidates.graph], 1e-5
    for k in range(len(candidates)):
        edges = torch.cat([few.edge_index, ends[:, k : k + 1]], dim=1)
        ones = few.x.new_ones(few.edge_index.size(1))
        losses = [
            cross_entropy(
                model.with_edges(few, edges, torch.cat([ones, ones.new_tensor([change])])),
                few.y,
                reduction="sum",
            )
            for change in (step, -step)
        ]
        expected = float(losses[0] - losses[1]) / (2 * step)
        assert float(gradients[k, 0]) == pytest.approx(expected, abs=1e-6)


def test_a_module_may_answer_for_nodes(graphs):
    nodes = PackedGraphs(graphs.x, graphs.edge_index, graphs.ptr, graphs.y, graphs.sizes - 1)
    model = ModuleClassifier(made(Gcn, pool=None), nodes)
    everything = model.module(graphs.x, graphs.edge_index)
    assert torch.equal(model(nodes), everything[graphs.ptr[1:] - 1])


# --- probes ---------------------------------------------------------------------------------------


def test_what_a_module_can_do(graphs):
    able = ModuleClassifier(made(Gcn), graphs).capabilities
    assert (able.edge_weights, able.batches, able.local) == (True, True, True)
    assert able.reasons == {}
    able = ModuleClassifier(made(Scattered), graphs).capabilities
    assert (able.edge_weights, able.batches, able.local) == (False, True, False)
    assert set(able.reasons) == {"edge_weights", "local"}


def test_nothing_is_bounded_of_a_module(graphs):
    model = ModuleClassifier(made(Gcn), graphs)
    candidates = ThreatModel(2).enumerate(graphs)
    assert model.local_parts(graphs) is None
    assert margin_bounds(model, graphs, candidates, torch.full((5,), 2)) is None


class Wrapped(Scattered):
    """Weighted sums whose weights are changed on the way in, or whose logits on the way out."""

    def __init__(self, weights=lambda w: w, logits=lambda out: out, before=lambda x: x) -> None:
        super().__init__()
        self.weights, self.logits, self.before = weights, logits, before

    def forward(self, x, edge_index, batch, edge_weight=None):
        weight = None if edge_weight is None else self.weights(edge_weight)
        states = self.states(self.before(x), edge_index, weight)
        return self.logits(self.head(global_add_pool(states, batch)))


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (lambda w: None, "`edge_weight` has no effect"),
        (lambda w: w.detach() + 0.1 * (w - w.detach()), "are not those of finite differences"),
        (lambda w: w + 1, "an edge of weight 1 is not the same"),
        (lambda w: w.detach(), "no gradient flows"),
        (lambda w: 0.5 * w + 0.5, "an edge of weight 0 is not the same"),
        (lambda w: w.square(), "two edges of half the weight"),
        (lambda w: w.no_such_thing, "it fails with edge weights"),
    ],
)
def test_edge_weights_that_do_not_act_as_weights_are_not_used(weights, reason, graphs):
    able = ModuleClassifier(made(Wrapped, weights), graphs).capabilities
    assert not able.edge_weights
    assert reason in able.reasons["edge_weights"]


def test_a_mean_over_neighbours_counts_edges_of_weight_0_so_its_messages_are_weighted(graphs):
    model = ModuleClassifier(made(Gcn, conv=GraphConv, aggr="mean"), graphs)
    assert model.found["weights"] == "messages"
    words = {probe["name"]: probe["words"] for probe in model.found["probes"]}["edge weights"]
    assert words.startswith(
        "an edge of weight 0 is not the same as no edge; gradients come through"
    )


def test_weights_cannot_be_probed_without_edges(random_graphs):
    able = ModuleClassifier(made(Gcn), random_graphs(3, density=0.0)).capabilities
    assert able.reasons["edge_weights"] == "no graph that it was probed with has an edge"


@pytest.mark.parametrize(
    ("logits", "reason"),
    [
        (lambda out: out - out.mean(0), "depend on the other graphs"),
        (lambda out: out if len(out) == 1 else out[0], "fails with several graphs at once"),
    ],
)
def test_graphs_are_asked_about_one_by_one_where_a_batch_is_another_question(
    logits, reason, graphs
):
    model = ModuleClassifier(made(Wrapped, logits=logits), graphs)
    assert not model.capabilities.batches
    assert reason in model.capabilities.reasons["batches"]
    alone = [model.module(d.x, d.edge_index, torch.zeros(len(d.x)).long()) for d in graphs]
    assert torch.allclose(model(graphs), torch.cat(alone), atol=1e-6)
    ones = graphs.x.new_ones(graphs.edge_index.size(1))
    if model.capabilities.edge_weights:
        weighted = model.with_edges(graphs, graphs.edge_index, ones)
        assert torch.allclose(weighted, torch.cat(alone), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": lambda out: out + torch.rand(out.shape)}, "others the second time"),
        ({"logits": lambda out: out * torch.nan}, "NaN or infinity"),
        ({"logits": lambda out: out[:, :0]}, r"got \(1, 0\)"),
        ({"logits": lambda out: out.argmax(1)}, r"got \(1,\) of int64"),
        ({"logits": lambda out: {"logits": out}}, "got dict"),
        ({"before": lambda x: x.mul_(2)}, "leaves its input as it is"),
    ],
)
def test_a_module_that_nothing_can_be_built_on_is_refused(change, message, graphs):
    with pytest.raises(InputError, match=message):
        ModuleClassifier(made(Wrapped, **change), graphs)


def test_dropout_is_switched_off(graphs):
    module = made(Gin).train()
    model = ModuleClassifier(module, graphs)
    assert not module.training
    assert torch.equal(model(graphs), model(graphs))


def test_a_module_is_probed_with_at_least_one_graph(graphs):
    with pytest.raises(InputError, match="at least one graph"):
        ModuleClassifier(made(Gin), graphs.select(torch.zeros(0, dtype=torch.long)))
