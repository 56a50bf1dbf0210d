"""Modules that cheat or break: each is caught by a probe, with a sentence that says what to do."""

from __future__ import annotations

import pytest
import torch
from given_modules import given
from honest_modules import Honest, probe
from torch import nn
from torch_geometric.nn import GCNConv, global_add_pool

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.module import ModuleClassifier


class DropoutThatStays(Honest):
    def forward(self, x, edge_index, batch):
        return self.head(nn.functional.dropout(self.pooled(x, edge_index, batch)))


class RandomLogits(Honest):
    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        return logits + torch.randn(logits.shape)


class ChanceOfItsOwn(Honest):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x, edge_index, batch):
        self.calls += 1
        return super().forward(x, edge_index, batch) + self.calls


class Counting(Honest):
    """Its logits are the same each time, its buffer is not."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x, edge_index, batch):
        self.seen += 1
        return super().forward(x, edge_index, batch)


class FirstGraphOnly(Honest):
    """It keeps what the first graph that it saw looked like."""

    def forward(self, x, edge_index, batch):
        if not hasattr(self, "kept"):
            self.kept = x.mean()
        return super().forward(x, edge_index, batch) + self.kept


class TiredLater(Honest):
    """It answers otherwise after its 25th call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x, edge_index, batch):
        self.calls += 1
        return super().forward(x, edge_index, batch) + float(self.calls > 25)


class KeepsEdges(Honest):
    """It keeps the edges of the first graph of each size."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = {}

    def states(self, x, edge_index):
        return super().states(x, self.kept.setdefault(len(x), edge_index))


class EditsItsInput(Honest):
    def forward(self, x, edge_index, batch):
        x -= x.mean(0)
        return super().forward(x, edge_index, batch)


class EditsItsEdges(Honest):
    def forward(self, x, edge_index, batch):
        edge_index[:, :1] = edge_index[:, -1:]
        return super().forward(x, edge_index, batch)


class DeviceOfItsOwn(Honest):
    def forward(self, x, edge_index, batch):
        return super().forward(x, edge_index, batch) + torch.zeros(3, device="meta")


class AnswersElsewhere(Honest):
    def forward(self, x, edge_index, batch):
        return super().forward(x, edge_index, batch).to("meta")


class NotANumber(Honest):
    def forward(self, x, edge_index, batch):
        degree = torch.bincount(edge_index[1], minlength=len(x)).unsqueeze(1)
        return self.head(global_add_pool(self.first(x) * (degree / degree), batch))


class NodesForGraphs(Honest):
    def forward(self, x, edge_index, batch):
        return self.head(self.states(x, edge_index))


class Cached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = GCNConv(3, 3, cached=True)

    def forward(self, x, edge_index, batch):
        return global_add_pool(self.conv(x, edge_index), batch)


class KeepsGradients(Honest):
    """A tensor with its history, which `copy.deepcopy` refuses."""

    def forward(self, x, edge_index, batch):
        with torch.enable_grad():
            self.last = self.first.weight.sum() * 2
        return super().forward(x, edge_index, batch)


REFUSED = {
    DropoutThatStays: "it draws at random in evaluation mode; draw only where `self.training`",
    RandomLogits: "it draws at random in evaluation mode",
    ChanceOfItsOwn: "keep counters, caches and chance out of evaluation mode",
    Counting: "got changes of `seen`: put layers that count or learn in evaluation mode",
    FirstGraphOnly: "in another order of questions: keep counters and caches out",
    TiredLater: "after many questions as before, got others: keep counters and caches out",
    KeepsEdges: "got others for graphs that lack edges, after it had seen them whole: keep",
    EditsItsInput: "leaves its input as it is, got changes in place: work on a copy",
    EditsItsEdges: "leaves its input as it is, got changes in place: work on a copy",
    DeviceOfItsOwn: "when it was called with .* on cpu",
    AnswersElsewhere: "Expected logits on cpu, where the graphs are, got some on meta: make",
    NotANumber: "got NaN or infinity for [1-9] of [0-9] graphs.*: look at its features",
    NodesForGraphs: r"logits of shape \(1, classes\) for 1 graphs.*got \(9, 3\) of float32: return",
    Cached: "got `conv` .GCNConv., which keeps those of the first one: make it with `cached=F",
    KeepsGradients: r"keep no tensors that were computed with gradients as attributes \(`detach",
}


@pytest.fixture
def graphs(random_graphs) -> PackedGraphs:
    return random_graphs(8, sizes=(6, 5, 1, 9, 4), density=0.4)


@pytest.mark.parametrize("module", REFUSED)
def test_what_nothing_can_be_built_on_is_refused_with_what_to_do(module, graphs):
    with pytest.raises(InputError, match=REFUSED[module]):
        ModuleClassifier(module(), graphs)


def test_an_honest_module_passes_every_probe_but_weights(graphs):
    model = ModuleClassifier(Honest().eval(), graphs)
    outcomes = {each["name"]: each["outcome"] for each in model.found["probes"]}
    failed = {"edge weights": "failed", "reach of an edit": "failed"}
    assert outcomes == {**dict.fromkeys(outcomes, "passed"), **failed}
    assert {"evaluation mode", "batch mates", "order of nodes", "double precision"} < set(outcomes)


def test_the_global_chance_is_left_alone(graphs):
    before = torch.random.get_rng_state()
    with pytest.raises(InputError):
        ModuleClassifier(RandomLogits(), graphs)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_module_on_two_devices_is_refused(graphs):
    module = Honest()
    module.head = nn.Linear(4, 3, device="meta")
    with pytest.raises(InputError, match="on the device `meta`, which holds none"):
        ModuleClassifier(module, graphs)


def test_a_module_whose_weights_have_no_shape_yet_is_refused(graphs):
    module = Honest()
    module.first = nn.LazyLinear(4)
    with pytest.raises(InputError, match=r"got `first.weight`, which has no shape yet: call the"):
        ModuleClassifier(module, graphs)


# --- modes ----------------------------------------------------------------------------------------


def test_a_module_in_training_mode_is_put_in_evaluation_mode(graphs):
    module = given("GIN").train()
    model = ModuleClassifier(module, graphs)
    assert not module.training
    assert probe(model, "evaluation mode") == (
        "noted",
        "it came in training mode and was put in `eval()`",
    )
    assert torch.equal(model(graphs), model(graphs))


class TrainsForEver(Honest):
    """It stays in training mode, with dropout in its states."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def train(self, mode=True):
        return super().train(True)

    def states(self, x, edge_index):
        return self.dropout(super().states(x, edge_index))


