"""The contrastive loss against a double loop written from the formula, and against reference
values.
"""

from __future__ import annotations

import math

import pytest
import torch
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.contrast.losses import cosine_similarities, info_nce
from robust_augcl.contrast.weighting import mean_normalised


def cosine(a, b):
    dot = sum(p * q for p, q in zip(a, b, strict=True))
    return dot / math.sqrt(sum(p * p for p in a)) / math.sqrt(sum(q * q for q in b))


def by_loop(z1, z2, temperature, weight=None, positive_in_denominator=True):
    """The mean over anchors of -log(exp(s_ii / t) / denominator), in plain Python."""
    anchors, views = z1.tolist(), z2.tolist()
    total = 0.0
    for i, anchor in enumerate(anchors):
        positive = math.exp(cosine(anchor, views[i]) / temperature)
        denominator = positive if positive_in_denominator else 0.0
        for j, view in enumerate(views):
            if j != i:
                factor = 1.0 if weight is None else float(weight[i, j])
                denominator += factor * math.exp(cosine(anchor, view) / temperature)
        total -= math.log(positive / denominator)
    return total / len(anchors)


def draw(seed, size=6, width=4, dtype=torch.float64):
    generator = seeded(seed)
    z1, z2 = torch.randn(2, size, width, generator=generator, dtype=dtype)
    weight = torch.rand(size, size, generator=generator, dtype=dtype) * 3
    return z1, z2, weight


@pytest.mark.parametrize("positive_in_denominator", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(("size", "temperature"), [(2, 0.2), (7, 0.5), (7, 3.0)])
def test_loss_is_the_formula(size, temperature, weighted, positive_in_denominator):
    z1, z2, weight = draw(size, size)
    weight = weight if weighted else None
    ours = info_nce(
        z1,
        z2,
        temperature=temperature,
        weight=weight,
        positive_in_denominator=positive_in_denominator,
    )
    assert float(ours) == pytest.approx(
        by_loop(z1, z2, temperature, weight, positive_in_denominator), rel=1e-10
    )


def test_a_weight_of_0_leaves_the_negative_out():
    z1, z2, weight = draw(3)
    weight[0, 1:] = 0
    weight[2, 4] = 0
    z1.requires_grad_(True)
    loss = info_nce(z1, z2, temperature=0.2, weight=weight)
    assert float(loss.detach()) == pytest.approx(by_loop(z1.detach(), z2, 0.2, weight), rel=1e-10)
    loss.backward()
    assert torch.isfinite(z1.grad).all()


def test_the_diagonal_of_the_weight_is_not_used():
    z1, z2, weight = draw(4)
    other = weight.clone().fill_diagonal_(17.0)
    for inside in (True, False):
        losses = [
            info_nce(z1, z2, temperature=0.2, weight=w, positive_in_denominator=inside)
            for w in (weight, other)
        ]
        assert torch.equal(*losses)


def test_low_temperatures_do_not_overflow():
    z1, z2, _ = draw(5, dtype=torch.float32)
    assert torch.isfinite(info_nce(z1, z2, temperature=1e-3))


def test_a_zero_embedding_is_similar_to_nothing():
    z1, z2, _ = draw(6)
    z1[2] = 0
    assert cosine_similarities(z1, z2)[2].tolist() == [0.0] * 6
    assert torch.isfinite(info_nce(z1, z2, temperature=0.2))


def gradients(values, **settings):
    z1, z2 = values["z1"].clone().requires_grad_(True), values["z2"].clone().requires_grad_(True)
    loss = info_nce(z1, z2, **settings)
    return (loss.detach(), *torch.autograd.grad(loss, (z1, z2)))


@pytest.mark.parametrize("name", ["info_nce", "weighted"])
def test_value_and_gradients_equal_the_reference(vectors, name):
    values = vectors("augcl")
    weight = mean_normalised(values["uncertainty"])[0] if name == "weighted" else None
    loss, grad_z1, grad_z2 = gradients(
        values, temperature=float(values["temperature"]), weight=weight
    )
    torch.testing.assert_close(loss, values[name], rtol=1e-4, atol=0)
    torch.testing.assert_close(grad_z1, values[f"{name}_grad_z1"], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(grad_z2, values[f"{name}_grad_z2"], rtol=1e-4, atol=1e-7)


def test_the_loss_on_component_graphs_equals_the_reference(vectors):
    values = vectors("augcl")
    loss = info_nce(values["z1"], values["z2"], temperature=0.5, positive_in_denominator=False)
    torch.testing.assert_close(loss, values["graphcl_component_loss"], rtol=1e-4, atol=0)


@given(
    seed=st.integers(0, 2**32),
    size=st.integers(2, 9),
    temperature=st.floats(0.05, 5),
    inside=st.booleans(),
)
def test_weights_of_1_are_no_weights(seed, size, temperature, inside):
    z1, z2, _ = draw(seed, size)
    plain = info_nce(z1, z2, temperature=temperature, positive_in_denominator=inside)
    ones = info_nce(
        z1,
        z2,
        temperature=temperature,
        weight=torch.ones(size, size),
        positive_in_denominator=inside,
    )
    torch.testing.assert_close(ones, plain)


@given(seed=st.integers(0, 2**32), size=st.integers(2, 9), inside=st.booleans(), data=st.data())
def test_the_order_of_the_batch_does_not_matter(seed, size, inside, data):
    z1, z2, weight = draw(seed, size)
    order = torch.tensor(data.draw(st.permutations(range(size))))
    loss = info_nce(z1, z2, temperature=0.3, weight=weight, positive_in_denominator=inside)
    moved = info_nce(
        z1[order],
        z2[order],
        temperature=0.3,
        weight=weight[order][:, order],
        positive_in_denominator=inside,
    )
    torch.testing.assert_close(moved, loss)


def test_the_length_of_an_embedding_does_not_matter():
    z1, z2, weight = draw(8)
    scale = torch.tensor([[0.5], [3], [1], [10], [0.01], [7]], dtype=torch.float64)
    torch.testing.assert_close(
        info_nce(z1 * scale, z2 * scale.flip(0), temperature=0.2, weight=weight),
        info_nce(z1, z2, temperature=0.2, weight=weight),
    )


def test_more_weight_on_negatives_raises_the_loss():
    z1, z2, weight = draw(9)
    assert info_nce(z1, z2, temperature=0.2, weight=2 * weight) > info_nce(
        z1, z2, temperature=0.2, weight=weight
    )


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        info_nce(torch.ones(3, 2), torch.ones(3, 2), temperature=temperature)


@pytest.mark.parametrize(
    ("first", "second"), [((3, 2), (4, 2)), ((3, 2), (3, 5)), ((3,), (3,)), ((2, 3, 2), (2, 3, 2))]
)
def test_shapes_that_do_not_fit_are_refused(first, second):
    with pytest.raises(ValueError, match="one shape"):
        info_nce(torch.ones(first), torch.ones(second), temperature=0.2)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3), (4, 4)])
def test_a_weight_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="weight"):
        info_nce(torch.ones(3, 2), torch.ones(3, 2), temperature=0.2, weight=torch.ones(shape))


def test_a_batch_of_one_has_no_negatives():
    z = torch.randn(1, 4, generator=seeded(0))
    assert float(info_nce(z, 2 * z, temperature=0.2)) == 0
    with pytest.raises(ValueError, match="at least 2 graphs"):
        info_nce(z, z, temperature=0.2, positive_in_denominator=False)
