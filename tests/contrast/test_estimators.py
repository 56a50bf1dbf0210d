"""Estimators of uncertainty, and how the network of one is trained."""

from __future__ import annotations

import math

import pytest
import torch
from generators import seeded
from noisy_clusters import views_of, weighter

from robust_augcl.contrast.augcl.estimators import AffinitySettings
from robust_augcl.contrast.augcl.partition import partition
from robust_augcl.contrast.augcl.uncertainty import distance_uncertainty, from_logits
from robust_augcl.contrast.losses import cosine_similarities

ESTIMATORS = ["deep_gamblers", "softmax_response", "entropy", "distance"]


# --- uncertainty ----------------------------------------------------------------------------------


def test_uncertainties_are_their_formulas():
    logits = 2 * torch.randn(5, 4, 3, generator=seeded(0), dtype=torch.float64)
    for i in range(5):
        for j in range(4):
            powers = [math.exp(value) for value in logits[i, j].tolist()]
            assert float(from_logits("deep_gamblers", logits)[i, j]) == pytest.approx(
                powers[2] / sum(powers)
            )
            p = [value / sum(powers[:2]) for value in powers[:2]]
            assert float(from_logits("softmax_response", logits[..., :2])[i, j]) == pytest.approx(
                1 - max(p)
            )
            assert float(from_logits("entropy", logits[..., :2])[i, j]) == pytest.approx(
                -sum(q * math.log(q) for q in p)
            )


def test_certain_answers_have_no_uncertainty_and_no_nan():
    logits = torch.tensor([[1e4, -1e4]])
    assert from_logits("softmax_response", logits).tolist() == [0]
    assert from_logits("entropy", logits).tolist() == [0]


def test_distance_based_uncertainty_is_beta_over_the_distance_of_unit_vectors():
    z1, z2 = next(views_of()())
    similarity = cosine_similarities(z1, z2)
    labels = partition(similarity)
    u = distance_uncertainty(similarity, labels, beta=0.7)
    for i in range(24):
        for j in range(24):
            d = math.dist((z1[i] / z1[i].norm()).tolist(), (z2[j] / z2[j].norm()).tolist())
            assert float(u[i, j]) == pytest.approx(0 if labels[i, j] else 0.7 / d, rel=1e-3)
    # Equal embeddings in cluster 0 do not divide by 0.
    assert torch.isfinite(distance_uncertainty(torch.ones(2, 2), torch.zeros(2, 2), 1.0)).all()


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("partition_name", ["two_means", "k_means", "spectral"])
def test_every_estimator_gives_weights(name, partition_name):
    made, views = weighter(uncertainty=name, partition=partition_name, passes=3), views_of()
    made.fit(views, seeded(2))
    z1, z2 = next(views())
    weight = made(z1, z2)
    assert torch.isfinite(weight).all()
    assert (weight >= 0).all()
    assert torch.equal(weight.diagonal(), torch.ones(24))
    assert float((weight - 1).abs().max()) > 0.05
    assert made.uncertainty(z1, z2, cosine_similarities(z1, z2)).shape == (24, 24)


@pytest.mark.parametrize("name", ["softmax_response", "entropy", "deep_gamblers"])
def test_a_fitted_network_is_surest_away_from_the_boundary(name):
    made, views = weighter(uncertainty=name, passes=40), views_of(noise=0.8)
    made.fit(views, seeded(2))
    z1, z2 = next(views())
    similarity = cosine_similarities(z1, z2)
    labels = partition(similarity).bool()
    # The boundary of each row lies midway between the lowest high and the highest low value.
    low, high = (
        similarity.masked_fill(labels, -2).amax(1),
        similarity.masked_fill(~labels, 2).amin(1),
    )
    distance = (similarity - ((low + high) / 2).unsqueeze(1)).abs().flatten()
    u = made.uncertainty(z1, z2, similarity).flatten()
    near, far = (
        u[distance < distance.quantile(0.25)].mean(),
        u[distance > distance.quantile(0.75)].mean(),
    )
    assert float(near) > 1.5 * float(far)


