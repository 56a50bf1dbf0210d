"""Claims about embeddings, about data sets that are counted, and about several runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claimed import (
    ATTACKED,
    SEEDS,
    SVM,
    WIGGLE,
    embedded,
    records,
    row_of,
    scores,
)
from report_inputs import data_of

from robust_augcl.results.claim_rows import claim_rows, rows_of_runs
from robust_augcl.results.report_input import ReportInput


@pytest.mark.parametrize(
    ("mean", "word"),
    [(0.90, "reproduced"), (0.80, "smaller than claimed"), (0.858, "undecided at this scale")],
)
def test_each_verdict_of_an_accuracy(mean: float, word: str) -> None:
    made, measured = embedded(mean)
    row = row_of(made, SVM, measured)
    (cell,) = row.reproduced
    assert (row.verdict.word, cell.mean) == (word, pytest.approx(mean))
    assert (row.exact, row.brackets) == ((), ())


def test_the_interval_of_embeddings_is_that_of_resampled_splits() -> None:
    """s^2 (1 / S + 1 / 9), with Student's t of 4 degrees of freedom, 2.776 from a table."""
    made, measured = embedded(0.9)
    wide = [
        replace(m, values={"accuracy": [0.9 + 0.05 * WIGGLE[m.cell.seed]] * 10})
        if m.kind == "representation"
        else m
        for m in measured
    ]
    (cell,) = row_of(made, SVM, wide).reproduced
    half = 2.7764 * (0.05 * 0.5**0.5) * (1 / 5 + 1 / 9) ** 0.5
    assert (cell.low, cell.high) == pytest.approx((0.9 - half, 0.9 + half), abs=1e-5)


def test_a_difference_of_embeddings_on_data_sets_that_are_not_all_known() -> None:
    claim = replace(
        SVM, how="maximum", value=0.02, left="augcl", right="graphcl", within=None,
        datasets=("MUTAG", "NCI1"), more_datasets=True,
    )  # fmt: skip
    made, measured = embedded(0.85, left=0.90)
    assert row_of(made, claim, measured).verdict.word == "reproduced"
    made, measured = embedded(0.85, left=0.80)
    row = row_of(made, claim, measured)
    assert row.verdict.word == "undecided at this scale"
    assert row.missing[0] == "NCI1"
    assert "not known here" in row.missing[1]
    known = replace(claim, datasets=("MUTAG",), more_datasets=False)
    assert row_of(made, known, measured).verdict.word == "refuted"


def test_a_count_of_data_sets() -> None:
    claim = replace(SVM, how="count", value=1.0, left="augcl", right="graphcl", within=None)
    made, measured = embedded(0.85, left=0.90)
    assert row_of(made, claim, measured).verdict.word == "reproduced"
    made, measured = embedded(0.85, left=0.80)
    assert row_of(made, claim, measured).verdict.word == "refuted"


def test_embeddings_of_one_seed_and_of_too_few_seeds_give_no_verdict() -> None:
    made, measured = embedded(0.9, seeds=1)
    row = row_of(made, SVM, measured)
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "one trained model each")
    made, measured = embedded(0.9)
    assert row_of(made, SVM, measured, planned=10).verdict.word == "no verdict"


def test_without_scores_of_embeddings_that_is_what_is_missing() -> None:
    made, measured = embedded(0.9)
    row = row_of(made, SVM, [m for m in measured if m.kind != "representation"])
    assert (row.verdict.word, "[representations]" in row.verdict.why) == ("not measured here", True)


THREE = replace(
    SVM, how="count", value=3.0, left="augcl", right="graphcl", within=None, more_datasets=True,
    datasets=("MUTAG", "PROTEINS", "NCI1", "IMDB-BINARY"),
)  # fmt: skip


def run_on(dataset: str, left: float, right: float, planned: int | None = SEEDS, **more):
    """What a run on one data set holds: embeddings of augcl and of graphcl."""
    made = records(60, 60, dataset=dataset, layers=3)
    measured = [*data_of(made, draws_graphs=False)]
    for method, mean in (("augcl", left), ("graphcl", right)):
        measured += [
            replace(m, cell=replace(m.cell, dataset=dataset, suite=dataset.lower()))
            for m in scores(method, mean)
        ]
    return ReportInput(made, measurements=measured, planned_seeds=planned, **more)


