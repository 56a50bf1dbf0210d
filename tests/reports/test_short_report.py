"""The report in short tells first what its readers ask first."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest
from markdown_tables import with_robust
from report_inputs import data_of, report_of

from robust_augcl.reports._comparison_words import power_text
from robust_augcl.reports._verdicts import verdicts_of
from robust_augcl.reports._view import view_of
from robust_augcl.reports.html import html_page
from robust_augcl.reports.markdown import appendix, page
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.records import Record

Campaign = Callable[..., list[Record]]


def test_first_lines_say_what_it_is_and_the_numbers(campaign: Campaign) -> None:
    records = campaign(layers=[2])
    text = page(report_of(records))
    assert text.startswith("# Accuracy under attack: suite paper")
    head = text.split("## The answer")[1].split("![")[0]
    for record in records:
        if record.cell.attack == "exhaustive":
            assert f"{100 * record.robust_accuracy:.1f} % ({record.method_name})" in head
            assert f"{100 * record.clean_accuracy:.1f} % ({record.method_name})" in head
    assert "stay right in the exact worst case. No attack with such edits" in head
    assert "One trained model each" in head


@pytest.mark.parametrize("status", ["FAIL", "WARN", "PASS"])
def test_what_failed_or_warns_is_read_before_the_answer(campaign: Campaign, status: str) -> None:
    records = campaign(layers=[2])
    finding = Finding("a check", status, "Seen: -1.5% to +0.3%.", (records[0].key,))
    text = page(report_of(records, Audit("stamp", (finding,))))
    first, answer = (
        text.index("## Read this first"),
        text.index("graphs are classified right"),
    )
    assert first < text.index("## The answer") < answer
    assert text.count("## Read this first") == text.count("graphs are classified right") == 1
    assert ("Seen: \N{MINUS SIGN}1.5% to +0.3%." in text) == (status != "PASS")


def test_many_methods_are_called_methods_and_not_models(campaign: Campaign) -> None:
    """What is trained are models, of which each method has one a seed."""
    methods = ["none", "graphcl", "augcl", "d", "e"]
    text = page(report_of(campaign(methods=methods, layers=[2], seeds=[0, 1], n=30)))
    assert "10 trained graph classifiers" in text
    counted = "10 classifiers (5 methods, each with 2 seeds), 4 pairs of attack and budget."
    assert f"There are 40 results: {counted}" in text
    assert "% (5 methods)" in text
    assert "5 models" not in text
    deep = page(report_of(campaign(methods=methods, layers=[2, 3], n=30)))
    assert "% (10 pairs of method and number of layers)" in deep


def test_what_the_seeds_would_show_is_understood_at_once(campaign: Campaign) -> None:
    records = campaign(layers=[2], seeds=range(5))
    table = {"comparisons": {"pairs": [["augcl", "graphcl"]]}}
    report = report_of(records, None, None, data_of(records), table, 5)
    verdicts = verdicts_of(view_of(report).sections[0])
    (judged,) = (
        each
        for each in verdicts.by_attack("augcl", "graphcl").values()
        if verdicts.is_primary(each)
    )
    least = f"{100 * judged.detectable:.1f}"
    told = f"With 5 seeds, a true difference of {least} points would be found in 4 of 5 runs."
    assert told in page(report)
    assert "power" not in page(report)
    assert power_text(5, 1.2) == (
        "With 5 seeds, no difference would be found in 4 of 5 runs, however large"
    )


def test_the_report_in_short_is_short(campaign: Campaign) -> None:
    """As long as that of the suite `quick`, or longer: two budgets, three seeds."""
    first = campaign(layers=[2], seeds=[0, 1, 2], notes=["unstable weights"])
    more = [
        dataclasses.replace(
            record,
            cell=dataclasses.replace(record.cell, budget=3),
            threat={**record.threat, "budget": 3},
            key=f"{record.key}-3",
        )
        for record in first
        if record.cell.attack != "exhaustive"
    ]
    report = report_of([*first, *more], measurements=data_of(first))
    assert page(report).count("\n") < 120 < appendix(report).count("\n")
    assert "report-appendix.md" in page(report)


def test_the_task_stands_under_the_title(campaign: Campaign) -> None:
    records = campaign(layers=[2])
    told = {"dataset": {"source": "made up"}}
    report = dataclasses.replace(
        report_of(records), settings=told, about_data=lambda table: f"Tell {table['dataset']}."
    )
    line = page(report).split("\n\n")[1]
    assert line.startswith("Task: Tell {'source': 'made up'}. This report tells what ")
    assert "Task:" not in page(report_of(records))


def test_classes_are_among_the_first_points_where_they_differ_strongly(campaign: Campaign) -> None:
    """Of 30 graphs the last class, a third of all, breaks on each model but for one graph."""
    uneven = [
        with_robust(record, [k % 3 < 2 or k == 2 for k in range(30)])
        for record in campaign(layers=[2], n=30)
    ]
    points = page(report_of(uneven)).split("## The answer")[1].split("\n- ")
    assert points[3].startswith(
        "Classes differ strongly. With 1 edit, 10.0 % of the graphs with 3 components stay right "
        "in the exact worst case, on average over the methods; 100.0 % of those with 1 component, "
        "100.0 % of those with 2 components."
    )
    even = [with_robust(record, [k > 2 for k in range(30)]) for record in uneven]
    assert "Classes differ strongly" not in page(report_of(even))


def test_it_is_not_said_that_replay_proves_everything(campaign: Campaign) -> None:
    """Some fields are on trust, and so is what takes long to compute again (docs/trust.md)."""
    report = report_of(campaign(layers=[2]))
    for text in (page(report), html_page(view_of(report), [], "stamp")):
        told = " ".join(text.replace("\n# ", " ").split())
        assert "proves again what follows from" in told
        assert "on trust" in told
        assert not re.search(r"proves (every|all|each)", told)