@pytest.mark.parametrize("pair_input", ["scaled", "unit"])
def test_large_raw_embeddings_are_reserved_whole_and_others_are_not(pair_input):
    """The published network sees raw projections. Those of a GIN are so large that the reservation
    takes everything.
    """
    raw, unit, views = weighter(), weighter(pair_input=pair_input), views_of(scale=60.0)
    for made in (raw, unit):
        made.fit(views, seeded(2))
    z1, z2 = next(views())
    assert raw.model.calibration.underfit
    assert any("underfit" in note for note in raw.notes)
    assert torch.allclose(raw(z1, z2), torch.ones(24, 24), atol=0.01)
    assert unit.notes == []
    assert unit.model.calibration.accuracy > unit.model.calibration.majority + 0.1
    assert float((unit(z1, z2) - 1).abs().max()) > 0.3
    # Length is all that the unit network does not see; the scaled one sees how an embedding's
    # length differs from the mean.
    same = torch.allclose(unit(z1, z2), unit(z1 / 2, z2 / 2), rtol=1e-3, atol=1e-4)
    assert same == (pair_input == "unit")


def test_the_scale_is_the_mean_length_of_a_pass():
    made, (z1, z2) = (
        weighter(pair_input="scaled", passes=1),
        torch.randn(2, 9, 6, generator=seeded(0)),
    )
    made.fit(lambda: iter([(z1, z2)]), seeded(1))
    assert made.model.scale == pytest.approx(
        sum(math.hypot(*z.tolist()) for z in torch.cat([z1, z2])) / 18, rel=1e-5
    )
    zero = weighter(pair_input="scaled", passes=1)
    zero.fit(lambda: iter([(0 * z1, 0 * z2)]), seeded(1))
    assert torch.isfinite(zero(z1, z2)).all()


# --- warm passes ----------------------------------------------------------------------------------


def test_warm_passes_come_before_the_passes_and_leave_the_reservation_alone():
    settings = {"warm_passes": 3, "passes": 2, "hidden": 8}
    made, heard, biases = weighter(**settings), [], []

    def listen(done, text):
        heard.append(done)
        biases.append(made.model.network.layer3.bias.tolist())

    before = made.model.network.layer3.bias.tolist()
    made.model.fit(views_of(), seeded(2), listen)
    assert heard == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert len(made.model.losses) == 2
    assert all(bias[2] == before[2] for bias in biases[:3])
    assert all(bias[0] != before[0] for bias in biases)
    assert biases[3][2] != before[2]


def test_warm_passes_are_those_of_cross_entropy():
    made, views = weighter(warm_passes=4, passes=1, learning_rate=0.01), views_of()
    network = weighter(warm_passes=4).model.network
    reference, generator = torch.optim.Adam(network.parameters(), lr=0.01), seeded(2)
    for _ in range(4):
        for z1, z2 in views():
            labels = partition(cosine_similarities(z1, z2)).flatten()
            for part in torch.randperm(576, generator=generator).split(256):
                logits = network(z1, z2).reshape(-1, 3)[part]
                log_p = logits[:, :2] - logits[:, :2].exp().sum(1, keepdim=True).log()
                loss = -log_p[torch.arange(len(part)), labels[part]].mean()
                reference.zero_grad()
                loss.backward()
                reference.step()
    seen = []

    def listen(done, text):
        seen.append(
            {name: value.clone() for name, value in made.model.network.state_dict().items()}
        )

    made.model.fit(views_of(), seeded(2), listen)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(seen[3][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["softmax_response", "entropy", "distance"])
def test_warm_passes_are_of_deep_gamblers_alone(name):
    with pytest.raises(ValueError, match="warm_passes"):
        AffinitySettings(uncertainty=name, warm_passes=1)
    with pytest.raises(ValueError, match="warm_passes"):
        AffinitySettings(warm_passes=-1)