def test_a_claim_on_three_data_sets_gets_its_verdict_from_three_runs() -> None:
    runs = {f"runs/{name}": run_on(name, 0.9, 0.8) for name in ("MUTAG", "PROTEINS", "NCI1")}
    (row,) = rows_of_runs(runs, [THREE])
    assert row.verdict.word == "reproduced"
    assert [cell.name for cell in row.reproduced] == [
        f"{name}, 3 layers, runs/{name}" for name in ("MUTAG", "PROTEINS", "NCI1")
    ]
    for name in runs:
        others = {run: report for run, report in runs.items() if run != name}
        (row,) = rows_of_runs(others, [THREE])
        assert row.verdict.word == "undecided at this scale"
        assert name.removeprefix("runs/") in row.missing


def test_of_three_data_sets_two_are_too_few() -> None:
    known = replace(THREE, datasets=("MUTAG", "PROTEINS", "NCI1"), more_datasets=False)
    ahead = {name: 0.7 if name == "NCI1" else 0.9 for name in known.datasets}
    runs = {name: run_on(name, left, 0.8) for name, left in ahead.items()}
    (row,) = rows_of_runs(runs, [known])
    assert (row.verdict.word, row.missing) == ("smaller than claimed", ())


def test_the_cells_of_all_runs_are_one_family() -> None:
    """So the interval of each is wider than in a run by itself."""
    runs = {name: run_on(name, 0.9, 0.8) for name in ("MUTAG", "PROTEINS", "NCI1")}
    (together,) = rows_of_runs(runs, [THREE])
    (alone,) = claim_rows(runs["MUTAG"], [THREE])
    wide, narrow = (row.reproduced[0].high - row.reproduced[0].low for row in (together, alone))
    # Student's t of 4 degrees of freedom, 0.05 / 6 and 0.05 / 2 above, from a table.
    assert wide / narrow == pytest.approx(3.9608 / 2.7764, abs=1e-3)


def test_what_one_run_lacks_another_one_has() -> None:
    """Attacks of two runs, and a cell that is missing in one of them, count once."""
    one = [r for r in records(70, 60) if r.cell.attack == "rand_sampling"]
    other = [r for r in records(63, 60, suite="another") if r.cell.attack == "grad_argmax"]
    runs = {
        name: ReportInput(made, measurements=data_of(made), planned_seeds=SEEDS)
        for name, made in (("a", one), ("b", other))
    }
    (row,) = rows_of_runs(runs, [ATTACKED])
    whole = row_of(records(70, 60), planned=SEEDS)
    assert (row.verdict.word, row.missing) == ("reproduced", ())
    assert row.reproduced[0].high == pytest.approx(whole.reproduced[0].high)
    (alone,) = claim_rows(runs["a"], [ATTACKED])
    assert alone.missing == ("grad_argmax",)


def test_what_cannot_carry_a_verdict_in_one_run_cannot_together() -> None:
    runs = {
        "a": run_on("MUTAG", 0.9, 0.8),
        "b": run_on("PROTEINS", 0.9, 0.8, planned=9),
        "c": run_on("NCI1", 0.9, 0.8),
    }
    (row,) = rows_of_runs(runs, [THREE])
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "5 seeds, 9 were planned")
    runs["b"] = run_on("PROTEINS", 0.9, 0.8, planned=None)
    (row,) = rows_of_runs(runs, [THREE])
    assert row.verdict.word == "reproduced"
    assert "not known how many seeds were planned" in row.verdict.why


def test_where_no_run_has_a_part_each_is_named() -> None:
    runs = {name: run_on(name, 0.9, 0.8) for name in ("COX2", "DD")}
    (row,) = rows_of_runs(runs, [THREE])
    assert row.verdict.word == "not measured here"
    for name in runs:
        assert f"; {name} used the data set {name}" in row.verdict.why


def test_seeds_that_took_the_place_of_others_give_no_verdict() -> None:
    row = row_of(records(70, 60), planned=SEEDS, held_seeds=SEEDS + 2)
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "5 of 7 seeds, 5 were planned")
