"""Supervised training: the chosen epoch, recomputed from the weights of every epoch."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from trainings import by_loop, losses_of, new_model, weights_of

from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models import training
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.training import Training, evaluate, train_classifier


@pytest.fixture
def recorded(monkeypatch):
    """The weights at the end of every epoch."""
    states = []
    real = training.evaluate

    def recording(model, graphs, epoch=0, logits_of=None):
        states.append(weights_of(model))
        return real(model, graphs, epoch, logits_of)

    monkeypatch.setattr(training, "evaluate", recording)
    return states


@pytest.mark.parametrize("encoder", [Structure2Vec, GIN])
def test_the_epoch_of_lowest_loss_is_chosen_and_the_model_ends_with_its_weights(
    parts, recorded, encoder
):
    train, selection = parts
    model = new_model(encoder)
    chosen = train_classifier(
        model, train, selection, Training(epochs=12, batch_size=8, learning_rate=0.02), seeded(1)
    ).selected
    assert len(recorded) == 12
    losses, accuracies = [], []
    for state in recorded:
        other = new_model(encoder, seed=9)
        other.load_state_dict(state)
        loss, accuracy = by_loop(other, selection)
        losses.append(loss)
        accuracies.append(accuracy)
    best = losses.index(min(losses))
    # The last epoch is not the best one, or the choice would not show.
    assert best < 11
    assert chosen.epoch == best + 1
    assert chosen.loss == pytest.approx(losses[best], rel=1e-4)
    assert chosen.accuracy == pytest.approx(accuracies[best])
    assert all(
        torch.equal(value, recorded[best][name]) for name, value in model.state_dict().items()
    )
    assert any(
        not torch.equal(value, recorded[-1][name]) for name, value in model.state_dict().items()
    )


def test_of_equal_losses_the_first_epoch_is_chosen(parts):
    train, selection = parts
    # Steps too small to change a weight.
    chosen = train_classifier(
        new_model(), train, selection, Training(epochs=3, learning_rate=1e-30), seeded(1)
    ).selected
    assert chosen.epoch == 1


def test_training_learns_what_can_be_learnt(random_graphs):
    # Classes 0 and 1 in turn; one feature is shifted by the class.
    def learnable(seed):
        graphs = random_graphs(seed, [5] * 60).with_labels(torch.arange(60) % 2)
        graphs.x[:, 0] += 3 * graphs.y[graphs.batch]
        return graphs

    model = new_model()
    chosen = train_classifier(
        model,
        learnable(0),
        learnable(1),
        Training(epochs=25, batch_size=10, learning_rate=0.01),
        seeded(2),
    ).selected
    assert chosen.accuracy > 0.9
    assert evaluate(model, learnable(1)).accuracy == pytest.approx(chosen.accuracy)


def test_the_same_generator_gives_the_same_weights(parts):
    train, selection = parts

    def trained(seed):
        model = new_model()
        train_classifier(model, train, selection, Training(epochs=3, batch_size=8), seeded(seed))
        return torch.cat([value.flatten() for value in model.state_dict().values()])

    state = torch.get_rng_state()
    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_last_batch_of_one_graph_is_trained_on_too(parts, monkeypatch):
    train, selection = parts
    train = train.select(torch.arange(9)).with_labels(torch.tensor([0, 1, 2] * 3))
    seen = []
    model = new_model(GIN)
    monkeypatch.setattr(
        model,
        "forward",
        lambda graphs: (seen.append(graphs.num_graphs), GraphClassifier.forward(model, graphs))[1],
    )
    train_classifier(model, train, selection, Training(epochs=2, batch_size=4), seeded(1))
    assert seen == [4, 4, 1, selection.num_graphs] * 2


def test_batches_of_one_graph_train(parts):
    train, selection = parts
    model = new_model()
    before = weights_of(model)
    train_classifier(
        model, train.select(torch.arange(6)), selection, Training(epochs=1, batch_size=1), seeded(1)
    )
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_loss_that_is_never_finite_chooses_no_epoch(parts):
    train, selection = parts
    model = new_model()
    before = weights_of(model)
    broken = train.with_labels(train.y)
    broken.x.fill_(float("nan"))
    chosen = train_classifier(model, broken, selection, Training(epochs=2), seeded(1)).selected
    assert chosen.epoch == 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_evaluation_equals_a_loop_and_changes_nothing(parts):
    model = new_model(GIN).train()
    before = weights_of(model)
    result = evaluate(model, parts[1], 7)
    loss, accuracy = by_loop(model, parts[1])
    assert result.epoch == 7
    assert result.loss == pytest.approx(loss, rel=1e-4)
    assert result.accuracy == pytest.approx(accuracy)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_progress_is_reported(parts):
    told = []
    train_classifier(
        new_model(),
        *parts,
        Training(epochs=4),
        seeded(1),
        lambda done, text: told.append((done, text)),
    )
    assert [done for done, _ in told] == [0.25, 0.5, 0.75, 1.0]
    assert all("validation loss" in text for _, text in told)


def test_a_last_batch_of_one_node_is_left_out(random_graphs, parts):
    """Batch normalisation learns nothing from it."""
    train = random_graphs(3, [1, 1, 1])
    model = new_model(GIN)
    chosen = train_classifier(
        model, train, parts[1], Training(epochs=2, batch_size=2), seeded(0)
    ).selected
    assert chosen.epoch in (1, 2)
    before = weights_of(model)
    train_classifier(model, train, parts[1], Training(epochs=2, batch_size=1), seeded(0))
    assert all(torch.equal(value, before[name]) for name, value in weights_of(model).items())


@pytest.mark.parametrize("field", ["epochs", "batch_size", "learning_rate", "head_hidden"])
@pytest.mark.parametrize("value", [0, -1])
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        Training(**{field: value})


def test_losses_are_those_of_every_epoch(parts, recorded):
    trained, _ = losses_of(parts, epochs=5)
    for state, loss in zip(recorded, trained.losses, strict=True):
        other = new_model(seed=9)
        other.load_state_dict(state)
        assert loss == pytest.approx(by_loop(other, parts[1])[0], rel=1e-4)
    assert trained.selected.loss == min(trained.losses)
    assert len(trained.train_losses) == 5


def test_the_loss_while_training_is_the_mean_over_its_batches(parts):
    """With steps too small to change a weight it is that of the whole, where batches are equal."""
    model = new_model()
    settings = Training(epochs=2, batch_size=8, learning_rate=1e-30)
    trained = train_classifier(model, *parts, settings, seeded(1))
    expected = by_loop(model, parts[0])[0]
    assert trained.train_losses == pytest.approx([expected] * 2, rel=1e-4)
