"""What is made of the files of results: the same numbers as from the run itself."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_runs import file_of, run_of

from robust_augcl.plan.claims_file import published_claims
from robust_augcl.results.brackets import brackets
from robust_augcl.results.claim_rows import claim_rows
from robust_augcl.results.published import report_of
from robust_augcl.results.statistics import by_group, estimate, gap_to_worst_case

runs = st.integers(0, 2**32 - 1).map(random.Random)


@settings(max_examples=20, deadline=None)
@given(runs, st.integers(1, 4))
def test_a_file_a_seed_gives_every_number_of_the_run(draws, seeds):
    """Means, intervals, comparisons, brackets, what attacks missed, claims, and what is marked."""
    run = run_of(draws, range(seeds))
    files = [file_of(run, seed) for seed in range(seeds)]
    made = report_of(files)
    groups, again = by_group(run.records), by_group(made.records)
    assert groups.keys() == again.keys()
    for group, records in groups.items():
        for measure in ("clean", "attacked", "robust"):
            for label in (None, 0, 1, 2):
                wanted = estimate(records, measure, label)
                assert estimate(again[group], measure, label) == wanted
        exact = replace(group, attack="exhaustive")
        if group.budget == 1:
            wanted = gap_to_worst_case(records, groups[exact])
            assert gap_to_worst_case(again[group], again[exact]) == wanted
    assert made.primary == run.primary
    assert made.not_at_rest == run.not_at_rest
    assert made.failed == run.failed
    claims = published_claims()
    rows, told = claim_rows(run, claims), claim_rows(made, claims)
    for one, other in zip(rows, told, strict=True):
        assert (one.verdict, one.reproduced, one.exact) == (
            other.verdict,
            other.reproduced,
            other.exact,
        )


@settings(max_examples=20, deadline=None)
@given(runs)
def test_brackets_are_those_of_the_run(draws):
    run = run_of(draws, range(2))
    made = report_of([file_of(run, 0), file_of(run, 1)])
    wanted = brackets(run.records, run.measurements)
    found = brackets(made.records, made.measurements)
    assert found == wanted


def test_the_order_of_files_changes_nothing():
    run = run_of(random.Random(3), range(3))
    files = [file_of(run, seed) for seed in range(3)]
    assert report_of(files).primary == report_of(files[::-1]).primary


def test_seeds_that_were_not_planned_are_refused_however_many_there_are():
    """Two seeds were planned, and two are there: one of them is another one."""
    run = run_of(random.Random(0), range(3))
    files = [replace(file_of(run, seed), planned_seeds=[0, 1]) for seed in range(3)]
    assert report_of(files[:2]).planned_seeds == 2
    with pytest.raises(ValueError, match=r"planned seeds \(0, 1\), got those of seed 2"):
        report_of([files[0], files[2]])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"suite": "other"}, "`suite`"),
        ({"table": {}}, "`table`"),
        ({"planned_seeds": [0, 9]}, "`planned_seeds`"),
        ({"planned_comparisons": {}}, "`planned_comparisons`"),
        ({"fingerprint": "x"}, "`fingerprint`"),
        ({}, "each victim in one file, got augcl with 2 layers of seed 0 in two"),
    ],
)
def test_files_that_do_not_go_together_are_refused(change, word):
    run = run_of(random.Random(0), range(2))
    first = file_of(run, 0)
    other = replace(file_of(run, 1), **change) if change else first
    with pytest.raises(ValueError, match=word):
        report_of([first, other])
    with pytest.raises(ValueError, match="got none"):
        report_of([])
