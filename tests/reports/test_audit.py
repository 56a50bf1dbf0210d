"""The audit in reports: findings in order, and a mark on every number that comes from a result that
failed.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_inputs import report_of

from robust_augcl.reports._assumed import ASSUMED
from robust_augcl.reports._audit import headline, render_findings
from robust_augcl.reports._transfer import render_transfers
from robust_augcl.reports.in_words import in_words
from robust_augcl.reports.markdown import appendix, is_current, render
from robust_augcl.reports.tables import render_rows, rows
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.records import Record
from robust_augcl.results.transfers import Transfer, Transfers, matrix

Campaign = Callable[..., list[Record]]
PASSED, WARNED = (
    Finding("first", "PASS", "All is well."),
    Finding("second", "WARN", "Take | care.", ("k",)),
)


def keyed(records: list[Record]) -> list[Record]:
    return [
        replace(r, key=f"{r.cell.attack}-{r.cell.method}-{r.cell.layers}-{r.cell.seed}")
        for r in records
    ]


def audit_of(*failed: Record) -> Audit:
    return Audit(
        "stamp",
        (
            PASSED,
            WARNED,
            Finding("third", "FAIL", "Broken.", tuple(record.key for record in failed)),
        ),
    )


def test_what_is_printed_shows_warnings_in_short(campaign: Campaign) -> None:
    records = keyed(campaign(layers=[2]))
    long = Finding("fourth", "WARN", "word " * 200)
    audit = replace(audit_of(records[0]), findings=(*audit_of(records[0]).findings, long))
    text = in_words(report_of(records, audit), [], Path("runs/mine")).splitlines()
    place = text.index(f"Audit: {audit.summary}")
    assert text[place + 1 : place + 3] == ["  FAIL third: Broken.", "  WARN second: Take | care."]
    assert text[place + 3].startswith("  WARN fourth: word word")
    assert text[place + 3].endswith("word ...")
    assert len(text[place + 3]) <= 180


def lines(text: str, heading: str) -> list[str]:
    after = text.split(f"### {heading}\n", 1)[1].split("\n### ")[0].split("\n## ")[0]
    return [line for line in after.splitlines() if line.startswith("|") and ":---" not in line]


def test_every_number_of_a_failed_result_is_marked_and_no_other(campaign: Campaign) -> None:
    records = keyed(campaign(layers=[2]))
    (failed,) = [r for r in records if (r.cell.attack, r.cell.method) == ("grad_argmax", "graphcl")]
    text = appendix(report_of(records, audit_of(failed)))
    for heading, rows_marked in {
        "Accuracy under attack": 1,
        "How far each attack is from the worst case": 1,
        "Class by class": 3,
        "The published measure beside this one": 1,
    }.items():
        header, *body = lines(text, heading)
        place = header.split(" | ").index("2 layers: GraphCL")
        marked = [row for row in body if "†" in row]
        assert len(marked) == rows_marked
        assert all(row.startswith("| GradArgmax") for row in marked)
        assert all(
            ["†" in cell for cell in row.split(" | ")].index(True) == place and row.count("†") == 1
            for row in marked
        )
    differences = [row for row in lines(text, "Differences between methods") if "†" in row]
    assert [row.split(" | ")[0].strip("| ") for row in differences] == [
        "AUGCL \N{MINUS SIGN} GraphCL",
        "GraphCL \N{MINUS SIGN} No pretraining",
    ]
    # Under each of these tables.
    assert text.count("† The attack, or what it rests on, failed its audit") == 6
    assert "†" not in "".join(lines(text, "What it took"))


def test_a_failed_exact_search_marks_every_gap_to_it(campaign: Campaign) -> None:
    records = keyed(campaign(layers=[2], methods=["none", "augcl"]))
    (failed,) = [r for r in records if (r.cell.attack, r.cell.method) == ("exhaustive", "none")]
    body = lines(
        appendix(report_of(records, audit_of(failed))), "How far each attack is from the worst case"
    )[1:]
    assert [[cell.count("†") for cell in row.strip("| ").split(" | ")] for row in body] == [
        [0, 1, 0]
    ] * 3


def test_the_page_tells_the_findings_the_worst_first(campaign: Campaign) -> None:
    records = keyed(campaign(layers=[2]))
    text = appendix(report_of(records, audit_of(records[0])))
    table = re.findall(
        r"^\| (\S+) \| (\w+) \|",
        text.split("## The audit")[1].split("## Settings")[0],
        re.MULTILINE,
    )
    assert table == [("**FAIL**", "third"), ("WARN", "second"), ("PASS", "first")]
    assert "Take \\| care." in text
    assert f"- † {records[0].cell.attack} on {records[0].cell.method}" in text
    assert (
        "**The audit of the attacks: 1 FAIL, 1 WARN, 1 PASS**: third. 1 record is marked †." in text
    )
    assert "not audited" in appendix(report_of(records))
    assert headline(Audit("", (PASSED,))).endswith("nothing here speaks against the numbers.")


def test_rows_carry_the_audit(campaign: Campaign) -> None:
    records = keyed(campaign(layers=[2], methods=["none"]))
    failed = [
        rows(records, audit_of(records[0])),
        rows(records, Audit("", (PASSED,))),
        rows(records),
    ]
    assert sorted(row["audit"] for row in failed[0]) == ["", "", "", "third"]
    assert {row["audit"] for row in failed[1]} == {""}
    assert {row["audit"] for row in failed[2]} == {None}
    for form in ("table", "markdown"):
        assert render_rows(records, form, audit_of(records[0])).count("†") == 2
        assert "†" not in render_rows(records, form)


def test_a_report_is_that_of_its_audit_too(campaign: Campaign, tmp_path: Path) -> None:
    records = keyed(campaign(layers=[2], methods=["none"], n=30))
    audit = audit_of(records[0])
    render(report_of(records, audit), tmp_path)
    assert is_current(report_of(records, replace(audit, seconds=9.0)), tmp_path)
    assert not is_current(report_of(records), tmp_path)
    assert not is_current(report_of(records, audit_of(records[1])), tmp_path)


def test_findings_in_their_formats() -> None:
    audit = Audit("stamp", (PASSED, WARNED))
    found = json.loads(render_findings(audit, "json"))
    assert found["summary"] == {"FAIL": 0, "WARN": 1, "PASS": 1, "n/a": 0}
    assert found["findings"][1] == {
        "check": "second",
        "status": "WARN",
        "evidence": "Take | care.",
        "cells": ["k"],
    }
    assert "| WARN | second | Take \\| care. |" in render_findings(audit, "markdown")
    assert "Take | care." in render_findings(audit, "table")
    with pytest.raises(ValueError, match="Expected `format`"):
        render_findings(audit, "csv")


def test_findings_fit_the_terminal() -> None:
    long = Finding("third", "WARN", "Seen on RL-S2V: " + "a model errs, " * 30)
    shown = render_findings(Audit("stamp", (PASSED, long)), "table", 60)
    assert max(map(len, shown.splitlines())) <= 60
    assert "WARN  third\n      Seen on RL-S2V: a model errs," in shown


def test_matrices_of_transfer(campaign: Campaign) -> None:
    records = keyed(
        campaign(layers=[2], methods=["none", "augcl"], attacks=["rl_s2v", "rand_sampling"], n=30)
    )
    by_key = {record.key: record for record in records}
    source, target = by_key["rl_s2v-none-2-0"], by_key["rl_s2v-augcl-2-0"]
    right = [o.label for o in source.outcomes]
    transfers = Transfers(
        "stamp",
        (
            Transfer(source.key, target.key, right, [1.0] * 30),
            Transfer(target.key, source.key, right, [1.0] * 30),
        ),
    )
    text = appendix(report_of(records, audit_of(source), transfers))
    header, *body = [
        line.strip("| ").split(" | ")
        for line in lines(text, "Edits made for one victim, turned on another")
    ]
    assert header == ["Attack", "Layers", "Edits made for", "on No pretraining", "on AUGCL"]
    assert [row[:3] for row in body] == [
        ["RL-S2V", "2 layers", "No pretraining"],
        ["RL-S2V", "2 layers", "AUGCL"],
    ]
    # Edits that break nothing there leave the clean accuracy; whatever was made for the failed
    # result, or on its victim, is marked.
    assert body[0][4].startswith(f"{100 * target.clean_accuracy:.1f}†")
    assert body[1][3].startswith(f"{100 * source.clean_accuracy:.1f}†")
    assert body[1][4].startswith(f"{100 * target.robust_accuracy:.1f} (")
    assert body[0][3].startswith(f"{100 * source.robust_accuracy:.1f}†")
    assert "Edits made for one victim" not in appendix(report_of(records))
    entries = matrix(transfers, records, ())
    rendered = json.loads(render_transfers(entries, "json", audit_of(source)))
    assert [(row["made_for"], row["attacked"], row["audit"]) for row in rendered] == [
        ("augcl", "augcl", ""),
        ("augcl", "none", "FAIL"),
        ("none", "augcl", "FAIL"),
        ("none", "none", "FAIL"),
    ]
    assert ASSUMED not in render_transfers(entries, "table") + text
    assumed = [dataclasses.replace(record, label_rule="none") for record in records]
    entries = matrix(transfers, assumed, ())
    for format in ("table", "markdown"):
        assert ASSUMED in render_transfers(entries, format)
    told = appendix(report_of(assumed, audit_of(source), transfers))
    assert ASSUMED in told.split("### Edits made for one victim")[1].split("|")[0]
    assert render_transfers([], "csv") == ""
    with pytest.raises(ValueError, match="Expected `format`"):
        render_transfers(entries, "xml")
