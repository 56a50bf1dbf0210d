"""What `export` does: the graphs that attacks made become plain files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robust_augcl.cli.showing import records_of
from robust_augcl.cli.words import say
from robust_augcl.errors import ArtifactDamaged, InputError, unknown
from robust_augcl.reports.site import folder_name
from robust_augcl.results.records import Record
from robust_augcl.review.attacked_graphs import write_attacked
from robust_augcl.store.files import write_atomically
from robust_augcl.store.run_folder import RunFolder

INDEX = "index.json"


def export(path: Path, out: Path, attack: str | None) -> None:
    """Write the attacked graphs of a run's records, two files a record, and an index.

    Args:
        path: the run's folder.
        out: the folder of the files, which is made if need be.
        attack: the label of the one attack that is written; None for all.

    Raises:
        InputError: no records, no such attack, or a folder inside the run's.
    """
    if path.absolute() in (out.absolute(), *out.absolute().parents):
        raise InputError(f"Expected -o to be no part of the run in {path}, got {out}")
    folder = RunFolder(path)
    records = records_of(folder, folder.existing_manifest())
    labels = {record.cell.attack for record in records}
    if attack is not None and attack not in labels:
        raise unknown("attack", attack, labels)
    index = {}
    for record in records:
        if attack not in (None, record.cell.attack):
            continue
        try:
            files = write_attacked(folder, record, out / name_of(record))
        except ArtifactDamaged as error:
            say(f"warning: no attacked graphs of {record.key}: {error}")
            continue
        index[files[0].name] = {"edges": files[1].name, "targets": len(record.outcomes)}
        click.echo(files[0])
    write_atomically(out / INDEX, (json.dumps(index, indent=1) + "\n").encode())
    click.echo(out / INDEX)


def name_of(record: Record) -> str:
    """The name of a record's files, without an ending: what its cell is, and the record's key."""
    cell = record.cell
    parts = (
        cell.dataset,
        cell.method,
        cell.layers,
        cell.protocol,
        cell.attack,
        cell.budget,
        cell.seed,
    )
    return f"{folder_name('-'.join(map(str, parts)))}-{record.key[-8:]}"
