"""Where nodes are attacked, sentences on proofs, seeds and verdicts count nodes, and no graphs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from markdown_tables import whole
from report_inputs import data_of, report_of

from robust_augcl.reports._view import view_of
from robust_augcl.reports.html import html_page
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record

PAIRS = {
    "methods": [{"name": "none"}, {"name": "augcl"}],
    "threat": {"budget": [1]},
    "comparisons": {"pairs": [["augcl", "none"]], "margin": 0.02},
}


def of_nodes(record: Record) -> Record:
    """The record with each graph as a node of one graph."""
    outcomes = [replace(outcome, graph=0, node=outcome.graph) for outcome in record.outcomes]
    return replace(record, outcomes=outcomes, label_rule="none")


def contradicted(record: Record) -> list[Measurement]:
    """A certificate of all that an attack broke."""
    values = {
        "graphs": [outcome.graph for outcome in record.outcomes],
        "certified": [True for _ in record.outcomes],
        "witnesses": [None for _ in record.outcomes],
        "victim": record.victim.digest,
    }
    if record.outcomes[0].node is not None:
        values["nodes"] = [outcome.node for outcome in record.outcomes]
    return [Measurement("certificate", replace(record.cell, attack=""), values, 0.0)]


@pytest.mark.parametrize("targets", ["graphs", "nodes"])
@pytest.mark.parametrize("known", [True, False])
def test_sentences_name_what_is_attacked(
    campaign: Callable[..., list[Record]], targets: str, known: bool
) -> None:
    made = campaign(
        methods=["none", "augcl"],
        layers=[2],
        attacks=["grad_argmax", "exhaustive"],
        seeds=range(5),
        n=30,
    )
    weak, strong = ("exhaustive", "grad_argmax")
    swapped = [  # what the exact search leaves, an attack breaks
        replace(
            record,
            outcomes=[replace(o, attacked=o.clean) for o in record.outcomes]
            if record.cell.attack == weak
            else record.outcomes,
        )
        for record in made
    ]
    records = [of_nodes(record) for record in swapped] if targets == "nodes" else swapped
    broken = next(record for record in records if record.cell.attack == strong)
    beside = [*data_of(records, draws_graphs=False), *contradicted(broken)] if known else []
    report = report_of(records, measurements=beside, table=PAIRS, planned=5)
    text = whole(report) + html_page(view_of(report), [], "stamp")
    assert f"times an attack broke a {targets[:-1]} that the exact search says" in text
    if known:
        assert text.count(f"The seeds share {targets}, so") >= 2
        assert f"{targets} are proved and yet broken" in text
    else:
        assert f"whether the seeds share {targets}" in text
    if targets == "nodes":
        assert not re.search(r"broke a graph|graphs are proved|share graphs|test graphs", text)
