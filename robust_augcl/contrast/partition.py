"""Partition of each anchor's negatives in two clusters (AUGCL, arXiv 2301.13340, section 3.2).

Letters: R rows, B values a row.
"""

from __future__ import annotations

import torch
from torch import Tensor


def two_means(values: Tensor) -> Tensor:
    """Split every row in two by exact two-means: (R, B) -> (R, B) bool, True for the cluster of the higher values.

    On a line the best two clusters are separated by a threshold. So sorting and prefix sums try every split of every
    row at once and find the smallest within-cluster sum of squares, where Lloyd's iterations may stop at a local one. Of equally good
    splits the one with the fewest low values is taken. A row of equal values (or of one) is a single cluster, all True.

    Raises:
        ValueError: values that are not finite.
    """
    if not bool(torch.isfinite(values).all()):
        raise ValueError("Expected finite similarities to partition, got NaN or infinity: the encoder has diverged")
    ordered, order = values.double().sort(dim=1)
    size = values.size(1)
    if size < 2:
        return torch.ones_like(values, dtype=torch.bool)
    centred = ordered - ordered.mean(1, keepdim=True)
    low_sum = centred.cumsum(1)[:, :-1]  # of the k lowest, k = 1 ... B - 1; the others sum to its negative
    low_count = torch.arange(1, size, device=values.device, dtype=torch.float64)
    # Within-cluster sum = total - low_sum^2 / k - high_sum^2 / (B - k).
    explained = low_sum.square() * (1 / low_count + 1 / (size - low_count))
    first_high = explained.argmax(1) + 1
    first_high = torch.where(ordered[:, 0] == ordered[:, -1], 0, first_high)
    high_sorted = torch.arange(size, device=values.device) >= first_high.unsqueeze(1)
    return torch.zeros_like(high_sorted).scatter(1, order, high_sorted)


def partition(similarity: Tensor) -> Tensor:
    """Label 1 for the cluster that holds the anchor's positive (the diagonal), else 0: (B, B) -> (B, B) int64."""
    high = two_means(similarity.detach())
    return (high == high.diagonal().unsqueeze(1)).long()
