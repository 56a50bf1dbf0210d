"""What `status` and `clean` do: look through a run's folder, and free what nobody needs."""

from __future__ import annotations

from pathlib import Path

import click

from robust_augcl.cli.showing import revised_since
from robust_augcl.errors import InputError, one_line
from robust_augcl.store.housekeeping import remove, size_of, survey
from robust_augcl.store.run_folder import RunFolder


def status(path: Path) -> None:
    """Print what a folder holds."""
    folder = RunFolder(path)
    found, revised = survey(folder), revised_since(folder, folder.existing_manifest())
    damaged = f", {len(found.damaged)} damaged" if found.damaged else ""
    lines = [
        f"suite {found.suite}, seeds {', '.join(map(str, found.seeds))}",
        f"results: {found.there} of {found.wanted}{damaged}",
    ]
    if revised:
        lines.append(
            f"revised since: {revised}; `robust-augcl run` computes again what they determine"
        )
    lines += [f"  damaged: {one_line(problem)}" for problem in found.damaged]
    lines += [f"  failed: {one_line(failure)}" for failure in found.failures]
    if found.running:
        lines.append(f"being computed now: {', '.join(found.running)}")
    free = f"{_size(found.bytes_free)} in {len(found.superfluous)} files"
    lines.append(f"on disk: {_size(found.bytes_used)}, of which `robust-augcl clean` frees {free}")
    click.echo("\n".join(lines))


def clean(path: Path, *, everything: bool, dry_run: bool) -> None:
    """Remove what nobody needs, or say what that is."""
    folder = RunFolder(path)
    folder.existing_manifest()
    # A run that enters other settings now waits, and then sees what is left.
    with folder.store.exclusive():
        found = survey(folder, everything=everything)
        if found.running and not dry_run:
            raise InputError(
                f"Expected {path} to be at rest, a run is computing {', '.join(found.running)}"
            )
        count = size = 0
        for file in found.superfluous:
            held = size_of(file)
            if dry_run or remove(file, folder.store):
                count, size = count + 1, size + held
                click.echo(f"{'would remove' if dry_run else 'removed'} {file.relative_to(path)}")
    click.echo(f"{_size(size)} in {count} files")


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
