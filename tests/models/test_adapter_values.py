"""Features and attributes are handed over as a module takes them; one logit makes two classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sums_modules import Sums, expected
from torch import nn
from torch_geometric.nn import GINEConv, global_add_pool

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.threat.model import ThreatModel


@pytest.fixture
def graphs(random_graphs) -> PackedGraphs:
    return random_graphs(8, sizes=(6, 5, 1, 9, 4), density=0.4)


# --- one logit ------------------------------------------------------------------------------------


class OneLogit(Sums):
    def __init__(self, shape=lambda z: z) -> None:
        super().__init__(classes=1)
        self.shape = shape

    def forward(self, x, edge_index, batch):
        return self.shape(self.logits(x, edge_index, batch))


@pytest.mark.parametrize("shape", [lambda z: z, lambda z: z.squeeze(1), torch.squeeze])
def test_one_logit_is_that_of_the_second_of_two_classes(shape, graphs):
    module = OneLogit(shape)
    model = ModuleClassifier(module, graphs)
    z = expected(module, graphs).squeeze(1)
    assert model.num_classes == 2
    assert torch.equal(model(graphs)[:, 0], torch.zeros(5))
    assert torch.allclose(model(graphs)[:, 1], z, atol=1e-6)
    assert torch.equal(model(graphs).argmax(1) == 1, z > 0)


def test_probabilities_are_told_and_their_logarithms_taken(graphs):
    module = OneLogit(torch.sigmoid)
    told = {
        each["name"]: each["words"] for each in ModuleClassifier(module, graphs).found["probes"]
    }
    assert told["logits"].endswith('Adapter(scale="probabilities")')
    model = ModuleClassifier(module, graphs, Adapter(scale="probabilities"))
    logits = model(graphs)
    z = expected(module, graphs).squeeze(1)
    assert torch.allclose(logits[:, 1] - logits[:, 0], z, atol=1e-4)


# --- features -------------------------------------------------------------------------------------


class Embedded(Sums):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)

    def forward(self, x, edge_index, batch):
        return self.logits(self.embedding(x), edge_index, batch)


class EmbeddedColumns(Embedded):
    def forward(self, x, edge_index, batch):
        return self.logits(self.embedding(x).sum(1), edge_index, batch)


class OwnFeatures(Sums):
    """It takes no features: each node has its degree."""

    def forward(self, edge_index, batch):
        x = torch.bincount(edge_index[0], minlength=len(batch)).float().unsqueeze(1)
        return self.logits(x.expand(-1, 3), edge_index, batch)


class NoneForFeatures(OwnFeatures):
    def forward(self, x, edge_index, batch):
        assert x is None
        return super().forward(edge_index, batch)


def whole(graphs, columns):
    chance = torch.Generator().manual_seed(0)
    x = torch.randint(5, (graphs.num_nodes, columns), generator=chance).float()
    return PackedGraphs(x, graphs.edge_index, graphs.ptr, graphs.y)


@pytest.mark.parametrize(
    ("module", "columns", "features"),
    [(Embedded, 1, "integer"), (EmbeddedColumns, 2, "integers"), (OwnFeatures, 1, "numbers")],
)
def test_whole_numbers_are_handed_to_an_embedding(module, columns, features, graphs):
    model = ModuleClassifier(module(), whole(graphs, columns))
    assert model.found["adapter"]["features"] == features
    logits = model(whole(graphs, columns))
    assert logits[:, 0].unique().numel() > 1
    assert logits.dtype == torch.float32


def test_graphs_without_features_may_be_given_as_none(graphs):
    bare = PackedGraphs(torch.ones(graphs.num_nodes, 1), graphs.edge_index, graphs.ptr, graphs.y)
    assert ModuleClassifier(NoneForFeatures(), bare).found["adapter"]["features"] == "none"
    with pytest.raises(InputError, match="Expected a module that answers for the graphs"):
        ModuleClassifier(NoneForFeatures(), graphs)  # these have features, so None would be wrong


# --- edge attributes ------------------------------------------------------------------------------


class Gine(nn.Module):
    def __init__(self, embedding=None) -> None:
        super().__init__()
        self.embedding = embedding
        self.conv = GINEConv(nn.Linear(3, 4), edge_dim=2)
        self.head = nn.Linear(4, 3)

    def forward(self, x, edge_index, edge_attr, batch):
        edge_attr = edge_attr if self.embedding is None else self.embedding(edge_attr)
        return self.head(global_add_pool(self.conv(x, edge_index, edge_attr), batch))


def with_attributes(graphs, columns):
    """Attributes that are the same in both directions, and what an added edge carries."""
    low, high = graphs.edge_index.min(0).values, graphs.edge_index.max(0).values
    values = torch.stack([low % 3, high % 2][:columns], dim=1).float()
    return replace(graphs, edge_attr=values, added_edge=torch.ones(columns))


@pytest.mark.parametrize(("columns", "attributes"), [(2, "numbers"), (1, "integer")])
def test_edges_carry_their_attributes(columns, attributes, graphs):
    graphs = with_attributes(graphs, columns)
    module = Gine(nn.Embedding(3, 2) if columns == 1 else None)
    model = ModuleClassifier(module, graphs)
    assert model.found["adapter"]["attributes"] == attributes
    assert model.found["weights"] == "messages"
    edited = graphs.flip(torch.tensor([0]), torch.tensor([[0], [5]]))
    handed = edited.edge_attr[:, 0].long() if columns == 1 else edited.edge_attr
    assert torch.allclose(
        model(edited), module(edited.x, edited.edge_index, handed, edited.batch), atol=1e-6
    )
    victim = Victim(model)
    candidates = ThreatModel(1, ("add", "delete")).enumerate(graphs)
    assert victim.candidate_logits(graphs, candidates).isfinite().all()
    assert victim.edge_gradients(graphs, candidates, graphs.y).isfinite().all()


def test_attributes_that_the_edges_do_not_have_are_named(graphs):
    with pytest.raises(InputError, match="its `edge_attr` is None, as the edges carry no attrib"):
        ModuleClassifier(Gine(), graphs)
