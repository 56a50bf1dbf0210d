"""Linear evaluation against scikit-learn's logistic regression."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import one_hot

from robust_augcl.errors import InputError
from robust_augcl.models.linear_evaluation import (
    LinearEvaluation,
    evaluate_linearly,
    logistic_regression,
)


def some_targets(targets=90, size=20, classes=4, seed=0, scale=7.0):
    y = torch.randint(classes, (targets,), generator=seeded(seed))
    noise = torch.randn(targets, size, generator=seeded(seed + 1), dtype=torch.float64)
    return (noise + 1.5 * one_hot(y, size)) * scale, y


@pytest.mark.parametrize("c", [0.01, 1.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_weights_are_at_the_minimum(c, classes):
    """The gradient of the penalised loss, written out, is small beside its terms."""
    x, y = some_targets(classes=classes)
    scale = float(x.square().mean()) ** -0.5
    found = logistic_regression(x, y, c, classes)
    error = found(x).softmax(1) - one_hot(y, classes)
    push, pull = error.T @ x * scale, found.weight / scale / c
    if classes == 2:  # one weight vector w, and half of its square: +-w/2 for the two classes
        push, pull = (push[1] - push[0]) / 2, (pull[1] - pull[0])
    assert float((push + pull).abs().max()) < 0.02 * float(pull.abs().max())
    assert float(error.sum(0).abs().max()) < 0.05


def test_predictions_are_those_of_scikit_learn_on_scaled_features():
    x, y = some_targets()
    scale = float(x.square().mean()) ** -0.5
    told = LogisticRegression(C=0.5, max_iter=5000, tol=1e-8).fit(x.numpy() * scale, y.numpy())
    found = logistic_regression(x, y, 0.5, 4)(x)
    expected = torch.from_numpy(told.decision_function(x.numpy() * scale))
    assert torch.allclose(found, expected, atol=1e-2)


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


def test_one_class_to_train_on_is_refused():
    x, y = some_targets()
    with pytest.raises(InputError, match="two classes"):
        evaluate_linearly(
            x, y, (y == 0).nonzero().flatten(), torch.arange(9), LinearEvaluation(), 4
        )


def test_nothing_to_choose_by_is_refused():
    x, y = some_targets()
    with pytest.raises(InputError, match="choose the penalty by"):
        evaluate_linearly(x, y, torch.arange(60), torch.arange(0), LinearEvaluation(), 4)


def test_embeddings_that_are_not_finite_are_refused():
    x, y = some_targets()
    x[3, 2] = torch.nan
    with pytest.raises(InputError, match="finite embeddings"):
        evaluate_linearly(x, y, torch.arange(60), torch.arange(60, 90), LinearEvaluation(), 4)


@pytest.mark.parametrize("c", [(), (0.0,), (1.0, 1.0), (-1.0, 2.0)])
def test_penalties_out_of_range_are_refused(c):
    with pytest.raises(ValueError, match="different positive numbers"):
        LinearEvaluation(c=c)
