"""What `show`, `report` and `transfer` do: print and draw what a run's folder holds."""

from __future__ import annotations

from pathlib import Path

import click

from robust_augcl.errors import InputError, unknown
from robust_augcl.results.records import Record
from robust_augcl.review.assessor import Assessor
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder


def show(path: Path, form: str) -> None:
    """Print one row a record."""
    from robust_augcl.reports.tables import render_rows

    folder = RunFolder(path)
    manifest = folder.existing_manifest()
    records = records_of(folder, manifest)
    audit = assessor_of(folder).stored_audit(records)
    if revised := revised_since(folder, manifest):
        unmarked = "" if audit else "; no audit of today's speaks of them, so none is marked"
        click.echo(
            f"warning: revised since these results were computed: {revised}; `robust-augcl "
            f"run` computes them again{unmarked}",
            err=True,
        )
    click.echo(render_rows(records, form, audit), nl=False)


def report(path: Path, out: Path) -> None:
    """Write the report; raises `InputError` where it cannot be written."""
    from robust_augcl.reports.markdown import render

    folder = RunFolder(path)
    records = records_of(folder, folder.current_manifest())
    made_from = assessor_of(folder).report_input(records)
    try:
        written = render(made_from, out)
    except OSError as error:
        raise InputError(f"Cannot write the report to {out}: {error.strerror or error}") from None
    for file in written:
        click.echo(file)


def transfer(path: Path, attack: str | None, form: str) -> None:
    """Print what edits that were made for one victim do to the others."""
    from robust_augcl.reports._transfer import render_transfers
    from robust_augcl.results.transfers import matrix

    folder = RunFolder(path)
    records = records_of(folder, folder.current_manifest())
    labels = {record.cell.attack for record in records}
    if attack is not None and attack not in labels:
        raise unknown(f"attack in {path}:", attack, labels)
    assessor = assessor_of(folder)
    transfers = assessor.transfers(records)
    if transfers is None:
        raise InputError(
            f"Expected {path} to hold the victims that its results rest on; `robust-augcl "
            "replay` says what is missing"
        )
    entries = [
        entry for entry in matrix(transfers, records) if attack in (None, entry.group.attack)
    ]
    known = assessor.stored_audit(records)
    click.echo(render_transfers(entries, form, known.failed if known else ()), nl=False)


# --- shared with other commands -------------------------------------------------------------------


def assessor_of(folder: RunFolder) -> Assessor:
    """What audits the folder's records, and speaks on the error stream."""
    return Assessor(folder, lambda text: click.echo(text, err=True))


def revised_since(folder: RunFolder, manifest: Manifest) -> str:
    """What of the code behind a folder's results was revised since, in one line.

    Empty where nothing was.
    """
    try:
        return ", ".join(folder.revised(manifest))
    except InputError as error:
        return f"the suite, which cannot be read today ({error})"


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
