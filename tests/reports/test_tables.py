from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable

import pytest
from promised_columns import COLUMNS

from robust_augcl.reports._words import threat_text
from robust_augcl.reports.tables import FORMATS, escape, markdown_table, percent, render_rows, rows
from robust_augcl.results.records import Record

Campaign = Callable[..., list[Record]]


def test_rows_are_sorted_by_cell_whatever_the_order(campaign: Campaign) -> None:
    records = campaign()
    assert rows(records) == rows(records[::-1])
    keys = [(row["method"], row["layers"], row["seed"], row["attack"]) for row in rows(records)]
    assert keys == sorted(keys)
    assert len(keys) == len(records)


def test_json_has_every_field_at_full_precision(campaign: Campaign) -> None:
    records = campaign(methods=["augcl"], layers=[2], attacks=["rl_s2v"], n=90)
    (row,) = json.loads(render_rows(records, "json"))
    assert set(COLUMNS) <= set(row)
    outcomes = records[0].outcomes
    assert row["robust_accuracy"] == sum(o.label == o.clean == o.attacked for o in outcomes) / 90
    assert row["attacked_accuracy"] == sum(o.label == o.attacked for o in outcomes) / 90
    by_class = [sum(o.label == o.clean == o.attacked == c for o in outcomes) / 30 for c in range(3)]
    assert row["robust_accuracy_by_class"] == by_class


def test_csv_has_a_column_for_each_class(campaign: Campaign) -> None:
    records = campaign()
    table = list(csv.DictReader(io.StringIO(render_rows(records, "csv"))))
    for row, expected in zip(table, rows(records), strict=True):
        for label, share in enumerate(expected["robust_accuracy_by_class"]):
            assert float(row[f"robust_accuracy_class_{label}"]) == share
        assert "robust_accuracy_by_class" not in row
        assert not any(";" in field for field in row.values())
        assert float(row["robust_accuracy"]) == expected["robust_accuracy"]
        assert row["attack"] == expected["attack"]


def test_unknown_accuracies_are_null_or_empty(campaign: Campaign) -> None:
    (record,) = campaign(methods=["augcl"], layers=[2], attacks=["rl_s2v"])
    only_class_1 = dataclasses.replace(
        record, outcomes=[o for o in record.outcomes if o.label == 1]
    )
    (row,) = json.loads(render_rows([only_class_1], "json"))
    assert [share is None for share in row["robust_accuracy_by_class"]] == [True, False, True]
    (line,) = csv.DictReader(io.StringIO(render_rows([only_class_1], "csv")))
    classes = [line[f"robust_accuracy_class_{label}"] for label in range(3)]
    assert [share == "" for share in classes] == [True, False, True]
    nothing = dataclasses.replace(record, outcomes=[])
    assert json.loads(render_rows([nothing], "json"))[0]["robust_accuracy"] is None
    for form in FORMATS:
        assert "nan" not in render_rows([nothing], form).lower()


@pytest.mark.parametrize("form", ["markdown", "table"])
def test_tables_for_readers(campaign: Campaign, form: str) -> None:
    records = campaign(methods=["augcl"], layers=[2], attacks=["rl_s2v", "exhaustive"])
    text = render_rows(records, form)
    first, *_ = text.splitlines()
    # What all rows share stands once above them, what differs in every row.
    assert all(shared in first for shared in ("components 40-50", "structure2vec", "strict"))
    assert "structure2vec" not in text.removeprefix(first)
    for record in records:
        (line,) = [line for line in text.splitlines() if f" {record.cell.attack} " in f" {line} "]
        assert f"{100 * record.robust_accuracy:.1f}" in line
        assert "%" not in line


def test_nothing_is_cut_in_the_terminal_table(campaign: Campaign) -> None:
    long = "a_label_" * 30
    text = render_rows(campaign(attacks=["rl_s2v", long]), "table")
    assert long in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_labels_are_no_markup(campaign: Campaign) -> None:
    text = render_rows(campaign(methods=["[bold]x", "y"]), "table")
    assert "[bold]x" in text


def test_markdown_rows_have_as_many_cells(campaign: Campaign) -> None:
    text = render_rows(campaign(attacks=["a|b", "rl_s2v"]), "markdown")
    lines = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + 2 * 3 * 2


@pytest.mark.parametrize(
    ("form", "text"),
    [("json", "[]\n"), ("csv", ""), ("table", "No records.\n"), ("markdown", "No records.\n")],
)
def test_no_records(form: str, text: str) -> None:
    assert render_rows([], form) == text


def test_unknown_format_is_told() -> None:
    with pytest.raises(
        ValueError, match="Expected `format` to be one of table, json, csv, markdown, got 'xml'"
    ):
        render_rows([], "xml")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.7194, "71.9"), (1.0, "100.0"), (0.0, "0.0"), (None, "-"), (float("nan"), "-")],
)
def test_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", "a\\|b"),
        ("rl_s2v", "rl_s2v"),
        ("_x_", "\\_x\\_"),
        ("<b>*", "\\<b\\>\\*"),
        ("two\nlines", "two lines"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_markdown_table_by_hand() -> None:
    assert (
        markdown_table(["a", "b"], [["1", "2"], ["3", "4"]])
        == "| a | b |\n| :--- | ---: |\n| 1 | 2 |\n| 3 | 4 |\n"
    )


def test_a_threat_in_words_is_its_edits_alone():
    """The setting is told in sentences of its own (see test_poisoned.py)."""
    threat = {"type": "ThreatModel", "budget": 0.05, "operations": ["add"], "shared": True}
    words = "up to 5 % of a graph's edges added, the same for all targets"
    assert threat_text(threat) == words
    assert threat_text({**threat, "setting": "poisoning"}) == words
