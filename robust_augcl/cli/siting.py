"""What `site` does: runs' folders become one static site."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from robust_augcl.cli.exporting import name_of
from robust_augcl.cli.showing import records_of
from robust_augcl.cli.side_files import warn_of_audit
from robust_augcl.cli.words import say
from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.reports._view import View, view_of
from robust_augcl.reports.markdown import files, is_current
from robust_augcl.reports.site import INDEX, Shown, folder_name, index_page
from robust_augcl.reports.written import read_stamp
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.report_input import ReportInput
from robust_augcl.review.attacked_graphs import write_attacked
from robust_augcl.store.files import write_atomically
from robust_augcl.store.run_folder import RunFolder

_GRAPHS = "graphs"


def site(folders: Sequence[Path], out: Path, with_graphs: bool) -> None:
    """Write a page of all runs, their reports, and the graphs that attacks made.

    Args:
        folders: of the runs.
        out: the folder of the site, which is made if need be.
        with_graphs: whether attacked graphs are written too.

    Raises:
        InputError: no run, no records, a site inside a run's folder, or a file that cannot be
            written.
    """
    for path in folders:
        if path.absolute() in (out.absolute(), *out.absolute().parents):
            raise InputError(f"Expected -o to be no part of the run in {path}, got {out}")
    shown: list[Shown] = []
    for path in folders:
        folder = RunFolder(path)
        report = _report_of(folder)
        name = folder_name(path.absolute().name, [each.name for each in shown])
        for file, content in _files(report, path).items():
            write_atomically(out / name / file, content)
        view = view_of(report)
        graphs = _write_graphs(folder, view, out / name / _GRAPHS) if with_graphs else {}
        shown.append(Shown(name, view, graphs))
        click.echo(out / name / "report.html")
    write_atomically(out / INDEX, index_page(shown).encode())
    click.echo(out / INDEX)


def _report_of(folder: RunFolder) -> ReportInput:
    """What a folder's report is made from: the audit and the transfers that it holds."""
    manifest = folder.existing_manifest()
    records = records_of(folder, manifest)
    there = warn_of_audit(folder, manifest, records)
    try:
        measurements = folder.load_measurements(manifest)
    except InputError as error:
        say(f"warning: {folder.path}: without measurements: {error}")
        measurements = []
    return manifest.report_input(records, there.audit, there.transfers, measurements)


def _files(report: ReportInput, path: Path) -> dict[str, bytes]:
    """The files of a run's report: those that it holds, where they are of its results."""
    stamp = read_stamp(path) if is_current(report, path) else None
    if stamp is None:
        return files(report)
    return {name: (path / name).read_bytes() for name in stamp.files}


def _write_graphs(folder: RunFolder, view: View, out: Path) -> dict[str, str]:
    """Write the attacked graphs of each model: under the worst attack of each budget, by seed.

    Returns:
        The name of each file in the site's folder of the run, and what it holds.
    """
    found: dict[str, str] = {}
    for section in view.sections:
        attack = section.exact or next(iter(section.combined), None) or section.strongest
        for layers, method in section.columns if attack else ():
            for record in section.group(attack or "", layers, method):
                model = joined(section.method_name(method), layers_text(layers))
                about = (
                    f"{section.dataset}, {model}, seed {record.cell.seed}, {section.protocol}, "
                    f"budget {section.budget}, edits of {section.attack_name(attack or '')}"
                )
                try:
                    files = write_attacked(folder, record, out / name_of(record))
                except (InputError, ArtifactDamaged, OSError) as error:
                    say(f"warning: no attacked graphs of {about}: {error}")
                    continue
                for file, what in zip(files, ("", ", as a list of edges"), strict=True):
                    found[f"{_GRAPHS}/{file.name}"] = about + what
    return found
