"""How often decisions are wrong, where the truth is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gate_decisions import SEEDS

from robust_augcl.gate.decision import decide
from robust_augcl.gate.questions import Rules
from robust_augcl.gate.self_test import Chance, Truth, made_up


@pytest.mark.thorough(but=["paired"])
@pytest.mark.parametrize("other_seeds", [False, True], ids=["paired", "unpaired"])
def test_regressions_without_one_are_called_in_at_most_5_of_100(other_seeds):
    truth = Truth(spread=0.02)
    called = 0
    seeds = range(20, 28) if other_seeds else SEEDS
    for chance in range(100):
        base = made_up(SEEDS, truth, chance=Chance(2 * chance))
        new = made_up(seeds, truth, "again", chance=Chance(2 * chance + 1))
        called += decide(base, new, Rules(tolerance=0.001)).outcome == "regressed"
    assert called <= 5


@pytest.mark.thorough(but=["paired"])
@pytest.mark.parametrize("other_seeds", [False, True], ids=["paired", "unpaired"])
def test_a_drop_of_the_detectable_size_is_found_in_at_least_75_of_100(other_seeds):
    """The size that the gate states where nothing changed, on average."""
    truth, found, sizes = Truth(spread=0.02), 0, []
    seeds = range(20, 28) if other_seeds else SEEDS
    for chance in range(30):
        base = made_up(SEEDS, truth, chance=Chance(chance))
        new = made_up(seeds, truth, "again", chance=Chance(-chance))
        primary = next(a for a in decide(base, new).answers if a.decides and a.detectable)
        sizes.append(primary.detectable**2)
    size = (sum(sizes) / len(sizes)) ** 0.5
    weaker = replace(truth, robust=truth.robust - size)
    for chance in range(100):
        base = made_up(SEEDS, truth, chance=Chance(1000 + chance))
        new = made_up(seeds, weaker, "again", chance=Chance(2000 + chance))
        found += decide(base, new).outcome == "regressed"
    assert found >= 75


def test_a_stochastic_attack_that_draws_anew_is_called_weaker_in_at_most_5_of_100():
    """Same weights: half of what the weaker attack misses is other targets each time."""
    called = 0
    for chance in range(100):
        base = made_up(range(3), Truth(), chance=Chance(chance))
        again = made_up(range(3), Truth(), chance=Chance(chance, 1))
        assert [v.weights for v in base.victims] == [v.weights for v in again.victims]
        called += decide(base, again).outcome == "regressed"
    assert called <= 5
