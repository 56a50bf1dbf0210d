"""The pair network and the Deep Gamblers loss against loops over pairs and reference values."""

from __future__ import annotations

import math

import pytest
import torch

from robust_augcl.contrast.uncertainty import PairNetwork, gamblers_loss, reservation


@pytest.fixture
def reference_network(vectors):
    values = vectors("augcl")
    network = PairNetwork(12, 16, torch.Generator())
    layers = [f"layer{number}" for number in (1, 2, 3)]
    network.load_state_dict({f"{layer}.{part}": values[f"net_{layer}_{part}"] for layer in layers for part in ("weight", "bias")})
    return network


def embeddings(size=7, width=5, seed=0):
    return torch.randn(2, size, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_forward_equals_the_layers_applied_to_every_pair_laid_side_by_side():
    network = PairNetwork(5, 9, torch.Generator().manual_seed(1)).double()
    z1, z2 = embeddings()
    # Glorot initialisation leaves the biases at 0: give them values, or a lost bias would not show.
    with torch.no_grad():
        for layer in (network.layer1, network.layer2, network.layer3):
            layer.bias.normal_(generator=torch.Generator().manual_seed(2))
    logits = network(z1, z2)
    assert logits.shape == (7, 7, 3)
    for i in range(7):
        for j in range(7):
            hidden = torch.cat([z1[i], z2[j]])
            for layer in (network.layer1, network.layer2):
                hidden = (layer.weight @ hidden + layer.bias).clamp(min=0)
            torch.testing.assert_close(logits[i, j], network.layer3.weight @ hidden + network.layer3.bias, rtol=1e-10, atol=1e-12)


def test_pairs_are_entries_of_forward():
    network = PairNetwork(5, 9, torch.Generator().manual_seed(1)).double()
    z1, z2 = embeddings()
    anchor, view = torch.tensor([0, 6, 3, 3, 2]), torch.tensor([4, 1, 3, 3, 0])
    torch.testing.assert_close(network.pairs(z1, z2, anchor, view), network(z1, z2)[anchor, view], rtol=1e-10, atol=1e-12)


def test_initial_weights_come_from_the_generator_only():
    before = torch.get_rng_state()
    first, again, other = (PairNetwork(5, 9, torch.Generator().manual_seed(seed)).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_uncertainty_equals_the_reference(vectors, reference_network):
    values = vectors("augcl")
    torch.testing.assert_close(reservation(reference_network, values["z1"], values["z2"]), values["uncertainty"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["official", "optimal"])
def test_loss_equals_the_reference(vectors, reference_network, name):
    values = vectors("augcl")
    logits = reference_network(values["z1"], values["z2"]).reshape(-1, 3)
    loss = gamblers_loss(logits, values[f"partition_{name}"].flatten(), float(values["reward"]))
    torch.testing.assert_close(loss.detach(), values[f"gambler_loss_{name}"], rtol=1e-4, atol=0)


@pytest.mark.parametrize("reward", [1.01, 1.5, 2.0])
def test_loss_is_the_formula(reward):
    generator = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(20, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(2, (20,), generator=generator)
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        powers = [math.exp(value) for value in row]
        total -= math.log(powers[label] / sum(powers) + powers[2] / sum(powers) / reward)
    assert float(gamblers_loss(logits, labels, reward)) == pytest.approx(total / 20, rel=1e-6)


def test_loss_of_certain_answers_is_finite():
    logits = torch.tensor([[200.0, -200.0, -200.0], [200.0, -200.0, -200.0]], requires_grad=True)
    loss = gamblers_loss(logits, torch.tensor([0, 1]), 1.9)
    loss.backward()
    # Right costs nothing, wrong costs the distance to the better of the label and the reservation.
    assert float(loss.detach()) == pytest.approx((400 - math.log(1 + 1 / 1.9)) / 2, rel=1e-5)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("reward", [1.0, 0.5, 2.001, 0.0, -3.0, float("nan")])
def test_a_reward_out_of_range_is_refused(reward):
    with pytest.raises(ValueError, match="reward"):
        gamblers_loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long), reward)


def test_the_gradient_by_hand_is_that_of_autograd():
    network = PairNetwork(4, 6, torch.Generator().manual_seed(1)).double()
    z1, z2 = (z.requires_grad_(True) for z in embeddings(width=4))
    anchor, view = torch.tensor([0, 6, 3, 3, 2]), torch.tensor([4, 1, 3, 3, 0])  # a pair twice, an anchor with two views
    with torch.no_grad():
        for layer in (network.layer1, network.layer2, network.layer3):
            layer.bias.normal_(generator=torch.Generator().manual_seed(2))
    parameters = [z1, z2, *network.parameters()]
    weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    by_hand = torch.autograd.grad((network.pairs(z1, z2, anchor, view) * weights).sum(), parameters)
    by_autograd = torch.autograd.grad((network(z1, z2)[anchor, view] * weights).sum(), parameters)
    for ours, theirs in zip(by_hand, by_autograd, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    # Its memory is used up: a second pass backward is refused, not wrong.
    loss = network.pairs(z1, z2, anchor, view).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_logits_without_gradients_are_those_of_forward_in_any_blocks():
    network = PairNetwork(5, 9, torch.Generator().manual_seed(1), outputs=2).double()
    z1, z2 = embeddings()
    for pairs_a_block in (1, 7, 20, 49, 1000):
        torch.testing.assert_close(network.logits(z1, z2, pairs_a_block), network(z1, z2), rtol=1e-12, atol=1e-14)


def test_the_losses_gradient_by_hand_is_that_of_finite_differences():
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 1, 0, 1, 0])
    assert torch.autograd.gradcheck(lambda values: gamblers_loss(values, labels, 1.7), logits)
