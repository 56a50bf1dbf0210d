"""What is exact, and the bracket, beside what is reproduced of a claim."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claimed import (
    ATTACKED,
    DATA,
    SEEDS,
    N,
    exact_records,
    records,
    row_of,
)
from hand_made import method_called
from report_inputs import data_of

from robust_augcl.results.brackets import bracket_group
from robust_augcl.results.claim_rows import claim_rows
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.rest import victim_cell
from robust_augcl.results.statistics import Group, by_group


def test_the_exact_worst_case_stands_beside_what_is_reproduced() -> None:
    row = row_of([*records(70, 60), *exact_records(52, 50)])
    (cell,) = row.exact
    assert (round(cell.mean, 6), cell.name) == (0.02, f"{DATA}, 2 layers, protocol paper")
    assert {round(each.mean, 6) for each in row.reproduced} == {0.1}
    assert row.verdict.word == "reproduced"


def test_under_another_protocol_the_exact_worst_case_is_shown_and_gives_no_verdict() -> None:
    made = [*records(70, 60, protocol="strict"), *exact_records(52, 50, protocol="strict")]
    row = row_of(made)
    assert (row.verdict.word, row.reproduced) == ("not measured here", ())
    assert [cell.name for cell in row.exact] == [f"{DATA}, 2 layers, protocol strict"]
    assert row.is_told


def test_a_search_that_is_not_proved_is_no_exact_worst_case() -> None:
    made = [*records(70, 60), *exact_records(52, 50)]
    last = made[-1].outcomes
    unproved = replace(made[-1], outcomes=[*last[:-1], replace(last[-1], exact=False)])
    assert row_of([*made[:-1], unproved]).exact == ()


def test_a_primary_comparison_is_told_as_the_report_tells_it() -> None:
    """The suite's family has two comparisons, so its interval is wider than that of one."""
    third = [
        replace(r, cell=replace(r.cell, method="hcl"), method_traits=method_called("hcl", "hcl"))
        for r in exact_records(51, 50)
        if r.cell.method == "augcl"
    ]
    made = [*records(70, 60), *exact_records(52, 50), *third]
    own = row_of(made).exact[0]
    settings = {"comparisons": {"pairs": [["augcl", "graphcl"], ["hcl", "graphcl"]]}}
    report = ReportInput(made, measurements=data_of(made), settings=settings)
    (row,) = claim_rows(report, [ATTACKED])
    left = next(g for g in by_group(made) if (g.method, g.attack) == ("augcl", "exhaustive"))
    judged = report.primary["suite"].of(left, replace(left, method="graphcl"))
    assert (row.exact[0].low, row.exact[0].high) == (judged.low, judged.high)
    assert row.exact[0].high > own.high


def test_the_exact_column_carries_its_own_notes() -> None:
    made = exact_records(52, 50, protocol="strict")
    values = {"selected": {"epoch": 99}, "losses": [0.5] * 100}
    moving = Measurement("victim", victim_cell(made[0].cell), values, 0.0)
    row = row_of(made, measured=[*data_of(made), moving], planned=SEEDS + 1)
    assert row.exact[0].notes == (
        "victims not at rest",
        f"{SEEDS} seeds, {SEEDS + 1} were planned",
    )


def test_the_bracket_runs_from_what_is_proved_to_the_best_attack() -> None:
    made = [*records(70, 60, seeds=1, attack="rand_sampling"),
            *records(65, 55, seeds=1, attack="grad_argmax")]  # fmt: skip
    left = next(r for r in made if r.cell.method == "augcl")
    certificate = Measurement(
        "certificate",
        replace(left.cell, attack=""),
        {
            "graphs": list(range(N)),
            "certified": [graph < 30 for graph in range(N)],
            "settled": [graph < 30 for graph in range(N)],
            "witnesses": [None] * N,
            "victim": left.victim.digest,
        },
        0.0,
    )
    row = row_of(made, measured=[*data_of(made), certificate])
    (found,) = row.brackets
    # The wiggle takes one graph from AUGCL in seed 0.
    assert found.left == (0.30, pytest.approx(0.64))
    assert found.right == (None, pytest.approx(0.55))
    assert bracket_group(Group.of(left.cell), 1).method == "augcl"
