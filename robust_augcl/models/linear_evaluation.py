"""Linear evaluation: a logistic regression on frozen embeddings, chosen on validation targets.

It is how representations of nodes are scored (DGI, Velickovic et al. 2019, arXiv 1809.10341; GRACE,
arXiv 2006.04131). The penalty is chosen on targets for validation, never on those for test.

Letters: T targets, D embedding, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robust_augcl.errors import InputError
from robust_augcl.progress import Report, silent

_MOST_ITERATIONS = 300
_TOLERANCE = 1e-6


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
        InputError: an embedding is not finite.

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
    x, tried, found = embeddings.double(), [], []
    linear = Linear(x.new_zeros(num_classes, x.size(1)), x.new_zeros(num_classes))
    strengths, axes = sorted(settings.c), Axes.of(x[train])
    for c in strengths:
        linear = logistic_regression(axes, y[train], c, linear)
        logits = linear(x[selection])
        accuracy = (logits.argmax(1) == y[selection]).double().mean()
        tried.append(Tried(c, float(cross_entropy(logits, y[selection])), float(accuracy)))
        found.append(linear)
        report(len(tried) / len(strengths), f"validation accuracy {tried[-1].accuracy:.3f}")
    chosen = min(range(len(tried)), key=lambda k: (-tried[k].accuracy, tried[k].loss, k))
    return Evaluated(Linear(*(part.float() for part in found[chosen])), chosen, tried)


class Axes(NamedTuple):
    """Training embeddings in their principal axes, R of them: X = U diag(S) V^T.

    Args:
        u: (T, R).
        s: (R,).
        v: (D, R).
    """

    u: Tensor
    s: Tensor
    v: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Axes:
        """The axes of embeddings (T, D)."""
        u, s, vh = torch.linalg.svd(x, full_matrices=False)
        return cls(u, s, vh.T)


def logistic_regression(axes: Axes, y: Tensor, c: float, start: Linear) -> Linear:
    """Minimise c times the summed cross-entropy, plus half the squared weights, biases apart.

    That is scikit-learn's `LogisticRegression`, but that features are scaled by one number, the
    root of their mean square: so `c` means the same for embeddings of any length. A method of
    limited memory (L-BFGS) runs in the principal axes of the features. Each axis is stretched by
    the curvature along it, so that some dozens of steps are enough.

    Args:
        axes: of the features of T targets, in double precision.
        y: classes (T,).
        c: the inverse strength of the penalty.
        start: where to begin; the minimum is one.
    """
    count, width = y.numel(), axes.v.size(0)
    scale = max(float(axes.s.square().sum() / (count * width)), 1e-60) ** -0.5
    singular = axes.s * scale
    penalty = 1 / (c * count)
    stretch = (singular.square() / (4 * count) + penalty).rsqrt()
    features = axes.u * (singular * stretch)
    weight = (start.weight @ axes.v / (scale * stretch)).clone().requires_grad_(True)
    bias = start.bias.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_MOST_ITERATIONS,
        tolerance_grad=_TOLERANCE,
        tolerance_change=1e-12,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        # Of a mean: divided by c and the number of targets.
        value = cross_entropy(features @ weight.T + bias, y)
        value = value + (weight * stretch).square().sum() * (penalty / 2)
        value.backward()
        return value

    optimizer.step(loss)
    return Linear((weight.detach() * stretch) @ axes.v.T * scale, bias.detach())
