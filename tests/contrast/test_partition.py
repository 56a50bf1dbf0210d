"""The exact two-means partition against brute force, scikit-learn and reference values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from robust_augcl.contrast.augcl.partition import partition, two_means
from robust_augcl.contrast.losses import cosine_similarities


def within_sum(row, labels):
    """Within-cluster sum of squares, from the definition."""
    row, labels = np.asarray(row, dtype=np.float64), np.asarray(labels, dtype=bool)
    return sum(
        float(((row[side] - row[side].mean()) ** 2).sum())
        for side in (labels, ~labels)
        if side.any()
    )


def exact_within_sum(values):
    values = [Fraction(value) for value in values]
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


def brute_force(row):
    """Every threshold between two different values, in exact arithmetic: the sums, by number of low
    values.
    """
    ordered = sorted(row)
    return {
        k: exact_within_sum(ordered[:k]) + exact_within_sum(ordered[k:])
        for k in range(1, len(row))
        if ordered[k - 1] < ordered[k]
    }


def low_values(row, low_count):
    threshold = sorted(row)[low_count]
    return [value >= threshold for value in row]


def random_rows(seed, rows, size):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (rows, size)))


def clustered_rows(seed, rows, size):
    rng = np.random.default_rng(seed)
    centre = np.where(rng.random((rows, size)) < rng.uniform(0.1, 0.9, (rows, 1)), 0.7, -0.2)
    return torch.from_numpy(centre + rng.normal(0, 0.1, (rows, size)))


def test_partition_equals_the_reference(vectors):
    values = vectors("augcl")
    labels = partition(cosine_similarities(values["z1"], values["z2"]))
    assert torch.equal(labels, values["partition_optimal"])
    # The official partition stopped at a local optimum in row 5, and nowhere else.
    assert (labels != values["partition_official"]).any(1).nonzero().flatten().tolist() == [5]


@pytest.mark.parametrize("rows", [random_rows, clustered_rows])
@pytest.mark.parametrize("size", [2, 3, 8, 31])
def test_split_is_the_best_of_all(rows, size):
    values = rows(size, 12, size)
    for row, high in zip(values.tolist(), two_means(values).tolist(), strict=True):
        sums = brute_force(row)
        best = min(sums, key=sums.get)
        assert high == low_values(row, best)
        assert within_sum(row, high) == pytest.approx(float(sums[best]), rel=1e-9, abs=1e-12)


@given(row=st.lists(st.integers(-6, 6), min_size=2, max_size=9))
def test_equal_values_stay_together_and_ties_go_to_the_split_with_fewest_low_values(
    row,
):
    (high,) = two_means(torch.tensor([row], dtype=torch.float32)).tolist()
    sums = brute_force(row)
    if not sums:
        assert all(high)
        return
    best = min(sums.values())
    low_count = min(k for k, value in sums.items() if value == best)
    assert high == low_values(row, low_count)


@pytest.mark.parametrize("rows", [random_rows, clustered_rows])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_k_means_is_never_better(rows, seed):
    values = rows(seed, 6, 40)
    for row, high in zip(values.numpy(), two_means(values).numpy(), strict=True):
        fit = KMeans(2, n_init=10, random_state=seed).fit(row[:, None])
        assert within_sum(row, high) <= within_sum(row, fit.labels_) + 1e-12


def test_similarities_far_from_0_are_split_as_well():
    # One-pass sums of squares would cancel here.
    row = torch.tensor(
        [[1e4 + d for d in (0.0, 0.01, 0.02, 0.07, 0.08, 0.09)]], dtype=torch.float64
    )
    assert two_means(row).tolist() == [[False] * 3 + [True] * 3]


def test_single_precision_similarities_that_differ_in_the_last_bit_are_split():
    above = float(np.nextafter(np.float32(0.9), np.float32(1)))
    assert two_means(torch.tensor([[0.9, above, 0.9, above]])).tolist() == [
        [False, True, False, True]
    ]


@pytest.mark.parametrize("value", [0.0, 1.0, 1 / 3, -0.7])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_equal_values_are_one_cluster(value, size):
    assert two_means(torch.full((3, size), value)).all()
    assert partition(torch.full((size, size), value)).tolist() == [[1] * size] * size


def test_two_values_are_two_clusters():
    assert two_means(torch.tensor([[0.1, 0.2], [0.2, 0.1]])).tolist() == [
        [False, True],
        [True, False],
    ]


def test_label_1_holds_the_positive():
    # Row 0: the positive is high; row 1: it is low; row 2: it stands alone.
    similarity = torch.tensor(
        [[0.9, 0.8, 0.1, 0.0], [0.9, 0.1, 0.8, 0.2], [0.1, 0.2, 0.9, 0.0], [0.9, 0.8, 0.9, 0.7]]
    )
    assert partition(similarity)[:3].tolist() == [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


@given(seed=st.integers(0, 2**32), size=st.integers(1, 12))
def test_every_row_of_a_partition_is_labelled_from_its_positive(seed, size):
    similarity = random_rows(seed, size, size).float()
    labels, high = partition(similarity), two_means(similarity)
    assert labels.dtype == torch.int64
    for i in range(size):
        assert labels[i, i] == 1
        assert [int(high[i, j]) == int(high[i, i]) for j in range(size)] == labels[
            i
        ].bool().tolist()


def test_a_row_does_not_depend_on_the_others_or_on_the_order_of_its_values():
    values = random_rows(7, 5, 20)
    order = torch.randperm(20, generator=seeded(0))
    whole = two_means(values)
    assert torch.equal(torch.cat([two_means(row.unsqueeze(0)) for row in values]), whole)
    assert torch.equal(two_means(values[:, order]), whole[:, order])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(bad):
    similarity = torch.rand(4, 4, generator=seeded(0))
    similarity[2, 1] = bad
    with pytest.raises(ValueError, match="finite"):
        partition(similarity)


def test_the_partition_carries_no_gradient():
    similarity = torch.rand(4, 4, requires_grad=True)
    assert not partition(similarity).requires_grad
