"""Victims that were not at rest are marked wherever methods are compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from report_inputs import data_of, report_of

from robust_augcl.reports.markdown import page
from robust_augcl.reports.tables import render_rows, rows
from robust_augcl.results.findings import AT_REST, Audit, Finding
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record
from robust_augcl.results.rest import victim_cell

Campaign = Callable[..., list[Record]]
TOLD = "‡ Some victims of the method were not at rest"


def victims(records: list[Record], moving: Callable[[Record], bool]) -> list[Measurement]:
    """What a run measured of the victims of these records."""
    found = {}
    for record in records:
        epoch = 99 if moving(record) else 50
        values = {"selected": {"epoch": epoch}, "losses": [0.5] * 100}
        found[record.victim] = Measurement("victim", victim_cell(record.cell), values, 1.0)
    return list(found.values())


def tables_of(text: str) -> list[list[str]]:
    """The tables of a page, as lists of lines."""
    tables: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    return [table for table in tables if table]


def test_every_table_that_names_a_method_marks_one_whose_victims_moved(campaign: Campaign) -> None:
    """One seed of three is enough."""
    records = campaign(layers=[2], seeds=[0, 1, 2])
    moved = victims(records, lambda r: (r.cell.method, r.cell.seed) == ("graphcl", 1))
    measured = [*moved, *data_of(records)]
    text = page(report_of(records, measurements=measured)).split("## Settings")[0]
    named = [table for table in tables_of(text) if "GraphCL" in "".join(table)]
    assert len(named) >= 6
    for table in named:
        if table[0].startswith("| Difference"):
            for row in table[2:]:
                assert ("‡" in row) == ("GraphCL" in row.split(" | ")[0]), row
        elif table[0].startswith("| Claim"):
            for row in table[2:]:
                exact = row.split(" | ")[3]
                assert ("‡" in exact) == ("GraphCL" in row.split(" | ")[1]), row
        else:
            told = "\n".join(table)
            assert told.count("GraphCL") == told.count("GraphCL‡"), told
            assert "AUGCL‡" not in told
            assert "No pretraining‡" not in told
    assert text.count(TOLD) == len(named)
    lines = [line for line in text.splitlines() if " under attack, secondary: " in line]
    assert any("GraphCL against No pretraining" in line for line in lines)
    for line in lines:
        assert ("(their victims were not at rest)" in line) == ("GraphCL" in line)


def test_nothing_is_marked_where_all_rest_or_nobody_knows(campaign: Campaign) -> None:
    records = campaign(layers=[2])
    for measured in ([], victims(records, lambda r: False)):
        assert "‡" not in page(report_of(records, measurements=measured))


def test_victims_of_other_layers_mark_no_comparison(campaign: Campaign) -> None:
    records = campaign(layers=[2, 3])
    moved = victims(records, lambda r: (r.cell.method, r.cell.layers) == ("graphcl", 3))
    text = page(report_of(records, measurements=moved))
    (table,) = (t for t in tables_of(text) if t[0].startswith("| Difference"))
    rows_of = [row for row in table if row.startswith("| GraphCL less")]
    assert {"‡" in row for row in rows_of if "| 2 layers |" in row} == {False}
    assert {"‡" in row for row in rows_of if "| 3 layers |" in row} == {True}


@pytest.mark.parametrize("status", ["WARN", "PASS", "n/a"])
def test_rows_say_whether_the_victim_was_at_rest(campaign: Campaign, status) -> None:
    records = campaign(layers=[2])
    records = [replace(r, key=f"attack-{n:020x}") for n, r in enumerate(records)]
    cells = (records[0].key,) if status == "WARN" else ()
    audit = Audit("stamp", (Finding(AT_REST, status, "So.", cells),))
    told = {json.dumps(row["at_rest"]) for row in rows(records, audit)}
    assert told == {"WARN": {"false", "true"}, "PASS": {"true"}, "n/a": {"null"}}[status]
    for form in ("table", "markdown"):
        assert ("‡" in render_rows(records, form, audit)) == (status == "WARN")
        assert "‡" not in render_rows(records, form, None)
