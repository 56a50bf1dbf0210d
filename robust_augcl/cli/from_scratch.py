"""What `replay --from-scratch` does: compute a run again in a folder of its own, and compare."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from robust_augcl.cli.display import Display
from robust_augcl.cli.replay_options import ReplayOptions
from robust_augcl.errors import InputError
from robust_augcl.review.from_scratch import compared, other_machines
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.steps.given_models import hand_over
from robust_augcl.steps.this_process import processor
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder

if TYPE_CHECKING:  # `replay` without it needs nothing that computes
    from robust_augcl.campaign.campaign import Campaign
    from robust_augcl.workers.runner import RunSummary


def from_scratch(folder: RunFolder, manifest: Manifest, options: ReplayOptions) -> list[str]:
    """Compute a run again from its `run.json`, compare every result, and print what differs.

    Returns:
        What differs, in short; empty where nothing does.

    Raises:
        InputError: the folder to compute in holds something; archives are not there.
    """
    run = StoredRun(folder, manifest)
    with own_folder(options.out) as path:
        made = _compute(run, path, options)
        if made is None:
            return ["the files of the data are not those of the run"]
        different, total = 0, 0
        for name, problems in compared(run, made):
            total += 1
            if problems:
                different += 1
                click.echo(f"DIFFERS  {name}: {'; '.join(problems)}")
        click.echo(f"{total - different} of {total} stored results are the same from scratch.")
        tell_machines(other_machines(run, made))
        where = "" if options.out is None else f"; both can be compared, see {path}"
    return [f"{different} of {total} differ from scratch{where}"] if different else []


@contextlib.contextmanager
def own_folder(out: Path | None) -> Iterator[Path]:
    """The folder to compute in; a temporary one is removed afterwards.

    Raises:
        InputError: it holds something.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="robust_augcl-") as path:
            yield Path(path)
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"Expected --out to be a new or an empty folder, got {out}")
    yield out


def tell_machines(elsewhere: Sequence[str]) -> None:
    """Print with what else results were made, and that bits may differ therefore."""
    if not elsewhere:
        click.echo(
            "They were made where the same bits are to be expected, as said in docs/trust.md."
        )
    for words in elsewhere:
        click.echo(
            f"Some were made with {words}; here it is {processor()}. What differs may be due "
            "to that."
        )


def archives_for(fingerprint: str | None, archives: Path | None, about: Path) -> Path | None:
    """The archives that results are computed again from.

    Args:
        fingerprint: of the files that the data came from then.
        archives: that the user names.
        about: what is computed again, for errors.

    Raises:
        InputError: the data came from archives, and the user names none.
    """
    if fingerprint is None:
        # A run that downloaded its data knows no archive; with one its results had other addresses.
        return None
    if archives is None:
        raise InputError(
            "Expected --archives (or ROBUST_AUGCL_ARCHIVES) with the files that the data of "
            f"{about} come from, got none"
        )
    return archives


def computed(campaign: Campaign) -> RunSummary:
    """Compute a campaign in a folder of its own, before the user's eyes."""
    campaign.claim()
    display = Display(Console(stderr=True))
    try:
        with display:
            return campaign.compute(display)
    finally:
        campaign.end_ahead()


def _compute(run: StoredRun, path: Path, options: ReplayOptions) -> RunFolder | None:
    """Compute what the run's suite asks for; None where its data are of other files."""
    from robust_augcl.campaign.campaign import Campaign, Machines

    fingerprint, of_run = run.manifest.fingerprint, run.folder.path
    archives = archives_for(fingerprint, options.archives, of_run)
    on_cpu = all(
        record.environment.get("device") == "cpu"
        for record in run.folder.load_records(run.manifest.records).records
    )
    machines = Machines(options.workers, "cpu" if on_cpu else "auto", archives)
    for step in run.inputs:
        if run.folder.store.path(step).exists():
            hand_over(step, run.folder.store.load(step.key))
    campaign = Campaign(run.suite, path, machines, tell=lambda text: None, looks_ahead=False)
    if campaign.fingerprint != fingerprint:
        click.echo("DIFFERS  run.json: the archive here is another file than that of the run")
        return None
    computed(campaign)
    return campaign.folder
