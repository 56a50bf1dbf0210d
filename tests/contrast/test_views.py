"""SimGRACE's perturbed encoder, and both directions of the loss."""

from __future__ import annotations

import pytest
import torch
from generators import seeded

from robust_augcl.contrast.losses import info_nce
from robust_augcl.contrast.objective import InfoNCE, LossSettings
from robust_augcl.contrast.pretrain import Batches, ContrastiveModel, Pretraining
from robust_augcl.contrast.views import PerturbedView, embed_view
from robust_augcl.encoders.gin import GIN
from robust_augcl.methods.augcl import AUGCL


@pytest.fixture
def model():
    made = ContrastiveModel(
        GIN(in_features=3, width=6, layers=2, generator=seeded(0)), Pretraining(), seeded(1)
    )
    made.encoder.norms[0].running_mean.normal_(generator=seeded(2))
    return made


@pytest.fixture
def graphs(random_graphs):
    return random_graphs(0, [7] * 12)


def test_the_perturbed_encoder_is_the_encoder_with_noise_written_into_it(model, graphs):
    view = PerturbedView(graphs, 0.3, seed=5)
    generator = seeded(5)
    by_hand = ContrastiveModel(
        GIN(in_features=3, width=6, layers=2, generator=seeded(0)), Pretraining(), seeded(1)
    )
    by_hand.load_state_dict(model.state_dict())
    with torch.no_grad():
        for parameter in by_hand.encoder.parameters():
            flat = parameter.flatten().tolist()
            mean = sum(flat) / len(flat)
            spread = (sum((value - mean) ** 2 for value in flat) / (len(flat) - 1)) ** 0.5
            parameter += 0.3 * spread * torch.randn(parameter.shape, generator=generator)
        for mode in (True, False):
            model.train(mode)
            by_hand.load_state_dict({**by_hand.state_dict(), **dict(model.named_buffers())})
            torch.testing.assert_close(
                embed_view(model, view), by_hand.train(mode)(graphs), rtol=1e-4, atol=1e-4
            )
            assert not torch.allclose(embed_view(model, view), model(graphs), rtol=1e-2)


def test_a_perturbed_view_changes_nothing_of_the_model_and_carries_no_gradient(model, graphs):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    z = embed_view(model.train(), PerturbedView(graphs, 1.0, seed=0))
    assert not z.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_views_of_simgrace_are_the_graphs_under_noise_drawn_anew(graphs):
    settings = Pretraining(base="simgrace", batch_size=6, perturbation=0.7)
    seeds = []
    for _ in range(2):
        batches = Batches(graphs, settings, seeded(3))
        seeds.append([view.seed for _ in range(3) for _, view, _ in batches])
        for batch, view, _ in batches:
            assert view.graphs is batch
            assert view.strength == 0.7
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 6


@pytest.mark.parametrize("weighted", [False, True])
def test_both_directions_are_the_mean_of_the_two(weighted):
    z1, z2 = torch.randn(2, 6, 4, generator=seeded(0))
    weighter = AUGCL(hidden=8).weighter(4, seeded(1), "cpu") if weighted else None
    one, both = (
        InfoNCE(LossSettings(0.5, directions=directions), weighter)
        for directions in ("one", "both")
    )
    there, back = (
        info_nce(a, b, temperature=0.5, weight=None if weighter is None else weighter(a, b))
        for a, b in ((z1, z2), (z2, z1))
    )
    torch.testing.assert_close(one.loss(z1, z2, None), there)
    torch.testing.assert_close(both.loss(z1, z2, None), (there + back) / 2)
    assert abs(float(there - back)) > 1e-3


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="perturbation"):
        Pretraining(perturbation=0.0)
