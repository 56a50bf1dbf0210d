"""Contrastive pretraining: what is drawn, what is learnt, and going on from a saved state."""

from __future__ import annotations

import pytest
import torch
from generators import seeded

from robust_augcl.contrast.augment import Augmentation
from robust_augcl.contrast.losses import info_nce
from robust_augcl.contrast.objective import InfoNCE
from robust_augcl.contrast.pretrain import (
    Batches,
    ContrastiveModel,
    Pretraining,
    contrastive_training,
)
from robust_augcl.contrast.weighting import HardnessWeighter, Weights
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.methods.augcl import AUGCL
from robust_augcl.models.optimizer import adam
from robust_augcl.steps.pretraining import _adam_tensors, _load_adam

NODE_DROP = (Augmentation("node_drop", 0.3),)
BOTH = (Augmentation("node_drop", 0.3), Augmentation("subgraph", 0.4))


def new_model(settings, encoder=Structure2Vec, seed=0):
    return ContrastiveModel(
        encoder(in_features=3, width=6, layers=2, generator=seeded(seed)),
        settings,
        seeded(seed + 1),
    )


@pytest.fixture
def graphs(random_graphs):
    """20 graphs; the class of each is its number."""
    return random_graphs(0, [7] * 20).with_labels(torch.arange(20))


@pytest.mark.parametrize("reshuffle", [False, True])
@pytest.mark.parametrize("augmentations", [NODE_DROP, BOTH])
def test_equal_generators_give_the_same_batches_and_views(graphs, reshuffle, augmentations):
    settings = Pretraining(batch_size=6, reshuffle=reshuffle, augmentations=augmentations)
    first, second = (Batches(graphs, settings, seeded(3)) for _ in range(2))
    for _ in range(3):
        pairs = list(zip(first, second, strict=True))
        assert len(pairs) == 4
        assert all(
            a.same_as(b) and view_a.same_as(view_b) for (a, view_a, _), (b, view_b, _) in pairs
        )


def test_other_generators_give_other_batches_and_views(graphs):
    settings = Pretraining(batch_size=20)
    (batch, view, _), (other, other_view, _) = (
        next(iter(Batches(graphs, settings, seeded(seed)))) for seed in (3, 4)
    )
    assert not torch.equal(batch.y, other.y)
    assert not view.same_as(other_view)


@pytest.mark.parametrize("reshuffle", [False, True])
def test_batches_are_drawn_anew_in_each_epoch_only_if_asked_for(graphs, reshuffle):
    batches = Batches(graphs, Pretraining(batch_size=6, reshuffle=reshuffle), seeded(3))
    orders, views = [], []
    for _ in range(3):
        epoch = list(batches)
        orders.append([number for batch, _, _ in epoch for number in batch.y.tolist()])
        views.append([float(view.x.sum()) for _, view, _ in epoch])
        assert sorted(orders[-1]) == list(range(20))
        assert [batch.num_graphs for batch, _, _ in epoch] == [6, 6, 6, 2]
    assert orders[0] != list(range(20))
    assert (orders[0] == orders[1] == orders[2]) is not reshuffle
    assert len({tuple(order) for order in orders}) == (3 if reshuffle else 1)
    # Views are always new.
    assert len({tuple(view) for view in views}) == 3


def test_the_first_epoch_does_not_depend_on_reshuffling(graphs):
    first, second = (
        next(iter(Batches(graphs, Pretraining(batch_size=6, reshuffle=r), seeded(3))))
        for r in (False, True)
    )
    assert first[0].same_as(second[0])
    assert first[1].same_as(second[1])


def test_views_belong_to_the_graphs_of_their_batch(graphs):
    for batch, view, numbers in Batches(
        graphs, Pretraining(batch_size=6, augmentations=BOTH), seeded(0)
    ):
        assert torch.equal(batch.y, numbers)
        assert torch.equal(view.y, batch.y)
        for number in range(batch.num_graphs):
            whole = set(map(tuple, batch[number].x.tolist()))
            assert set(map(tuple, view[number].x.tolist())) <= whole


@pytest.mark.parametrize(("size", "expected"), [(7, [3, 3]), (8, [3, 3, 2]), (1, [])])
def test_a_batch_of_one_graph_is_skipped(random_graphs, size, expected):
    batches = Batches(random_graphs(0, [5] * size), Pretraining(batch_size=3), seeded(0))
    assert [batch.num_graphs for batch, _, _ in batches] == expected


@pytest.mark.parametrize("encoder", [Structure2Vec, GIN])
@pytest.mark.parametrize("positive_in_denominator", [True, False])
def test_training_lowers_the_loss(graphs, encoder, positive_in_denominator):
    settings = Pretraining(
        batch_size=10,
        learning_rate=0.01,
        temperature=0.5,
        positive_in_denominator=positive_in_denominator,
        augmentations=NODE_DROP,
    )
    model = new_model(settings, encoder)
    losses = contrastive_training(
        model,
        adam(model, settings.learning_rate),
        Batches(graphs, settings, seeded(5)),
        settings,
        15,
    )
    assert len(losses) == 15
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_the_reported_loss_is_the_mean_over_graphs(graphs):
    # A learning rate that moves nothing: the losses can be computed again from the same batches.
    settings = Pretraining(batch_size=6, learning_rate=1e-30)
    model = new_model(settings)
    (loss,) = contrastive_training(
        model,
        adam(model, settings.learning_rate),
        Batches(graphs, settings, seeded(5)),
        settings,
        1,
    )
    expected = 0.0
    for batch, view, _ in Batches(graphs, settings, seeded(5)):
        expected += (
            float(info_nce(model(batch), model(view), temperature=settings.temperature).detach())
            * batch.num_graphs
            / 20
        )
    assert loss == pytest.approx(expected, rel=1e-6)


