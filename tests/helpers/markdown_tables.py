"""The tables of a report in Markdown, and records to make them of."""

from __future__ import annotations

import dataclasses

from robust_augcl.reports.markdown import appendix, page
from robust_augcl.results.records import Outcome, Record
from robust_augcl.results.report_input import ReportInput


def whole(report: ReportInput) -> str:
    """The report in short, and its appendix."""
    return page(report) + appendix(report)


def table(text: str, heading: str) -> list[list[str]]:
    """The first Markdown table after a heading: rows of cells, without the rule under the
    header.
    """
    after = text.split(f"### {heading}\n", 1)[1].split("\n### ")[0].splitlines()
    lines = [line for line in after if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in lines
        if ":---" not in line
    ]


def with_robust(record: Record, robust: list[bool]) -> Record:
    outcomes = [
        Outcome(
            i,
            i % 3,
            i % 3,
            i % 3 if right else (i + 1) % 3,
            1.0,
            1.0,
            [],
            [],
            exact=record.traits.claims_exact,
        )
        for i, right in enumerate(robust)
    ]
    return dataclasses.replace(record, outcomes=outcomes)
