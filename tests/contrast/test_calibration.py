"""Calibration: what the network of an estimator has learned, beside a constant answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from generators import seeded
from sklearn.calibration import calibration_curve

from robust_augcl.contrast.augcl.calibration import (
    Calibration,
    best_constant_loss,
    expected_calibration_error,
)
from robust_augcl.contrast.augcl.uncertainty import gamblers_loss


def test_calibration_error_is_that_of_scikit_learn():
    generator = seeded(5)
    probability = torch.rand(500, generator=generator, dtype=torch.float64)
    labels = (torch.rand(500, generator=generator, dtype=torch.float64) < probability**2).long()
    confidence = torch.maximum(probability, 1 - probability).numpy()
    right = ((probability > 0.5) == (labels == 1)).numpy()
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    counts = np.histogram(confidence, bins=np.linspace(0, 1, 16))[0]
    expected = (np.abs(accuracy - mean) * counts[counts > 0]).sum() / 500
    assert expected_calibration_error(probability, labels) == pytest.approx(expected, rel=1e-9)
    assert expected > 0.03


@pytest.mark.parametrize("reward", [1.05, 1.5, 1.9, 2.0])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.62, 0.97])
def test_no_constant_answer_is_better(share, reward):
    best = best_constant_loss(share, reward)
    grid = np.linspace(0, 1, 201)
    p1, p0 = np.meshgrid(grid, grid)
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = (1 - p1 - p0) / reward
        terms = [q * np.log(p + kept) for q, p in ((share, p1), (1 - share, p0)) if q > 0]
        losses = np.where(p1 + p0 <= 1 + 1e-12, -sum(terms), np.inf)
    found = np.nanmin(losses)
    assert best <= found + 1e-9
    assert best == pytest.approx(found, abs=2e-3)


def test_the_best_constant_answer_costs_what_the_loss_says():
    # The loss itself, of the answer that the formula speaks of.
    q, reward = 0.7, 1.9
    bet = q - (1 - q) / (reward - 1)
    logits = torch.tensor([bet, 1e-12, 1 - bet]).log().expand(1000, 3)
    labels = (torch.arange(1000) >= 700).long()
    assert float(gamblers_loss(logits, labels, reward)[0]) == pytest.approx(
        best_constant_loss(0.7, reward), rel=1e-5
    )
    assert best_constant_loss(0.7, None) == pytest.approx(
        -0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    )


def test_calibration_looks_where_a_cluster_is_named():
    logits = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]])
    found = Calibration.of(0.3, logits, torch.tensor([0, 1, 0, 0]), 1.9)
    assert (found.coverage, found.accuracy, found.majority) == (
        0.75,
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
    )
    nowhere = Calibration.of(math.log(1.9), logits[[3, 3]], torch.tensor([0, 1]), 1.9)
    assert (nowhere.coverage, nowhere.accuracy, nowhere.error) == (0.0, None, None)
    assert nowhere.underfit
