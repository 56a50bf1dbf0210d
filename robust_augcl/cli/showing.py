"""What `show`, `report` and `transfer` do: print and draw what a run's folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from robust_augcl.cli.side_files import warn, warn_of_audit
from robust_augcl.cli.words import columns, say
from robust_augcl.errors import CodeMissing, InputError, unknown
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.review.assessor import Assessor
from robust_augcl.store.files import reason, write_atomically
from robust_augcl.store.manifest import MANIFEST, Manifest
from robust_augcl.store.run_folder import RunFolder

PAPER = "paper"
"""The folder in a run's where tables and figures for a paper go."""


def show(path: Path, form: str, by_seed: bool = False) -> None:
    """Print means, or one row a record: `by_seed`, and in all forms but "table"."""
    from robust_augcl.reports._given import left_out
    from robust_augcl.reports.tables import render_rows
    from robust_augcl.reports.terminal import means_text

    folder = RunFolder(path)
    manifest = folder.existing_manifest()
    records = records_of(folder, manifest)
    audit = warn(folder, manifest, records).audit
    if revised := revised_since(folder, manifest):
        unmarked = "" if audit else "; no audit of today's speaks of them, so none is marked"
        say(
            f"warning: revised since these records were computed: {revised}; `robust-augcl "
            f"run` computes them again{unmarked}"
        )
    else:
        _say_what_is_not_listed(folder, manifest)
    if form == "table" and not by_seed:
        measured = _measurements(folder, manifest)
        made_from = manifest.report_input(records, audit, measurements=measured)
        click.echo(means_text(made_from, columns()), nl=False)
    else:
        click.echo(render_rows(records, form, audit), nl=False)
    if form == "table":
        summary = "not audited" if audit is None else audit.summary
        click.echo(f"\nAudit: {summary} (robust-augcl audit {path})")
    _warn_of_data(folder, manifest, records)
    warn_of_changed(manifest)
    for line in left_out(manifest.report_input(records)):
        say(f"note: {line}")


def _measurements(folder: RunFolder, manifest: Manifest) -> Sequence[Measurement]:
    """What was measured beside the records; nothing where nobody can tell today whose it is."""
    try:
        return folder.load_measurements(manifest)
    except InputError:
        return ()


def _warn_of_data(folder: RunFolder, manifest: Manifest, records: Sequence[Record]) -> None:
    """Say on the error stream of which targets a robust accuracy says nothing."""
    from robust_augcl.reports._data import warnings_of

    with suppress(InputError):  # of which suite they are, nobody can tell today
        measurements = folder.descriptions(folder.plan(manifest))
        for line in warnings_of(manifest.report_input(records, measurements=measurements)):
            click.echo(f"warning: {line}", err=True)


def _say_what_is_not_listed(folder: RunFolder, manifest: Manifest) -> None:
    """Say on the error stream how many records the manifest should list and does not."""
    try:
        unlisted = folder.unlisted(manifest)
    except InputError:  # there is no plan, which was said
        return
    if unlisted:
        planned = len(folder.plan(manifest).attacks)
        say(
            f"warning: {MANIFEST} does not list {len(unlisted)} of the {planned} records that its "
            "suite and seeds ask for: they are in no table"
        )


def report(path: Path, out: Path | None, shape: tuple[str, str] = ("page", "column")) -> None:
    """Write the report into a folder, by default that of the run; audit and transfers are made new.

    Where the run's own folder cannot be written, report.md is printed. Where the code of a plug-in
    is not here, what is stored is reported.

    Args:
        path: the run's folder.
        out: where it goes; None: that folder, or for a paper a folder in it.
        shape: "page", or "latex" for a paper; and the width of its figures.

    Raises:
        InputError: `out` cannot be written.
    """
    from robust_augcl.reports.markdown import page, render
    from robust_augcl.reports.written import PAGE

    folder = RunFolder(path)
    try:
        manifest = folder.current_manifest()
    except CodeMissing as error:
        _report_what_is_stored(folder, out, shape, error)
        return
    records = records_of(folder, manifest)
    assessor = assessor_of(folder)
    try:
        made_from = assessor.report_input(records, again=True)
    except CodeMissing as error:
        # Whoever names no module sees what the folder says, and is told so.
        say(f"warning: the audit and the transfers are those of the folder: {error}")
        there = warn_of_audit(folder, manifest, records)
        measurements = folder.load_measurements(manifest)
        made_from = manifest.report_input(records, there.audit, there.transfers, measurements)
        made_from = replace(made_from, read_back=True)
    form, width = shape
    if form == "latex":
        _write_for_paper(made_from, out or path / PAPER, width)
        tell_unkept(assessor, path)
        return
    try:
        for file in render(made_from, out or path):
            click.echo(file)
    except InputError as error:
        if out is not None:
            raise
        assessor.unkept[PAGE] = reason(error)
        click.echo(page(made_from), nl=False)
    tell_unkept(assessor, path)


