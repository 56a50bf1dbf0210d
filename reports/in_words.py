"""A run's results as text for a terminal or a notebook."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from robust_augcl.errors import one_line
from robust_augcl.reports._budgets import bracket_words
from robust_augcl.reports._data import came_in, warnings_of
from robust_augcl.reports._given import left_out, noted
from robust_augcl.reports.tables import render_rows
from robust_augcl.results.brackets import bracket_group, brackets
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.statistics import Group

_MOST_OF_WARNING = 160  # characters; `robust-augcl audit` and the report show all of it


def in_words(report: ReportInput, failures: Sequence[str], folder: Path) -> str:
    """The table, the worst case, what is left out, what probes noted, the audit, the folder.

    Args:
        report: what there is.
        failures: what failed and is missing, in words.
        folder: where it lies.
    """
    lines = [render_rows(report.records, "table", report.audit).rstrip("\n"), ""]
    known = brackets(report.records, report.measurements)
    lines += bracket_words(known, report, _exact(report.records))
    lines += left_out(report)
    lines += [f"Noted: {line}" for line in noted(report)]
    lines += [f"Came in: {line}" for line in came_in(report)]
    lines += [f"Warning: {line}" for line in warnings_of(report)]
    lines += [f"Missing: {one_line(failure)}" for failure in failures]
    lines += _audit(report)
    return "\n".join([*lines, f"Folder: {folder}"])


def _exact(records: Sequence[Record]) -> set[Group]:
    """The models and budgets for which, of each seed, an attack is proved to be exact."""
    seeds: dict[Group, set[int]] = {}
    proved: dict[Group, set[int]] = {}
    for record in records:
        group = bracket_group(record.cell, record.cell.budget)
        seeds.setdefault(group, set()).add(record.cell.seed)
        if record.is_exact:
            proved.setdefault(group, set()).add(record.cell.seed)
    return {group for group, of in seeds.items() if of == proved.get(group)}


def _audit(report: ReportInput) -> list[str]:
    """What the audit says, which checks fail, and which warn: of these one line."""
    if report.audit is None:
        return ["Audit: not audited"]
    failed = [f for f in report.audit.findings if f.status == "FAIL"]
    warned = [f for f in report.audit.findings if f.status == "WARN"]
    return [
        f"Audit: {report.audit.summary}",
        *(f"  FAIL {finding.check}: {finding.evidence}" for finding in failed),
        *(f"  WARN {finding.check}: {_short(finding.evidence)}" for finding in warned),
    ]


def _short(evidence: str) -> str:
    """What speaks for a warning, in one line that is not long."""
    return textwrap.shorten(one_line(evidence), _MOST_OF_WARNING, placeholder=" ...")
