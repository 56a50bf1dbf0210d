"""How modules of all kinds of signatures and answers are called, and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from given_modules import given
from torch import nn
from torch_geometric.nn import GCNConv, GINEConv, GraphConv, global_add_pool

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.threat.model import ThreatModel


class Sums(nn.Module):
    """Three logits from sums over neighbours; others derive from it and call it in their way."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv, self.head = GraphConv(3, 4), nn.Linear(4, classes)

    def logits(self, x, edge_index, batch, weight=None):
        states = self.conv(x, edge_index, weight).tanh()
        return self.head(states if batch is None else global_add_pool(states, batch))


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


def by_function(module, data):
    return module.logits(data.x, data.edge_index, data.batch, data.edge_weight)


def by_another(module, data):
    return -by_function(module, data)


@pytest.fixture
def graphs(random_graphs) -> PackedGraphs:
    return random_graphs(8, sizes=(6, 5, 1, 9, 4), density=0.4)


def expected(module, graphs, weight=None):
    return module.logits(graphs.x, graphs.edge_index, graphs.batch, weight)


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


# --- what cannot be ------------------------------------------------------------------------------


class Unclear(Sums):
    def forward(self, x, edge_index, batch, temperature):
        return self.logits(x, edge_index, batch)


def test_a_parameter_that_nothing_is_known_to_be_given_for_is_named(graphs):
    with pytest.raises(
        InputError, match=r"`temperature` of `forward`: say it with Adapter\(named="
    ):
        ModuleClassifier(Unclear(), graphs)


def test_an_adapter_says_what_the_signature_guesses_wrong(graphs):
    class Swapped(Sums):
        def forward(self, batch, x, edge_index):  # the names mislead
            return self.logits(edge_index, batch, x)

    adapter = Adapter(named={"edge_index": "x", "batch": "edge_index", "x": "batch"})
    module = Swapped()
    assert torch.allclose(
        ModuleClassifier(module, graphs, adapter)(graphs), expected(module, graphs), atol=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positional": ["x", "edges"]}, "Expected `positional` to be roles"),
        ({"named": {"x": 1}}, "Expected `named` to be roles"),
        ({"column": 1}, "Expected `column` to be one of true, false, got 1"),
        ({"features": "floats"}, "Expected `features` to be one of numbers, integers"),
        ({"item": True}, "Expected `item` to be a place or a key, got True"),
        ({"weight": "not a name"}, "Expected `weight` to be a name"),
        ({"scales": "logits"}, "Unknown setting of an adapter 'scales', did you mean 'scale'"),
        ({"function": "no.such:thing"}, "Expected the adapter's function 'no.such:thing' to be ha"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        Adapter.of_settings(settings)


# --- functions ------------------------------------------------------------------------------------


class CannotBeCalled(Sums):
    def forward(self):
        raise NotImplementedError


def test_a_function_calls_the_module_instead(graphs):
    module = CannotBeCalled()
    model = ModuleClassifier(module, graphs, Adapter(function=by_function))
    assert torch.allclose(model(graphs), expected(module, graphs), atol=1e-6)
    assert model.found["weights"] == "argument"
    settings = model.found["adapter"]
    assert settings["function"] == f"{__name__}:by_function"
    assert len(settings["source"]) == 64
    again = ModuleClassifier.of_found(CannotBeCalled(), model.found, by_function)
    assert torch.equal(again(graphs), model(graphs))


def test_a_function_is_not_taken_from_what_was_found_alone(graphs):
    found = ModuleClassifier(CannotBeCalled(), graphs, Adapter(function=by_function)).found
    with pytest.raises(InputError, match="nothing is imported that only a folder names"):
        ModuleClassifier.of_found(CannotBeCalled(), found)
    with pytest.raises(InputError, match=r"Expected the adapter's function '.*:by_function', got"):
        ModuleClassifier.of_found(CannotBeCalled(), found, by_another)
    found["adapter"]["source"] = "0" * 64
    with pytest.raises(InputError, match="is another one now"):
        ModuleClassifier.of_found(CannotBeCalled(), found, by_function)


def test_a_function_must_be_importable():
    with pytest.raises(InputError, match="define it at the top of a module"):
        Adapter(function=lambda module, data: data)


# --- what was found, from a file ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.update(num_classes=1), "num_classes"),
        (lambda found: found.update(num_classes=True), "num_classes"),
        (lambda found: found.pop("double"), "double"),
        (lambda found: found.update(more=1), "more"),
        (lambda found: found.update(weights="telepathy"), "weights"),
        (lambda found: found.update(weights=None), "Expected `weights` to be stated"),
        (lambda found: found["capabilities"].update(batches=False), "Expected a reason where"),
        (lambda found: found["adapter"].update(scale="percent"), "Expected `scale`"),
        (lambda found: found["adapter"].update(positional=None), "to be stated, got none"),
        (lambda found: found["probes"].append({"name": "x"}), "probes"),
    ],
)
def test_a_field_that_it_cannot_have_is_refused(change, message, graphs):
    found = json.loads(json.dumps(ModuleClassifier(given("GCN"), graphs).found))
    change(found)
    with pytest.raises(InputError, match=message):
        ModuleClassifier.of_found(given("GCN"), found)


def test_another_number_of_classes_than_was_found_is_refused_when_asked(graphs):
    found = json.loads(json.dumps(ModuleClassifier(given("GCN"), graphs).found))
    found["num_classes"] = 7
    with pytest.raises(InputError, match="Expected logits of 7 classes, as the module had before"):
        ModuleClassifier.of_found(given("GCN"), found)(graphs)


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
