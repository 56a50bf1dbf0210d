"""What `claims` does: say what runs mean for published claims."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from robust_augcl.cli.showing import records_of, warn_of_changed
from robust_augcl.cli.side_files import warn_of_audit
from robust_augcl.cli.words import say
from robust_augcl.errors import CodeMissing, InputError, shown
from robust_augcl.plan.claims_file import published_claims, read_claims
from robust_augcl.results.claim_rows import names_of_runs, rows_of_runs
from robust_augcl.results.claims import Claim
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.report_input import ReportInput
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder


def claims(paths: Sequence[Path], form: str, file: Path | None) -> None:
    """Print what the runs in folders say of published claims.

    Args:
        paths: the runs' folders.
        form: "text" or "json".
        file: the claims; None for those that are installed with the project.

    Raises:
        InputError: no run, no records, a folder twice, or a file that holds no claims.
    """
    held: Sequence[Claim] = published_claims() if file is None else read_claims(file)
    _refuse_twice(paths)
    reports = {str(path): _report(path) for path in paths}
    rows = rows_of_runs(reports, held)
    if form == "json":
        click.echo(json.dumps([row.as_json() for row in rows], indent=1))
        return
    from robust_augcl.reports._claims import claims_text

    click.echo(claims_text(rows, names_of_runs(reports), len(reports)), nl=False)


def _refuse_twice(paths: Sequence[Path]) -> None:
    """Raise `InputError` for a folder that is named twice: its results would count twice."""
    seen: dict[Path, Path] = {}
    for path in paths:
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            raise InputError(f"Expected each folder once, got {shown(str(path))} twice")


def _report(path: Path) -> ReportInput:
    """What the run in a folder holds; says on the error stream what is not as it should be."""
    folder = RunFolder(path)
    manifest = folder.existing_manifest()
    records = records_of(folder, manifest)
    audit = warn_of_audit(folder, manifest, records).audit
    warn_of_changed(manifest)
    measurements = _measurements(folder, manifest)
    return manifest.report_input(records, audit, measurements=measurements)


def _measurements(folder: RunFolder, manifest: Manifest) -> list[Measurement]:
    """The run's measurements; none where the code behind it is not here, which is said."""
    try:
        return folder.load_measurements(manifest)
    except CodeMissing as error:
        say(f"warning: only of what is stored, without measurements: {error}")
        return []
