"""The page of published results: from its files alone, the same bytes each time, nothing hidden."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace

import pytest
from published_runs import file_of, run_of

from robust_augcl.plan.suite import load_suite
from robust_augcl.reports.published import PAGE, page, published
from robust_augcl.reports.tables import percent
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.statistics import by_group, estimate
from robust_augcl.store.manifest import Manifest


@pytest.fixture(scope="module")
def run():
    return run_of(random.Random(5), range(3))


def files_of(run, seeds: int = 3, **changes) -> dict[str, Baseline]:
    """The files of a run, as if its suite were another."""
    made = {}
    for seed in range(seeds):
        held = replace(file_of(run, seed), table=None, seconds={"victim": 1800.0 * (seed + 1)})
        made[f"mine-{seed}.json"] = replace(held, **changes)
    return made


@pytest.fixture(scope="module")
def made(run) -> dict[str, bytes]:
    return page(published(files_of(run), {}))


def test_the_same_files_give_the_same_bytes_in_any_order(run, made):
    backwards = dict(reversed(files_of(run).items()))
    assert page(published(backwards, {})) == made
    assert set(made) == {PAGE, "suite-accuracy.png", "suite-budgets.png"}


def test_the_numbers_are_those_of_the_run(run, made):
    text = made[PAGE].decode()
    for records in by_group(run.records).values():
        found = estimate(records)
        assert found is not None
        numbers = rf"{percent(found.mean)} \({percent(found.low)} to {percent(found.high)}\)"
        assert re.search(numbers, text), numbers


def test_every_claim_stands_there(run, made):
    text = made[PAGE].decode()
    for row in page_claims(run):
        assert row in text


def page_claims(run) -> list[str]:
    from robust_augcl.plan.claims_file import published_claims

    return [claim.name for claim in published_claims()]


def test_what_it_cost_is_summed_over_files(made):
    """Half an hour, one hour, one and a half."""
    text = made[PAGE].decode()
    assert "| victim | 3.00 |" in text
    assert "| all | 3.00 |" in text
    assert "oreseen" not in text


def test_fewer_seeds_than_planned_are_said_and_decide_nothing(run):
    text = page(published(files_of(run, seeds=2), {}))[PAGE].decode()
    assert "There are results of 2 of the 3 planned seeds." in text
    assert "better than" not in text.split("## suite")[0]


def test_what_is_missing_of_the_plan_is_counted(run):
    """A suite of two depths, of which the files have one, and one attack of two budgets."""
    suite = load_suite(
        "full-scale", seeds=[0], overrides=["encoder.layers=[2, 3]", "protocols=['paper']"]
    )
    table = Manifest("suite", dict(suite.table), None, [0], []).table
    text = page(published(files_of(run, table={**table, "name": "suite"}), {}))[PAGE].decode()
    (row,) = (line for line in text.splitlines() if line.startswith("| 1 |") and "records" in line)
    assert (
        row == "| 1 | 9 of 15 records, 3 of 6 certificates | 0 of 15 records, 0 of 6 certificates |"
    )


def test_audits_are_shown_or_missed(run, made):
    assert "**FAIL** | a check" in made[PAGE].decode()
    text = page(published(files_of(run, audit=None), {}))[PAGE].decode()
    assert "Not all of these results were audited." in text


def test_names_that_are_no_file_names_are_refused(run):
    with pytest.raises(ValueError, match="letters, digits"):
        published(files_of(run, suite="a|b<script>"), {})
    with pytest.raises(ValueError, match="letters, digits"):
        published(files_of(run, suite="../up"), {})


def test_what_was_foreseen_is_of_as_much_as_there_is(run):
    """Of two depths the files have one, and of its four methods three."""
    suite = load_suite(
        "full-scale", seeds=[0], overrides=["encoder.layers=[2, 3]", "protocols=['paper']"]
    )
    table = json.loads(json.dumps({**suite.table, "name": "suite"}))
    table["methods"].append({"name": "dcl"})
    table.pop("seeds", None)
    foreseen = {
        "victim": {"2": 0.25, "3": 40.0},
        "pretraining": {"2": 3.0, "3": 40.0},
        "warm_up": {"2": 1.0},
        "certificate": {"2": 2.0, "3": 40.0},
    }
    seconds = {"victim": 3600.0, "dataset": 360.0}
    text = page(published(files_of(run, table=table, seconds=seconds), {"suite": foreseen}))[PAGE]
    rows = text.decode().split("### What it cost")[1].split("\n\n")[2].splitlines()
    assert "certificates of all budgets but the largest" in text.decode()
    assert rows[0] == "| Step | Hours | Foreseen of as much |"
    assert rows[2:] == [
        "| data set | 0.30 | - |",
        "| warm-up | 0.00 | 3.00 |",
        "| pretraining | 0.00 | 6.00 |",
        "| victim | 3.00 | 0.56 |",
        "| certificate | 0.00 | 4.50 |",
        "| all that was foreseen | 3.00 | 14.06 |",
        "| all | 3.30 | - |",
    ]
