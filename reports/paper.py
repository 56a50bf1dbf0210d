"""What a report gives to a paper: tables as LaTeX, figures as PDF and SVG at the width of print.

Figures carry no title and no caption, since a paper has its own.
"""

from __future__ import annotations

from typing import Literal

from robust_augcl.reports._figures import figures
from robust_augcl.reports._sheet import as_bytes
from robust_augcl.reports._view import view_of
from robust_augcl.reports.latex import latex_tables
from robust_augcl.reports.markdown import records_stamp
from robust_augcl.results.report_input import ReportInput

Width = Literal["column", "page"]
WIDTHS: dict[Width, float] = {"column": 3.35, "page": 7.0}
"""Inches: of a column in two columns of a page, 85 mm, and of both."""
TABLES = "tables.tex"
ENDINGS = ("pdf", "svg")


def paper_files(report: ReportInput, width: Width = "column") -> dict[str, bytes]:
    """The tables and the figures by name; the same input gives the same bytes.

    Args:
        report: what it is made from.
        width: of the figures.

    Raises:
        ValueError: no records, or two of one cell.
    """
    tables = latex_tables(view_of(report), records_stamp(report))
    made = {TABLES: tables.encode()}
    for name, drawing in figures(report).items():
        if drawing.for_paper is not None:
            figure = drawing.for_paper(WIDTHS[width])
            made |= {f"{name}.{ending}": as_bytes(figure, ending) for ending in ENDINGS}
    return made
