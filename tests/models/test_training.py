"""Supervised training: the chosen epoch, recomputed from the weights of every epoch."""

from __future__ import annotations

import math

import pytest
import torch
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models import training
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.training import Training, evaluate, train_classifier
from robust_augcl.results.records import Cell
from robust_augcl.results.rest import SHARE_OF_EPOCHS, Rest, best_epoch, last_epoch


def new_model(encoder=Structure2Vec, seed=0):
    generator = seeded(seed)
    built = encoder(in_features=3, width=8, layers=2, generator=generator)
    return GraphClassifier(built, num_classes=3, hidden=6, generator=generator)


def weights_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def by_loop(model, graphs):
    """Loss and accuracy, graph by graph, in plain Python."""
    model.eval()
    loss, right = 0.0, 0
    for number in range(graphs.num_graphs):
        with torch.no_grad():
            row = model(graphs.select(torch.tensor([number])))[0].tolist()
        y = int(graphs.y[number])
        top = max(row)
        loss += top + math.log(sum(math.exp(value - top) for value in row)) - row[y]
        right += row.index(top) == y
    return loss / graphs.num_graphs, right / graphs.num_graphs


@pytest.fixture
def parts(random_graphs):
    """Graphs for training and for choosing, with classes that cannot be learnt, so that the loss
    goes up again.
    """
    return random_graphs(0, [6] * 24), random_graphs(1, [6] * 15)


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


# --- rest -----------------------------------------------------------------------------------------


def losses_of(parts, **settings):
    """The losses of a training, and the weights that it ends with."""
    model = new_model()
    trained = train_classifier(
        model, *parts, Training(batch_size=8, learning_rate=0.02, **settings), seeded(1)
    )
    return trained, weights_of(model)


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


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_patience_ends_a_training_that_goes_the_way_of_a_longer_one(parts, patience):
    long, _ = losses_of(parts, epochs=30)
    short, weights = losses_of(parts, epochs=30, patience=patience)
    # The rule again, by a loop that looks back.
    ends = next(
        epoch
        for epoch in range(patience + 1, 31)
        if min(long.losses[epoch - patience : epoch]) >= min(long.losses[: epoch - patience])
    )
    assert ends < 30
    assert short.losses == long.losses[:ends]
    assert short.train_losses == long.train_losses[:ends]
    assert short.selected.epoch == ends - patience
    _, up_to_there = losses_of(parts, epochs=ends)
    assert all(torch.equal(value, weights[name]) for name, value in up_to_there.items())


def test_the_learning_rate_falls_after_epochs_without_a_lower_loss(parts, monkeypatch):
    rates = []
    real = training.evaluate

    def recording(model, *rest):
        rates.append(made[0].param_groups[0]["lr"])
        return real(model, *rest)

    made = []
    adam = training.adam
    monkeypatch.setattr(training, "adam", lambda *given: made.append(adam(*given)) or made[-1])
    monkeypatch.setattr(training, "evaluate", recording)
    trained, _ = losses_of(parts, epochs=25, decay_after=3, decay=0.1)
    rate, best, waited = 0.02, math.inf, 0
    expected = []
    for loss in trained.losses:
        expected.append(rate)
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited and waited % 3 == 0:
            rate *= 0.1
    assert len(set(expected)) > 2
    assert rates == pytest.approx(expected)


def test_a_rate_that_never_falls_is_that_of_before(parts):
    plain, _ = losses_of(parts, epochs=12)
    assert losses_of(parts, epochs=12, decay_after=13)[0] == plain
    assert losses_of(parts, epochs=12, patience=13)[0] == plain


@given(
    st.lists(st.floats() | st.sampled_from([0.5, 0.25]), max_size=12),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.25, 0.5, 0.9]),
)
def test_the_rules_on_losses_look_back(losses, patience, share):
    """Best and last epoch, told from the losses alone."""
    known = [loss for loss in losses if loss < math.inf]
    assert best_epoch(losses) == (losses.index(min(known)) + 1 if known else 0)
    waited = [epoch - best_epoch(losses[:epoch]) for epoch in range(1, len(losses) + 1)]
    ends = [
        epoch
        for epoch, wait in enumerate(waited, 1)
        if epoch == 10 or (0 < patience <= wait and wait / epoch >= share)
    ]
    assert last_epoch(losses, 10, patience, share) == (ends[0] if ends else None)


def test_patience_grows_with_the_training(parts):
    long, _ = losses_of(parts, epochs=60)
    impatient, _ = losses_of(parts, epochs=60, patience=2)
    patient, _ = losses_of(parts, epochs=60, patience=2, patience_share=0.5)
    assert len(impatient.losses) < len(patient.losses) < 60
    assert patient.losses == long.losses[: len(patient.losses)]
    ends, best = len(patient.losses), patient.selected.epoch
    assert ends - best >= ends / 2
    assert ends - 1 - best < (ends - 1) / 2


@given(st.lists(st.floats(0, 1), min_size=60, max_size=600), st.integers(20, 60))
def test_a_training_whose_patience_grows_as_the_rule_asks_ends_at_rest(losses, patience):
    ended = last_epoch(losses, 600, patience, SHARE_OF_EPOCHS)
    if ended is not None and ended < 600:
        cell = Cell("quick", "data", "none", "gin", 2, 0, "", "strict", 0)
        assert Rest(cell, best_epoch(losses[:ended]), ended).at_rest


def test_the_published_protocol_knows_neither_patience_nor_decay():
    settings = Training(
        epochs=400,
        batch_size=9,
        learning_rate=0.01,
        head_hidden=7,
        patience=7,
        decay_after=3,
        decay=0.1,
        paper_epochs=100,
        paper_learning_rate=0.002,
    )
    plain = Training(epochs=100, batch_size=9, learning_rate=0.002, head_hidden=7)
    assert settings.published() == plain
    assert settings.own().patience == 7
    assert Training(epochs=9, patience=3).published() == Training(epochs=9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patience", -1),
        ("decay_after", -1),
        ("patience_share", -0.1),
        ("patience_share", 1.0),
        ("decay", 0.0),
        ("decay", 1.0),
        ("paper_epochs", -1),
        ("paper_learning_rate", -0.1),
    ],
)
def test_settings_of_rest_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        Training(**{field: value})
