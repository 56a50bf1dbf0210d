"""The audit's findings as Markdown and for the terminal, and the mark of numbers that failed it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable

from robust_augcl.errors import printable
from robust_augcl.reports._marks import MARK
from robust_augcl.reports._words import with_minus
from robust_augcl.reports.tables import escape, markdown_table
from robust_augcl.results.findings import ORDER, Audit, Finding, Status
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.records import Cell, Record
from robust_augcl.results.report_input import ReportInput

ORDER_OF_STATUS: dict[Status, int] = {status: place for place, status in enumerate(ORDER)}
"""The worst first."""

WIDTH = 80
"""Of what is no terminal, in columns."""
_LEAST_WIDTH = 40
_INDENT = 6
"""What was seen stands so far to the right; the longest status fits before it."""


def headline(audit: Audit) -> str:
    """The audit in one sentence."""
    text = f"The audit of the attacks: {audit.summary}"
    failed = [finding.check for finding in audit.findings if finding.status == "FAIL"]
    if not failed:
        return (
            f"{text}; nothing here speaks against the numbers."
            if audit.counts["WARN"] == 0
            else f"{text}."
        )
    number = len(audit.failed)
    marked = f"{number} record{' is' if number == 1 else 's are'} marked {MARK}"
    return f"**{text}**: {escape('; '.join(failed))}. {marked}."


def read_back(report: ReportInput) -> str:
    """That audit and transfers were not made for this page, in a sentence; else empty."""
    parts = {"audit": report.audit, "transfers": report.transfers}
    there = [f"the {name}" for name, part in parts.items() if part is not None]
    if not report.read_back or not there:
        return ""
    text = f"{' and '.join(there)} {'is' if there == ['the audit'] else 'are'}"
    return (
        f"{text[0].upper()}{text[1:]} from an earlier run, as the folder held them: the code of a "
        "given model or of a plug-in was not there to make them again for this page."
    )


def section(audit: Audit | None, records: Iterable[Record]) -> str:
    """A table of all findings, the worst first, and which records failed what."""
    if audit is None:
        return "These records were not audited: `robust-augcl audit DIR` does it."
    body = [
        [
            f"**{finding.status}**" if finding.status == "FAIL" else finding.status,
            escape(finding.check),
            escape(with_minus(finding.evidence)),
        ]
        for finding in sorted(audit.findings, key=lambda finding: ORDER_OF_STATUS[finding.status])
    ]
    lines = [
        "What was looked for before the numbers above were believed.\n",
        markdown_table(["", "Check", "Evidence"], body, left=3),
    ]
    cells = {record.key: record.cell for record in records}
    for key in sorted(audit.failed.keys() & cells.keys(), key=lambda key: cells[key]):
        lines.append(
            f"- {MARK} {escape(_cell(cells[key]))}: {escape('; '.join(audit.failed[key]))}"
        )
    return "\n".join(lines)


def render_findings(audit: Audit, format: str, width: int = WIDTH) -> str:
    """The findings as "table" (for a terminal of `width` columns), "json" or "markdown".

    Raises:
        ValueError: another format.
    """
    if format == "json":
        findings = [
            {"check": f.check, "status": f.status, "evidence": f.evidence, "cells": list(f.cells)}
            for f in audit.findings
        ]
        return json.dumps({"summary": audit.counts, "findings": findings}, indent=1) + "\n"
    if format == "markdown":
        return markdown_table(
            ["", "Check", "Evidence"],
            [[f.status, escape(f.check), escape(f.evidence)] for f in audit.findings],
            left=3,
        )
    if format != "table":
        raise ValueError(f"Expected `format` to be one of table, json, markdown, got {format!r}")
    return "".join(_for_terminal(finding, max(width, _LEAST_WIDTH)) for finding in audit.findings)


def _for_terminal(finding: Finding, width: int) -> str:
    """A check in a line, and what was seen below it."""
    seen = printable(with_minus(finding.evidence))
    space = " " * _INDENT
    # Words are not broken at hyphens: names of attacks have some.
    lines = textwrap.wrap(
        seen, width, initial_indent=space, subsequent_indent=space, break_on_hyphens=False
    )
    return "\n".join([f"{finding.status:<{_INDENT}}{printable(finding.check)}", *lines]) + "\n"


def _cell(cell: Cell) -> str:
    about = f"{cell.attack} on {cell.method}", cell.dataset, layers_text(cell.layers)
    return joined(*about, f"seed {cell.seed}", f"{cell.protocol} protocol", f"budget {cell.budget}")
