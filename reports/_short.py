"""The report in short, as Markdown: the answer, what to know first, one table, one figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robust_augcl.reports import _paper_tables as tables
from robust_augcl.reports._answer import answer
from robust_augcl.reports._budgets import bracket_table
from robust_augcl.reports._claims import claims_in_short
from robust_augcl.reports._notices import ABOUT_AUDIT, Notice, notices, verdict_on, what_follows
from robust_augcl.reports._sections import Section
from robust_augcl.reports._summary import guide
from robust_augcl.reports._view import View
from robust_augcl.reports._words import setting_text
from robust_augcl.reports.tables import escape, image
from robust_augcl.results.names import joined, targets_text
from robust_augcl.results.report_input import ReportInput

_MOST_NOTICES = 12
_WORDS = {"fail": "**Failed**", "warn": "**Warning**", "note": "Note"}


def short_page(view: View, drawn: Sequence[str]) -> str:
    """The report in short.

    Args:
        view: what the report says.
        drawn: the names of the figures beside it.
    """
    lines = [*_opening(view)]
    lines.append(image("Accuracy under attack by attack and model", "accuracy"))
    if "budgets" in drawn:
        lines.append(image("Accuracy over budgets, by model", "budgets"))
    for family in view.families:
        lines += _numbers(view, family)
    lines += ["## Published claims", claims_in_short(view.claims, view.report.names)]
    lines += ["## How to read this", *_how_to_read(view)]
    lines += ["## How to reproduce", _REPRODUCE]
    return "\n\n".join(line.strip("\n") for line in lines if line) + "\n"


_REPRODUCE = (
    "In the folder of the run, `robust-augcl replay .` proves again what follows from the stored "
    "graphs, edits and weights, and lists what it takes on trust. `robust-augcl replay . "
    "--from-scratch` computes everything anew and compares it. The settings stand in `run.json` "
    "and in [the appendix](report-appendix.md), which has every table. [The page](report.html) "
    "has the same numbers to sort and filter; `means.csv`, `differences.csv` and "
    "`aggregated.json` hold them as data."
)


def _opening(view: View) -> Iterator[str]:
    """The title, what a reader must know before the numbers, and the answer.

    Notes make no number wrong. They come after the answer.
    """
    report = view.report
    suites = ", ".join(sorted({record.cell.suite for record in report.records}))
    yield f"# Accuracy under attack: suite {escape(suites)}"
    yield escape(subject(report))
    found = notices(view)
    yield "## Read this first"
    yield joined(verdict_on(view), ABOUT_AUDIT if report.audit else "", by=" ")
    yield from _points([notice for notice in found if notice.kind != "note"])
    yield "## The answer"
    yield from _answers(view)
    if notes := [notice for notice in found if notice.kind == "note"]:
        yield "## Notes of the run"
        yield from _points(notes)
        if follows := what_follows(view):
            yield follows


def _answers(view: View) -> Iterator[str]:
    for family in view.families:
        if len(view.families) > 1:
            yield f"**{escape(family_title(family[0]))}**"
        yield _listed(answer(view, family))


def _points(found: Sequence[Notice]) -> Iterator[str]:
    """Notices as points; empty where there are none."""
    shown = [
        f"- {_WORDS[notice.kind]}: {escape(notice.title)}. {escape(notice.text)}"
        for notice in found[:_MOST_NOTICES]
    ]
    if len(found) > len(shown):
        shown.append(f"- {len(found) - len(shown)} more stand in [the page](report.html).")
    if shown:
        yield "\n".join(shown)


def subject(report: ReportInput) -> str:
    """What a report is about, in sentences: the task where it is known, and what there is."""
    victims = {(record.cell.protocol, record.victim) for record in report.records}
    one = len(victims) == 1
    targets = targets_text(report.records)
    what = f"one trained {targets[:-1]} classifier still gets"
    if not one:
        what = f"{len(victims)} trained {targets[:-1]} classifiers still get"
    edited = "the graphs" if targets == "graphs" else "the graph around a node"
    asked = f"This report tells what {what} right when somebody edits {edited}."
    task = f"Task: {report.task}" if report.task else ""
    return joined(task, asked, _counted(report, len(victims)), by=" ")


def _counted(report: ReportInput, victims: int) -> str:
    """How many results there are, and of what."""
    number = len(report.records)
    if number == 1:
        return "There is 1 result."
    pairs = len({(record.cell.attack, record.cell.budget) for record in report.records})
    under = f"{pairs} pairs of attack and budget" if pairs > 1 else "1 attack, with 1 budget"
    if victims == 1 and number == pairs:
        return f"There are {number} results, one for each pair of attack and budget."
    if number == victims * pairs:
        return f"There are {number} results: {victims} classifiers{_trained(report)}, {under}."
    return (
        f"There are {number} results, one for each classifier, attack and budget that were run "
        "together."
    )


def _trained(report: ReportInput) -> str:
    """Of how many methods and seeds the classifiers are; empty where that is not all to say."""
    cells = {record.cell for record in report.records}
    same = {(c.suite, c.dataset, c.encoder, c.layers, c.protocol) for c in cells}
    methods, seeds = {c.method for c in cells}, {c.seed for c in cells}
    trained = {(c.method, c.seed) for c in cells}
    several = len(methods) > 1 and len(seeds) > 1
    if len(same) > 1 or not several or len(trained) != len(methods) * len(seeds):
        return ""
    return f" ({len(methods)} methods, each with {len(seeds)} seeds)"


def family_title(section: Section) -> str:
    """What sections have in common that differ in their budget alone."""
    encoder = "given models" if section.is_given else section.encoder
    protocol = f"{section.protocol} protocol"
    return joined(section.dataset, encoder, protocol, setting_text(section.records))


def _numbers(view: View, family: Sequence[Section]) -> Iterator[str]:
    """The tables of a family: the smallest budget attack by attack, all budgets' worst case."""
    first = family[0]
    yield f"## {escape(first.title)}"
    yield tables.comparison(first)
    if len(family) > 1 and (worst := bracket_table(family, view.known)):
        yield "**The worst case within each budget**"
        yield worst


def _how_to_read(view: View) -> Iterator[str]:
    for family in view.families:
        if len(view.families) > 1:
            yield f"**{escape(family_title(family[0]))}**"
        yield _listed(guide(view, family[0]))


def _listed(lines: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)
