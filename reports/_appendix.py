"""The appendix of a report: every table of every section, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robust_augcl.reports import _paper_tables as tables
from robust_augcl.reports._audit import headline, read_back
from robust_augcl.reports._audit import section as audit_section
from robust_augcl.reports._budgets import bracket_table
from robust_augcl.reports._claims import claims_section
from robust_augcl.reports._data import of_data, untouched
from robust_augcl.reports._differences import differences
from robust_augcl.reports._given import given_lines
from robust_augcl.reports._learned import shares
from robust_augcl.reports._methods import methods_table
from robust_augcl.reports._sections import Section
from robust_augcl.reports._settings import of_section, shared
from robust_augcl.reports._training_notes import WHAT_FOLLOWS, training_notes
from robust_augcl.reports._transfer import matrices
from robust_augcl.reports._view import View
from robust_augcl.reports.tables import escape, image
from robust_augcl.results.report_input import ReportInput


def appendix(view: View, drawn: Sequence[str]) -> str:
    """Every table.

    Args:
        view: what the report says.
        drawn: the names of the figures beside it.
    """
    report = view.report
    suites = ", ".join(sorted({record.cell.suite for record in report.records}))
    lines = [
        f"# Accuracy under attack, every table: suite {escape(suites)}",
        "[The report in short](report.md), and [as a page](report.html).",
    ]
    if report.audit:
        lines.append(headline(report.audit))
    # Of sections that differ in their budget alone, the smallest budget is told in full.
    smallest = {id(family[0]): family for family in view.families}
    for section in view.sections:
        lines += [f"## {escape(section.title)}"]
        family = smallest.get(id(section))
        lines += _in_full(view, section, family) if family else _in_short(view, section)
    lines += ["## Published claims", claims_section(view.claims, report.names)]
    lines += _closing(view, drawn)
    return "\n\n".join(line.strip("\n") for line in lines) + "\n"


def _in_short(view: View, section: Section) -> Iterator[str]:
    """A section of which a smaller budget was told in full."""
    yield tables.comparison(section)
    yield "### How far each attack is from the worst case"
    yield tables.gaps(view, section)
    if told := shares(section):
        yield "### How much of the worst case the learning attacks find"
        yield told


def _in_full(view: View, section: Section, family: Sequence[Section]) -> Iterator[str]:
    """Every table of a section; `family` are the sections that differ in their budget alone."""
    yield f"Threat: {escape(section.threat.sentences)} Protocol: {escape(section.protocol_text)}."
    if free := untouched(of_data(section.report, section.dataset)):
        yield free
    yield "### Accuracy under attack"
    yield tables.comparison(section)
    yield f"### Differences between {section.noun}s"
    yield differences(section)
    yield "### How far each attack is from the worst case"
    yield tables.gaps(view, section)
    if told := shares(section):
        yield "### How much of the worst case the learning attacks find"
        yield told
    if bracket := bracket_table(family, view.known):
        yield "### Proved and broken"
        yield bracket
    yield f"### {section.noun.capitalize()} by {section.noun}"
    yield methods_table(section, section.report.measurements)
    yield "### Class by class"
    yield tables.by_class(section)
    yield "### The published measure beside this one"
    yield tables.attacked(section)
    if view.entries is not None:
        yield "### Edits made for one victim, turned on another"
        yield matrices(section, view.entries)
    yield "### What it took"
    yield tables.costs(section)


def _closing(view: View, drawn: Sequence[str]) -> Iterator[str]:
    """What stands under the sections: more figures, the audit, settings and notes."""
    report = view.report
    for name, title, description in _DRAWN:
        if name in drawn:
            yield f"## {title}"
            yield image(description, name)
    if given := list(given_lines(report)):
        yield "## Given models"
        yield from given
    yield "## The audit"
    if earlier := read_back(report):
        yield earlier
    yield audit_section(report.audit, report.records)
    yield "## Settings"
    if report.settings is not None:
        yield shared(report.settings, report.names)
    yield from (of_section(section) for section in view.sections)
    yield "## Noted while computing"
    yield _notes(report)


_DRAWN = (
    ("by_class", "By class, drawn", "Accuracy under attack for each true class"),
    (
        "mechanism",
        "Where the weights lie",
        "Similarity and uncertainty of true and false negatives",
    ),
    (
        "training",
        "How victims were trained",
        "Loss on the graphs that chose the epoch, by epoch, a line a victim",
    ),
    (
        "learning",
        "How the attacks learned",
        "Robust accuracy on the graphs that it was chosen by, by step, a line a victim",
    ),
)


def _notes(report: ReportInput) -> str:
    """What steps warned of, and for which models. What the audit warns of stands apart."""
    lines = [f"- {escape(of)}: {escape(text)}." for of, text in training_notes(report)]
    if not lines:
        return "Nothing: no step warned. What the audit warns of stands above."
    return "\n".join([WHAT_FOLLOWS, "", *lines])
