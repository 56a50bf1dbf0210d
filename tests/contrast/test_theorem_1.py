"""Theorem 1 of AUGCL, its margin, and the gradient, by values."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from generators import seeded
from noisy_clusters import views_of, weighter

from robust_augcl.contrast.losses import adaptive_margin, cosine_similarities, info_nce, info_nce_of
from robust_augcl.contrast.objective import InfoNCE, LossSettings
from robust_augcl.contrast.weighting import mean_normalised


def theorem(distance_own, distances, weight, t):
    """The linear form of theorem 1: squared distances of unit vectors, the margin with the factor
    of the paper's derivation.
    """
    margin = adaptive_margin(weight, t)
    triplets = (distance_own - distances + 4 * margin).sum()
    return math.exp(-2 / t) * (len(distances) * (1 + 2 / t) + triplets / (2 * t))


@pytest.mark.parametrize("t", [0.5, 1.0])
def test_theorem_1_by_values(t):
    """log at 1 and exp at -2 / t leave remainders of second order: half the way to the point of
    expansion, a quarter of each.
    """
    generator = seeded(7)
    direction, log_weight = (
        torch.rand(6, generator=generator, dtype=torch.float64) + 0.2 for _ in range(2)
    )

    def remainders(h):
        # At h = 0: the positive at distance 0, the negatives opposite (squared distance 4), weights
        # 1.
        own, others = torch.tensor(0.1 * h, dtype=torch.float64), 4 - h * direction
        weight = (0.3 * h * log_weight).exp()
        similarity = torch.diag_embed(1 - own / 2 + torch.zeros(7, dtype=torch.float64))
        similarity[0, 1:] = 1 - others / 2
        whole = torch.ones(7, 7, dtype=torch.float64)
        whole[0, 1:] = weight
        # The first row of the loss itself: the others' rows are made to add nothing.
        whole[1:] = 0
        loss = 7 * info_nce_of(similarity, temperature=t, weight=whole)
        total = (weight * ((similarity[0, 1:] - similarity[0, 0]) / t).exp()).sum()
        torch.testing.assert_close(loss, torch.log1p(total))
        return float(total - theorem(own, others, weight, t)), float(total - loss)

    steps = [remainders(h) for h in (0.04, 0.02, 0.01, 0.005)]
    for (exp_before, _), (exp_after, _) in itertools.pairwise(steps):
        assert exp_before / exp_after == pytest.approx(4, rel=0.05)
    # The logarithm's own: of log(1 + y), y down to 0.
    remainder = [y - math.log1p(y) for y in (0.04, 0.02, 0.01)]
    assert [a / b for a, b in itertools.pairwise(remainder)] == pytest.approx([4, 4], rel=0.05)
    # And at the point itself, the loss is the linear form but for the logarithm's remainder, which
    # is positive and at most y^2 / 2.
    exp_part, log_part = remainders(0.0)
    y = 6 * math.exp(-2 / t)
    assert exp_part == pytest.approx(0, abs=1e-12)
    assert 0 < log_part <= y**2 / 2


def test_another_factor_of_the_margin_is_not_of_second_order():
    # So that the test above would notice m without its 4.
    t, weight = 0.5, torch.tensor([1.01, 1.02], dtype=torch.float64)
    others = torch.full((2,), 4.0, dtype=torch.float64)
    total = (weight * math.exp(-2 / t)).sum()
    right = float(total - theorem(torch.tensor(0.0), others, weight, t))
    wrong = float(total - theorem(torch.tensor(0.0), others, weight**0.25, t))
    assert abs(right) < 0.02 * abs(wrong)


def test_the_gradient_weights_each_negative_by_alpha_u_exp():
    z1, z2 = next(views_of(size=10)())
    made = weighter()
    made.fit(views_of(size=10), seeded(2))
    objective = InfoNCE(LossSettings(0.3), made)
    similarity = cosine_similarities(z1, z2).requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective.pair_loss(similarity, z1, z2), similarity)
    u = made.uncertainty(z1, z2, similarity.detach())
    for i in range(10):
        alpha = 10 / float(u[i].sum())
        e = [math.exp(float(similarity[i, j].detach()) / 0.3) for j in range(10)]
        terms = [e[i] if j == i else alpha * float(u[i, j]) * e[j] for j in range(10)]
        for j in range(10):
            expected = (terms[j] / sum(terms) - (i == j)) / 0.3 / 10
            assert float(gradient[i, j]) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_the_margin_is_half_the_temperature_times_the_logarithm():
    weight = torch.tensor([[1.0, 2.0], [0.5, 1.0]])
    assert adaptive_margin(weight, 0.4).tolist() == [
        pytest.approx([0, 0.2 * math.log(2)]),
        pytest.approx([-0.2 * math.log(2), 0]),
    ]
    with pytest.raises(ValueError, match="temperature"):
        adaptive_margin(weight, 0.0)


def test_losses_of_both_spellings_are_the_same():
    z1, z2 = next(views_of()())
    weight = mean_normalised(torch.rand(24, 24, generator=seeded(8))).weight
    assert torch.equal(
        info_nce(z1, z2, temperature=0.2, weight=weight),
        info_nce_of(cosine_similarities(z1, z2), temperature=0.2, weight=weight),
    )
