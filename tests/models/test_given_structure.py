"""Whatever decides what a module computes, beside its weights, tells it from others."""

from __future__ import annotations

import argparse
import copy
import functools

import numpy as np
import pytest
import torch
from given_models import graphs
from given_modules import BODIES
from torch import nn

import robust_augcl as ra
from robust_augcl.models.identity import structure


class Options:
    """A user's own settings."""

    def __init__(self, scale):
        self.scale = scale
        self.whole = self  # an object may hold itself

    def act(self, x):
        return self.scale * x


def scaled_by(scale):
    """A function that only its closure tells from others."""

    def scaled(x):
        return scale * x

    return scaled


class Holds(nn.Module):
    """A module that holds something in an attribute."""

    def __init__(self, value, name="held"):
        super().__init__()
        setattr(self, name, value)


def _hooked(scale):
    module = Holds(None)
    module.register_forward_hook(functools.partial(scaled_by, scale))
    return module


def _buffered(scale):
    module = Holds(None)
    module.register_buffer("scale", torch.tensor(scale), persistent=False)
    return module


def _linear(scale):
    with torch.random.fork_rng():
        torch.manual_seed(int(scale))
        return nn.Linear(2, 2)


def _class_with(scale):
    class Inside(nn.Module):
        def forward(self, x):
            return scale * x

    return Inside()


SCALED = {
    "a tensor": lambda scale: Holds(torch.tensor(scale)),
    "a sparse tensor": lambda scale: Holds(torch.tensor([scale, 0.0]).to_sparse()),
    "a private number": lambda scale: Holds(scale, "_scale"),
    "an array": lambda scale: Holds(np.array([scale])),
    "a number of NumPy": lambda scale: Holds(np.float64(scale)),
    "a dictionary": lambda scale: Holds({"of": [scale, {scale}]}),
    "an object": lambda scale: Holds(Options(scale)),
    "options": lambda scale: Holds(argparse.Namespace(scale=scale)),
    "a closure": lambda scale: Holds(scaled_by(scale)),
    "a partial function": lambda scale: Holds(functools.partial(scaled_by, scale)),
    "a method": lambda scale: Holds(Options(scale).act),
    "a module that is not registered": lambda scale: Holds([_linear(scale)]),
    "a buffer that is not stored": _buffered,
    "a hook": _hooked,
    "a class inside a function": _class_with,
}


@pytest.mark.parametrize("made", SCALED.values(), ids=list(SCALED))
def test_what_an_attribute_holds_is_structure(made):
    assert structure(made(2.0)) == structure(made(2.0)), "the same value"
    assert structure(made(2.0)) == structure(copy.deepcopy(made(2.0))), "a copy"
    assert structure(made(2.0)) != structure(made(3.0)), "another value"


def test_what_a_lambda_does_is_structure():
    assert structure(Holds(lambda x: 2 * x)) != structure(Holds(lambda x: 3 * x))


@pytest.mark.parametrize("kind", BODIES)
def test_use_changes_no_structure(kind):
    body = BODIES[kind](2, 4, 2)
    before = structure(body)
    body(torch.ones(3, 2), torch.tensor([[0, 1], [1, 0]])).sum().backward()
    assert structure(body.eval()) == before


# --- so models are not taken for one another ------------------------------------------------------


class Edges(nn.Module):
    """Class 1 is of more than 6 edges, if the sign is positive; there are no weights."""

    def __init__(self, sign):
        super().__init__()
        self.sign = torch.tensor(sign)

    def forward(self, x, edge_index, batch):
        size = int(batch.max()) + 1
        more = torch.bincount(batch[edge_index[0]], minlength=size) / 2 - 6.5
        return self.sign * torch.stack([-more, more], dim=1)


def right(module, data):
    """Call it as it is."""
    return module(data.x, data.edge_index, data.batch)


def wrong(module, data):
    """Call it, and take one class for the other."""
    return right(module, data).flip(1)


def clean_of(models, **options):
    """The predictions of each model on clean graphs, and the truth."""
    result = ra.evaluate(
        models,
        graphs(),
        threat=ra.ThreatModel(budget=1, operations=("add",)),
        attacks=["rand_sampling"],
        certificates=False,
        workers=1,
        **options,
    )
    told = {each.cell.method: [o.clean for o in each.outcomes] for each in result.records}
    return told, [o.label for o in result.records[0].outcomes]


def test_models_that_differ_in_a_tensor_alone_are_two():
    told, truth = clean_of({"right": Edges(1.0), "wrong": Edges(-1.0)})
    assert told["right"] == truth
    assert told["wrong"] == [1 - label for label in truth]


def test_one_model_with_two_adapters_is_two():
    adapter = {name: ra.Adapter(function=each) for name, each in (("a", right), ("b", wrong))}
    model = Edges(1.0)
    told, truth = clean_of({"a": model, "b": model}, adapter=adapter)
    assert told == {"a": truth, "b": [1 - label for label in truth]}


@pytest.mark.thorough
def test_a_model_with_another_tensor_is_evaluated_anew(tmp_path):
    model = Edges(1.0)
    for sign in (1.0, -1.0):
        model.sign.fill_(sign)
        told, truth = clean_of(model, out=tmp_path / "run")
        assert (told["Edges"] == truth) == (sign > 0)
