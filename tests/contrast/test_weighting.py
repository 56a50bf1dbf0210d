"""Hardness weights: normalisation, and AUGCL's affinity uncertainty."""

from __future__ import annotations

import pytest
import torch
from generators import seeded

from robust_augcl.contrast.augcl.estimators import AffinitySettings, AffinityUncertainty
from robust_augcl.contrast.augcl.partition import partition
from robust_augcl.contrast.augcl.uncertainty import gamblers_loss
from robust_augcl.contrast.losses import cosine_similarities, info_nce
from robust_augcl.contrast.objective import InfoNCE, LossSettings, Objective
from robust_augcl.contrast.pretrain import Batches, ContrastiveModel, Pretraining, fit_objective
from robust_augcl.contrast.weighting import mean_normalised
from robust_augcl.encoders.gin import GIN
from robust_augcl.methods.augcl import AUGCL
from robust_augcl.methods.graphcl import GraphCL

SETTINGS = {"hidden": 16, "reward": 1.9, "passes": 12, "learning_rate": 0.01, "pairs_a_batch": 256}


def weighter(seed=0, **changes):
    return AffinityUncertainty(6, AffinitySettings(**{**SETTINGS, **changes}), seeded(seed))


def clustered_views(seed=0, batches=3, size=24):
    """Two noisy clusters; every pass draws new noise for the views."""
    generator = seeded(seed)
    centres = torch.randn(2, 6, generator=generator)
    anchors = [
        centres[torch.arange(size) % 2] + 0.4 * torch.randn(size, 6, generator=generator)
        for _ in range(batches)
    ]

    def views():
        for z in anchors:
            yield z, z + 0.2 * torch.randn(size, 6, generator=generator)

    return views


def test_weights_are_the_uncertainty_over_its_row_mean():
    uncertainty = torch.rand(5, 5, generator=seeded(0), dtype=torch.float64)
    before = uncertainty.clone()
    weight, collapsed, refused = mean_normalised(uncertainty)
    for i, row in enumerate(uncertainty.tolist()):
        for j, value in enumerate(row):
            assert float(weight[i, j]) == pytest.approx(
                1.0 if i == j else value / (sum(row) / 5), rel=1e-12
            )
    assert not collapsed.any()
    assert not refused.any()
    assert torch.equal(uncertainty, before)


def test_a_row_collapsed_to_0_weighs_1_and_the_others_are_as_ever():
    uncertainty = torch.rand(4, 4, generator=seeded(1))
    alone = mean_normalised(uncertainty)[0]
    uncertainty[2] = 0
    weight, collapsed, _ = mean_normalised(uncertainty)
    assert collapsed.tolist() == [False, False, True, False]
    assert weight[2].tolist() == [1.0] * 4
    assert torch.equal(weight[[0, 1, 3]], alone[[0, 1, 3]])


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e-45, float("nan")])
def test_no_uncertainty_gives_no_nan(value):
    weight, collapsed, _ = mean_normalised(torch.full((3, 3), value))
    assert weight.tolist() == [[1.0] * 3] * 3
    assert collapsed.all()


def test_a_collapsed_reservation_gives_the_plain_loss_and_a_note():
    augcl = weighter()
    views = clustered_views()
    augcl.fit(views, seeded(1))
    assert augcl.notes == []
    with torch.no_grad():
        augcl.model.network.layer3.weight[2] = 0
        augcl.model.network.layer3.bias[2] = -1e4
    z1, z2 = next(iter(views()))
    objective = InfoNCE(LossSettings(temperature=0.2), augcl)
    torch.testing.assert_close(
        objective.loss(z1, z2, torch.arange(24)), info_nce(z1, z2, temperature=0.2)
    )
    assert torch.equal(augcl(z1, z2), torch.ones(24, 24))
    (note,) = objective.notes
    assert (
        note == "for 100 % of the anchors the uncertainty collapsed to 0. Their negatives were "
        "given the weight 1"
    )


def test_a_reservation_that_is_the_same_for_all_gives_the_plain_loss_and_a_note():
    """Seen on molecules, whose raw embeddings are large: every pair is reserved, and weighted
    training is plain training.
    """
    z1, z2 = next(iter(clustered_views()()))
    augcl = weighter()
    with torch.no_grad():
        augcl.model.network.layer3.weight.zero_()
        augcl.model.network.layer3.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
    objective = InfoNCE(LossSettings(), augcl)
    objective.loss(z1, z2, torch.arange(24))
    torch.testing.assert_close(augcl(z1, z2), torch.ones(24, 24))
    (note,) = objective.notes
    assert "for 100 % of the anchors all negatives were given almost the same weight" in note


def test_fitting_lowers_the_loss():
    augcl = weighter()
    augcl.fit(clustered_views(), seeded(1))
    assert len(augcl.model.losses) == SETTINGS["passes"]
    assert augcl.model.losses[-1] < 0.8 * augcl.model.losses[0]


