"""What every method promises, over the registry."""

from __future__ import annotations

import json

import pytest
import torch
from generators import seeded

from robust_augcl import registry
from robust_augcl.contrast.diagnostics import diagnose
from robust_augcl.contrast.objective import Embedded, LossSettings

METHODS = [name for name in registry.names("method") if name != "none"]
SMALL = {"augcl": {"passes": 2, "hidden": 8}}


def made(name, **settings):
    method = registry.load("method", name)(**SMALL.get(name, {}))
    return method.objective(5, LossSettings(0.5, **settings), seeded(0), "cpu")


def batches(*sizes):
    numbers = torch.arange(sum(sizes))
    z1, z2 = torch.randn(2, sum(sizes), 5, generator=seeded(1))
    return [Embedded(z1[part], z2[part], part) for part in numbers.split(list(sizes))]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("directions", ["one", "both"])
@pytest.mark.parametrize("what", ["random", "two graphs", "all the same", "all zero"])
def test_losses_and_gradients_are_finite(name, inside, directions, what):
    objective = made(name, positive_in_denominator=inside, directions=directions)
    found = batches(2) if what == "two graphs" else batches(9)
    if what.startswith("all"):
        fill = torch.ones(9, 5) if what == "all the same" else torch.zeros(9, 5)
        found = [Embedded(fill, fill, torch.arange(9))]
    if objective.learns:
        objective.fit(lambda: iter(found), seeded(2))
    z1, z2, numbers = (part.clone() for part in found[0])
    z1.requires_grad_(True)
    z2.requires_grad_(True)
    loss = objective.loss(z1, z2, numbers)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z1.grad).all()


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_not_negative_detached_and_1_on_the_diagonal(name):
    objective = made(name)
    if objective.learns:
        objective.fit(lambda: iter(batches(8, 8)), seeded(2))
    weighter = getattr(objective, "weighter", None)
    if weighter is None:
        pytest.skip("has no weights of negatives, or has them in its loss")
    z1, z2, _ = batches(8)[0]
    weight = weighter(z1.requires_grad_(True), z2.requires_grad_(True))
    assert weight.shape == (8, 8)
    assert (weight >= 0).all()
    assert not weight.requires_grad
    assert torch.equal(weight.diagonal(), torch.ones(8))


@pytest.mark.parametrize("name", METHODS)
def test_what_is_stored_is_json(name):
    objective = made(name)
    if objective.learns:
        objective.fit(lambda: iter(batches(8, 8)), seeded(2))
    objective.loss(*batches(8)[0])
    stored = {
        "notes": objective.notes,
        **objective.info,
        "diagnosis": diagnose(batches(8, 6), objective, torch.arange(14) % 3),
    }
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
    assert stored["diagnosis"]["false_negatives"]["share_of_pairs"] > 0


@pytest.mark.parametrize("name", METHODS)
def test_fitting_says_how_far_it_is_where_it_takes_passes(name):
    objective, heard = made(name), []
    if objective.learns:
        objective.fit(lambda: iter(batches(8, 8)), seeded(2), lambda done, text: heard.append(done))
    assert heard == sorted(heard)
    assert all(0 < done <= 1 for done in heard)
