"""A page in Markdown, with the paper's table and figures of accuracy under attack."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.reports import _paper_tables as tables
from robust_augcl.reports._audit import headline, read_back
from robust_augcl.reports._audit import section as audit_section
from robust_augcl.reports._budgets import bracket_table, families
from robust_augcl.reports._claims import claims_section
from robust_augcl.reports._data import of_data, untouched
from robust_augcl.reports._differences import differences
from robust_augcl.reports._figures import Gallery, figures
from robust_augcl.reports._given import given_lines, left_out
from robust_augcl.reports._learned import shares
from robust_augcl.reports._methods import UNSUPERVISED, methods_table
from robust_augcl.reports._sections import Section, sections
from robust_augcl.reports._settings import of_section, shared
from robust_augcl.reports._summary import guide, headlines
from robust_augcl.reports._transfer import matrices
from robust_augcl.reports.tables import escape
from robust_augcl.reports.written import (
    ENDINGS,
    PAGE,
    STAMP,
    is_as_written,
    made_by,
    parts_of,
    read_stamp,
    stamp_of,
)
from robust_augcl.results.brackets import Bracket, brackets
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.statistics import Group
from robust_augcl.results.transfers import Entry, matrix
from robust_augcl.store.files import naming, write_atomically


def render(
    report: ReportInput,
    out: Path,
    gallery: Gallery | None = None,
    write: Callable[[Path, bytes], None] = write_atomically,
) -> list[Path]:
    """Write report.md and its figures, PNG and SVG, into `out`, which is made if need be.

    Figures: accuracy and by_class; budgets where there are several; mechanism where pretraining was
    diagnosed; training where victims were trained; learning where an attack has learned. The same
    input gives the same bytes. A stamp beside them says what they were made from. Figures of the
    last report that this one has not are removed.

    Args:
        report: what it is made from.
        out: the folder.
        gallery: may hold figures of these records that were drawn before.
        write: writes a file.

    Returns:
        The files written, the page first and the stamp last.

    Raises:
        ValueError: no records, or two of one cell.
        InputError: a file cannot be written.
    """
    made = files(report, gallery)
    first, *others = made
    # The page comes after its figures, and the stamp after the page: it is of whole reports only.
    for name in (*others, first):
        write(out / name, made[name])
    _remove_others(made, out)
    write(out / STAMP, stamp_of(report, made).dumps().encode())
    return [out / name for name in (*made, STAMP)]


def files(report: ReportInput, gallery: Gallery | None = None) -> dict[str, bytes]:
    """The files of a report by name, the page first; the stamp is not among them."""
    text = page(report)
    return {PAGE: text.encode(), **(Gallery() if gallery is None else gallery).draw(report)}


def is_current(report: ReportInput, out: Path) -> bool:
    """Whether the report in `out` is made from this input, here, and every file as written."""
    try:
        stamp = read_stamp(out)
    except ArtifactDamaged:
        return False
    return (
        stamp is not None
        and (stamp.of, stamp.made_by) == (parts_of(report), made_by())
        and stamp.files.keys()
        == {PAGE, *(f"{name}.{ending}" for name in figures(report) for ending in ENDINGS)}
        and is_as_written(stamp, out)
    )


def _remove_others(made: Collection[str], out: Path) -> None:
    """Remove what the last report in `out` wrote and this one does not."""
    try:
        last = read_stamp(out)
    except ArtifactDamaged:
        return
    for name in last.files.keys() - set(made) if last else ():
        with naming(out / name):
            (out / name).unlink(missing_ok=True)


def _stamp(report: ReportInput) -> str:
    """An invisible line that tells what a report was made from."""
    digest = hashlib.sha256("".join(parts_of(report).values()).encode()).hexdigest()
    return f"<!-- of records {digest} -->"


def page(report: ReportInput) -> str:
    """The text of report.md."""
    found, drawn = sections(report), figures(report)
    known = brackets(report.records, report.measurements)
    entries = (
        matrix(report.transfers, report.records, report.measurements) if report.transfers else None
    )
    # Of sections that differ in their budget alone, the smallest budget is told in full.
    smallest = {id(family[0]): family for family in families(found)}
    in_full = [section for section in found if id(section) in smallest]
    lines = [*_opening(report, in_full, drawn)]
    for section in found:
        lines += [f"## {escape(section.title)}"]
        family = smallest.get(id(section))
        lines += _in_full(section, family, known, entries) if family else _in_short(section)
    lines += ["## Published claims", claims_section(report, known)]
    lines += _closing(report, found, drawn)
    return "\n\n".join(line.strip("\n") for line in lines) + "\n"


def _opening(report: ReportInput, found: Sequence[Section], drawn: Iterable[str]) -> Iterator[str]:
    """What a reader sees first: the numbers in short, the figures, how to read them."""
    suites = ", ".join(sorted({record.cell.suite for record in report.records}))
    victims = {(record.cell.protocol, record.victim) for record in report.records}
    told = [line for section in found for line in headlines(section)]
    told += [escape(f"{line}.") for line in left_out(report)]
    told += [headline(report.audit)] if report.audit else []
    told += [read_back(report)] if read_back(report) else []
    yield f"# Accuracy under attack: suite {escape(suites)}"
    one = len(victims) == 1
    what = (
        "one trained graph classifier still gets"
        if one
        else (f"{len(victims)} trained graph classifiers still get")
    )
    yield (
        f"What {what} right when somebody edits the graphs: {len(report.records)} attacks on "
        f"{'it' if one else 'them'}, one record each. In short:"
    )
    yield "\n".join(f"- {line}" for line in told)
    yield _image("Accuracy under attack by attack and model", "accuracy")
    if "budgets" in drawn:
        yield _image("Accuracy over budgets, by model", "budgets")
    yield "## How to read this"
    yield " ".join(line for section in found for line in guide(section, named=len(found) > 1))


def _in_short(section: Section) -> Iterator[str]:
    """A section of which a smaller budget was told in full."""
    yield tables.comparison(section)
    yield "### How far each attack is from the worst case"
    yield tables.gaps(section)
    if told := shares(section):
        yield "### How much of the worst case attacks find that learn"
        yield told


def _in_full(
    section: Section,
    family: Sequence[Section],
    known: Mapping[Group, Bracket],
    entries: Sequence[Entry] | None,
) -> Iterator[str]:
    """Every table of a section; `family` are the sections that differ in their budget alone."""
    yield f"Threat: {escape(section.threat)}. Protocol: {escape(section.protocol_text)}."
    if free := untouched(of_data(section.report, section.dataset)):
        yield free
    yield "### Accuracy under attack"
    yield tables.comparison(section)
    yield f"### Differences between {section.noun}s"
    yield differences(section)
    yield "### How far each attack is from the worst case"
    yield tables.gaps(section)
    if told := shares(section):
        yield "### How much of the worst case attacks find that learn"
        yield told
    if bracket := bracket_table(family, known):
        yield "### Proved and broken"
        yield bracket
    yield f"### {section.noun.capitalize()} by {section.noun}"
    yield methods_table(section, section.report.measurements)
    yield "### Class by class"
    yield tables.by_class(section)
    yield "### The published measure beside this one"
    yield tables.attacked(section)
    if entries is not None:
        yield "### Edits made for one victim, turned on another"
        yield matrices(section, entries)
    yield "### What it took"
    yield tables.costs(section)


def _closing(report: ReportInput, found: Sequence[Section], drawn: Iterable[str]) -> Iterator[str]:
    """What stands under the sections: more figures, the audit, settings and warnings."""
    yield "## By class, drawn"
    yield _image("Accuracy under attack for each true class", "by_class")
    if "mechanism" in drawn:
        yield "## Where the weights lie"
        yield _image("Similarity and uncertainty of true and false negatives", "mechanism")
    if "training" in drawn:
        yield "## How victims were trained"
        yield _image(
            "Loss on the graphs that chose the epoch, by epoch, a line a victim", "training"
        )
    if "learning" in drawn:
        yield "## How the attacks learned"
        yield _image(
            "Robust accuracy on the graphs that it was chosen by, by step, a line a victim",
            "learning",
        )
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
    yield from (of_section(section) for section in found)
    yield "## Warnings"
    yield _notes(report)
    yield _stamp(report)


def _notes(report: ReportInput) -> str:
    """What the runs warned of, and for which models.

    Of the encoders that were pretrained for scores without labels, only measurements tell.
    """
    noted = [(record.cell, record.cell.protocol, record.notes) for record in report.records]
    for m in report.measurements:
        if m.kind == "pretraining" and m.cell.protocol == UNSUPERVISED:
            noted.append((m.cell, "without labels", m.values.get("notes", [])))
    where: dict[str, set[str]] = {}
    for cell, protocol, notes in noted:
        for note in notes:
            name, layers = report.names.method(cell.method), layers_text(cell.layers)
            model = joined(cell.dataset, protocol, name, layers, f"seed {cell.seed}")
            where.setdefault(note, set()).add(model)
    lines = [
        f"- {escape(note)} ({'; '.join(escape(model) for model in sorted(models))})"
        for note, models in sorted(where.items())
    ]
    return "\n".join(lines) or "None."


def _image(description: str, name: str) -> str:
    return f"![{description}]({name}.png)\n\n[The same as SVG]({name}.svg)"
