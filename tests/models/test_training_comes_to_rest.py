"""Patience ends a training, and the learning rate falls, where losses stop falling."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from trainings import losses_of

from robust_augcl.models import training
from robust_augcl.models.training import Training
from robust_augcl.results.records import Cell
from robust_augcl.results.rest import SHARE_OF_EPOCHS, Rest, best_epoch, last_epoch


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
    assume(ended is not None and ended < 600)
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
