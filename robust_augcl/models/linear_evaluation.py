"""Linear evaluation: a logistic regression on frozen embeddings, chosen on validation targets.

It is how representations of nodes are scored (DGI, Velickovic et al. 2019, arXiv 1809.10341; GRACE,
arXiv 2006.04131). The penalty is chosen on targets for validation, never on those for test.

Letters: T targets, D embedding, C classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robust_augcl.errors import InputError
from robust_augcl.progress import Report, silent

_MOST_ITERATIONS = 1_000
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class LinearEvaluation:
    """Settings of linear evaluation.

    Args:
        c: the inverse strengths of the penalty to choose from, all positive, each once.

    Raises:
        ValueError: a value is out of range.

    >>> LinearEvaluation(c=())
    Traceback (most recent call last):
    ValueError: Expected `c` to be one or more different positive numbers, got []
    """

    c: tuple[float, ...] = tuple(10.0**power for power in range(-3, 3))

    def __post_init__(self) -> None:
        if not self.c or min(self.c) <= 0 or len(set(self.c)) < len(self.c):
            raise ValueError(
                f"Expected `c` to be one or more different positive numbers, got {list(self.c)}"
            )


class Linear(NamedTuple):
    """A linear classifier.

    Args:
        weight: (C, D).
        bias: (C,).
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return the logits: (T, D) -> (T, C)."""
        return embeddings @ self.weight.T + self.bias


class Tried(NamedTuple):
    """What one penalty gave.

    Args:
        c: its inverse strength.
        loss: the mean cross-entropy on the targets that choose.
        accuracy: on the same targets, from 0 to 1.
    """

    c: float
    loss: float
    accuracy: float


class Evaluated(NamedTuple):
    """A chosen classifier.

    Args:
        linear: its weights, in single precision.
        chosen: the place in `tried` of the penalty that was chosen.
        tried: all penalties, from the strongest.
    """

    linear: Linear
    chosen: int
    tried: list[Tried]


def evaluate_linearly(
    embeddings: Tensor,
    y: Tensor,
    train: Tensor,
    selection: Tensor,
    settings: LinearEvaluation,
    num_classes: int,
    report: Report = silent,
) -> Evaluated:
    """Fit a logistic regression for each penalty, and choose one.

    That of the highest accuracy on `selection` is chosen; of equal ones that of the lowest loss
    there, then the strongest. Nothing is drawn.

    Shapes: embeddings (T, D), y (T,), train and selection are numbers of targets.

    Raises:
        InputError: an embedding is not finite, targets to train on that are not of two classes at
            least, or none to choose by.

    >>> y = torch.arange(40) % 2
    >>> z = y.unsqueeze(1) + 0.1 * torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    >>> half = torch.arange(40).split(20)
    >>> found = evaluate_linearly(z, y, *half, LinearEvaluation(c=(1.0,)), num_classes=2)
    >>> found.tried[0].accuracy
    1.0
    """
    if not bool(torch.isfinite(embeddings).all()):
        raise InputError(
            "Expected finite embeddings, got NaN or infinity: the encoder has diverged, a "
            "lower `learning_rate` may help"
        )
    if (known := y[train].unique().numel()) < 2:
        raise InputError(
            f"Expected targets of two classes at least to train on, got {known} of "
            f"{train.numel()} targets"
        )
    if selection.numel() == 0:
        raise InputError("Expected targets to choose the penalty by (validation), got none")
    x, tried, found = embeddings.double(), [], []
    strengths = sorted(settings.c)
    for c in strengths:
        linear = logistic_regression(x[train], y[train], c, num_classes)
        logits = linear(x[selection])
        accuracy = (logits.argmax(1) == y[selection]).double().mean()
        tried.append(Tried(c, float(cross_entropy(logits, y[selection])), float(accuracy)))
        found.append(linear)
        report(len(tried) / len(strengths), f"validation accuracy {tried[-1].accuracy:.3f}")
    chosen = min(range(len(tried)), key=lambda k: (-tried[k].accuracy, tried[k].loss, k))
    return Evaluated(Linear(*(part.float() for part in found[chosen])), chosen, tried)


def logistic_regression(x: Tensor, y: Tensor, c: float, num_classes: int) -> Linear:
    """Return scikit-learn's logistic regression, by L-BFGS.

    Features are scaled by one number, the root of their mean square, so that `c` means the same for
    embeddings of any length. A class that no target has is never predicted: its logit is lower by
    10 than all that the targets give.

    Shapes: x (T, D), y (T,).

    Args:
        x: features, in double precision.
        y: classes.
        c: the inverse strength of the penalty.
        num_classes: C.
    """
    # Slow to import, and only this step needs them.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    scale = max(float(x.square().mean()), 1e-60) ** -0.5
    # Nothing is drawn; without a seed NumPy's global state would go on all the same.
    machine = LogisticRegression(C=c, max_iter=_MOST_ITERATIONS, tol=_TOLERANCE, random_state=0)
    with warnings.catch_warnings():  # a penalty that is too weak to end in time is not chosen
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit((x * scale).numpy(), y.numpy())
    weight = torch.from_numpy(machine.coef_).to(x)
    bias = torch.from_numpy(machine.intercept_).to(x)
    if len(machine.classes_) == 2:  # one row, for the second class against the first
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    lowest = float((x * scale @ weight.T + bias).min())
    rows = torch.from_numpy(machine.classes_)
    whole = Linear(x.new_zeros(num_classes, x.size(1)), x.new_full((num_classes,), lowest - 10))
    whole.weight[rows], whole.bias[rows] = weight * scale, bias
    return whole
