"""The unsupervised protocol: how good are graph states that were learned without labels? An SVM on
frozen embeddings says.

As in the evaluation of InfoGraph (Sun et al. 2020, arXiv 1908.01000), GraphCL and AUGCL: an SVM
with an RBF kernel on unscaled encoder output, C chosen by an inner search, accuracy over stratified
folds. The encoder has seen all graphs, without their labels.

Letters: G graphs, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.progress import Report, silent


@dataclass(frozen=True)
class Representations:
    """Settings of the unsupervised protocol.

    Args:
        folds: of the data set, each the test set once.
        inner_folds: of the other graphs, to choose C.
        c: the values of C to choose from.

    Raises:
        ValueError: a value out of range.
    """

    folds: int = 10
    inner_folds: int = 5
    c: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)

    def __post_init__(self) -> None:
        for name in ("folds", "inner_folds"):
            if getattr(self, name) < 2:
                raise ValueError(f"Expected `{name}` to be at least 2, got {getattr(self, name)}")
        if not self.c or min(self.c) <= 0:
            raise ValueError(f"Expected `c` to be one or more positive numbers, got {list(self.c)}")


@dataclass(frozen=True)
class FoldScore:
    """Accuracy on one fold, from 0 to 1, and the C that the inner search chose."""

    accuracy: float
    c: float


def svm_scores(
    embeddings: Tensor,
    y: Tensor,
    settings: Representations,
    generator: torch.Generator,
    report: Report = silent,
) -> list[FoldScore]:
    """The accuracy of an SVM on each fold; the folds come from `generator` alone.

    Shapes: embeddings (G, D), y (G,).

    Raises:
        InputError: a class with fewer graphs than folds, or embeddings that are not finite.
    """
    from sklearn.model_selection import (
        GridSearchCV,
        StratifiedKFold,
    )  # slow to import, and only this step needs them
    from sklearn.svm import SVC

    if not bool(torch.isfinite(embeddings).all()):
        raise InputError(
            "Expected finite embeddings, got NaN or infinity: the encoder has diverged, a "
            "lower `learning_rate` may help"
        )
    fewest = int(torch.bincount(y)[y.unique()].min())
    inner = StratifiedKFold(settings.inner_folds)  # unshuffled, so without chance
    if fewest < settings.folds or fewest - -(-fewest // settings.folds) < settings.inner_folds:
        raise InputError(
            f"Expected at least `folds` = {settings.folds} graphs of each class, and "
            f"`inner_folds` = {settings.inner_folds} left of them "
            f"without one fold, got {fewest} of the smallest class"
        )
    seed = int(torch.randint(2**31, (), generator=generator))
    outer = StratifiedKFold(settings.folds, shuffle=True, random_state=seed)
    features, labels = embeddings.double().cpu().numpy(), y.cpu().numpy()
    scores = []
    for train, test in outer.split(features, labels):
        search: Any = GridSearchCV(SVC(), {"C": list(settings.c)}, cv=inner, scoring="accuracy")
        search.fit(features[train], labels[train])
        scores.append(
            FoldScore(
                float(search.score(features[test], labels[test])), float(search.best_params_["C"])
            )
        )
        report(
            len(scores) / settings.folds,
            f"fold {len(scores)} of {settings.folds}: accuracy {scores[-1].accuracy:.3f}",
        )
    return scores
