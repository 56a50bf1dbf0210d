"""PRBCD against PyTorch Geometric's, its projection against exact optimisation, and its bounds."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pytest
import torch
from attacked import ONE, THREATS, attacked, broken, pairs_of
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks._blocks import project
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.prbcd import PRBCD, wrongness
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.encoders.gin import GIN
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import apply_all

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.contrib.nn import PRBCDAttack


# --- against PyTorch Geometric --------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32),
    width=st.integers(2, 30),
    budget=st.integers(1, 5),
    spread=st.sampled_from([0.1, 1.0, 50.0]),
)
def test_the_projection_is_theirs(seed, width, budget, spread):
    values = spread * torch.randn(3, width, generator=seeded(seed))
    padded = torch.cat([values, torch.full((3, 2), -torch.inf)], dim=1)
    got = project(padded, torch.full((3,), budget))
    assert not got[:, width:].any()
    for row, own in zip(values, got[:, :width], strict=True):
        torch.testing.assert_close(
            own, PRBCDAttack._project(budget, row.clone()), atol=5e-5, rtol=0
        )
        assert float(own.sum()) <= budget + 1e-3


def by_bisection(values, budget):
    """The projection as the paper finds it: 60 halvings of where the number can lie."""
    if values.clamp(0, 1).sum() <= budget:
        return values.clamp(0, 1)
    low, high = values.min() - 1, values.max()
    for _ in range(60):
        middle = (low + high) / 2
        too_much = (values - middle).clamp(0, 1).sum() > budget
        low, high = (middle, high) if too_much else (low, middle)
    return (values - high).clamp(0, 1)


@given(
    values=st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.3, 0.5, 1.0, 1.3, 40.0]), min_size=1),
    noise=st.sampled_from([0.0, 1e-3, 0.4]),
    budget=st.integers(1, 4),
)
def test_the_projection_is_that_of_bisection_with_equal_values_too(values, noise, budget):
    row = torch.tensor(values, dtype=torch.double)
    row += noise * torch.rand(len(values), generator=seeded(0), dtype=torch.double)
    got = project(row.unsqueeze(0), torch.tensor([budget]))[0]
    torch.testing.assert_close(got, by_bisection(row, budget), atol=1e-9, rtol=0)
    assert float(got.sum()) <= budget + 1e-9


def test_the_projection_of_rows_of_other_budgets_and_of_none():
    values = torch.tensor(
        [[0.7, 0.7, 0.7, -torch.inf], [0.2, 9.0, -3.0, 0.2], [0.0, -1.0, 0.0, -9.0]]
    )
    got = project(values, torch.tensor([0, 2, 1]))
    assert got.tolist() == [[0.0] * 4, pytest.approx([0.2, 1.0, 0.0, 0.2]), [0.0] * 4]
    equal = project(torch.full((2, 7), 5.0), torch.tensor([1, 7]))
    torch.testing.assert_close(equal, torch.tensor([[1 / 7] * 7, [1.0] * 7]))
    assert project(torch.zeros(0, 3), torch.zeros(0).long()).shape == (0, 3)
    alone = torch.full((1, 2), -torch.inf)
    assert project(alone, torch.tensor([1])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("number", range(8))
def test_the_projection_solves_the_quadratic_programme(number):
    draws = seeded(number)
    values = torch.randn(6, generator=draws, dtype=torch.double) * 2 + 0.4
    budget = 1 + number % 3
    solved = minimize(
        lambda weights: 0.5 * np.square(weights - values.numpy()).sum(),
        np.full(6, budget / 6),
        jac=lambda weights: weights - values.numpy(),
        bounds=[(0, 1)] * 6,
        constraints=[{"type": "ineq", "fun": lambda weights: budget - weights.sum()}],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert solved.success
    got = project(values.unsqueeze(0), torch.tensor([budget]))[0]
    np.testing.assert_allclose(got.numpy(), solved.x, atol=1e-6)


@pytest.mark.parametrize("loss", ["margin", "prob_margin", "tanh_margin"])
def test_the_losses_are_theirs(loss):
    logits, y = torch.randn(9, 4, generator=seeded(0)), torch.arange(9) % 4
    theirs = {
        "margin": PRBCDAttack._margin_loss,
        "prob_margin": PRBCDAttack._probability_margin_loss,
        "tanh_margin": PRBCDAttack._tanh_margin_loss,
    }[loss]
    for row in range(9):
        expected = theirs(logits[[row]], y[[row]])
        torch.testing.assert_close(wrongness(loss, logits, y)[row], expected.squeeze())
    # The nearest wrong class is the one whose loss towards it is the largest.
    each = torch.stack([wrongness(loss, logits, y, (y + step) % 4) for step in (1, 2, 3)])
    torch.testing.assert_close(each.amax(0), wrongness(loss, logits, y))


class Theirs(torch.nn.Module):
    """A classifier in the form that PyTorch Geometric's attack asks for."""

    def __init__(self, model):
        super().__init__()
        self.inner = model

    def forward(self, x, edge_index, edge_weight):
        _, states = self.inner.encoder(
            x, edge_index, torch.zeros(len(x), dtype=torch.long), 1, edge_weight
        )
        return self.inner.head(states)


