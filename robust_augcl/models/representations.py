"""The unsupervised protocol: how good are graph states that were learned without labels?

An SVM on frozen embeddings says so. As in the evaluation of InfoGraph (Sun et al. 2020, arXiv
1908.01000), GraphCL and AUGCL, the SVM has an RBF kernel and sees unscaled encoder output. An
inner search chooses C, and the accuracy is measured over stratified folds. The encoder has seen
all graphs, without their labels.

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
        folds: parts of the data set, each of which is the test set once. At least 2.
        inner_folds: parts of the other graphs, to choose C. At least 2.
        c: the values of C to choose from, all positive.

    Raises:
        ValueError: a value is out of range.
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
    """The result of one fold.

    Args:
        accuracy: on the fold's graphs, from 0 to 1.
        c: the C that the inner search chose.
    """

    accuracy: float
    c: float


def svm_scores(
    embeddings: Tensor,
    y: Tensor,
    settings: Representations,
    generator: torch.Generator,
    report: Report = silent,
) -> list[FoldScore]:
    """Return the accuracy of an SVM on each fold.

    The folds come from `generator` alone.

    Shapes: embeddings (G, D), y (G,).

    Raises:
        InputError: a class has fewer graphs than there are folds; or an embedding is not finite.

    >>> generator = torch.Generator().manual_seed(0)
    >>> y = torch.arange(40) % 2
    >>> embeddings = y.unsqueeze(1) + 0.1 * torch.randn(40, 1, generator=generator)
    >>> settings = Representations(folds=2, inner_folds=2, c=(1.0,))
    >>> [score.accuracy for score in svm_scores(embeddings, y, settings, generator)]
    [1.0, 1.0]
    """
    # Slow to import, and only this step needs them.
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.svm import SVC

    if not bool(torch.isfinite(embeddings).all()):
        raise InputError(
            "Expected finite embeddings, got NaN or infinity: the encoder has diverged, a "
            "lower `learning_rate` may help"
        )
    fewest = int(torch.bincount(y)[y.unique()].min())
    inner = StratifiedKFold(settings.inner_folds)  # not shuffled, so without chance
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
        # Nothing is drawn; without a seed NumPy's global state would go on all the same.
        machine, settings_tried = SVC(random_state=0), {"C": list(settings.c)}
        search: Any = GridSearchCV(machine, settings_tried, cv=inner, scoring="accuracy")
        search.fit(features[train], labels[train])
        accuracy = float(search.score(features[test], labels[test]))
        scores.append(FoldScore(accuracy, float(search.best_params_["C"])))
        report(
            len(scores) / settings.folds,
            f"fold {len(scores)} of {settings.folds}: accuracy {accuracy:.3f}",
        )
    return scores
