"""Modules that cheat or break: each is caught by a probe, with a sentence that says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from given_modules import given
from torch import nn
from torch_geometric.nn import GCNConv, SAGEConv, global_add_pool
from torch_geometric.utils import sort_edge_index

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.threat.model import ThreatModel


class Honest(nn.Module):
    """Degrees and features, summed: nothing is wrong with it. Others derive from it."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.head = nn.Linear(3, 4), nn.Linear(4, 3)

    def states(self, x, edge_index):
        x = self.first(x)
        return x.tanh() + torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]]).tanh()

    def pooled(self, x, edge_index, batch):
        return global_add_pool(self.states(x, edge_index), batch)

    def forward(self, x, edge_index, batch):
        return self.head(self.pooled(x, edge_index, batch))


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


def probe(model, name):
    (found,) = [each for each in model.found["probes"] if each["name"] == name]
    return found["outcome"], found["words"]


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


# --- what depends on what -------------------------------------------------------------------------


class NormsByBatch(Honest):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4, track_running_stats=False)

    def states(self, x, edge_index):
        states = super().states(x, edge_index)
        return self.norm(states) if len(states) > 1 else states


class LooksAtBatchMates(Honest):
    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        return logits - logits.mean(0) + logits[0].detach() * 0


class CountsFromTheFirst(Honest):
    """The first graph of a batch, and the last, are treated otherwise than they are alone."""

    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        return logits + torch.arange(len(logits)).unsqueeze(1)


class ReadsPositions(Honest):
    def states(self, x, edge_index):
        return super().states(x, edge_index).cumsum(0)

    def pooled(self, x, edge_index, batch):
        first = torch.cat([batch.new_ones(1), batch.diff()]).bool()
        return self.states(x, edge_index)[first] * 0 + global_add_pool(
            super().states(x, edge_index) * (torch.arange(len(x)) % 2).unsqueeze(1), batch
        )


class ReadsOrderOfEdges(Honest):
    def states(self, x, edge_index):
        last = torch.zeros(len(x), dtype=torch.long)
        for source, target in edge_index.T.tolist():
            last[target] = source
        return self.first(x) + self.first(x)[last]


@pytest.mark.parametrize("module", [NormsByBatch, LooksAtBatchMates, CountsFromTheFirst])
def test_graphs_are_asked_about_one_by_one_where_batch_mates_matter(module, graphs):
    model = ModuleClassifier(module(), graphs)
    assert not model.capabilities.batches
    outcome, words = probe(model, "batch mates")
    assert outcome == "failed"
    assert "depend on the other graphs of its batch; so graphs are asked about one by one" in words
    told = "`norm` (BatchNorm1d) norms by the statistics of each batch: keep running statistics"
    assert (told in words) == (module is NormsByBatch)
    alone = [model.module(d.x, d.edge_index, torch.zeros(len(d.x)).long()) for d in graphs]
    assert torch.allclose(model(graphs), torch.cat(alone), atol=1e-6)


class AddsTheLargestDegree(Honest):
    """The largest degree of the batch counts."""

    def forward(self, x, edge_index, batch):
        degrees = torch.bincount(edge_index[0], minlength=len(x))
        return super().forward(x, edge_index, batch) + degrees.max()


@pytest.mark.parametrize("module", [NormsByBatch, LooksAtBatchMates, AddsTheLargestDegree])
@pytest.mark.parametrize("copies", [1, 4])
def test_batch_mates_matter_also_where_all_graphs_are_the_same(module, copies, random_graphs):
    """Edited graphs are asked about together, and they are no copies of each other."""
    graphs = random_graphs(2, sizes=(9,), density=0.4).select(torch.zeros(copies).long())
    model = ModuleClassifier(module().double(), replace(graphs, x=graphs.x.double()))
    assert not model.capabilities.batches
    candidates = ThreatModel(1, ("add", "delete")).enumerate(graphs)
    logits = Victim(model).candidate_logits(replace(graphs, x=graphs.x.double()), candidates)
    for row, number, pair in zip(logits, candidates.graph, candidates.pairs.T, strict=True):
        edited = graphs.select(number.reshape(1)).flip(torch.tensor([0]), pair.unsqueeze(1))
        expected = model.module(edited.x.double(), edited.edge_index, edited.batch)
        torch.testing.assert_close(row, expected[0])


class TurnsAtAThreshold(Honest):
    """A node with a high degree anywhere in the batch changes all logits."""

    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        return logits if int(torch.bincount(edge_index[0]).max()) < 4 else -logits


def test_batch_mates_that_matter_for_edited_graphs_alone_are_seen_when_asked(to_data):
    wheel = [(0, 1), (0, 2), (0, 3), *((k, k + 1) for k in range(3, 9))]
    draws = torch.Generator().manual_seed(0)
    graph = to_data(10, wheel)
    graph.x = torch.randn(10, 3, generator=draws)
    graphs = PackedGraphs.from_data_list([graph])
    model = ModuleClassifier(TurnsAtAThreshold(), graphs)
    assert model.capabilities.batches  # no probe has a node of four neighbours
    candidates = ThreatModel(1, ("add", "delete")).enumerate(graphs)
    logits = Victim(model).candidate_logits(graphs, candidates)
    for row, pair in zip(logits, candidates.pairs.T, strict=True):
        edited = graphs.flip(torch.tensor([0]), pair.unsqueeze(1))
        expected = model.module(edited.x, edited.edge_index, edited.batch)
        torch.testing.assert_close(row, expected[0])