@pytest.mark.parametrize("number", [1, 9, 20])
def test_the_gradient_is_theirs(reference_model, victim, reference_graphs, number):
    graphs = reference_graphs.select(torch.tensor([number]))
    candidates = ThreatModel(2, ("add", "delete")).enumerate(graphs)
    some = candidates.take(torch.randperm(len(candidates), generator=seeded(0))[:150])
    assert 2 < int(some.exists.sum()) < 148
    weights = torch.rand(150, generator=seeded(1)) * 0.2
    attack = PRBCDAttack(Theirs(reference_model), block_size=150, loss="prob_margin", log=False)
    attack.device, attack.num_nodes = graphs.x.device, graphs.num_nodes
    attack.edge_index, attack.edge_weight = graphs.edge_index, torch.ones(graphs.edge_index.size(1))
    attack.block_edge_index, attack.block_edge_weight = some.pairs, weights.clone()
    loss, expected = attack._forward_and_gradient(graphs.x, graphs.y, None)
    got, gradient = victim.relaxed(
        graphs,
        some,
        weights,
        lambda logits, index: wrongness("prob_margin", logits, graphs.y[index]),
    )
    torch.testing.assert_close(got[0], loss.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.thorough
def test_it_is_as_strong_as_theirs(reference_model, victim, reference_graphs):
    threat = ThreatModel(3, ("add", "delete"))  # theirs flips any pair
    right = (victim.logits(reference_graphs).argmax(1) == reference_graphs.y).nonzero().squeeze(1)
    graphs = reference_graphs.select(right[::4])
    ours = attacked(PRBCD(**PRBCD.paper), victim, graphs, threat)
    their_hits = 0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for data in graphs.to_data_list():
            attack = PRBCDAttack(
                Theirs(reference_model), block_size=128, epochs=30, epochs_resampling=20, log=False
            )
            edge_index, flipped = attack.attack(data.x, data.edge_index, data.y, budget=3)
            assert flipped.size(1) <= 3
            their_hits += int(
                attack.model(data.x, edge_index, torch.ones(edge_index.size(1))).argmax()
            ) != int(data.y)
    assert their_hits > 0
    assert int(broken(ours, graphs.y).sum()) >= their_hits - 1
    # Each wrong class in turn is the stronger attack.
    each = attacked(PRBCD(), victim, graphs, threat)
    assert int(broken(each, graphs.y).sum()) >= int(broken(ours, graphs.y).sum())


# --- as a whole -----------------------------------------------------------------------------------


@pytest.mark.parametrize("threat", THREATS)
@pytest.mark.parametrize("targets", ["each", "nearest"])
def test_it_keeps_to_the_threat_and_never_helps(victim, reference_graphs, threat, targets):
    y = reference_graphs.y
    result = attacked(
        PRBCD(epochs=5, resampling=3, samples=3, targets=targets), victim, reference_graphs, threat
    )
    after = victim.logits(apply_all(reference_graphs, result.perturbations))
    clean = victim.logits(reference_graphs)
    budgets = threat.budgets(reference_graphs)
    worse = (wrongness("margin", after, y) > wrongness("margin", clean, y)) | (after.argmax(1) != y)
    for number, pairs in enumerate(pairs_of(result)):
        assert len(set(pairs)) == len(pairs) <= int(budgets[number])
        assert not pairs or bool(worse[number])
        assert not pairs or bool(result.clean_prediction[number] == y[number])
    assert sum(map(bool, pairs_of(result))) > 5


def test_one_edit_never_beats_the_exact_worst_case_and_comes_close(victim, reference_graphs):
    y = reference_graphs.y
    worst = broken(attacked(Exhaustive(), victim, reference_graphs, ONE), y)
    climbed = broken(attacked(PRBCD(), victim, reference_graphs, ONE), y)
    random = broken(attacked(RandSampling(), victim, reference_graphs, ONE), y)
    assert (climbed <= worst).all()
    assert int(climbed.sum()) >= 0.8 * int(worst.sum())
    assert int(random.sum()) < int(climbed.sum())


def test_it_attacks_an_encoder_with_batch_normalisation(random_graphs):
    graphs = random_graphs(2, sizes=(12,) * 12)
    draws = seeded(0)
    victim = Victim(
        GraphClassifier(
            GIN(in_features=3, width=8, layers=2, generator=draws),
            num_classes=3,
            hidden=8,
            generator=draws,
        )
    )
    graphs = graphs.with_labels(victim.logits(graphs).argmax(1))
    threat = ThreatModel(3, ("add", "delete"))
    climbed, random = (
        int(broken(attacked(attack, victim, graphs, threat), graphs.y).sum())
        for attack in (PRBCD(), RandSampling())
    )
    assert climbed > random


@pytest.mark.thorough(but=["nan"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_gradients_that_are_no_numbers_lead_nowhere(victim, reference_graphs, monkeypatch, bad):
    ascents = []
    real = type(victim).partial_edits

    def partial_edits(self, *asked):
        ask = real(self, *asked)

        def answer(index, parts):
            gradient = ask(index, parts)
            assert parts.isfinite().all()
            return torch.where(index % 3 == 0, bad, gradient)

        ascents.append(asked)
        return answer

    monkeypatch.setattr(type(victim), "partial_edits", partial_edits)
    result = attacked(PRBCD(), victim, reference_graphs, ThreatModel(3))
    assert ascents
    assert int(broken(result, reference_graphs.y).sum()) > 3  # the other candidates' gradients lead


def test_the_same_generator_gives_the_same_edits(victim, reference_graphs):
    state = torch.get_rng_state()
    attack = PRBCD(epochs=2, resampling=1, block_size=5, samples=2)
    drawn = [
        pairs_of(attacked(attack, victim, reference_graphs, ThreatModel(2), seed))
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_a_graph_without_candidates_is_left_alone(victim, to_data, reference_graphs):
    complete, single = to_data(4, list(combinations(range(4), 2))), to_data(1, [])
    for data in (complete, single):
        data.x = torch.ones(data.num_nodes, 1)
    for company in ([], [reference_graphs[16]]):
        graphs = PackedGraphs.from_data_list([complete, *company, single])
        graphs = graphs.with_labels(victim.logits(graphs).argmax(1))
        found = pairs_of(attacked(PRBCD(epochs=3, resampling=2), victim, graphs, ONE))
        assert found[0] == found[-1] == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "`epochs` to be positive, got 0"),
        ({"block_size": 0}, "`block_size` to be positive, got 0"),
        ({"learning_rate": -1.0}, "`learning_rate` to be positive, got -1.0"),
        ({"samples": 0}, "`samples` to be positive, got 0"),
        ({"resampling": -1}, "`resampling` to be at least 0, got -1"),
        ({"loss": "l2"}, "`loss` to be 'margin', 'prob_margin' or 'tanh_margin', got 'l2'"),
        ({"targets": "all"}, "`targets` to be 'each' or 'nearest', got 'all'"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PRBCD(**settings)
