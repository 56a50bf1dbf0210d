"""What `run` does: options are read into a campaign, and what it does is shown."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click
from rich.console import Console
from rich.text import Text

from robust_augcl.cli.display import Display
from robust_augcl.cli.options import STARTED, RunOptions
from robust_augcl.cli.words import columns, fail_if_failed, say
from robust_augcl.errors import one_line
from robust_augcl.registry.families import families, write_mark
from robust_augcl.store.manifest import MANIFEST
from robust_augcl.workers import memory, processes

if TYPE_CHECKING:  # imported while workers start
    from robust_augcl.campaign.campaign import Campaign
    from robust_augcl.results.report_input import ReportInput
    from robust_augcl.workers.run_log import RunLog
    from robust_augcl.workers.runner import RunSummary

_PATIENCE = 5.0  # seconds that an interrupted run waits for what is done ahead


def run(options: RunOptions) -> None:
    """Run a suite and write its report.

    Raises:
        ClickException: results are missing at the end.
    """
    _warm_up(options)
    console = Console(stderr=True, quiet=options.quiet)
    with _saying(console, f"Reading and planning {options.suite}"):
        campaign = _campaign(options, console)
    tell = nothing_said if options.quiet else _print
    go(campaign, console, tell, options.fail_on_audit)


def run_family(options: RunOptions) -> None:
    """Run the suites of a family one after the other, each in a folder of its own.

    Raises:
        ClickException: results of one of them are missing at the end; the others are run all the
            same.
    """
    folder = options.out or Path("runs") / options.suite
    write_mark(folder, options.suite)
    missing = []
    for member in families()[options.suite].members:
        say(f"{options.suite}: {member}, in {folder / member}")
        try:
            run(replace(options, suite=member, out=folder / member))
        except click.ClickException as error:
            say(f"{member}: {error.format_message()}")
            missing.append(member)
    if missing:
        raise click.ClickException(f"of {options.suite}, see above: {', '.join(missing)}")


def _saying(console: Console, what: str) -> AbstractContextManager[object]:
    """Say what is being done while it is done, on a terminal alone: elsewhere lines stay."""
    if not console.is_terminal:
        return nullcontext()
    return console.status(Text(one_line(what)))


def nothing_said(report: ReportInput, folder: Path) -> None:
    """Print nothing of a report."""


def go(
    campaign: Campaign,
    console: Console,
    tell: Callable[[ReportInput, Path], None],
    fail_on_audit: bool = False,
) -> None:
    """Compute what a campaign lacks, write its report, and tell what it says.

    Args:
        campaign: what is asked for.
        console: where progress is shown.
        tell: prints the report, given the folder.
        fail_on_audit: whether a check of the audit that fails is an error.

    Raises:
        ClickException: results are missing at the end, or a check of the audit fails.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    display = Display(console)
    with campaign.open_log(display, " ".join(sys.argv[1:])) as log:
        summary = _compute(campaign, display, log, console)
        report = campaign.write_report()
        if report is not None:
            tell(report, campaign.folder.path)
        _log_time(log, summary)
    if summary.missing:
        failed = f", since this failed: {', '.join(summary.failed)}" if summary.failed else ""
        raise click.ClickException(
            f"{summary.missing} of {len(campaign.plan.steps)} results are missing{failed}"
        )
    if fail_on_audit and report is not None and report.audit is not None:
        fail_if_failed(report.audit)


def _warm_up(options: RunOptions) -> None:
    """Let a process import what workers need, which takes as long as what this process imports.

    Where the folder holds a run already, little is left to compute, or nothing.
    """
    out = options.out or Path("runs") / Path(options.suite).stem
    begins_here = options.executor == "local" and not (out / MANIFEST).exists()
    if begins_here and (options.workers or memory.default_workers()) > 1:
        processes.warm_up()


def _campaign(options: RunOptions, console: Console) -> Campaign:
    from robust_augcl.campaign.campaign import Campaign, Machines
    from robust_augcl.plan.suite import load_suite

    suite = load_suite(options.suite, options.overrides, options.chosen_seeds)
    for line in suite.missing:
        say(f"note: {line}")
    return Campaign(
        suite,
        options.out,
        Machines(options.workers, options.device, options.archives, options.scheduler),
        lambda text: console.print(one_line(text), markup=False, highlight=False, soft_wrap=True),
    )


def _compute(campaign: Campaign, display: Display, log: RunLog, console: Console) -> RunSummary:
    """Compute what is missing, and show it; Ctrl-C says what is there, and ends with 130."""
    try:
        with display:
            return campaign.compute(log)
    except KeyboardInterrupt:
        console.print(
            f"Interrupted: {campaign.there()} of {len(campaign.plan.steps)} results are stored. "
            "The same command goes on from there."
        )
        sys.exit(130)
    finally:
        _end_ahead(campaign)


def _end_ahead(campaign: Campaign) -> None:
    """End what is done ahead.

    Python must not end while a thread computes, so a second Ctrl-C ends the process at once.
    """
    try:
        interrupted = isinstance(sys.exc_info()[1], SystemExit)
        if not campaign.end_ahead(_PATIENCE if interrupted else None):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.stdout.flush()
        _exit_at_once(130)


def _exit_at_once(code: int) -> NoReturn:
    """End this process, whatever its threads do.

    What waits for the end is done: multiprocessing removes its semaphores and its folder.
    """
    try:
        atexit._run_exitfuncs()
    finally:
        os._exit(code)


def _print(report: ReportInput, folder: Path) -> None:
    from robust_augcl.reports._data import warnings_of
    from robust_augcl.reports._given import left_out
    from robust_augcl.reports.terminal import last_lines

    click.echo(last_lines(report, folder, columns()), nl=False)
    for line in left_out(report):
        click.echo(one_line(f"note: {line}"), err=True)
    for warning in warnings_of(report):
        click.echo(f"warning: {warning}", err=True)


def _log_time(log: RunLog, summary: RunSummary) -> None:
    """Write how long all took, and how much of it no step ran."""
    seconds = time.monotonic() - STARTED
    log.write(
        f"{seconds:.1f} s in all; steps ran for {summary.step_seconds:.1f} s of them, "
        f"{seconds - summary.step_seconds:.1f} s were imports, planning and report"
    )


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
