"""What `replay --from-scratch FILE` does: compute one model of a file again, and compare."""

from __future__ import annotations

import time
from pathlib import Path

import click

from robust_augcl.campaign.campaign import Campaign, Machines
from robust_augcl.cli.from_scratch import archives_for, computed, own_folder, tell_machines
from robust_augcl.cli.replay_options import ReplayOptions
from robust_augcl.cli.words import say
from robust_augcl.gate.reading import of_folder, read
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.names import budget_text
from robust_augcl.review.model_again import Compared, compared, other_machines
from robust_augcl.review.one_model import Chosen, Wanted, choose, suite_of
from robust_augcl.revisions import changes

_SHOWN = 5


def from_file(path: Path, options: ReplayOptions) -> None:
    """Compute a model of a file and its worst case again, and print what is the same.

    Args:
        path: of the file.
        options: what is asked for.

    Raises:
        ClickException: something differs, or cannot be computed.
        InputError: no file of results; no such model in it; archives are not there.
    """
    started = time.monotonic()
    held = read(path, say)
    asked = options.seed, options.layers, options.method, options.protocol, options.all_budgets
    chosen = choose(held, Wanted(*asked), str(path))
    suite = suite_of(chosen, str(path))
    archives = archives_for(held.fingerprint, options.archives, path)
    on_cpu = all(held.machines[record.machine].device == "cpu" for record in chosen.records)
    machines = Machines(options.workers, "cpu" if on_cpu else "auto", archives)
    with own_folder(options.out) as folder:
        campaign = Campaign(suite, folder, machines, tell=say, looks_ahead=False)
        if campaign.fingerprint != held.fingerprint:
            click.echo(f"DIFFERS  data: the archive here is another file than that of {path}")
            raise click.ClickException("the files of the data are not those of the file")
        _tell_choice(chosen)
        _tell_revised(held, campaign)
        made = _made(campaign)
        problem = _tell_compared(chosen, made, time.monotonic() - started)
    if problem:
        where = "" if options.out is None else f"; what was computed is in {options.out}"
        raise click.ClickException(f"{problem}{where}")


def _tell_choice(chosen: Chosen) -> None:
    """Print which model is computed, with what, and what besides there is in the file."""
    click.echo(f"Computed again: {chosen.text}.")
    if chosen.other_methods:
        others = ", ".join(chosen.other_methods)
        click.echo(f"Its method is the quickest of the file; --method takes others: {others}.")
    parts = [f"{each.attack} ({budget_text(each.budget)})" for each in chosen.records]
    parts += [f"certificate ({budget_text(budget)})" for budget in chosen.certified]
    click.echo(f"With it: {', '.join(parts)}.")
    if chosen.other_budgets:
        rest = ", ".join(map(budget_text, chosen.other_budgets))
        click.echo(f"Left out, but with --all-budgets: the worst case under {rest}.")
    if chosen.on_trust:
        rest = ", ".join(map(budget_text, chosen.on_trust))
        click.echo(
            f"Left out, even with --all-budgets: {rest}. The file has no exact attack and no "
            "certificate there that this model alone can be held against."
        )
    own = sum(record.victim == chosen.place for record in chosen.held.attacked)
    if left := own - len(chosen.records):
        click.echo(f"Of its {own} records in the file {left} are not computed.")


def _tell_revised(held: Baseline, campaign: Campaign) -> None:
    """Print which code was revised since the file was written."""
    if revised := changes(held.revisions, campaign.plan.revisions):
        click.echo(
            f"The code was revised since: {', '.join(revised)}. What differs may be due to that."
        )


def _made(campaign: Campaign) -> Baseline:
    """What was computed, as a file would hold it.

    Raises:
        ClickException: there is no result of any attack.
    """
    failed = computed(campaign).failed
    for title in failed[:_SHOWN]:
        click.echo(f"FAILED  {title}")
    if not campaign.records():
        raise click.ClickException("the model could not be computed again")
    return of_folder(campaign.folder.path, say, partly=True)


def _tell_compared(chosen: Chosen, made: Baseline, seconds: float) -> str:
    """Print each thing that was compared; return what differs, in short."""
    found = list(compared(chosen, made))
    for each in found:
        click.echo(_line(each))
    different = sum(bool(each.problem) for each in found)
    click.echo(
        f"{len(found) - different} of {len(found)} comparisons of this model are the same from "
        f"scratch, in {seconds:.1f} s."
    )
    tell_machines(other_machines(chosen, made))
    return f"{different} of {len(found)} differ from scratch" if different else ""


def _line(found: Compared) -> str:
    note = f" ({found.note})" if found.note else ""
    if found.problem:
        return f"DIFFERS  {found.what}: {found.problem}{note}"
    return f"same     {found.what}{note}"
