"""What commands show of a run's folder. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from robust_augcl.errors import InputError

if TYPE_CHECKING:
    from robust_augcl.reports._figures import Gallery
    from robust_augcl.results.findings import Audit
    from robust_augcl.results.records import Record
    from robust_augcl.results.report_input import ReportInput
    from robust_augcl.review.assessor import Assessor
    from robust_augcl.store.manifest import Manifest
    from robust_augcl.store.run_folder import RunFolder


def run_folder_of(path: Path) -> RunFolder:
    """The run's folder at a path."""
    from robust_augcl.store.run_folder import RunFolder

    return RunFolder(path)


def assessor_of(folder: RunFolder) -> Assessor:
    """What audits the folder's records, and speaks on the error stream."""
    from robust_augcl.review.assessor import Assessor

    return Assessor(folder, lambda text: click.echo(text, err=True))


def revised_since(folder: RunFolder, manifest: Manifest) -> str:
    """What of the code behind a folder's results was revised since, in one line; empty where
    nothing was.
    """
    try:
        return ", ".join(folder.revised(manifest))
    except InputError as error:
        return f"the suite, which is not valid any more ({error})"


def records_of(folder: RunFolder, manifest: Manifest) -> list[Record]:
    """The records of a run; says on the error stream what is missing or damaged."""
    loaded = folder.load_records(manifest.records)
    for problem in loaded.damaged:
        click.echo(f"warning: left out: {problem}", err=True)
    if loaded.missing:
        click.echo(
            f"warning: {len(loaded.missing)} of {len(manifest.records)} results are missing: "
            "the run is not finished",
            err=True,
        )
    if not loaded.records:
        raise InputError(f"Expected {folder.path} to hold results, there are none yet")
    return loaded.records


def print_rows(records: list[Record], form: str, audit: Audit | None) -> None:
    """Print one row a record."""
    from robust_augcl.reports.tables import render_rows

    click.echo(render_rows(records, form, audit), nl=False)


def write_report(report: ReportInput, out: Path, gallery: Gallery | None = None) -> list[Path]:
    """Write the report; raises `InputError` where it cannot be written."""
    from robust_augcl.reports.markdown import render

    try:
        return render(report, out, gallery)
    except OSError as error:
        raise InputError(f"Cannot write the report to {out}: {error.strerror or error}") from None


class Pen:
    """Draws figures ahead; what draws them is imported by whoever needs it first."""

    def __init__(self) -> None:
        self._gallery: Gallery | None = None

    @property
    def gallery(self) -> Gallery:
        """The figures drawn so far."""
        from robust_augcl.reports._figures import Gallery

        self._gallery = self._gallery or Gallery()
        return self._gallery

    def draw(self, report: ReportInput) -> None:
        """Draw what will not change any more, when more budgets come."""
        self.gallery.draw(report, but=["budgets"])


def present(folder: RunFolder, assessor: Assessor, console: Console, gallery: Gallery) -> None:
    """Audit and report what the folder holds now (another run may have entered seeds of its own),
    and print its rows.
    """
    records = folder.load_records(folder.existing_manifest().records).records
    if not records:
        return
    from robust_augcl.reports.markdown import is_current

    report = assessor.report_input(records)
    if not is_current(report, folder.path):
        write_report(report, folder.path, gallery)
    if not console.quiet:
        print_rows(records, "table", report.audit)
        if report.audit is not None:
            click.echo(f"Audit: {report.audit.summary} (robust-augcl audit {folder.path})")
        click.echo(f"Report: {folder.path / 'report.md'}")