def test_weights_change_what_is_learnt(graphs):
    settings = Pretraining(batch_size=10, learning_rate=0.01)

    class Constant(HardnessWeighter):
        def __init__(self, value):
            self.value = value

        def weigh(self, z1, z2, similarity):
            none = torch.zeros(len(z1), dtype=torch.bool)
            return Weights(torch.full_like(similarity, self.value).fill_diagonal_(1.0), none, none)

    def trained(weighter):
        model = new_model(settings)
        objective = InfoNCE(settings.loss, weighter)
        losses = contrastive_training(
            model, adam(model, 0.01), Batches(graphs, settings, seeded(5)), settings, 2, objective
        )
        return losses, model.encoder.conv.weight.detach()

    plain, ones, heavy = trained(None), trained(Constant(1.0)), trained(Constant(3.0))
    assert ones[0] == pytest.approx(plain[0], rel=1e-5)
    torch.testing.assert_close(ones[1], plain[1], rtol=1e-4, atol=1e-6)
    assert heavy[0][0] > plain[0][0] + 0.1
    assert not torch.allclose(heavy[1], plain[1], rtol=1e-3)


@pytest.mark.parametrize("encoder", [Structure2Vec, GIN])
@pytest.mark.parametrize("weighted", [False, True])
def test_going_on_from_a_saved_state_equals_training_without_a_break(graphs, encoder, weighted):
    settings = Pretraining(batch_size=6, learning_rate=0.01, reshuffle=True, augmentations=BOTH)
    size = new_model(settings, encoder).encoder.embedding_size
    objective = (
        AUGCL(hidden=8).objective(size, settings.loss, seeded(9), "cpu") if weighted else None
    )

    whole = new_model(settings, encoder)
    losses = contrastive_training(
        whole, adam(whole, 0.01), Batches(graphs, settings, seeded(5)), settings, 5, objective
    )

    batches = Batches(graphs, settings, seeded(5))
    before = new_model(settings, encoder)
    optimizer = adam(before, 0.01)
    first = contrastive_training(before, optimizer, batches, settings, 2, objective)
    saved = {name: value.clone() for name, value in before.state_dict().items()}
    state = {name: value.clone() for name, value in _adam_tensors(before, optimizer).items()}
    after = new_model(settings, encoder, seed=77)
    after.load_state_dict(saved)
    optimizer = adam(after, 0.01)
    _load_adam(after, optimizer, state)
    second = contrastive_training(after, optimizer, batches, settings, 3, objective)

    assert first + second == losses
    assert all(
        torch.equal(value, whole.state_dict()[name]) for name, value in after.state_dict().items()
    )


def test_going_on_without_adams_state_is_not_the_same(graphs):
    # So that the test above would notice a state that is not restored.
    settings = Pretraining(batch_size=6, learning_rate=0.01)
    models = [new_model(settings) for _ in range(2)]
    for model in models:
        batches, optimizer = Batches(graphs, settings, seeded(5)), adam(model, 0.01)
        contrastive_training(model, optimizer, batches, settings, 2)
        if model is models[1]:
            optimizer = adam(model, 0.01)
        contrastive_training(model, optimizer, batches, settings, 2)
    assert not torch.equal(models[0].encoder.conv.weight, models[1].encoder.conv.weight)


def test_adam_without_a_step_has_no_state():
    model = new_model(Pretraining())
    optimizer = adam(model, 0.01)
    assert _adam_tensors(model, optimizer) == {}
    _load_adam(model, optimizer, {})
    assert len(optimizer.state) == 0


def test_initial_weights_come_from_the_generator_only():
    state = torch.get_rng_state()
    for init in ("glorot", "default"):
        settings = Pretraining(projection_init=init)
        first, again = new_model(settings), new_model(settings)
        assert all(
            torch.equal(value, again.state_dict()[name])
            for name, value in first.state_dict().items()
        )
        bias = first.projection[0].bias
        assert bool((bias == 0).all()) == (init == "glorot")
    assert torch.equal(torch.get_rng_state(), state)


def test_no_epochs_change_nothing(graphs):
    settings = Pretraining(batch_size=6)
    model = new_model(settings)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert (
        contrastive_training(
            model, adam(model, 0.01), Batches(graphs, settings, seeded(5)), settings, 0
        )
        == []
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("warm_up_epochs", -1),
        ("continued_epochs", -1),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("temperature", 0.0),
        ("temperature", -0.2),
        ("augmentations", ()),
    ],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        Pretraining(**{field: value})
