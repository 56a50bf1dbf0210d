"""What `gate` and `baseline` do: say whether results are worse than a baseline, and write one."""

from __future__ import annotations

import click

from robust_augcl.cli.gate_options import BaselineOptions, GateOptions
from robust_augcl.cli.words import say
from robust_augcl.errors import InputError
from robust_augcl.gate.decision import decide
from robust_augcl.gate.questions import EXIT_CODES, TOLERANCE, Rules
from robust_augcl.gate.reading import BaselineMissing, doubts, of_folder, read, write
from robust_augcl.gate.rendering import FORMS, plain


class Regressed(click.ClickException):
    """The gate does not open: the new results are worse."""

    exit_code = EXIT_CODES["regressed"]


class NotComparable(click.ClickException):
    """The gate does not open: there is nothing to compare with."""

    exit_code = EXIT_CODES["not comparable"]


class CannotTell(click.ClickException):
    """The gate does not open: the seeds are too few."""

    exit_code = EXIT_CODES["cannot tell"]


_STOPPED = {
    "regressed": Regressed,
    "not comparable": NotComparable,
    "cannot tell": CannotTell,
}


def gate(options: GateOptions) -> None:
    """Print what the gate says.

    Raises:
        ClickException: it does not hold; the exit code says why.
        InputError: bad input.
    """
    if options.self_test:
        self_test()
        return
    assert options.new is not None
    assert options.base is not None
    try:
        base = read(options.base, say)
    except BaselineMissing as error:
        raise NotComparable(str(error)) from None
    new = read(options.new, say)
    margin = TOLERANCE if base.margin is None else base.margin
    tolerance = margin if options.tolerance is None else options.tolerance
    try:
        found = decide(base, new, Rules(tolerance, options.method, options.one_model))
    except ValueError as error:
        raise InputError(str(error)) from None
    click.echo(FORMS[options.form](found), nl=False)
    if found.outcome in _STOPPED:
        raise _STOPPED[found.outcome](f"{found.outcome}: {found.sentence}")


def baseline(options: BaselineOptions) -> None:
    """Write the baseline of a run's folder.

    Raises:
        InputError: there is no finished run, or the file cannot be written.
    """
    held = of_folder(options.folder, say, options.chosen_seeds, partly=options.partly)
    size = write(options.out, held)
    targets = sum(held.data[victim.data].count for victim in held.victims)
    click.echo(
        f"{options.out}: {len(held.victims)} models, {len(held.attacked)} records, "
        f"{targets:,} targets, {size / 1000:,.1f} kB"
    )
    if held.missing:
        are = "record is" if held.missing == 1 else "records are"
        say(f"warning: {held.missing} planned {are} not there: the run is not finished")
    for doubt in doubts(held):
        say(f"warning: {doubt}")


def self_test() -> None:
    """Run the gate on planted regressions, and print whether each is caught.

    Raises:
        ClickException: one is not.
    """
    from robust_augcl.gate.self_test import trials

    click.echo("Self-test of the gate: planted changes, and what the gate says of each")
    missed = 0
    for trial in trials():
        found = trial.gate()
        caught = found.outcome == trial.expected
        missed += not caught
        click.echo(f"{'correct:' if caught else 'WRONG:':<10}{trial.name}: {found.outcome}")
        click.echo(f"{'':<10}{plain(found.sentence)}")
    if missed:
        raise click.ClickException(f"{missed} planted changes are not told as they should")
    click.echo("Each planted change is told as it should be.")
