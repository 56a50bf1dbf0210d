"""What an adapter is told is checked: its settings, its function, and what was found before."""

from __future__ import annotations

import json

import pytest
import torch
from given_modules import given
from sums_modules import Sums, expected

from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.module import ModuleClassifier


def by_function(module, data):
    return module.logits(data.x, data.edge_index, data.batch, data.edge_weight)


def by_another(module, data):
    return -by_function(module, data)


@pytest.fixture
def graphs(random_graphs) -> PackedGraphs:
    return random_graphs(8, sizes=(6, 5, 1, 9, 4), density=0.4)


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
