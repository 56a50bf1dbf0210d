"""A report's files: the page, the same in short as Markdown, its appendix, tables and figures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.reports._aggregated import (
    DIFFERENCE_COLUMNS,
    as_csv,
    as_json,
    difference_rows,
    mean_rows,
)
from robust_augcl.reports._appendix import appendix as appendix_of
from robust_augcl.reports._figures import Gallery, figures
from robust_augcl.reports._short import short_page
from robust_augcl.reports._view import View, view_of
from robust_augcl.reports.html import html_page
from robust_augcl.reports.written import (
    APPENDIX,
    ENDINGS,
    HTML_PAGE,
    PAGE,
    STAMP,
    TABLES,
    TEXTS,
    is_as_written,
    made_by,
    parts_of,
    read_stamp,
    stamp_of,
)
from robust_augcl.results.report_input import ReportInput
from robust_augcl.store.files import naming, write_atomically


def render(
    report: ReportInput,
    out: Path,
    gallery: Gallery | None = None,
    write: Callable[[Path, bytes], None] = write_atomically,
) -> list[Path]:
    """Write a report into `out`, which is made if need be.

    That is report.html, report.md, its appendix, the means and differences as CSV and JSON, and
    figures, PNG and SVG: accuracy and by_class; budgets where there are several; mechanism where
    pretraining was diagnosed; training where victims were trained; learning where an attack has
    learned. The same input gives the same bytes. A stamp beside them says what they were made from.
    Files of the last report that this one has not are removed.

    Args:
        report: what it is made from.
        out: the folder.
        gallery: may hold figures of these records that were drawn before.
        write: writes a file.

    Returns:
        The files written, report.md first and the stamp last.

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
    """The files of a report by name, report.md first; the stamp is not among them."""
    view = view_of(report)
    texts = {
        PAGE: page(report),
        HTML_PAGE: html_page(view, _drawn(report), records_stamp(report)),
        APPENDIX: appendix(report),
        **dict(zip(TABLES, _tables(view), strict=True)),
    }
    made = {name: text.encode() for name, text in texts.items()}
    return {**made, **(Gallery() if gallery is None else gallery).draw(report)}


def _tables(view: View) -> tuple[str, str, str]:
    """Means and differences as CSV, and both as JSON."""
    differences = as_csv(difference_rows(view), DIFFERENCE_COLUMNS)
    return as_csv(mean_rows(view)), differences, as_json(view)


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
        == {*TEXTS, *(f"{name}.{ending}" for name in figures(report) for ending in ENDINGS)}
        and is_as_written(stamp, out)
    )


def page(report: ReportInput) -> str:
    """The text of report.md."""
    return _stamped(short_page(view_of(report), _drawn(report)), report)


def appendix(report: ReportInput) -> str:
    """The text of report-appendix.md: every table."""
    return _stamped(appendix_of(view_of(report), _drawn(report)), report)


def _drawn(report: ReportInput) -> list[str]:
    """The names of the figures of a report, which are found out once for it."""
    known = report.__dict__
    if "_drawn" not in known:
        known["_drawn"] = list(figures(report))
    found: list[str] = known["_drawn"]
    return found


def records_stamp(report: ReportInput) -> str:
    """A digest that tells what a report was made from."""
    return hashlib.sha256("".join(parts_of(report).values()).encode()).hexdigest()


def _stamped(text: str, report: ReportInput) -> str:
    """A text with an invisible line that tells what it was made from."""
    return f"{text}\n<!-- of records {records_stamp(report)} -->\n"


def _remove_others(made: Collection[str], out: Path) -> None:
    """Remove what the last report in `out` wrote and this one does not."""
    try:
        last = read_stamp(out)
    except ArtifactDamaged:
        return
    for name in last.files.keys() - set(made) if last else ():
        with naming(out / name):
            (out / name).unlink(missing_ok=True)
