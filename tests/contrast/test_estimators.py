"""Estimators of uncertainty, alpha, what is noted, and theorem 1."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from generators import seeded
from sklearn.calibration import calibration_curve

from robust_augcl.contrast.augcl.calibration import (
    Calibration,
    best_constant_loss,
    expected_calibration_error,
)
from robust_augcl.contrast.augcl.estimators import AffinitySettings, AffinityUncertainty
from robust_augcl.contrast.augcl.partition import partition
from robust_augcl.contrast.augcl.uncertainty import distance_uncertainty, from_logits, gamblers_loss
from robust_augcl.contrast.losses import adaptive_margin, cosine_similarities, info_nce, info_nce_of
from robust_augcl.contrast.objective import InfoNCE, LossSettings
from robust_augcl.contrast.weighting import Weights, WeightStatistics, mean_normalised, scaled

ESTIMATORS = ["deep_gamblers", "softmax_response", "entropy", "distance"]


def views_of(scale=1.0, size=24, noise=0.4):
    """Passes over three batches of two noisy clusters."""
    generator = seeded(0)
    centres = torch.randn(2, 6, generator=generator)
    anchors = [
        centres[torch.arange(size) % 2] + noise * torch.randn(size, 6, generator=generator)
        for _ in range(3)
    ]

    def views():
        for z in anchors:
            yield scale * z, scale * (z + 0.2 * torch.randn(size, 6, generator=generator))

    return views


def weighter(**settings):
    return AffinityUncertainty(
        6,
        AffinitySettings(**{"hidden": 16, "passes": 12, "pairs_a_batch": 256, **settings}),
        seeded(1),
    )


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


# --- alpha ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "factor"),
    [
        ("row_mean", lambda row, whole: 1 / row),
        ("batch_mean", lambda row, whole: 1 / whole),
        ("inverse_mean_minus", lambda row, whole: 1 / row - 0.3),
        ("inverse_mean_plus", lambda row, whole: 1 / row + 0.3),
        (2.5, lambda row, whole: 2.5),
    ],
)
def test_weights_are_alpha_times_the_uncertainty(alpha, factor):
    u = torch.rand(5, 5, generator=seeded(3), dtype=torch.float64)
    weight, collapsed, refused = scaled(u, alpha, delta=0.3)
    rows = u.tolist()
    whole = sum(map(sum, rows)) / 25
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            assert float(weight[i, j]) == pytest.approx(
                1.0 if i == j else factor(sum(row) / 5, whole) * value
            )
    assert not collapsed.any()
    assert not refused.any()


@pytest.mark.parametrize(
    "alpha", ["row_mean", "batch_mean", "inverse_mean_minus", "inverse_mean_plus", 2.5]
)
@pytest.mark.parametrize("value", [0.0, 1e-45, float("nan")])
def test_nothing_to_weigh_by_weighs_1(alpha, value):
    weight, collapsed, refused = scaled(torch.full((3, 3), value), alpha, delta=0.3)
    assert weight.tolist() == [[1.0] * 3] * 3
    assert collapsed.all()
    assert not refused.any()


def test_an_alpha_that_is_not_positive_weighs_1_and_is_no_collapse():
    u = torch.rand(4, 4, generator=seeded(4)) / 2 + 0.25
    u[2] *= 0.01  # 1 / mean is large in this row alone
    u[3] = 0
    weight, collapsed, refused = scaled(u, "inverse_mean_minus", delta=5.0)
    assert refused.tolist() == [True, True, False, False]
    assert collapsed.tolist() == [False, False, False, True]
    assert weight[[0, 1, 3]].tolist() == [[1.0] * 4] * 3
    assert (weight >= 0).all()


def test_an_alpha_that_is_not_positive_has_a_note_of_its_own():
    objective = InfoNCE(LossSettings(), weighter(alpha="inverse_mean_minus", delta=1.5))
    with torch.no_grad():  # everything is reserved: u = 1, alpha = 1 - 1.5
        objective.weighter.model.network.layer3.weight.zero_()
        objective.weighter.model.network.layer3.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
    objective.loss(*next(views_of()()), torch.arange(24))
    expected = (
        "alpha = 1/mean - delta is not positive for 100 % of the anchors, whose "
        "negatives were weighted 1"
    )
    assert objective.notes == [expected]


# --- what is noted --------------------------------------------------------------------------------


def test_calibration_error_is_that_of_scikit_learn():
    generator = seeded(5)
    probability = torch.rand(500, generator=generator, dtype=torch.float64)
    labels = (torch.rand(500, generator=generator, dtype=torch.float64) < probability**2).long()
    confidence = torch.maximum(probability, 1 - probability).numpy()
    right = ((probability > 0.5) == (labels == 1)).numpy()
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    counts = np.histogram(confidence, bins=np.linspace(0, 1, 16))[0]
    expected = (np.abs(accuracy - mean) * counts[counts > 0]).sum() / 500
    assert expected_calibration_error(probability, labels) == pytest.approx(expected, rel=1e-9)
    assert expected > 0.03


@pytest.mark.parametrize("reward", [1.05, 1.5, 1.9, 2.0])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.62, 0.97])
def test_no_constant_answer_is_better(share, reward):
    best = best_constant_loss(share, reward)
    grid = np.linspace(0, 1, 201)
    p1, p0 = np.meshgrid(grid, grid)
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = (1 - p1 - p0) / reward
        terms = [q * np.log(p + kept) for q, p in ((share, p1), (1 - share, p0)) if q > 0]
        losses = np.where(p1 + p0 <= 1 + 1e-12, -sum(terms), np.inf)
    found = np.nanmin(losses)
    assert best <= found + 1e-9
    assert best == pytest.approx(found, abs=2e-3)


def test_the_best_constant_answer_costs_what_the_loss_says():
    # The loss itself, of the answer that the formula speaks of.
    q, reward = 0.7, 1.9
    bet = q - (1 - q) / (reward - 1)
    logits = torch.tensor([bet, 1e-12, 1 - bet]).log().expand(1000, 3)
    labels = (torch.arange(1000) >= 700).long()
    assert float(gamblers_loss(logits, labels, reward)[0]) == pytest.approx(
        best_constant_loss(0.7, reward), rel=1e-5
    )
    assert best_constant_loss(0.7, None) == pytest.approx(
        -0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    )


def test_calibration_looks_where_a_cluster_is_named():
    logits = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]])
    found = Calibration.of(0.3, logits, torch.tensor([0, 1, 0, 0]), 1.9)
    assert (found.coverage, found.accuracy, found.majority) == (
        0.75,
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
    )
    nowhere = Calibration.of(math.log(1.9), logits[[3, 3]], torch.tensor([0, 1]), 1.9)
    assert (nowhere.coverage, nowhere.accuracy, nowhere.error) == (0.0, None, None)
    assert nowhere.underfit


def noted(weight, similarity):
    statistics = WeightStatistics()
    weight = weight.fill_diagonal_(1.0)
    none = torch.zeros(len(weight), dtype=torch.bool)
    statistics.add(Weights(weight, none, none), similarity)
    return statistics


def counted(rows, **counts):
    """Statistics of so many anchors."""
    statistics = WeightStatistics()
    statistics.rows = rows
    for name, count in counts.items():
        setattr(statistics, name, count)
    return statistics


def test_a_handful_of_negatives_that_carry_the_loss_are_noted():
    similarity = cosine_similarities(*next(views_of(size=40)()))
    weight = torch.full((40, 40), 0.01)
    weight[:, :3] = 13.0
    statistics = noted(weight, similarity)
    (note,) = statistics.notes
    assert "unstable weights" in note
    row = [float(value) for j, value in enumerate(weight[20]) if j != 20]
    assert statistics.effective_share < 0.1
    alone = noted(weight[[20]].expand(40, 40).clone(), similarity)
    assert sum(row) ** 2 / sum(value**2 for value in row) / 39 == pytest.approx(
        alone.effective_share, rel=0.05
    )


@pytest.mark.parametrize("value", [0.02, 1.0, 3.0])
def test_equal_weights_are_effective_all_and_noted_whatever_they_are(value):
    similarity = cosine_similarities(*next(views_of(size=10)()))
    statistics = noted(torch.full((10, 10), value), similarity)
    assert statistics.effective_share == pytest.approx(1)
    (note,) = statistics.notes
    assert "the weights did not tell the negatives of 100 % of the anchors apart" in note
    assert "but for a factor" in note
    slightly = torch.full((10, 10), value)
    slightly[:, :2] *= 1.03
    assert noted(slightly, similarity).notes == []


def test_the_effective_share_of_weights_close_to_0_is_at_most_1():
    similarity = cosine_similarities(*next(views_of(size=10)()))
    statistics = noted(torch.full((10, 10), 1e-9), similarity)
    assert statistics.effective_share == pytest.approx(1)


@pytest.mark.parametrize(
    ("alpha", "delta"),
    [(3.0, 0.0), ("batch_mean", 0.0), ("inverse_mean_plus", 2.0), ("inverse_mean_minus", 0.5)],
)
def test_a_constant_uncertainty_gives_equal_weights_with_any_alpha(alpha, delta):
    similarity = cosine_similarities(*next(views_of(size=10)()))
    statistics = WeightStatistics("uncertainty")
    statistics.add(scaled(torch.full((10, 10), 0.9), alpha, delta), similarity)
    (note,) = statistics.notes
    assert "equal weights: the uncertainty did not tell" in note


def test_a_single_negative_has_no_equals():
    assert noted(torch.full((2, 2), 3.0), torch.eye(2)).notes == []


@pytest.mark.parametrize(
    ("name", "words"), [("flat", "equal weights"), ("few", "unstable"), ("uniform", "too uniform")]
)
def test_what_is_rare_is_not_noted(name, words):
    assert counted(1000, **{name: 50}).notes == []
    (note,) = counted(1000, **{name: 51}).notes
    assert words in note
    assert "5 % of the anchors" in note


@pytest.mark.parametrize(
    ("name", "words"),
    [("collapsed", "the weights collapsed to 0 for"), ("refused", "alpha = 1/mean - delta is not")],
)
def test_weights_put_in_are_noted_unless_it_is_next_to_never(name, words):
    assert counted(10000, **{name: 10}).notes == []
    (note,) = counted(10000, **{name: 11}).notes
    assert words in note
    assert "under 1 % of the anchors" in note


def test_notes_of_seeds_that_differ_by_a_little_are_equal():
    assert counted(1000, collapsed=312).notes == counted(1000, collapsed=308).notes
    (note,) = counted(1000, collapsed=999).notes
    assert "over 99 %" in note


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


def test_too_uniform_embeddings_are_noted():
    z = torch.ones(20, 6) + 1e-3 * torch.randn(20, 6, generator=seeded(6))
    objective = InfoNCE(LossSettings(), weighter(uncertainty="distance"))
    objective.loss(z, z, torch.arange(20))
    assert any("too uniform" in note for note in objective.notes)
    fresh = InfoNCE(LossSettings(), weighter(uncertainty="distance"))
    z1, z2 = next(views_of()())
    fresh.loss(z1, z2, torch.arange(24))
    assert not any("too uniform" in note for note in fresh.notes)


# --- theorem 1 and the gradient -------------------------------------------------------------------


def theorem(distance_own, distances, weight, t):
    """The linear form of theorem 1: squared distances of unit vectors, the margin with the factor
    of the paper's derivation.
    """
    margin = adaptive_margin(weight, t)
    triplets = (distance_own - distances + 4 * margin).sum()
    return math.exp(-2 / t) * (len(distances) * (1 + 2 / t) + triplets / (2 * t))


@pytest.mark.parametrize("t", [0.5, 1.0])
def test_theorem_1_by_values(t):
    """log at 1 and exp at -2 / t leave remainders of second order: half the way to the point of
    expansion, a quarter of each.
    """
    generator = seeded(7)
    direction, log_weight = (
        torch.rand(6, generator=generator, dtype=torch.float64) + 0.2 for _ in range(2)
    )

    def remainders(h):
        # At h = 0: the positive at distance 0, the negatives opposite (squared distance 4), weights
        # 1.
        own, others = torch.tensor(0.1 * h, dtype=torch.float64), 4 - h * direction
        weight = (0.3 * h * log_weight).exp()
        similarity = torch.diag_embed(1 - own / 2 + torch.zeros(7, dtype=torch.float64))
        similarity[0, 1:] = 1 - others / 2
        whole = torch.ones(7, 7, dtype=torch.float64)
        whole[0, 1:] = weight
        # The first row of the loss itself: the others' rows are made to add nothing.
        whole[1:] = 0
        loss = 7 * info_nce_of(similarity, temperature=t, weight=whole)
        total = (weight * ((similarity[0, 1:] - similarity[0, 0]) / t).exp()).sum()
        torch.testing.assert_close(loss, torch.log1p(total))
        return float(total - theorem(own, others, weight, t)), float(total - loss)

    steps = [remainders(h) for h in (0.04, 0.02, 0.01, 0.005)]
    for (exp_before, _), (exp_after, _) in itertools.pairwise(steps):
        assert exp_before / exp_after == pytest.approx(4, rel=0.05)
    # The logarithm's own: of log(1 + y), y down to 0.
    remainder = [y - math.log1p(y) for y in (0.04, 0.02, 0.01)]
    assert [a / b for a, b in itertools.pairwise(remainder)] == pytest.approx([4, 4], rel=0.05)
    # And at the point itself, the loss is the linear form but for the logarithm's remainder, which
    # is positive and at most y^2 / 2.
    exp_part, log_part = remainders(0.0)
    y = 6 * math.exp(-2 / t)
    assert exp_part == pytest.approx(0, abs=1e-12)
    assert 0 < log_part <= y**2 / 2


def test_another_factor_of_the_margin_is_not_of_second_order():
    # So that the test above would notice m without its 4.
    t, weight = 0.5, torch.tensor([1.01, 1.02], dtype=torch.float64)
    others = torch.full((2,), 4.0, dtype=torch.float64)
    total = (weight * math.exp(-2 / t)).sum()
    right = float(total - theorem(torch.tensor(0.0), others, weight, t))
    wrong = float(total - theorem(torch.tensor(0.0), others, weight**0.25, t))
    assert abs(right) < 0.02 * abs(wrong)


def test_the_gradient_weights_each_negative_by_alpha_u_exp():
    z1, z2 = next(views_of(size=10)())
    made = weighter()
    made.fit(views_of(size=10), seeded(2))
    objective = InfoNCE(LossSettings(0.3), made)
    similarity = cosine_similarities(z1, z2).requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective.pair_loss(similarity, z1, z2), similarity)
    u = made.uncertainty(z1, z2, similarity.detach())
    for i in range(10):
        alpha = 10 / float(u[i].sum())
        e = [math.exp(float(similarity[i, j].detach()) / 0.3) for j in range(10)]
        terms = [e[i] if j == i else alpha * float(u[i, j]) * e[j] for j in range(10)]
        for j in range(10):
            expected = (terms[j] / sum(terms) - (i == j)) / 0.3 / 10
            assert float(gradient[i, j]) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_the_margin_is_half_the_temperature_times_the_logarithm():
    weight = torch.tensor([[1.0, 2.0], [0.5, 1.0]])
    assert adaptive_margin(weight, 0.4).tolist() == [
        pytest.approx([0, 0.2 * math.log(2)]),
        pytest.approx([-0.2 * math.log(2), 0]),
    ]
    with pytest.raises(ValueError, match="temperature"):
        adaptive_margin(weight, 0.0)


def test_losses_of_both_spellings_are_the_same():
    z1, z2 = next(views_of()())
    weight = mean_normalised(torch.rand(24, 24, generator=seeded(8))).weight
    assert torch.equal(
        info_nce(z1, z2, temperature=0.2, weight=weight),
        info_nce_of(cosine_similarities(z1, z2), temperature=0.2, weight=weight),
    )
