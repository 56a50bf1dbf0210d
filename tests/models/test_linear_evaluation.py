"""Linear evaluation against scikit-learn's logistic regression."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import one_hot

from robust_augcl.errors import InputError
from robust_augcl.models.linear_evaluation import (
    Axes,
    Linear,
    LinearEvaluation,
    evaluate_linearly,
    logistic_regression,
)


def some_targets(targets=90, size=20, classes=4, seed=0, scale=7.0):
    y = torch.randint(classes, (targets,), generator=seeded(seed))
    noise = torch.randn(targets, size, generator=seeded(seed + 1), dtype=torch.float64)
    return (noise + 1.5 * one_hot(y, size)) * scale, y


@pytest.mark.parametrize("c", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("size", [20, 120])  # fewer features than targets, and more
def test_weights_are_those_of_scikit_learn(c, size):
    x, y = some_targets(size=size)
    scale = float(x.square().mean()) ** -0.5
    told = LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(x.numpy() * scale, y.numpy())
    start = Linear(torch.zeros(4, size).double(), torch.zeros(4).double())
    found = logistic_regression(Axes.of(x), y, c, start)
    # A number that is added to all biases changes no prediction.
    expected = torch.from_numpy(told.decision_function(x.numpy() * scale))
    logits = found(x)
    difference = logits - logits.mean(1, keepdim=True) - expected + expected.mean(1, keepdim=True)
    assert float(difference.abs().max()) < 2e-3 * float(expected.abs().max())


def test_the_penalty_is_chosen_on_the_targets_that_choose():
    x, y = some_targets(targets=300)
    train, validation, _ = torch.arange(300).split(100)
    settings = LinearEvaluation(c=(10.0, 0.0001, 0.1))
    found = evaluate_linearly(x, y, train, validation, settings, 4)
    assert [tried.c for tried in found.tried] == [0.0001, 0.1, 10.0]
    for tried in found.tried:
        alone = evaluate_linearly(x, y, train, validation, LinearEvaluation(c=(tried.c,)), 4)
        right = alone.linear(x[validation].float()).argmax(1) == y[validation]
        assert float(right.double().mean()) == pytest.approx(tried.accuracy, abs=0.02)
    best = max(tried.accuracy for tried in found.tried)
    assert found.tried[found.chosen].accuracy == best
    assert found.tried[found.chosen].accuracy > found.tried[0].accuracy


def test_a_class_that_no_training_target_has_is_never_predicted():
    x, y = some_targets()
    found = evaluate_linearly(
        x, y, torch.arange(60), torch.arange(60, 90), LinearEvaluation(c=(1.0,)), num_classes=5
    )
    assert found.linear.weight.shape == (5, 20)
    assert not bool((found.linear(x.float()).argmax(1) == 4).any())


def test_embeddings_that_are_not_finite_are_refused():
    x, y = some_targets()
    x[3, 2] = torch.nan
    with pytest.raises(InputError, match="finite embeddings"):
        evaluate_linearly(x, y, torch.arange(60), torch.arange(60, 90), LinearEvaluation(), 4)


@pytest.mark.parametrize("c", [(), (0.0,), (1.0, 1.0), (-1.0, 2.0)])
def test_penalties_out_of_range_are_refused(c):
    with pytest.raises(ValueError, match="different positive numbers"):
        LinearEvaluation(c=c)
