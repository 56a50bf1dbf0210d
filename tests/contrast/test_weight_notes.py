"""What is noted of weights: where they rest on a few negatives, tell nothing apart, or collapse."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from noisy_clusters import views_of, weighter

from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.objective import InfoNCE, LossSettings
from robust_augcl.contrast.weighting import Weights, WeightStatistics, scaled


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
    assert "uneven weights" in note
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
    assert "for 100 % of the anchors all negatives were given almost the same weight" in note
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
    assert "almost the same weight" in note


def test_a_single_negative_has_no_equals():
    assert noted(torch.full((2, 2), 3.0), torch.eye(2)).notes == []


@pytest.mark.parametrize(
    ("name", "words"), [("flat", "equal weights"), ("few", "uneven"), ("uniform", "too uniform")]
)
def test_what_is_rare_is_not_noted(name, words):
    assert counted(1000, **{name: 50}).notes == []
    (note,) = counted(1000, **{name: 51}).notes
    assert words in note
    assert "5 % of the anchors" in note


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("collapsed", "the weights collapsed to 0."),
        ("refused", "alpha = 1/mean - delta is not positive."),
    ],
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


def test_too_uniform_embeddings_are_noted():
    z = torch.ones(20, 6) + 1e-3 * torch.randn(20, 6, generator=seeded(6))
    objective = InfoNCE(LossSettings(), weighter(uncertainty="distance"))
    objective.loss(z, z, torch.arange(20))
    assert any("too uniform" in note for note in objective.notes)
    fresh = InfoNCE(LossSettings(), weighter(uncertainty="distance"))
    z1, z2 = next(views_of()())
    fresh.loss(z1, z2, torch.arange(24))
    assert not any("too uniform" in note for note in fresh.notes)