class NormsInTraining(TrainsForEver):
    """It stays in training mode, with batch normalisation that goes on learning."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.BatchNorm1d(4)


def test_dropout_of_a_module_that_stays_in_training_mode_is_caught(graphs):
    with pytest.raises(InputError, match="draws at random in evaluation mode"):
        ModuleClassifier(TrainsForEver(), graphs)


def test_normalisation_that_goes_on_learning_is_caught(random_graphs):
    graphs = random_graphs(1, sizes=(6, 5, 7))
    with pytest.raises(InputError, match=r"changes of `dropout.running_mean`"):
        ModuleClassifier(NormsInTraining(), graphs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_module_of_another_precision_is_asked_in_its_own(dtype, graphs):
    model = ModuleClassifier(Honest().to(dtype), graphs)
    plain = ModuleClassifier(Honest(), graphs)
    assert model(graphs).dtype == torch.float32
    assert torch.allclose(model(graphs), plain(graphs), atol=1e-5 if dtype.itemsize > 4 else 0.1)


class SingleOnly(Honest):
    def forward(self, x, edge_index, batch):
        return super().forward(x, edge_index, batch) @ torch.eye(3, dtype=torch.float32)


def test_a_module_that_fails_in_double_precision_keeps_its_own(graphs):
    model = ModuleClassifier(SingleOnly(), graphs)
    outcome, words = probe(model, "double precision")
    assert outcome == "failed"
    assert words.endswith("make tensors with `dtype=x.dtype`")
    assert Victim(model).precise_logits(graphs) is None
    assert torch.equal(Victim(model).logits(graphs), model(graphs))


def test_precise_logits_are_those_of_double_precision(graphs):
    model = ModuleClassifier(given("GCN"), graphs)
    expected = given("GCN").double()(graphs.x.double(), graphs.edge_index, graphs.batch)
    assert torch.allclose(Victim(model).precise_logits(graphs), expected, atol=1e-12)
