"""What `claims` does: say what a run means for published claims."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from robust_augcl.cli.showing import records_of
from robust_augcl.cli.side_files import warn_of_audit
from robust_augcl.cli.words import say
from robust_augcl.errors import CodeMissing
from robust_augcl.plan.claims_file import published_claims, read_claims
from robust_augcl.results.claim_rows import claim_rows
from robust_augcl.results.claims import Claim
from robust_augcl.results.measurements import Measurement
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder


def claims(path: Path, form: str, file: Path | None) -> None:
    """Print what the run in a folder says of published claims.

    Args:
        path: the run's folder.
        form: "text" or "json".
        file: the claims; None for those that are installed with the project.

    Raises:
        InputError: no run, no records, or a file that holds no claims.
    """
    held: Sequence[Claim] = published_claims() if file is None else read_claims(file)
    folder = RunFolder(path)
    manifest = folder.existing_manifest()
    records = records_of(folder, manifest)
    audit = warn_of_audit(folder, manifest, records).audit
    measurements = _measurements(folder, manifest)
    report = manifest.report_input(records, audit, measurements=measurements)
    rows = claim_rows(report, held)
    if form == "json":
        click.echo(json.dumps([row.as_json() for row in rows], indent=1))
        return
    from robust_augcl.reports._claims import claims_text

    click.echo(claims_text(rows, report.names), nl=False)


def _measurements(folder: RunFolder, manifest: Manifest) -> list[Measurement]:
    """The run's measurements; none where the code behind it is not here, which is said."""
    try:
        return folder.load_measurements(manifest)
    except CodeMissing as error:
        say(f"warning: only of what is stored, without measurements: {error}")
        return []
