"""Partitions by k-means on embeddings and by a spectral cut, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from generators import seeded
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.metrics import adjusted_rand_score

from robust_augcl.contrast.augcl.partition import (
    k_means_partition,
    make_partition,
    partition,
    spectral_partition,
    two_means,
)
from robust_augcl.contrast.losses import cosine_similarities

NAMES = ["two_means", "k_means", "spectral"]


def clustered(seed=0, size=30, noise=0.4):
    generator = seeded(seed)
    centres = torch.randn(2, 5, generator=generator)
    z1 = centres[torch.arange(size) % 2] + noise * torch.randn(size, 5, generator=generator)
    return z1, z1 + 0.2 * torch.randn(size, 5, generator=generator)


def labels(name, z1, z2):
    return make_partition(name, z1, z2, cosine_similarities(z1, z2))


def unit(z):
    return (z / z.norm(dim=1, keepdim=True)).double().numpy()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_k_means_is_that_of_scikit_learn_from_the_same_start(seed):
    z1, z2 = clustered(seed, noise=1.5)
    ours = k_means_partition(z1, z2)
    high = two_means(cosine_similarities(z1.double(), z2.double())).numpy()
    different = 0
    for i, anchor in enumerate(unit(z1)):
        points = anchor * unit(z2)
        centres = np.stack([points[~high[i]].mean(0), points[high[i]].mean(0)])
        fit = KMeans(2, init=centres, n_init=1, tol=0, algorithm="lloyd").fit(points)
        assert ours[i].tolist() == (fit.labels_ == fit.labels_[i]).astype(int).tolist()
        different += ours[i].tolist() != (high[i] == high[i][i]).astype(int).tolist()
    assert different > 0  # it is not the split of the similarities again


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_spectral_cut_is_that_of_scikit_learn(seed):
    z1, z2 = clustered(seed)
    views = unit(z2)
    distance = 1 - views @ views.T
    affinity = np.exp(-distance / (distance.sum() / (30 * 29)))
    fit = SpectralClustering(2, affinity="precomputed", random_state=0).fit(affinity)
    ours = spectral_partition(z1, z2)
    assert adjusted_rand_score(fit.labels_, ours[0].numpy()) == 1
    for i in range(30):
        assert ours[i].tolist() == (fit.labels_ == fit.labels_[i]).astype(int).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_clusters_are_found(name):
    z1, z2 = clustered(noise=0.1)
    truth = torch.arange(30) % 2
    assert torch.equal(labels(name, z1, z2), (truth.unsqueeze(0) == truth.unsqueeze(1)).long())


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_batches(name):
    one = torch.tensor([[1.0, 2.0]])
    assert labels(name, one, one).tolist() == [[1]]
    two = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert labels(name, two, two).tolist() == [[1, 0], [0, 1]]
    # All the same, and all zero: nothing to tell apart, one cluster.
    for same in (torch.ones(5, 2), torch.zeros(5, 2)):
        assert labels(name, same, same).tolist() == [[1] * 5] * 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_embeddings_that_are_not_finite_are_refused(name, bad):
    z1, z2 = clustered()
    z2[3, 1] = bad
    with pytest.raises(ValueError, match="diverged"):
        labels(name, z1, z2)


@pytest.mark.parametrize("name", NAMES)
def test_label_1_holds_the_positive_and_nothing_carries_a_gradient(name):
    z1, z2 = (z.requires_grad_(True) for z in clustered(noise=2.0))
    found = labels(name, z1, z2)
    assert found.dtype == torch.int64
    assert found.diagonal().tolist() == [1] * 30
    assert int((found == 0).sum()) > 0
    assert not found.requires_grad


def test_the_default_is_two_means():
    z1, z2 = clustered()
    assert torch.equal(labels("two_means", z1, z2), partition(cosine_similarities(z1, z2)))