def test_batch_mates_of_node_targets_lie_in_one_graph(random_graphs):
    """All targets of a graph are asked about beside copies of it."""

    class Norms(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = GCNConv(3, 3), nn.BatchNorm1d(3, track_running_stats=False)

        def forward(self, x, edge_index):
            return self.norm(self.conv(x, edge_index))

    graph = random_graphs(2, sizes=(9,), density=0.4).select(torch.zeros(3).long())
    targets = replace(graph, target_node=torch.tensor([0, 4, 8]))
    assert not ModuleClassifier(Norms(), targets).capabilities.batches


def test_what_depends_on_the_order_of_nodes_is_said(graphs):
    outcome, words = probe(ModuleClassifier(ReadsPositions(), graphs), "order of nodes")
    assert outcome == "failed"
    assert "edits are judged in the order in which each graph is given. If that is not" in words


def test_what_depends_on_the_order_of_edges_gets_no_gradients(graphs):
    model = ModuleClassifier(ReadsOrderOfEdges(), graphs)
    outcome, words = probe(model, "order of edges")
    assert outcome == "failed"
    assert "gradient attacks are left out" in words
    assert not model.capabilities.edge_weights


class AggregatesByLSTM(nn.Module):
    """Its aggregation takes edges that are sorted by target alone."""

    def __init__(self, sorts: bool) -> None:
        super().__init__()
        self.conv, self.sorts = SAGEConv(3, 3, aggr="lstm"), sorts

    def forward(self, x, edge_index, batch):
        if self.sorts:
            edge_index = sort_edge_index(edge_index, sort_by_row=False)
        return global_add_pool(self.conv(x, edge_index), batch)


def test_lstm_aggregation_is_told_to_sort_inside_forward_and_then_enters(random_graphs):
    graphs = random_graphs(0, sizes=(6, 7), density=0.6)  # an LSTM takes no empty sequence
    with pytest.raises(InputError) as raised:
        ModuleClassifier(AggregatesByLSTM(sorts=False), graphs)
    words = "sort them inside `forward`, as `edge_index = torch_geometric.utils.sort_edge_index("
    assert words in str(raised.value)
    assert len(str(raised.value)) < 280  # a line of the command is cut at 320, with a label
    model = ModuleClassifier(AggregatesByLSTM(sorts=True), graphs)
    assert "aggregates by lstm" in model.capabilities.reasons["edge_weights"]


# --- small graphs ---------------------------------------------------------------------------------


class NeedsEdges(Honest):
    def states(self, x, edge_index):
        return super().states(x, edge_index) + 0 * edge_index.max()


class SpreadOfNodes(Honest):
    """The standard deviation over the nodes of a graph: of one node it is not a number."""

    def pooled(self, x, edge_index, batch):
        states = self.states(x, edge_index)
        return torch.stack([states[batch == k].std(0) for k in batch.unique()])


def test_a_module_that_needs_edges_says_so_and_an_attack_ends_with_the_word(random_graphs):
    graphs = random_graphs(2, sizes=(3, 3, 4), density=0.6)
    model = ModuleClassifier(NeedsEdges(), graphs)
    outcome, words = probe(model, "a graph without edges")
    assert outcome == "failed"
    assert "leave out such graphs, and those that the allowed edits may make such" in words
    bare = graphs.select(torch.tensor([0])).keep_nodes(torch.tensor([True, False, False]))
    with pytest.raises(InputError, match=r"cannot answer for a graph without edges .*: mend it"):
        Victim(model).logits(bare)


def test_a_module_that_needs_two_nodes_says_so(random_graphs):
    graphs = random_graphs(2, sizes=(3, 3, 4), density=0.6)
    model = ModuleClassifier(SpreadOfNodes(), graphs)
    assert probe(model, "a graph of one node")[0] == "failed"
    one = graphs.select(torch.tensor([0])).keep_nodes(torch.tensor([True, False, False]))
    with pytest.raises(InputError, match=r"for a graph of one node \(NaN or infinity\): mend it"):
        model(one)


class FallsLater(Honest):
    """Its logits are finite for every graph that it is probed with, and not for a triangle."""

    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        return logits / (torch.bincount(batch[edge_index[0]], minlength=len(logits)) != 6)[:, None]


def test_logits_that_are_no_numbers_later_stop_an_attack_with_a_word(to_data):
    path = to_data(3, [(0, 1), (1, 2)])
    path.x = torch.ones(3, 3)
    graphs = PackedGraphs.from_data_list([path, path])
    victim = Victim(ModuleClassifier(FallsLater(), graphs))
    with pytest.raises(InputError, match="Expected finite logits, got NaN or infinity"):
        victim.candidate_logits(graphs, ThreatModel(1, ("add", "delete")).enumerate(graphs))


# --- precision ------------------------------------------------------------------------------------


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
