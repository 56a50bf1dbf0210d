"""Means for a terminal, at its width; how a run ends; means as data."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_inputs import data_of, report_of

from robust_augcl.reports._aggregated import (
    DIFFERENCE_COLUMNS,
    as_csv,
    as_json,
    difference_rows,
    mean_rows,
)
from robust_augcl.reports._comparison_words import points_text, said
from robust_augcl.reports._verdicts import verdicts_of
from robust_augcl.reports._view import view_of
from robust_augcl.reports.terminal import MOST_LINES, last_lines, means_text
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.statistics import estimate

Campaign = Callable[..., list[Record]]
NAMES = {"none": "No pretraining", "graphcl": "GraphCL", "augcl": "AUGCL"}
MANY = ["none", "graphcl", "augcl", "a method of a rather long name", "e", "f", "g", "h", "i"]


@pytest.mark.thorough(only=["nine-*"])
@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("methods", [["none", "graphcl", "augcl"], MANY], ids=["three", "nine"])
def test_means_fit_the_width(campaign: Campaign, width: int, methods: list[str]) -> None:
    records = campaign(methods=methods, layers=[2, 3], seeds=[0, 1], n=30)
    lines = means_text(report_of(records, measurements=data_of(records)), width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_intervals_that_are_left_out_are_told_and_all_tables_are_alike(campaign: Campaign) -> None:
    records = campaign(methods=MANY[:4], layers=[2], seeds=[0, 1], n=30)
    report = report_of(records, measurements=data_of(records))
    told = "Intervals that do not fit this width are left out"
    for width, is_told in ((40, True), (60, True), (200, False)):
        text = means_text(report, width)
        assert (told in " ".join(text.split())) == is_told
        rows = [line for line in text.splitlines() if line.startswith("Exact worst case  ")]
        assert {"(" in row for row in rows} == {not is_told}
    assert len(rows) == 1


def test_names_are_not_cut_where_there_is_room(campaign: Campaign) -> None:
    """Intervals do not fit 100 columns, the names do."""
    methods = ["none", "graphcl", "augcl", "Rather long", "Another one"]
    records = campaign(methods=methods, layers=[2], seeds=[0, 1], n=30)
    report = report_of(records, measurements=data_of(records))
    text = means_text(report, 100)
    assert "do not fit this width are left out" in " ".join(text.split())
    (head,) = (line for line in text.splitlines() if line.lstrip().startswith("No pretraining "))
    assert "…" not in head
    assert all(name in head for name in ("GraphCL", "AUGCL", "Rather long", "Another one"))
    assert "No pretrain…" in means_text(report, 74)
    for width in range(40, 120):
        assert max(map(len, means_text(report, width).splitlines())) <= width


def test_means_are_those_of_the_statistics(campaign: Campaign) -> None:
    records = campaign(layers=[2], seeds=[0, 1, 2])
    text = means_text(report_of(records, measurements=data_of(records)), 200)
    for attack, name in (("rl_s2v", "RL-S2V"), ("exhaustive", "Exact worst case")):
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name}  "))
        for method in ("none", "graphcl", "augcl"):
            found = estimate([r for r in records if (r.cell.attack, r.cell.method) ==
                              (attack, method)])  # fmt: skip
            assert found is not None
            cell = f"{100 * found.mean:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"
            assert cell in line


PAIRS = [["augcl", "graphcl"], ["graphcl", "none"], ["augcl", "none"]]


def of_primary_pairs(records: list[Record], margin: float | None = 0.02) -> ReportInput:
    stated = {"pairs": PAIRS, **({} if margin is None else {"margin": margin})}
    return report_of(records, None, None, data_of(records), {"comparisons": stated}, 3)


@pytest.mark.parametrize("layers", [[2], [2, 3]])
def test_primary_comparisons_are_a_table(campaign: Campaign, layers: list[int]) -> None:
    records = campaign(layers=layers, seeds=[0, 1, 2])
    report = of_primary_pairs(records)
    lines = means_text(report, 100).splitlines()
    (head,) = (line for line in lines if line.split()[:1] == ["Points"])
    rows = lines[lines.index(head) + 1 :][: 3 * len(layers)]
    found = verdicts_of(view_of(report).sections[0])
    expected = []
    for left, right in PAIRS:
        for (_, depth), judged in found.by_attack(left, right).items():
            if found.is_primary(judged):
                name = f"{NAMES[left]} \N{MINUS SIGN} {NAMES[right]}"
                ends = (judged.difference, judged.low, judged.high)
                shown = [f"{100 * end:+.1f}".replace("-", "\N{MINUS SIGN}") for end in ends]
                expected.append(
                    f"{name}{f', {depth} layers' if len(layers) > 1 else ''} {shown[0]} "
                    f"({shown[1]} to {shown[2]}) {judged.verdict} "
                    f"{judged.seeds_needed if judged.verdict == 'undecided' else '-'}"
                )
    assert [" ".join(row.split()) for row in rows] == expected
    flat = " ".join(" ".join(lines).split())
    assert "nor that it is below 2.0 points" in flat
    assert "Secondary comparisons (" in flat
    assert "This is undecided" not in flat


def test_a_table_of_comparisons_that_is_too_wide_is_told_in_lines(campaign: Campaign) -> None:
    report = of_primary_pairs(campaign(layers=[2], seeds=[0, 1, 2]), margin=None)
    for width in range(40, 100):
        lines = means_text(report, width).splitlines()
        assert max(map(len, lines)) <= width
        flat = " ".join(" ".join(lines).split())
        is_table = any(line.split()[:1] == ["Points"] for line in lines)
        told = re.findall(r"(?:AUGCL|GraphCL) . (?:GraphCL|No pretraining): [^;.]*\.\d", flat)
        assert len(told) == (0 if is_table else 3)
        assert "nor that it is below" not in flat
    assert is_table
    assert "Primary comparisons" not in means_text(report_of(campaign(layers=[2])), 100)


def test_an_interval_that_leaves_nothing_out_is_not_shown(campaign: Campaign) -> None:
    """Two seeds and three comparisons that are corrected together: everything is possible."""
    records = campaign(layers=[2], seeds=[0, 1], n=30)
    report = dataclasses.replace(of_primary_pairs(records), planned_seeds=2)
    (section,) = view_of(report).sections
    verdicts = verdicts_of(section)
    (judged,) = (
        each
        for each in verdicts.by_attack("augcl", "graphcl").values()
        if verdicts.is_primary(each)
    )
    wide = dataclasses.replace(judged, low=-1.0, high=1.0, verdict="undecided")
    assert points_text(wide) == points_text(dataclasses.replace(wide, low=None, high=None))
    assert "(" in points_text(dataclasses.replace(wide, high=0.99))
    (first, *_) = said(wide, section, ("augcl", "graphcl"))
    assert first.startswith("2 seeds cannot tell. Robust accuracy differs by ")
    assert "100.0" not in first


def test_names_that_would_move_the_cursor_are_written_out(campaign: Campaign) -> None:
    records = campaign(methods=["none", "a\x1b[2Jb"], layers=[2])
    text = means_text(report_of(records), 100) + last_lines(report_of(records), Path("x"), 100)
    assert "\x1b" not in text


@pytest.mark.thorough(only=["nine-100"])
@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("methods", [["none", "graphcl", "augcl"], MANY], ids=["three", "nine"])
def test_a_run_ends_with_ten_lines(campaign: Campaign, width: int, methods: list[str]) -> None:
    records = campaign(methods=methods, layers=[2], seeds=[0, 1], n=30)
    audit = Audit("stamp", (Finding("first", "FAIL", "Broken.", (records[0].key,)),))
    text = last_lines(report_of(records, audit), Path("runs/mine"), width)
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES == 10
    assert max(map(len, lines)) <= width
    assert "Page: runs/mine/report.html" in text
    assert "1 check of the audit failed" in text


def test_what_is_cut_of_the_last_lines_is_not_the_verdicts(campaign: Campaign) -> None:
    one = campaign(layers=[2], seeds=[0, 1, 2])
    more = [replace(r, cell=replace(r.cell, budget=budget)) for budget in (3, 4) for r in one]
    for width in (80, 100):
        text = last_lines(of_primary_pairs([*one, *more]), Path("runs/mine"), width)
        names = [[NAMES[method] for method in pair] for pair in PAIRS]
        assert all(f"{left} \N{MINUS SIGN} {right}, 1 edit: " in text for left, right in names)
        assert "Exact worst case, 1 edit: AUGCL " in text


# --- as data --------------------------------------------------------------------------------------


def test_means_as_csv_have_a_column_for_each_class(campaign: Campaign) -> None:
    records = campaign(layers=[2], seeds=[0, 1])
    view = view_of(report_of(records, measurements=data_of(records)))
    table = list(csv.DictReader(io.StringIO(as_csv(mean_rows(view)))))
    assert len(table) == 3 * 5
    row = next(r for r in table if (r["method"], r["attack"]) == ("augcl", "rl_s2v"))
    own = [r for r in records if (r.cell.method, r.cell.attack) == ("augcl", "rl_s2v")]
    found = estimate(own)
    assert found is not None
    assert float(row["stays_right"]) == found.mean
    assert (float(row["low"]), float(row["high"])) == (found.low, found.high)
    for label in range(3):
        by_class = [r.robust_accuracy_by_class[label] for r in own]
        mean = sum(share for share in by_class if share is not None) / 2
        assert float(row[f"stays_right_class_{label}"]) == pytest.approx(mean)
    exact = [r.robust_accuracy for r in records
             if (r.cell.method, r.cell.attack) == ("augcl", "exhaustive")]  # fmt: skip
    assert float(row["missed_least"]) == pytest.approx(found.mean - sum(exact) / 2)
    assert row["worst_is_exact"] == "True"


def test_differences_are_there_and_are_left_less_right(campaign: Campaign) -> None:
    records = campaign(layers=[2], seeds=[0, 1])
    view = view_of(report_of(records, measurements=data_of(records)))
    content = json.loads(as_json(view))
    assert set(content) == {"means", "differences"}
    means = {(r["method"], r["attack"]): r["stays_right"] for r in content["means"]}
    assert content["differences"]
    for row in content["differences"]:
        left, right = (means[row[side], row["attack"]] for side in ("left", "right"))
        assert row["difference"] == pytest.approx(left - right)


def test_one_method_has_a_table_of_no_differences(campaign: Campaign) -> None:
    view = view_of(report_of(campaign(methods=["augcl"], layers=[2])))
    assert as_csv(difference_rows(view), DIFFERENCE_COLUMNS).count("\n") == 1


def test_the_columns_of_differences_are_those_of_its_rows(campaign: Campaign) -> None:
    view = view_of(report_of(campaign(layers=[2])))
    assert tuple(difference_rows(view)[0]) == DIFFERENCE_COLUMNS


def test_what_is_not_known_is_empty(campaign: Campaign) -> None:
    records = [
        dataclasses.replace(r, outcomes=[o for o in r.outcomes if o.label != 1])
        for r in campaign(layers=[2], attacks=["rl_s2v"])
    ]
    view = view_of(report_of(records))
    assert "nan" not in as_json(view).lower()
    table = list(csv.DictReader(io.StringIO(as_csv(mean_rows(view)))))
    assert {row["stays_right_class_1"] for row in table} == {""}
    assert {row["failed_audit"] for row in table} == {""}
