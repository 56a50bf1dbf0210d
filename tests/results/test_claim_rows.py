"""The verdicts on claims about attacked graphs, and when there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest
from claimed import (
    ATTACKED,
    SEEDS,
    WIGGLE,
    exact_records,
    record,
    records,
    row_of,
)
from report_inputs import data_of

from robust_augcl.results.claims import Word
from robust_augcl.results.comparisons import Rules, family_of
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import ArtifactRef
from robust_augcl.results.rest import victim_cell
from robust_augcl.results.statistics import by_group


@pytest.mark.parametrize(
    ("left", "right", "word"),
    [
        (70, 60, "reproduced"),
        (63, 60, "smaller than claimed"),
        (60, 60, "refuted"),
        (50, 60, "refuted"),
    ],
)
def test_each_verdict_of_an_attacked_claim(left: int, right: int, word: str) -> None:
    row = row_of(records(left, right))
    assert (row.verdict.word, row.missing) == (word, ())
    assert len(row.reproduced) == 2
    for cell in row.reproduced:
        assert cell.mean == pytest.approx((left - right) / 100)
        assert cell.low < cell.mean < cell.high
        assert (cell.n_seeds, cell.notes) == (SEEDS, ())


def test_what_the_seeds_cannot_tell_is_undecided_with_their_power() -> None:
    made = records(63, 60)
    far = [r if r.cell.method == "graphcl" or r.cell.seed else record(
        "augcl", 0, 90, attack=r.cell.attack) for r in made]  # fmt: skip
    row = row_of(far)
    assert row.verdict.word == "undecided at this scale"
    shown = max(cell.detectable for cell in row.reproduced)
    assert f"{100 * shown:.1f} points would be found in 4 of 5 runs" in row.verdict.why


def test_one_cell_reproduces_a_maximum_and_all_must_refute_it() -> None:
    best = [*records(70, 60, attack="grad_argmax"), *records(60, 60, attack="rand_sampling")]
    assert row_of(best).verdict.word == "reproduced"
    poor = records(60, 60)
    assert row_of(poor).verdict.word == "refuted"
    row = row_of([r for r in poor if r.cell.attack != "grad_argmax"])
    assert row.verdict.word == "undecided at this scale"
    assert row.missing == ("grad_argmax",)


def test_a_maximum_over_depths_is_not_refuted_by_one_depth() -> None:
    claim = replace(ATTACKED, layers=(2, 3))
    row = row_of(records(60, 60), claim)
    assert (row.verdict.word, row.missing) == ("undecided at this scale", ("3 layers",))
    both = [*records(60, 60), *records(60, 60, layers=3)]
    assert row_of(both, claim).verdict.word == "refuted"


def test_intervals_are_simultaneous_over_all_cells_of_the_claim() -> None:
    """As wide as the rule of methods makes them for as many, missing ones included."""
    made = records(63, 60, attack="rand_sampling")
    groups = by_group(made)
    group = next(g for g in groups if g.method == "augcl")
    other = replace(group, method="graphcl")
    for claim, size in ((ATTACKED, 2), (replace(ATTACKED, layers=(2, 3, 4)), 6)):
        absent = [(replace(group, layers=9 + k), replace(other, layers=9)) for k in range(size - 1)]
        family = family_of("x", [(group, other), *absent], groups, data_of(made), Rules())
        judged = family.of(group, other)
        (cell,) = row_of(made, claim).reproduced
        # Every graph is right before the attack: both shares are the same.
        assert (cell.low, cell.high) == pytest.approx((judged.low, judged.high))
        assert cell.detectable == pytest.approx(judged.detectable)


def test_the_published_share_counts_what_the_attack_put_right() -> None:
    """40 graphs are wrong before, and right after, as in the published tables."""
    row = row_of(records(70, 60, clean=40))
    assert {round(cell.mean, 6) for cell in row.reproduced} == {0.1}


@pytest.mark.parametrize(
    ("left", "right", "word"), [(70, 60, "reproduced"), (50, 60, "refuted"), (60, 60, "undecided")]
)
def test_better_without_a_value(left: int, right: int, word: str) -> None:
    row = row_of(records(left, right), replace(ATTACKED, how="better", value=None))
    assert row.verdict.word.startswith(word)


def test_clean_accuracy_of_the_same_classifiers() -> None:
    claim = replace(
        ATTACKED, how="difference", evaluation="clean", value=0.02, attacks=(), budget=None
    )
    made = [
        record("augcl", seed, 50, attack=attack, clean=90 + WIGGLE[seed])
        for attack in ATTACKED.attacks
        for seed in range(SEEDS)
    ]
    made += [record("graphcl", seed, 50, clean=85) for seed in range(SEEDS)]
    row = row_of(made, claim)
    (cell,) = row.reproduced
    assert (row.verdict.word, round(cell.mean, 6)) == ("reproduced", 0.05)


WORDS: dict[str, dict] = {
    "reproduced": {"left": 70},
    "smaller than claimed": {"left": 63},
    "refuted": {"left": 60},
    "undecided at this scale": {"left": 60, "seeds": 2},
    "no verdict": {"left": 70, "seeds": 1},
    "not measured here": {"left": 70, "dataset": "MUTAG"},
}
"""Each word that is said of a claim, and records that must give it."""


@pytest.mark.parametrize(("word", "made"), WORDS.items())
def test_each_word_from_records_that_must_give_it(word: str, made: dict) -> None:
    assert row_of(records(right=60, **made)).verdict.word == word


def test_no_word_is_left_out() -> None:
    assert set(get_args(Word)) == WORDS.keys()


def test_one_seed_is_one_trained_model_each() -> None:
    row = row_of(records(70, 60, seeds=1))
    assert row.verdict.word == "no verdict"
    assert "one trained model each" in row.verdict.why
    assert {(cell.low, cell.high, cell.detectable) for cell in row.reproduced} == {(None,) * 3}


def test_one_model_in_all_seeds_is_one_trained_model_too() -> None:
    row = row_of([replace(r, victim=ArtifactRef("victim", "1")) for r in records(70, 60)])
    assert (row.verdict.word, "one trained model each" in row.verdict.why) == ("no verdict", True)


def test_victims_not_at_rest_give_no_verdict() -> None:
    made = records(70, 60)
    values = {"selected": {"epoch": 99}, "losses": [0.5] * 100}
    moving = Measurement("victim", victim_cell(made[0].cell), values, 0.0)
    row = row_of(made, measured=[*data_of(made), moving])
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "victims not at rest")
    rested = replace(moving, values={**values, "selected": {"epoch": 50}})
    assert row_of(made, measured=[*data_of(made), rested]).verdict.word == "reproduced"


@pytest.mark.parametrize("planned", [SEEDS - 1, SEEDS + 1])
def test_another_number_of_seeds_than_planned_gives_no_verdict(planned: int) -> None:
    row = row_of(records(70, 60), planned=planned)
    assert row.verdict.word == "no verdict"
    assert f"{SEEDS} seeds, {planned} were planned" in row.verdict.why
    assert row_of(records(70, 60), planned=SEEDS).verdict.word == "reproduced"


def test_a_failed_audit_gives_no_verdict() -> None:
    made = records(70, 60)
    audit = Audit("of", (Finding("a check", "FAIL", "So.", (made[0].key,)),))
    row = row_of(made, audit=audit)
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "failed its audit")


def test_where_nobody_knows_whether_seeds_share_graphs_there_is_no_verdict() -> None:
    row = row_of(records(70, 60), measured=[])
    assert (row.verdict.word, "share graphs" in row.verdict.why) == ("no verdict", True)


def test_rows_are_json() -> None:
    made = [*records(70, 60), *exact_records(52, 50)]
    told = json.loads(json.dumps(row_of(made).as_json()))
    assert list(told) == [
        "claim", "verdict", "why", "reproduced", "exact", "bracket", "missing",
    ]  # fmt: skip
    assert told["claim"]["value"] == 0.08
    assert told["reproduced"][0]["mean"] == pytest.approx(0.1)
