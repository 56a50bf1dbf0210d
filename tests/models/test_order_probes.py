"""Modules whose answers depend on the batch, on orders, or on how small a graph is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from honest_modules import Honest, probe
from torch import nn
from torch_geometric.nn import GCNConv, SAGEConv, global_add_pool
from torch_geometric.utils import sort_edge_index

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.threat.model import ThreatModel


@pytest.fixture
def graphs(random_graphs) -> PackedGraphs:
    return random_graphs(8, sizes=(6, 5, 1, 9, 4), density=0.4)


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
