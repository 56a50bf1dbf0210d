"""The unsupervised protocol: seeded folds, and scores that scikit-learn's own cross-validation
gives too.
"""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from robust_augcl.errors import InputError
from robust_augcl.models.representations import Representations, svm_scores

SETTINGS = Representations(folds=4, inner_folds=3, c=(0.1, 10.0))


def blobs(per_class: int = 20, apart: float = 1.5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = seeded(5)
    y = torch.arange(2).repeat_interleave(per_class)
    return torch.randn(2 * per_class, 6, generator=generator) + apart * y.unsqueeze(1), y


def scores(seed: int, embeddings=None, y=None, settings=SETTINGS):
    if embeddings is None:
        embeddings, y = blobs()
    return svm_scores(embeddings, y, settings, seeded(seed))


def test_the_scores_are_those_of_nested_cross_validation():
    embeddings, y = blobs()
    seed = int(torch.randint(2**31, (), generator=seeded(3)))
    search = GridSearchCV(SVC(), {"C": [0.1, 10.0]}, cv=StratifiedKFold(3))
    folds = StratifiedKFold(4, shuffle=True, random_state=seed)
    expected = cross_val_score(search, embeddings.double().numpy(), y.numpy(), cv=folds)
    assert [score.accuracy for score in scores(3)] == pytest.approx(expected.tolist())


def test_the_seed_makes_the_folds():
    embeddings, y = blobs(apart=0.7)
    runs = [scores(seed, embeddings, y) for seed in (1, 1, 2, 3)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2] or runs[0] != runs[3]


def test_separable_classes_are_learned_and_noise_is_not():
    embeddings, y = blobs(apart=5.0)
    assert all(score.accuracy == 1 for score in scores(0, embeddings, y))
    noise = torch.randn(80, 6, generator=seeded(0))
    labels = torch.arange(80) % 2
    accuracies = [score.accuracy for score in scores(0, noise, labels)]
    assert 0.25 < sum(accuracies) / len(accuracies) < 0.75
    assert {score.c for score in scores(0)} <= set(SETTINGS.c)


def test_what_cannot_be_scored_is_refused():
    embeddings, y = blobs(per_class=3)
    with pytest.raises(InputError, match="`folds` = 4"):
        scores(0, embeddings, y)
    embeddings, y = blobs()
    embeddings[0, 0] = float("nan")
    with pytest.raises(InputError, match="finite embeddings"):
        scores(0, embeddings, y)
    for bad in ({"folds": 1}, {"inner_folds": 0}, {"c": ()}, {"c": (1.0, -1.0)}):
        with pytest.raises(ValueError, match=f"`{next(iter(bad))}`"):
            Representations(**bad)
