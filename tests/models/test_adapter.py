"""Modules of all kinds of signatures are called as they ask, and what is found of it is kept."""

from __future__ import annotations

import json

import pytest
import torch
from sums_modules import Sums, expected
from torch import nn
from torch_geometric.nn import GCNConv, global_add_pool

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.module import ModuleClassifier


class InOrder(Sums):
    def forward(self, x, edge_index, batch):
        return self.logits(x, edge_index, batch)


class OtherNames(Sums):
    def forward(self, node_feats, adjacency, graph_of_node, *, edge_weights=None):
        return self.logits(node_feats, adjacency, graph_of_node, edge_weights)


class OtherOrder(Sums):
    def forward(self, edge_index, edge_weight, batch, x, num_graphs, verbose=False):
        assert num_graphs == int(batch.max()) + 1
        return self.logits(x, edge_index, batch, edge_weight)


class OfData(Sums):
    def forward(self, data):
        assert data.num_graphs == data.ptr.numel() - 1
        assert data.num_nodes == len(data.x)
        return self.logits(data.x, data.edge_index, data.batch, data.edge_weight)


class OfBatch(Sums):
    """Its one argument has the name of a vector, but is a whole `Batch`."""

    def forward(self, batch):
        return self.logits(batch.x, batch.edge_index, batch.batch, batch.edge_attr)


class AnyArguments(Sums):
    def forward(self, *args, **named):
        return self.logits(*args, **named)


class OneGraph(Sums):
    """It knows no batches: one vector of logits for one graph."""

    def forward(self, x, edge_index):
        return self.logits(x, edge_index, torch.zeros(len(x), dtype=torch.long))[0]


class NeedsWeights(Sums):
    def forward(self, x, edge_index, edge_weight, batch):
        return self.logits(x, edge_index, batch, edge_weight * 1.0)


class WithStates(Sums):
    def forward(self, x, edge_index, batch):
        return self.logits(x, edge_index, batch), x


class Named(Sums):
    def forward(self, x, edge_index, batch):
        return {"states": x, "logits": self.logits(x, edge_index, batch)}


class LogSoftmax(Sums):
    def forward(self, x, edge_index, batch):
        return self.logits(x, edge_index, batch).log_softmax(1)


WAYS = {
    InOrder: None,
    OtherNames: None,
    OtherOrder: None,
    OfData: None,
    OfBatch: Adapter(weight="edge_attr"),
    AnyArguments: None,
    OneGraph: None,
    NeedsWeights: None,
    WithStates: None,
    Named: Adapter(item="logits"),
}


@pytest.fixture
def graphs(random_graphs) -> PackedGraphs:
    return random_graphs(8, sizes=(6, 5, 1, 9, 4), density=0.4)


@pytest.mark.parametrize("way", WAYS)
def test_modules_are_called_as_their_signature_says(way, graphs):
    module = way()
    model = ModuleClassifier(module, graphs, WAYS[way])
    assert torch.allclose(model(graphs), expected(module, graphs), atol=1e-6)
    assert model.capabilities.batches == (way is not OneGraph)
    weight = torch.rand(graphs.edge_index.size(1), generator=torch.Generator().manual_seed(0))
    weighted = model.with_edges(graphs, graphs.edge_index, weight)
    assert torch.allclose(weighted, expected(module, graphs, weight), atol=1e-6)
    by_argument = way in (OtherNames, OtherOrder, OfData, OfBatch, NeedsWeights)
    assert model.found["weights"] == ("argument" if by_argument else "messages")


@pytest.mark.parametrize("way", WAYS)
def test_what_was_found_makes_the_same_classifier_without_a_question(way, graphs):
    model = ModuleClassifier(way(), graphs, WAYS[way])
    kept = json.loads(json.dumps(model.found))
    module = way()
    again = ModuleClassifier.of_found(module.train(), kept)
    assert not module.training
    assert again.found == model.found
    assert again.capabilities == model.capabilities
    assert torch.equal(again(graphs), model(graphs))


def test_a_module_of_log_softmax_keeps_its_margins(graphs):
    module = LogSoftmax()
    logits = ModuleClassifier(module, graphs)(graphs)
    plain = expected(module, graphs)
    assert torch.allclose(logits - logits[:, :1], plain - plain[:, :1], atol=1e-5)


def test_edge_weights_may_be_a_column(graphs):
    class Columns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = GCNConv(3, 3)

        def forward(self, x, edge_index, batch, edge_weight=None):
            weight = None if edge_weight is None else edge_weight.squeeze(1)
            return global_add_pool(self.conv(x, edge_index, weight), batch)

    model = ModuleClassifier(Columns(), graphs, Adapter(column=True))
    assert model.found["weights"] == "argument"
