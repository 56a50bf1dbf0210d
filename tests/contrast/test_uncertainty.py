"""The pair network and the Deep Gamblers loss against loops over pairs and reference values."""

from __future__ import annotations

import math

import pytest
import torch
from generators import seeded
from torch.nn.functional import cross_entropy

from robust_augcl.contrast.augcl.pair_pass import PairPass
from robust_augcl.contrast.augcl.uncertainty import (
    PairNetwork,
    cluster_loss,
    gamblers_loss,
    reservation,
)


@pytest.fixture
def reference_network(vectors):
    values = vectors("augcl")
    network = PairNetwork(12, 16, torch.Generator())
    layers = [f"layer{number}" for number in (1, 2, 3)]
    network.load_state_dict(
        {
            f"{layer}.{part}": values[f"net_{layer}_{part}"]
            for layer in layers
            for part in ("weight", "bias")
        }
    )
    return network


def embeddings(size=7, width=5, seed=0):
    return torch.randn(2, size, width, generator=seeded(seed), dtype=torch.float64)


def test_forward_equals_the_layers_applied_to_every_pair_laid_side_by_side():
    network = PairNetwork(5, 9, seeded(1)).double()
    z1, z2 = embeddings()
    # Glorot initialisation leaves the biases at 0: give them values, or a lost bias would not show.
    with torch.no_grad():
        for layer in (network.layer1, network.layer2, network.layer3):
            layer.bias.normal_(generator=seeded(2))
    logits = network(z1, z2)
    assert logits.shape == (7, 7, 3)
    for i in range(7):
        for j in range(7):
            hidden = torch.cat([z1[i], z2[j]])
            for layer in (network.layer1, network.layer2):
                hidden = (layer.weight @ hidden + layer.bias).clamp(min=0)
            torch.testing.assert_close(
                logits[i, j],
                network.layer3.weight @ hidden + network.layer3.bias,
                rtol=1e-10,
                atol=1e-12,
            )


def test_initial_weights_come_from_the_generator_only():
    before = torch.get_rng_state()
    first, again, other = (PairNetwork(5, 9, seeded(seed)).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_uncertainty_equals_the_reference(vectors, reference_network):
    values = vectors("augcl")
    torch.testing.assert_close(
        reservation(reference_network, values["z1"], values["z2"]),
        values["uncertainty"],
        rtol=1e-4,
        atol=1e-7,
    )


@pytest.mark.parametrize("name", ["official", "optimal"])
def test_loss_equals_the_reference(vectors, reference_network, name):
    values = vectors("augcl")
    logits = reference_network(values["z1"], values["z2"]).detach().reshape(-1, 3)
    loss, _ = gamblers_loss(logits, values[f"partition_{name}"].flatten(), float(values["reward"]))
    torch.testing.assert_close(loss, values[f"gambler_loss_{name}"], rtol=1e-4, atol=0)


@pytest.mark.parametrize("reward", [1.01, 1.5, 2.0])
def test_loss_is_the_formula(reward):
    generator = seeded(5)
    logits = 3 * torch.randn(20, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(2, (20,), generator=generator)
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        powers = [math.exp(value) for value in row]
        total -= math.log(powers[label] / sum(powers) + powers[2] / sum(powers) / reward)
    assert float(gamblers_loss(logits, labels, reward)[0]) == pytest.approx(total / 20, rel=1e-6)


def test_loss_of_certain_answers_is_finite():
    logits = torch.tensor([[200.0, -200.0, -200.0], [200.0, -200.0, -200.0]])
    loss, gradient = gamblers_loss(logits, torch.tensor([0, 1]), 1.9)
    # Right costs nothing, wrong costs the distance to the better of the label and the reservation.
    assert float(loss) == pytest.approx((400 - math.log(1 + 1 / 1.9)) / 2, rel=1e-5)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("reward", [1.0, 0.5, 2.001, 0.0, -3.0, float("nan")])
def test_a_reward_out_of_range_is_refused(reward):
    with pytest.raises(ValueError, match="reward"):
        gamblers_loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long), reward)


def gamblers_formula(logits, labels):
    p = logits.softmax(1)
    return -(p[torch.arange(len(labels)), labels] + p[:, 2] / 1.7).log().mean()


LOSSES = {
    "deep gamblers": (
        3,
        lambda logits, labels: gamblers_loss(logits, labels, 1.7),
        gamblers_formula,
    ),
    "clusters, with a reservation": (
        3,
        cluster_loss,
        lambda logits, labels: cross_entropy(logits[:, :2], labels),
    ),
    "clusters alone": (2, cluster_loss, cross_entropy),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_pass_by_hand_gives_the_loss_and_gradient_of_autograd(name):
    outputs, loss, formula = LOSSES[name]
    network = PairNetwork(4, 6, seeded(1), outputs).double()
    with torch.no_grad():
        for layer in (network.layer1, network.layer2, network.layer3):
            layer.bias.normal_(generator=seeded(2))
    z1, z2 = embeddings(width=4)
    passing = PairPass(network, loss, most_pairs=6)
    # A pair twice, an anchor with two views; then fewer pairs in the same memory, with the weights
    # changed in between.
    for anchor, view, labels in (
        ([0, 6, 3, 3, 2, 3], [4, 1, 3, 3, 0, 6], [0, 1, 1, 0, 1, 1]),
        ([5, 1], [5, 2], [0, 0]),
        ([2], [3], [1]),
    ):
        anchor, view, labels = (torch.tensor(values) for values in (anchor, view, labels))
        expected = formula(network(z1, z2)[anchor, view], labels)
        theirs = torch.autograd.grad(expected, list(network.parameters()))
        torch.testing.assert_close(
            passing(z1, z2, anchor, view, labels), expected.detach(), rtol=1e-10, atol=1e-12
        )
        for parameter, gradient in zip(network.parameters(), theirs, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-12)
        torch.optim.SGD(network.parameters(), lr=0.5).step()


def test_logits_without_gradients_are_those_of_forward_in_any_blocks():
    network = PairNetwork(5, 9, seeded(1), outputs=2).double()
    z1, z2 = embeddings()
    for pairs_a_block in (1, 7, 20, 49, 1000):
        torch.testing.assert_close(
            network.logits(z1, z2, pairs_a_block), network(z1, z2), rtol=1e-12, atol=1e-14
        )


@pytest.mark.parametrize("name", LOSSES)
def test_a_losses_gradient_is_that_of_finite_differences(name):
    outputs, loss, _ = LOSSES[name]
    logits = torch.randn(6, outputs, generator=seeded(4), dtype=torch.float64)
    labels, step = torch.tensor([0, 1, 1, 0, 1, 0]), 1e-6
    _, gradient = loss(logits, labels)
    for place in range(logits.numel()):
        moved = torch.zeros_like(logits)
        moved.view(-1)[place] = step
        slope = (loss(logits + moved, labels)[0] - loss(logits - moved, labels)[0]) / (2 * step)
        assert float(gradient.flatten()[place]) == pytest.approx(float(slope), abs=1e-8)
