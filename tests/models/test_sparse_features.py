"""Products of features that are mostly zeros: against SciPy, and double precision."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from robust_augcl.encoders.gcn_relu import GCNReLU
from robust_augcl.models import sparse_features
from robust_augcl.models.products import apply_linear
from robust_augcl.models.sparse_features import apply_to_features
from robust_augcl.seeds import generator


@pytest.fixture
def always_sparse(monkeypatch):
    monkeypatch.setattr(sparse_features, "_LARGE", 0)
    monkeypatch.setattr(sparse_features, "_MOST", 1.0)


def drawn(nodes: int, features: int, share: float, seed: int) -> Tensor:
    """Features of which about a share is not zero."""
    draws = torch.Generator().manual_seed(seed)
    values = torch.randn(nodes, features, generator=draws)
    return values * (torch.rand(nodes, features, generator=draws) < share)


@given(
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    st.integers(0, 999),
)
@settings(max_examples=60)
def test_the_product_and_its_gradient_are_those_of_scipy(nodes, features, width, share, seed):
    x = drawn(nodes, features, share, seed)
    weight = torch.randn(width, features, generator=generator(seed)).requires_grad_()
    towards = torch.randn(nodes, width, generator=generator(seed, "towards"))
    out = sparse_features._SparseProduct.apply(x, weight)
    (slopes,) = torch.autograd.grad((out * towards).sum(), weight)
    matrix = scipy.sparse.csr_array(x.double().numpy())
    np.testing.assert_allclose(out.detach(), matrix @ weight.detach().double().numpy().T, atol=1e-5)
    expected = (matrix.T @ towards.double().numpy()).T
    np.testing.assert_allclose(slopes, expected, atol=1e-5)
    assert slopes.is_contiguous()


def test_nodes_without_features_and_features_of_no_node_give_zeros(always_sparse):
    x = torch.zeros(4, 3)
    x[2, 1] = 2.0
    weight = torch.tensor([[1.0, 10.0, 100.0]], requires_grad=True)
    out = apply_to_features(x, weight)
    assert out.flatten().tolist() == [0.0, 0.0, 20.0, 0.0]
    out.sum().backward()
    assert weight.grad.tolist() == [[0.0, 2.0, 0.0]]


def calls_of(monkeypatch) -> list[tuple[int, ...]]:
    """The shapes of features that are multiplied without their zeros from now on."""
    seen: list[tuple[int, ...]] = []
    times = sparse_features._SparseProduct.apply

    def counted(x, weight):
        seen.append(tuple(x.shape))
        return times(x, weight)

    monkeypatch.setattr(sparse_features._SparseProduct, "apply", counted)
    return seen


@pytest.mark.parametrize(
    ("nodes", "share", "is_sparse"), [(3000, 0.01, True), (3000, 0.2, False), (20, 0.01, False)]
)
def test_zeros_are_left_out_where_that_pays(monkeypatch, nodes, share, is_sparse):
    seen = calls_of(monkeypatch)
    x, weight = drawn(nodes, 1400, share, 0), torch.randn(32, 1400, generator=generator(0))
    out = apply_to_features(x, weight)
    assert bool(seen) is is_sparse
    torch.testing.assert_close(out, apply_linear(x, weight), rtol=1e-4, atol=1e-4)


def test_features_with_a_gradient_have_the_dense_one(always_sparse, monkeypatch):
    seen = calls_of(monkeypatch)
    x = torch.zeros(3, 2, requires_grad=True)
    apply_to_features(x, torch.ones(1, 2)).sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0]] * 3
    assert seen == []


def test_a_gcn_leaves_the_zeros_out_in_its_first_round_alone(always_sparse, monkeypatch):
    seen = calls_of(monkeypatch)
    encoder = GCNReLU(in_features=7, width=4, layers=2, generator=generator(0))
    x, batch = drawn(5, 7, 0.3, 1), torch.zeros(5, dtype=torch.long)
    edges = torch.tensor([[0, 1, 1, 2, 3, 4], [1, 0, 2, 1, 4, 3]])
    nodes, _ = encoder(x, edges, batch, 1)
    assert seen == [(5, 7)]
    monkeypatch.setattr(sparse_features, "_LARGE", 2**62)
    torch.testing.assert_close(nodes, encoder(x, edges, batch, 1)[0])
    assert seen == [(5, 7)]


@pytest.mark.parametrize("how", ["without zeros", "dense"])
def test_benchmark_features(benchmark, how):
    """Features of CiteSeer's size and density, forward and backward: compare the two."""
    benchmark.group = "product of features"
    torch.set_num_threads(1)
    x = drawn(3327, 3703, 0.0086, 0)
    weight = torch.randn(512, 3703, generator=generator(0)).requires_grad_()
    product = apply_to_features if how == "without zeros" else apply_linear

    def step() -> None:
        product(x, weight).sum().backward()

    benchmark.pedantic(step, rounds=3)
