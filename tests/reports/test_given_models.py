"""What readers are told of given models: once, and in the words of models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from report_inputs import report_of

from robust_augcl.cli.evaluate_options import EvaluateOptions
from robust_augcl.reports._given import given_lines, left_out, noted
from robust_augcl.reports.column import column_figure
from robust_augcl.reports.in_words import in_words
from robust_augcl.reports.tables import render_rows
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record
from robust_augcl.threat.model import ThreatModel

Campaign = Callable[..., list[Record]]
WHY = "`edge_weight` has no effect"
PROBES = [
    {"name": "same answer twice", "outcome": "passed", "words": "it answers the same"},
    {"name": "evaluation mode", "outcome": "noted", "words": "it was put in `eval()`"},
    {"name": "edge weights", "outcome": "failed", "words": f"gradient attacks are left out: {WHY}"},
    {"name": "batches", "outcome": "failed", "words": "it is asked graph by graph"},
]


def table(left: dict[str, str], copies: int = 1) -> dict[str, Any]:
    """A suite of one given model, of which so many copies were probed."""
    found = {
        "probes": PROBES,
        "capabilities": {"reasons": {"edge_weights": WHY, "batches": "it looks at others"}},
    }
    by = {"name": "models:Net", "distribution": "mine", "version": "1", "source": "0" * 64}
    given = [{"found": found, "weights": f"{number}" * 64} for number in range(copies)]
    resolved = {"left_out": left, "made_by": by, "copies": given}
    return {"victims": [{"label": "Net", "resolved": resolved}]}


def given(records: list[Record]) -> list[Record]:
    """The same records of given models, whose layers nobody has said."""
    return [
        dataclasses.replace(
            record, cell=dataclasses.replace(record.cell, encoder="given", layers=0)
        )
        for record in records
    ]


@pytest.mark.parametrize("copies", [1, 3])
def test_the_reason_to_leave_out_an_attack_is_told_once(copies):
    report = report_of([], table=table({"prbcd": f"it follows gradients, but {WHY}"}, copies))
    assert len(list(left_out(report))) == 1
    assert list(noted(report)) == [
        "Net: evaluation mode: it was put in `eval()`",
        "Net: batches: it is asked graph by graph",
    ]
    assert sum("has no effect" in line for line in given_lines(report)) == 1


def test_what_a_model_cannot_do_is_noted_where_no_attack_asks_for_it():
    lines = list(noted(report_of([], table=table({}))))
    assert f"Net: edge weights: gradient attacks are left out: {WHY}" in lines


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_given_models_stand_in_a_column_of_models(campaign: Campaign, form: str):
    records = campaign(methods=["none", "augcl"], layers=[2], attacks=["rl_s2v"])
    assert " method " in render_rows(records, form)
    text = render_rows(given(records), form)
    assert " model " in text
    assert "method" not in text


def test_what_came_in_is_told_with_the_result(campaign: Campaign, tmp_path):
    (record,) = given(campaign(methods=["none"], layers=[2], attacks=["rl_s2v"]))
    values = {
        "features": 1,
        "constant": True,
        "notes": ["labels: 1, 2 are the classes 0 to 1"],
        "targets": record.num_graphs,
        "untouched": 0,
    }
    measured = Measurement("dataset", record.cell, values, 0.0)
    text = in_words(report_of([record], measurements=[measured]), (), tmp_path)
    assert f"Came in: {record.cell.dataset}: labels: 1, 2 are the classes 0 to 1" in text
    assert "Came in" not in in_words(report_of([record]), (), tmp_path)


def test_all_that_the_column_figure_draws_is_in_its_legend(campaign: Campaign):
    def legend(records: list[Record]) -> list[str]:
        figure = column_figure(report_of(records))
        return [text.get_text() for each in figure.legends for text in each.get_texts()]

    with_exact = legend(campaign(methods=["none", "augcl"], layers=[2]))
    assert with_exact[-2:] == ["Exact worst case, in each row", "Always the commonest class"]
    assert len(with_exact) == 4
    alone = legend(campaign(methods=["augcl"], layers=[2], attacks=["rl_s2v"]))
    assert alone == ["Always the commonest class"]


def test_edits_are_by_default_those_of_a_threat_model():
    options = EvaluateOptions((), (), "MUTAG", (), ("1",))
    threat = ThreatModel(budget=1)
    assert options.operations == threat.operations
    assert options.within_component == threat.within_component
