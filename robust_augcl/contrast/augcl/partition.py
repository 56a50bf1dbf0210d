"""Partition of each anchor's negatives in two clusters (AUGCL, arXiv 2301.13340, section 3.2).

Letters: R rows, B values in a row (graphs in a batch), D embedding.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.errors import InputError

PartitionName = Literal["two_means", "k_means", "spectral"]


def two_means(values: Tensor) -> Tensor:
    """Split every row in two clusters by exact two-means; True is the cluster of the higher values.

    On a line a threshold separates the best two clusters. So sorting and prefix sums try every
    split of every row at once, and find the smallest within-cluster sum of squares. Lloyd's
    iterations may stop at a local minimum instead. Of equally good splits, the one with the fewest
    low values is taken. A row of equal values, or of a single one, is one cluster, all True.

    Shapes: values (R, B) -> (R, B) bool.

    Raises:
        ValueError: a value is not finite.

    >>> two_means(torch.tensor([[0.9, 0.1, 0.8, 0.2], [0.5, 0.5, 0.5, 0.5]])).tolist()
    [[True, False, True, False], [True, True, True, True]]
    """
    _check_finite(values, "similarities")
    size = values.size(1)
    if size < 2:
        return torch.ones_like(values, dtype=torch.bool)
    thresholds = _sorted(values.detach())
    ordered = thresholds.double()
    centred = ordered - ordered.mean(1, keepdim=True)
    # Of the k lowest values, for k = 1 ... B - 1; the others sum to its negative.
    low_sum = centred.cumsum(1)[:, :-1]
    low_count = torch.arange(1, size, device=values.device, dtype=torch.float64)
    # Within-cluster sum = total - low_sum^2 / k - high_sum^2 / (B - k).
    explained = low_sum.square() * (1 / low_count + 1 / (size - low_count))
    first_high = explained.argmax(1, keepdim=True) + 1
    # Equal values stay on one side; in a row of equal values, that is the high one.
    return values >= thresholds.gather(1, first_high)


def partition(similarity: Tensor, own: Tensor | None = None) -> Tensor:
    """Label each pair by the two-means of its anchor's similarities.

    The label is 1 for the cluster that holds the anchor's positive (the diagonal), else 0. Where
    there are only some rows (R, B), `own` is the column of each row's positive (R,).

    Shapes: similarity (B, B) -> (B, B) int64.

    Raises:
        ValueError: a similarity is not finite.

    >>> partition(torch.tensor([[0.9, 0.1, 0.8], [0.2, 0.1, 0.9], [0.0, 0.1, 1.0]])).tolist()
    [[1, 0, 1], [1, 1, 0], [0, 0, 1]]
    """
    return _with_positive(two_means(similarity.detach()), own)


def k_means_partition(
    z1: Tensor, z2: Tensor, iterations: int = 50, own: Tensor | None = None
) -> Tensor:
    """Label each pair by two-means of the embeddings relative to its anchor.

    A view j relative to an anchor i is the elementwise product of their unit vectors, a_i * v_j.
    The entries of the product sum to the similarity. So this partition looks at where two graphs
    agree, and not only at how much. (A difference would give every anchor the same clusters.)

    Lloyd's iterations run for all anchors at once. They start from the exact split of the
    similarities, and stop when nothing changes or after `iterations`. The products are never built:
    the distances to a centre c_i are matrix products of a_i^2 and v_j^2, and of a_i c_i and v_j.

    Shapes: z1 (B, D), z2 (B, D) -> labels as in `partition` (B, B) int64. Of only some anchors
    (R, D), `own` is the view of each (R,).

    Raises:
        ValueError: an embedding is not finite.
    """
    _check_finite(torch.cat([z1, z2]), "embeddings")
    anchors, views = normalize(z1.detach().double(), dim=1), normalize(z2.detach().double(), dim=1)
    high = two_means(anchors @ views.T)
    for _ in range(iterations):
        distances = []
        for side in (high, ~high):
            count = side.sum(1, keepdim=True)
            centres = anchors * (side.double() @ views) / count.clamp(min=1)
            # This is |a v - c|^2 without |a v|^2, which both sides share. A cluster without members
            # attracts none.
            distance = centres.square().sum(1, keepdim=True) - 2 * (anchors * centres) @ views.T
            distances.append(torch.where(count > 0, distance, torch.inf))
        moved = distances[0] <= distances[1]
        if torch.equal(moved, high):
            break
        high = moved
    return _with_positive(high, own)


def spectral_partition(z1: Tensor, z2: Tensor) -> Tensor:
    """Label each pair by a two-way spectral cut of the batch's views.

    This is the normalised cut (Shi and Malik 2000; Ng et al. 2002). The affinity of the views k and
    l is exp(-(1 - s_kl) / m), where m is the mean of 1 - s over all pairs. The second eigenvector
    of D^-1/2 A D^-1/2, with each entry divided by the root of its degree, is split by exact
    two-means. One cut serves all anchors: label 1 is the side of the anchor's own view. `z1` is not
    looked at. Views that are all the same are one cluster, all 1; so are three or more views that
    are all equally far from one another.

    Shapes: z1 (B, D), z2 (B, D) -> labels as in `partition` (B, B) int64.

    Raises:
        ValueError: an embedding is not finite.
    """
    _check_finite(torch.cat([z1, z2]), "embeddings")
    size = z2.size(0)
    distance = (1 - cosine_similarities(z2.detach().double(), z2.detach().double())).clamp(min=0)
    scale = distance.sum() / max(size * (size - 1), 1)
    others = distance[~torch.eye(size, dtype=torch.bool, device=z2.device)]
    if (
        size < 2
        or not bool(scale > 1e-12)
        or (size > 2 and bool(others.max() - others.min() < 1e-12))
    ):
        return torch.ones(size, size, dtype=torch.int64, device=z2.device)
    affinity = torch.exp(-distance / scale)
    # Not `sqrt`, which MKL rounds in other ways on other processors.
    root = affinity.sum(1).rsqrt().reciprocal()
    vector = torch.linalg.eigh(affinity / root / root.unsqueeze(1)).eigenvectors[:, -2] / root
    side = two_means(vector.unsqueeze(0))
    return (side == side.T).long()


def make_partition(
    name: PartitionName, z1: Tensor, z2: Tensor, similarity: Tensor, own: Tensor | None = None
) -> Tensor:
    """Return the partition of that name.

    Shapes: z1 (B, D), z2 (B, D), their similarities (B, B) -> labels (B, B) int64. Where z1 is only
    some of the anchors (R, D), `own` is the view of each (R,).

    Raises:
        InputError: a spectral cut of only some of the anchors.
        ValueError: a similarity or an embedding is not finite.
    """
    if name == "two_means":
        return partition(similarity, own)
    if name == "k_means":
        return k_means_partition(z1, z2, own=own)
    if own is not None:
        raise InputError(
            "Expected `partition` to be 'two_means' or 'k_means' where the anchors are nodes, got "
            "'spectral', which looks at all pairs of them at once"
        )
    return spectral_partition(z1, z2)


def _sorted(values: Tensor) -> Tensor:
    """Return each row in rising order.

    NumPy's sort is twenty times as fast as PyTorch's, which also looks for the order.
    """
    if values.device.type == "cpu":
        return torch.from_numpy(np.sort(values.numpy(), axis=1))
    return values.sort(dim=1).values


def _with_positive(high: Tensor, own: Tensor | None = None) -> Tensor:
    positive = high.diagonal().unsqueeze(1) if own is None else high.gather(1, own.unsqueeze(1))
    return (high == positive).long()


def _check_finite(values: Tensor, what: str) -> None:
    if not bool(torch.isfinite(values).all()):
        raise ValueError(
            f"Expected finite {what} to partition, got NaN or infinity: the encoder has diverged"
        )
