"""Weights are alpha times the uncertainty, and 1 where there is nothing to weigh by."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from noisy_clusters import views_of, weighter

from robust_augcl.contrast.objective import InfoNCE, LossSettings
from robust_augcl.contrast.weighting import scaled


@pytest.mark.parametrize(
    ("alpha", "factor"),
    [
        ("row_mean", lambda row, whole: 1 / row),
        ("batch_mean", lambda row, whole: 1 / whole),
        ("inverse_mean_minus", lambda row, whole: 1 / row - 0.3),
        ("inverse_mean_plus", lambda row, whole: 1 / row + 0.3),
        (2.5, lambda row, whole: 2.5),
    ],
)
def test_weights_are_alpha_times_the_uncertainty(alpha, factor):
    u = torch.rand(5, 5, generator=seeded(3), dtype=torch.float64)
    weight, collapsed, refused = scaled(u, alpha, delta=0.3)
    rows = u.tolist()
    whole = sum(map(sum, rows)) / 25
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            assert float(weight[i, j]) == pytest.approx(
                1.0 if i == j else factor(sum(row) / 5, whole) * value
            )
    assert not collapsed.any()
    assert not refused.any()


@pytest.mark.parametrize(
    "alpha", ["row_mean", "batch_mean", "inverse_mean_minus", "inverse_mean_plus", 2.5]
)
@pytest.mark.parametrize("value", [0.0, 1e-45, float("nan")])
def test_nothing_to_weigh_by_weighs_1(alpha, value):
    weight, collapsed, refused = scaled(torch.full((3, 3), value), alpha, delta=0.3)
    assert weight.tolist() == [[1.0] * 3] * 3
    assert collapsed.all()
    assert not refused.any()


def test_an_alpha_that_is_not_positive_weighs_1_and_is_no_collapse():
    u = torch.rand(4, 4, generator=seeded(4)) / 2 + 0.25
    u[2] *= 0.01  # 1 / mean is large in this row alone
    u[3] = 0
    weight, collapsed, refused = scaled(u, "inverse_mean_minus", delta=5.0)
    assert refused.tolist() == [True, True, False, False]
    assert collapsed.tolist() == [False, False, False, True]
    assert weight[[0, 1, 3]].tolist() == [[1.0] * 4] * 3
    assert (weight >= 0).all()


def test_an_alpha_that_is_not_positive_has_a_note_of_its_own():
    objective = InfoNCE(LossSettings(), weighter(alpha="inverse_mean_minus", delta=1.5))
    with torch.no_grad():  # everything is reserved: u = 1, alpha = 1 - 1.5
        objective.weighter.model.network.layer3.weight.zero_()
        objective.weighter.model.network.layer3.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
    objective.loss(*next(views_of()()), torch.arange(24))
    expected = (
        "for 100 % of the anchors alpha = 1/mean - delta is not positive. "
        "Their negatives were given the weight 1"
    )
    assert objective.notes == [expected]