def test_fitted_model_tells_the_clusters_apart_better_than_before():
    # An independent look: the loss of the fitted network on views that it has not seen.
    fresh, fitted = weighter(), weighter()
    fitted.fit(clustered_views(), seeded(1))
    z1, z2 = list(clustered_views()())[-1]
    labels = partition(cosine_similarities(z1, z2)).flatten()
    with torch.no_grad():
        losses = [
            float(gamblers_loss(w.model.network(z1, z2).reshape(-1, 3), labels, 1.9)[0])
            for w in (fresh, fitted)
        ]
    assert losses[1] < 0.8 * losses[0]


def test_each_pair_is_fitted_to_its_own_label():
    # Views without structure: the labels of (i, j) and (j, i) have nothing to do with one another,
    # and must not be confused.
    z1, z2 = torch.randn(2, 10, 6, generator=seeded(3))
    labels = partition(cosine_similarities(z1, z2))
    assert int((labels != labels.T).sum()) > 20
    augcl = weighter(hidden=64, passes=150)
    augcl.fit(lambda: iter([(z1, z2)]), seeded(1))
    with torch.no_grad():
        guess = augcl.model.network(z1, z2)[..., :2].argmax(-1)
    assert float((guess == labels).float().mean()) > 0.95


def test_weights_of_a_fitted_model():
    augcl = weighter()
    views = clustered_views()
    augcl.fit(views, seeded(1))
    z1, z2 = (z.requires_grad_(True) for z in next(iter(views())))
    weight = augcl(z1, z2)
    assert weight.shape == (24, 24)
    assert not weight.requires_grad
    assert (weight >= 0).all()
    assert torch.isfinite(weight).all()
    assert torch.equal(weight.diagonal(), torch.ones(24))
    off_diagonal = weight[~torch.eye(24, dtype=torch.bool)]
    assert float((off_diagonal - 1).abs().max()) > 0.1
    plain, weighted = (
        info_nce(z1, z2, temperature=0.2),
        info_nce(z1, z2, temperature=0.2, weight=weight),
    )
    assert float((plain - weighted).detach().abs()) > 1e-3
    # The weights are constants of the loss: its gradient is that with the weights written down as
    # numbers.
    (gradient,) = torch.autograd.grad(weighted, z1)
    numbers = torch.tensor(weight.tolist())
    (expected,) = torch.autograd.grad(info_nce(z1, z2, temperature=0.2, weight=numbers), z1)
    assert torch.equal(gradient, expected)


def test_the_same_generators_give_the_same_weights():
    def weights(seed):
        augcl = weighter(seed)
        views = clustered_views()
        augcl.fit(views, seeded(seed))
        return augcl(*next(iter(views())))

    state = torch.get_rng_state()
    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_fitting_leaves_the_model_as_it_was(random_graphs):
    pretraining = Pretraining(batch_size=4)
    # GIN's batch normalisation would show a pass in training mode.
    encoder = GIN(in_features=3, width=4, layers=2, generator=seeded(0))
    model = ContrastiveModel(encoder, pretraining, seeded(1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batches = Batches(random_graphs(0, [6] * 10), pretraining, seeded(2))
    objective = AUGCL(passes=3, hidden=8).objective(
        encoder.embedding_size, pretraining.loss, seeded(3), "cpu"
    )
    network = objective.weighter.model.network
    initial = {name: value.clone() for name, value in network.state_dict().items()}
    fit_objective(objective, model, batches, seeded(4))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert any(
        not torch.equal(value, initial[name]) for name, value in network.state_dict().items()
    )


class Fitted(Objective):
    """Looks at what it is handed to fit on."""

    def __init__(self, look):
        self._look = look

    def loss(self, z1, z2, numbers):
        raise NotImplementedError

    def fit(self, views, generator, report=None):
        self._look(views)


def fit_looking(random_graphs, look):
    """Fit an objective that hands `look` the model and what makes passes over its views."""
    pretraining = Pretraining(batch_size=8)
    encoder = GIN(in_features=3, width=4, layers=2, generator=seeded(0))
    model = ContrastiveModel(encoder, pretraining, seeded(1))
    batches = Batches(random_graphs(0, [8] * 8), pretraining, seeded(2))
    fitted = Fitted(lambda views: look(model, views))
    fit_objective(fitted, model, batches, torch.Generator())


def test_every_pass_sees_views_drawn_anew(random_graphs):
    seen = []
    fit_looking(random_graphs, lambda _, views: seen.extend([list(views()), list(views())]))
    (anchors, views, _), (anchors_again, views_again, _) = seen[0][0], seen[1][0]
    assert torch.equal(anchors, anchors_again)
    assert not torch.equal(views, views_again)


def test_the_uncertainty_model_learns_with_gradients_of_its_own(random_graphs):
    # The embeddings are made without gradients; that must not reach into the weighter's own
    # training.
    modes = []

    def look(model, views):
        for z1, z2, _ in views():
            modes.append(
                (torch.is_grad_enabled(), z1.requires_grad, z2.requires_grad, model.training)
            )

    fit_looking(random_graphs, look)
    assert modes == [(True, False, False, False)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reward", 1.0),
        ("reward", 2.5),
        ("passes", 0),
        ("hidden", 0),
        ("learning_rate", 0.0),
        ("learning_rate", -1.0),
        ("pairs_a_batch", 0),
    ],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        AUGCL(**{field: value})


def test_graphcl_has_no_weights():
    assert GraphCL().weighter(4, torch.Generator(), "cpu") is None
