"""Of equal logits, and of those equal but for rounding, the first class wins."""

from __future__ import annotations

import pytest
import torch
from close_calls import (
    of_double_precision,
    one_graph,
)
from hypothesis import given
from hypothesis import strategies as st
from models import classifier

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.gin import GIN
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.models.margins import margins
from robust_augcl.models.verdicts import EQUAL, in_order


@pytest.mark.parametrize("classes", [(0, 1), (1, 2), (0, 2)])
def test_of_equal_logits_the_first_class_wins(classes):
    first, second = classes
    model = classifier(GIN, "ties", layers=2)
    with torch.no_grad():
        last = model.head[2]
        last.weight[second], last.bias[second] = last.weight[first], last.bias[first]
        (other,) = {0, 1, 2} - {first, second}
        last.bias[other] -= 1000
    graphs = concatenate([one_graph(seed=seed) for seed in range(4)])
    logits = Victim(model).logits(graphs)
    assert (logits.argmax(1) == first).all()
    y = torch.full((4,), second)
    assert (margins(logits, y) < 0).all()  # and a margin says the same
    assert (margins(logits, y) > -1e-4).all()


def test_logits_that_are_equal_but_for_the_order_of_a_sum_are_a_tie():
    """Two classes of the same weights, hidden units in another order: only rounding differs."""
    model = classifier(GIN, "ties", layers=3, hidden=64)
    with torch.no_grad():
        hidden, last = model.head[0], model.head[2]
        half = hidden.weight.size(0) // 2
        hidden.weight.abs_()
        hidden.bias += 10  # so that many of them are above 0
        hidden.weight[:half], hidden.bias[:half] = hidden.weight[half:], hidden.bias[half:]
        last.weight[0, :half] *= torch.linspace(-3, 3, half)
        last.weight[1] = torch.cat([last.weight[0, half:], last.weight[0, :half]])
        last.bias[1], last.bias[2] = last.bias[0], last.bias[2] - 1000
    graphs = concatenate([one_graph(seed=seed) for seed in range(40)])
    precise = of_double_precision(model, graphs)
    assert (precise[:, 1] != precise[:, 0]).any()  # by its last digits
    assert (precise[:, :2].diff().abs() < 1e-12).all()
    assert (Victim(model).logits(graphs).argmax(1) == 0).all()


def test_a_tie_of_all_logits_is_the_first_class():
    model = classifier(GIN, "ties", layers=2)
    with torch.no_grad():
        model.head[2].weight.zero_()
        model.head[2].bias.zero_()
    assert Victim(model).logits(one_graph()).argmax(1).tolist() == [0]


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3), st.floats(-1e-6, 1e-6))
def test_rounding_keeps_the_order_of_the_two_highest(row, by):
    precise = torch.tensor([[*row, max(row) + by]], dtype=torch.double)
    rounded = in_order(precise, torch.float32)
    equal = precise >= precise.max() - EQUAL * precise.abs().max()
    assert rounded.argmax(1).tolist() == [equal.flatten().tolist().index(True)]
    best, second = rounded.topk(2).values[0]
    assert best > second
    size = max(abs(value) for value in (*row, 1.0))
    assert float((rounded - precise).abs().max()) <= 2.5e-7 * size


@pytest.mark.parametrize("row", [[1e39, 2e39], [2e39, 1e39], [-2e39, -1e39], [1e39, 1.0]])
def test_what_lies_beyond_single_precision_keeps_its_winner_alone(row):
    precise = torch.tensor([row, [1.0, 2.0]], dtype=torch.double)
    rounded = in_order(precise, torch.float32)
    assert torch.equal(rounded.argmax(1), precise.argmax(1))
    assert bool(rounded.isfinite().all())
    assert bool((margins(rounded, precise.argmax(1)) > 0).all())
