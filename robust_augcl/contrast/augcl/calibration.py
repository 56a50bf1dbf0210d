"""How good a model of the partition is, against guessing and against its own confidence.

Letters: P pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def expected_calibration_error(probability: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Return the mean distance of confidence from accuracy over equal bins of confidence.

    Source: Guo et al. 2017 (arXiv 1706.04599, equation 3).

    Shapes: probability of label 1 (P,), labels of 0 and 1 (P,).

    >>> sure = torch.tensor([1.0, 1.0, 1.0, 1.0])
    >>> expected_calibration_error(sure, torch.tensor([1, 1, 1, 0]))
    0.25
    """
    confidence = torch.maximum(probability, 1 - probability).double()
    right = ((probability > 0.5) == (labels == 1)).double()
    number = (confidence * bins).ceil().long().clamp(1, bins) - 1  # closed on the right
    gap = torch.zeros(bins, dtype=torch.float64, device=probability.device).index_add_(
        0, number, confidence - right
    )
    return float(gap.abs().sum() / labels.numel())


def best_constant_loss(share: float, reward: float | None) -> float:
    """Return the least loss of an answer that is the same for all pairs.

    With a reward o (above 1, at most 2) the loss is that of Deep Gamblers. Let q be the share of
    the more frequent label. The best answer bets q - (1 - q) / (o - 1) on this label and keeps the
    rest; if that is not positive, it bets nothing. Without a reward the loss is cross-entropy.

    Args:
        share: the share of the pairs that have label 1.
        reward: the o of Deep Gamblers, or None for cross-entropy.

    >>> round(best_constant_loss(0.5, None), 4)  # log 2
    0.6931
    >>> round(best_constant_loss(0.5, 1.9), 4)  # log 1.9: all is kept
    0.6419
    """
    q = max(share, 1 - share)
    if reward is None:
        return -sum(p * math.log(p) for p in (q, 1 - q) if p > 0)
    bet = max(0.0, q - (1 - q) / (reward - 1))
    kept = (1 - bet) / reward
    return -sum(p * math.log(value) for p, value in ((q, bet + kept), (1 - q, kept)) if p > 0)


@dataclass(frozen=True)
class Calibration:
    """How good a model of the partition is, on views that it was not fitted on.

    Args:
        loss: the model's mean loss.
        constant_loss: the least mean loss of a constant answer.
        coverage: the share of the pairs that the model names a cluster for. For the others it
            reserves its answer.
        accuracy: how often the likelier of the two clusters is right, where the model names one.
            None: it names none anywhere.
        majority: how often the more frequent cluster would be right there.
        error: the expected calibration error of the two clusters' probabilities there, with the
            reservation left out.
    """

    loss: float
    constant_loss: float
    coverage: float
    accuracy: float | None
    majority: float | None
    error: float | None

    @classmethod
    def of(cls, loss: float, logits: Tensor, labels: Tensor, reward: float | None) -> Calibration:
        """Compute it from the mean loss, the logits and the labels.

        Shapes: logits (P, 2), or (P, 3) with the reservation last; labels (P,).
        """
        constant = best_constant_loss(float(labels.double().mean()), reward)
        covered = logits.argmax(1) < 2
        coverage = float(covered.double().mean())
        if coverage == 0:
            return cls(loss, constant, coverage, None, None, None)
        probability, labels = logits[covered, :2].softmax(1)[:, 1], labels[covered]
        share = float(labels.double().mean())
        accuracy = float(((probability > 0.5) == (labels == 1)).double().mean())
        return cls(
            loss,
            constant,
            coverage,
            accuracy,
            max(share, 1 - share),
            expected_calibration_error(probability, labels),
        )

    @property
    def underfit(self) -> bool:
        """Whether the model is no better than a constant answer: it does not know the clusters."""
        return not self.loss < 0.99 * self.constant_loss