def _write_for_paper(made_from: ReportInput, out: Path, width: str) -> None:
    """Write tables and figures for a paper, and print their names."""
    from robust_augcl.reports.paper import paper_files

    for name, content in paper_files(made_from, "page" if width == "page" else "column").items():
        write_atomically(out / name, content)
        click.echo(out / name)


def _report_what_is_stored(
    folder: RunFolder, out: Path | None, shape: tuple[str, str], why: CodeMissing
) -> None:
    """Report on records without the code behind them: nothing is computed or looked at again.

    Audit and transfers are those that the folder holds, if their stamps are of these records. Where
    the folder holds a report, which may say more, it stays, and the page is printed.
    """
    from robust_augcl.reports import written
    from robust_augcl.reports.markdown import page, render

    say(f"warning: only of what is stored, without measurements: {why}")
    manifest = folder.existing_manifest()
    records = records_of(folder, manifest)
    there = warn_of_audit(folder, manifest, records)
    made_from = manifest.report_input(records, there.audit, there.transfers)
    made_from = replace(made_from, read_back=True)
    form, width = shape
    if form == "latex":
        _write_for_paper(made_from, out or folder.path / PAPER, width)
        return
    if out is None and written.is_there(folder.path):
        click.echo(page(made_from), nl=False)
        return
    for file in render(made_from, out or folder.path):
        click.echo(file)


def transfer(path: Path, attack: str | None, form: str) -> None:
    """Print what edits that were made for one victim do to the others."""
    from robust_augcl.reports._transfer import render_transfers
    from robust_augcl.results.transfers import matrix, why_none

    folder = RunFolder(path)
    manifest = folder.current_manifest()
    records = records_of(folder, manifest)
    labels = {record.cell.attack for record in records}
    if attack is not None and attack not in labels:
        raise unknown(f"attack in {path}:", attack, labels)
    assessor = assessor_of(folder)
    transfers = assessor.transfers(records, again=True)
    if transfers is None:
        raise InputError(
            f"Expected {path} to hold the victims that its records rest on; `robust-augcl "
            "replay` says what is missing"
        )
    measurements = folder.descriptions(folder.plan(manifest))
    entries = [
        entry
        for entry in matrix(transfers, records, measurements)
        if attack in (None, entry.group.attack)
    ]
    known = warn_of_audit(folder, manifest, records).audit
    if entries or form in ("json", "csv"):
        click.echo(render_transfers(entries, form, known), nl=False)
    else:
        click.echo(why_none(records))
    tell_unkept(assessor, path)


# --- shared with other commands -------------------------------------------------------------------


def warn_of_changed(manifest: Manifest) -> None:
    """Say on the error stream what of a suite's comparisons was changed after results were seen."""
    for changed in manifest.report_input([]).rules.changed:
        say(f"warning: {changed.text}")


def assessor_of(folder: RunFolder) -> Assessor:
    """What audits the folder's records, and speaks on the error stream."""
    return Assessor(folder, lambda text: click.echo(text, err=True), must_keep=False)


def tell_unkept(assessor: Assessor, path: Path) -> None:
    """Say on the error stream, in one line, what could not be kept in a folder, and why."""
    if assessor.unkept:
        names, why = ", ".join(assessor.unkept), " and ".join(sorted(set(assessor.unkept.values())))
        click.echo(f"warning: not kept in {path}: {names} ({why})", err=True)


def revised_since(folder: RunFolder, manifest: Manifest) -> str:
    """What of the code behind a folder's results was revised since, in one line.

    Empty where nothing was, and where nobody can tell: that is said on the error stream.
    """
    try:
        return ", ".join(folder.revised(manifest))
    except CodeMissing as error:
        say(f"warning: not compared with the code of today: {error}")
        return ""
    except InputError as error:
        return f"the suite, which cannot be read today ({error})"


def records_of(folder: RunFolder, manifest: Manifest) -> list[Record]:
    """The records of a run; says on the error stream what is missing or damaged."""
    loaded = folder.load_records(manifest.records)
    for problem in loaded.damaged:
        say(f"warning: left out: {problem}")
    if loaded.missing:
        say(
            f"warning: {len(loaded.missing)} of {len(manifest.records)} records are missing: "
            "the run is not finished"
        )
    if not loaded.records:
        raise InputError(f"Expected {folder.path} to hold records, there are none yet")
    return loaded.records
