"""How good a model of the partition is: against guessing, and against its own confidence.

Letters: P pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def expected_calibration_error(probability: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Mean distance of confidence from accuracy over equal bins of confidence (Guo et al. 2017,
    arXiv 1706.04599, equation 3).

    Shapes: probability of label 1 (P,), labels (P,) of 0 and 1.
    """
    confidence = torch.maximum(probability, 1 - probability).double()
    right = ((probability > 0.5) == (labels == 1)).double()
    number = (confidence * bins).ceil().long().clamp(1, bins) - 1  # bins are closed on the right
    gap = torch.zeros(bins, dtype=torch.float64, device=probability.device).index_add_(
        0, number, confidence - right
    )
    return float(gap.abs().sum() / labels.numel())


def best_constant_loss(share: float, reward: float | None) -> float:
    """The least loss of an answer that is the same for all pairs, a share of which has label 1.

    With a reward o (above 1, at most 2): Deep Gamblers. Betting q - (1 - q) / (o - 1) on the more
    frequent label, of share q, and keeping the rest is best, if that is positive, else betting
    nothing. Without one: cross-entropy.
    """
    q = max(share, 1 - share)
    if reward is None:
        return -sum(p * math.log(p) for p in (q, 1 - q) if p > 0)
    bet = max(0.0, q - (1 - q) / (reward - 1))
    kept = (1 - bet) / reward
    return -sum(p * math.log(value) for p, value in ((q, bet + kept), (1 - q, kept)) if p > 0)


@dataclass(frozen=True)
class Calibration:
    """A model of the partition, on views that it was not fitted on.

    Args:
        loss: its mean.
        constant_loss: the least of a constant answer.
        coverage: the share of the pairs that it names a cluster for; of the others it reserves its
            answer.
        accuracy: of the likelier of the two clusters, where it names one (None: nowhere).
        majority: accuracy of the more frequent cluster there.
        error: expected calibration error of the two clusters' probabilities there, the reservation
            left out.
    """

    loss: float
    constant_loss: float
    coverage: float
    accuracy: float | None
    majority: float | None
    error: float | None

    @classmethod
    def of(cls, loss: float, logits: Tensor, labels: Tensor, reward: float | None) -> Calibration:
        """From the mean loss, logits (P, 2), or (P, 3) with the reservation last, and labels
        (P,).
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
        """Whether it is no better than a constant answer: it does not know the clusters."""
        return not self.loss < 0.99 * self.constant_loss
