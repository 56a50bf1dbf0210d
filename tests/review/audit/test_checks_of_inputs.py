"""Checks of what records rest on: victims, gradients, attacks, data sets."""

from __future__ import annotations

import pytest
from audited import BLACK, WHITE, expect, first, with_traits

from robust_augcl.review.audit import foundations
from robust_augcl.review.audit.evidence import (
    DataFacts,
    Evidence,
    PlantedFacts,
    Use,
    VictimFacts,
)


@pytest.mark.parametrize(
    ("facts", "deterministic", "gradients"),
    [
        (VictimFacts(12, 0.0, 1e-7), "PASS", "PASS"),
        (VictimFacts(12, 0.1, 1e-7), "FAIL", "PASS"),
        (VictimFacts(12, 0.0, 0.3), "FAIL", "PASS"),
        (VictimFacts(12, float("nan"), 0.0), "FAIL", "PASS"),
        (VictimFacts(12, 0.0, 0.0, zero_gradients=12), "PASS", "FAIL"),
        (VictimFacts(12, 0.0, 0.0, zero_gradients=1), "PASS", "WARN"),
        (VictimFacts(12, 0.0, 0.0, nonfinite_gradients=1), "PASS", "FAIL"),
        (VictimFacts(12, 0.0, 0.0, no_gradients="RuntimeError"), "PASS", "FAIL"),
    ],
)
def test_victims_and_their_gradients(record, outcomes, facts, deterministic, gradients):
    white, black = record("white", outcomes(first(1, 3))), record("black", outcomes(first(1, 3)))
    evidence = with_traits((white, WHITE), (black, BLACK), victims={white.victim.key: facts})
    spoiled = {"FAIL": [black, white], "PASS": []}
    expect(foundations.victim_is_deterministic(evidence), deterministic, *spoiled[deterministic])
    expect(
        foundations.gradients_are_usable(evidence),
        gradients,
        *([white] if gradients != "PASS" else []),
    )


def test_without_gradients_an_attack_that_needs_none_is_fine(record, outcomes):
    black = record("black", outcomes(first(1, 3)))
    evidence = with_traits(
        (black, BLACK), victims={black.victim.key: VictimFacts(12, 0.0, 0.0, no_gradients="none")}
    )
    expect(foundations.gradients_are_usable(evidence), "n/a")


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ((8, 0, None), "PASS"),
        ((7, 0, None), "FAIL"),
        ((8, 1, None), "FAIL"),
        ((0, 0, "ValueError: x"), "FAIL"),
    ],
)
def test_planted_victims(record, outcomes, facts, status):
    one = record("a", outcomes(first(1, 3)))
    *broken, error = facts
    planted = PlantedFacts((one.key,), "a", 8, *broken, error=error)
    expect(
        foundations.attack_works_on_planted_victims(Evidence([one], planted=[planted])),
        status,
        *([one] if status == "FAIL" else []),
    )


@pytest.mark.parametrize(
    ("use", "overlap", "status"),
    [
        (Use(), 0, "PASS"),
        (Use(fit=3), 0, "FAIL"),
        (Use(selection=18), 0, "FAIL"),
        (Use(), 1, "FAIL"),
        (Use(fit=None), 0, "WARN"),
    ],
)
def test_test_graphs_that_were_used(record, outcomes, use, overlap, status):
    one = record("a", outcomes(first(1, 3)))
    data = {one.dataset.key: DataFacts("d", {}, overlap)}
    expect(
        foundations.no_test_graph_was_used_before(Evidence([one], uses={one.key: use}, data=data)),
        status,
        *([one] if status != "PASS" else []),
    )
    paper = record("a", outcomes(first(1, 3)), protocol="paper")
    expect(
        foundations.no_test_graph_was_used_before(
            Evidence([paper], uses={paper.key: use}, data=data)
        ),
        "n/a",
    )


def test_twins_in_other_parts_are_warned_of(record, outcomes):
    one = record("a", outcomes(first(1, 3)))
    expect(
        foundations.parts_of_the_data_differ(
            Evidence([one], data={one.dataset.key: DataFacts("d", {(0, None): 3}, 0, 1)})
        ),
        "WARN",
        one,
    )
    expect(
        foundations.parts_of_the_data_differ(
            Evidence([one], data={one.dataset.key: DataFacts("d", {(0, None): 3})})
        ),
        "PASS",
    )
