"""Victims that were not at rest are marked wherever methods are compared."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from report_inputs import data_of, report_of

from robust_augcl.plan.claims_file import published_claims
from robust_augcl.reports._budgets import bracket_words
from robust_augcl.reports._claims import claims_text
from robust_augcl.reports._figures import Gallery, drawn_elsewhere, figures
from robust_augcl.reports._transfer import render_transfers
from robust_augcl.reports.column import column_figure
from robust_augcl.reports.markdown import appendix
from robust_augcl.reports.tables import render_rows, rows
from robust_augcl.reports.written import FIGURES
from robust_augcl.results.brackets import brackets
from robust_augcl.results.claim_rows import claim_rows
from robust_augcl.results.findings import AT_REST, Audit, Finding
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.outcome_rows import outcome_rows, typed
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.rest import victim_cell
from robust_augcl.results.transfers import Entry, Transfer, Transfers, matrix

Campaign = Callable[..., list[Record]]
TOLD = "‡ Some models of this method were still getting better"


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
    text = appendix(report_of(records, measurements=measured)).split("## Settings")[0]
    named = [table for table in tables_of(text) if "GraphCL" in "".join(table)]
    assert len(named) >= 6
    for table in named:
        if table[0].startswith("| Difference"):
            for row in table[2:]:
                assert ("‡" in row) == ("GraphCL" in row.split(" | ")[0]), row
        elif table[0].startswith("| Claim"):
            for row in table[2:]:
                _, claimed, _, exact, bracket, _ = row.split(" | ")
                for cell in (exact, bracket):
                    assert ("‡" in cell) == ("GraphCL" in claimed), row
        else:
            told = "\n".join(table)
            assert told.count("GraphCL") == told.count("GraphCL‡"), told
            assert "AUGCL‡" not in told
            assert "No pretraining‡" not in told
    assert text.count(TOLD) == len(named)
    lines = [line for line in text.splitlines() if "Secondary comparisons (" in line]
    parts = [part for line in lines for part in line.split("; ") if "\N{MINUS SIGN}" in part]
    assert any("GraphCL \N{MINUS SIGN} No pretraining" in part for part in parts)
    for part in parts:
        assert ("(some of their victims were not at rest)" in part) == ("GraphCL" in part)


def test_nothing_is_marked_where_all_rest_or_nobody_knows(campaign: Campaign) -> None:
    records = campaign(layers=[2])
    for measured in ([], victims(records, lambda r: False)):
        assert "‡" not in appendix(report_of(records, measurements=measured))


def test_victims_of_other_layers_mark_no_comparison(campaign: Campaign) -> None:
    records = campaign(layers=[2, 3])
    moved = victims(records, lambda r: (r.cell.method, r.cell.layers) == ("graphcl", 3))
    text = appendix(report_of(records, measurements=moved))
    (table,) = (t for t in tables_of(text) if t[0].startswith("| Difference"))
    rows_of = [row for row in table if row.startswith("| GraphCL \N{MINUS SIGN}")]
    assert {"‡" in row for row in rows_of if "| 2 layers |" in row} == {False}
    assert {"‡" in row for row in rows_of if "| 3 layers |" in row} == {True}


# --- figures --------------------------------------------------------------------------------------


def texts_of(figure: Figure) -> list[str]:
    """All texts in a figure, lines joined: legends, titles, axes, captions."""
    found = [text.get_text() for text in figure.findobj(Text)]
    return [" ".join(text.split()) for text in found if text.strip()]


def with_curves(records: list[Record], moving: Callable[[Record], bool]) -> list[Measurement]:
    """What is told of victims, and of what an attack learned on each of them."""
    curve = [[0, 0.0, 0.9], [10, 0.0, 0.5]]
    learned = [
        Measurement("attacker", record.cell, {"curve": curve}, 1.0)
        for record in records
        if record.traits.learns
    ]
    return [*victims(records, moving), *learned, *data_of(records)]


def drawn(report: ReportInput) -> dict[str, Figure]:
    """Every figure of a report, and that of a column."""
    return {
        **{name: drawing.make() for name, drawing in figures(report).items()},
        "column": column_figure(report),
    }


def over_budgets(campaign: Campaign) -> list[Record]:
    records = campaign(layers=[2], seeds=[0, 1])
    more = [
        replace(r, cell=replace(r.cell, budget=2), threat={**r.threat, "budget": 2})
        for r in records
    ]
    return [*records, *more]


OF_PRETRAINING = {"mechanism"}
"""Figures that show encoders before any victim was trained."""


def test_every_figure_that_names_a_method_marks_one_whose_victims_moved(campaign: Campaign) -> None:
    records = over_budgets(campaign)
    names = {"GraphCL": True, "AUGCL": False, "No pretraining": False}
    measured = with_curves(records, lambda r: (r.cell.method, r.cell.seed) == ("graphcl", 1))
    found = drawn(report_of(records, measurements=measured))
    assert found.keys() == {*FIGURES, "column"} - OF_PRETRAINING  # a new one joins those
    for name, figure in found.items():
        text = " | ".join(texts_of(figure))
        for method, moves in names.items():
            bare = re.findall(rf"(?<!\w){method}(?!\w)", text)
            assert bare, (name, method)
            assert len(re.findall(rf"(?<!\w){method}‡", text)) == moves * len(bare), (name, text)
        assert "‡ Some" in text, name


def test_no_figure_marks_what_rests(campaign: Campaign) -> None:
    records = over_budgets(campaign)
    for measured in ([], with_curves(records, lambda r: False)):
        for name, figure in drawn(report_of(records, measurements=measured)).items():
            assert "‡" not in " ".join(texts_of(figure)), name


def test_a_figure_is_drawn_again_when_its_marks_change(campaign: Campaign) -> None:
    records = campaign(layers=[2], attacks=["rand_sampling", "exhaustive"])
    gallery = Gallery()
    bare = gallery.draw(report_of(records, measurements=data_of(records)))
    measured = [*data_of(records), *victims(records, lambda r: r.cell.method == "augcl")]
    marked = gallery.draw(report_of(records, measurements=measured))
    for name in ("accuracy.svg", "by_class.svg"):
        assert bare[name] != marked[name]


@pytest.mark.parametrize("knows_audit", [True, False])
def test_a_figure_without_the_marks_of_the_audit_is_not_taken(
    campaign: Campaign, knows_audit: bool
) -> None:
    """Another process may have drawn before there was an audit: that figure is another one."""
    records = numbered(campaign(layers=[2], attacks=["rand_sampling", "exhaustive"]))
    failed = tuple(r.key for r in records if r.cell.attack == "rand_sampling")
    audited = report_of(records, Audit("stamp", (Finding("a check", "FAIL", "So.", failed),)))
    elsewhere = drawn_elsewhere(audited if knows_audit else report_of(records))
    untouched = dict.fromkeys(elsewhere.files, b"as it was drawn")
    gallery = Gallery()
    gallery.take(audited, elsewhere._replace(files=untouched))
    found = gallery.draw(audited)
    for name in ("accuracy.svg", "by_class.png"):
        assert (found[name] == untouched[name]) == knows_audit


# --- rows, frames, transfers, claims, sentences ---------------------------------------------------


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


def numbered(records: list[Record]) -> list[Record]:
    """The records with keys of their own."""
    return [replace(r, key=f"attack-{n:020x}") for n, r in enumerate(records)]


def audited(records: list[Record], moving: Callable[[Record], bool]) -> Audit:
    """An audit that found some victims not at rest."""
    cells = tuple(record.key for record in records if moving(record))
    return Audit("stamp", (Finding(AT_REST, "WARN" if cells else "PASS", "So.", cells),))


def test_files_of_rows_say_it_in_a_column(campaign: Campaign) -> None:
    records = numbered(campaign(layers=[2]))
    audit = audited(records, lambda r: r.cell.method == "graphcl")
    for row in csv.DictReader(io.StringIO(render_rows(records, "csv", audit))):
        assert row["at_rest"] == str(row["method"] != "graphcl")
    for row in json.loads(render_rows(records, "json", audit)):
        assert row["at_rest"] == (row["method"] != "graphcl")


def test_frames_say_it_in_a_column(campaign: Campaign) -> None:
    records = campaign(layers=[2], n=3)
    measured = victims(records, lambda r: r.cell.method == "graphcl")
    for row in outcome_rows(records, measured):
        assert row["at_rest"] == (row["model"] != "graphcl")
    assert {row["at_rest"] for row in outcome_rows(records)} == {None}
    assert typed()["at_rest"] == "boolean"


def transferred(records: list[Record]) -> list[Entry]:
    """The matrix of an attack between the methods of these records."""
    made = [replace(r, dataset=records[0].dataset) for r in records]
    entries = tuple(
        Transfer(one.key, other.key, [0] * one.num_graphs, [0.5] * one.num_graphs)
        for one in made
        for other in made
        if one is not other
    )
    return matrix(Transfers("stamp", entries), made, [])


def test_transfers_are_marked_that_come_from_or_go_to_such_a_victim(campaign: Campaign) -> None:
    records = numbered(campaign(layers=[2], attacks=["grad_argmax"]))
    audit = audited(records, lambda r: r.cell.method == "graphcl")
    entries = transferred(records)
    assert len(entries) == 9
    for row in json.loads(render_transfers(entries, "json", audit)):
        touched = "graphcl" in (row["made_for"], row["attacked"])
        assert row["at_rest"] == (not touched)
    for row in csv.DictReader(io.StringIO(render_transfers(entries, "csv", audit))):
        assert row["at_rest"] == str("graphcl" not in (row["made_for"], row["attacked"]))
    for form in ("table", "markdown"):
        text = render_transfers(entries, form, audit)
        lines = [line for line in text.splitlines() if "grad" in line]
        assert len(lines) == 9
        for line in lines:
            assert ("‡" in line) == ("graphcl" in line)
        assert text.splitlines()[-1].startswith("‡ ")
        for other in (None, audited(records, lambda r: False)):
            assert "‡" not in render_transfers(entries, form, other)


def test_claims_say_it_of_each_column(campaign: Campaign) -> None:
    records = campaign(layers=[2], seeds=[0, 1, 2], protocol="paper", dataset="components 15-20")
    measured = victims(records, lambda r: (r.cell.method, r.cell.seed) == ("graphcl", 1))
    report = report_of(records, measurements=[*measured, *data_of(records)])
    (claim,) = (each for each in published_claims() if each.name == "graphcl-robust")
    (row,) = claim_rows(report, [claim])
    for cells in (row.reproduced, row.exact, row.brackets):
        assert cells
        assert {"victims not at rest" in cell.notes for cell in cells} == {True}
    text = claims_text([row], report.names)
    told = re.split(r"\n  (?=\w)", text)
    for label in ("reproduced", "exact", "bracket"):
        (block,) = (part for part in told if part.startswith(label))
        assert "not at rest" in " ".join(block.split())
    line = next(x for x in appendix(report).splitlines() if x.startswith("| graphcl-robust"))
    assert [("‡" in cell) for cell in line.split(" | ")] == [False, False, True, True, True, False]


@pytest.mark.parametrize("moving", [["graphcl"], []])
def test_sentences_on_the_worst_case_are_marked(campaign: Campaign, moving: list[str]) -> None:
    records = campaign(layers=[2], seeds=[0, 1])
    measured = victims(records, lambda r: r.cell.method in moving)
    report = report_of(records, measurements=measured)
    lines = bracket_words(brackets(records, measured), report)
    assert len(lines) == 3 + len(moving)
    for line in lines[:3]:
        assert ("GraphCL‡" in line) == (bool(moving) and "GraphCL" in line)
        assert "AUGCL‡" not in line


# --- one place ------------------------------------------------------------------------------------

HOW_ELSE = {
    "_rest.py": "the place itself",
    "_sections.py": "says what a method is called",
    "_differences.py": "marks the row",
    "_comparison_words.py": "says it in words",
    "_claims.py": "marks the columns: what is claimed rests on no victim of ours",
    "_methods.py": "names pretrained encoders in a figure of no victims",
    "_settings.py": "lists settings, no result",
    "_training_notes.py": "lists warnings, no result",
    "_terminal_comparisons.py": "marks the row",
    "_aggregated.py": "a table of data, which has a column for it",
    "_published_protocols.py": "marks the row",
    "_published_embeddings.py": "names encoders and what was learned of them without labels",
}
"""Modules of reports that take the bare name of a method, and why they may."""


def test_whoever_else_names_a_method_takes_its_name_with_the_mark() -> None:
    room = Path(__file__).parents[2] / "reports"
    bare = {
        path.name
        for path in room.glob("*.py")
        if re.search(r"\.method_name\(|names\.method\(", path.read_text(encoding="utf-8"))
    }
    assert bare == HOW_ELSE.keys()
    marks = {
        path.name
        for path in room.glob("*.py")
        if re.search("[‡†]", path.read_text(encoding="utf-8")) and path.name != "_marks.py"
    }
    assert marks == set()
