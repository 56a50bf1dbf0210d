"""The command line. Nothing heavy is imported before a command needs it: `--help` and `list` answer
at once.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from robust_augcl import __version__, registry
from robust_augcl.cli.presenting import (
    Pen,
    assessor_of,
    present,
    print_rows,
    records_of,
    revised_since,
    run_folder_of,
    write_report,
)
from robust_augcl.errors import InputError

if TYPE_CHECKING:
    from robust_augcl.review.assessor import Assessor

_PATIENCE = 5.0  # seconds
_STARTED = time.monotonic()
_FOLDER = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="robust-augcl")
def cli() -> None:
    """How well do contrastively pretrained graph encoders hold up when somebody edits the graphs?

    \b
    robust-augcl run quick      pretrain, attack and compare; the report is in runs/quick/
    robust-augcl show runs/quick
    robust-augcl audit runs/quick
    robust-augcl replay runs/quick
    """


@cli.command("list")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def list_(form: str) -> None:
    """List suites, attacks, encoders, methods and data sources."""
    found = {
        "suites": registry.suite_descriptions(),
        "attacks": registry.descriptions("attack"),
        "encoders": registry.descriptions("encoder"),
        "methods": registry.descriptions("method"),
        "data sets": registry.descriptions("data source"),
    }
    if form == "json":
        click.echo(
            json.dumps(
                {kind.replace(" ", "_"): entries for kind, entries in found.items()}, indent=1
            )
        )
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for kind, entries in found.items():
        table.add_row(f"[bold]{kind}")
        for name, text in entries.items():
            table.add_row(f"  {name}", f"[dim]{text}")
    Console().print(table)


@cli.command()
@click.argument("suite")
@click.option("--out", type=_FOLDER, help="The run's folder [default: runs/SUITE].")
@click.option("--seeds", help="Seeds instead of the suite's own, e.g. 0,1,2.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes, of one thread each [default: one a core, as memory allows].",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where models run.",
)
@click.option(
    "--archives",
    type=_FOLDER,
    envvar="ROBUST_AUGCL_ARCHIVES",
    help="A folder with TUDataset/NAME.zip, instead of downloads [env: ROBUST_AUGCL_ARCHIVES].",
)
@click.option(
    "--executor",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="Processes here, or a Dask cluster's workers.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="The Dask scheduler's address, e.g. tcp://node1:8786."
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a value of the suite, e.g. training.epochs=50; repeatable.",
)
def run(
    suite: str,
    out: Path | None,
    seeds: str | None,
    workers: int | None,
    device: str,
    archives: Path | None,
    executor: str,
    scheduler: str | None,
    quiet: bool,
    overrides: tuple[str, ...],
) -> None:
    """Run SUITE, a suite's name or a TOML file, and write its report.

    What is there already is not computed again: a finished run called again computes nothing, an
    interrupted one goes on.
    """
    if (executor == "dask") != (scheduler is not None):
        raise InputError(
            "Expected --executor dask and --scheduler ADDRESS together, got --executor "
            f"{executor} and --scheduler {scheduler}"
        )
    if executor == "dask" and workers is not None:
        raise InputError(
            "Expected --workers with local processes alone, a Dask cluster has its own; got "
            f"--workers {workers}"
        )
    if archives is not None and not archives.is_dir():
        raise InputError(f"Expected --archives to be a folder, got {archives}")
    signal.signal(signal.SIGTERM, _interrupt)
    from robust_augcl.workers import devices, memory

    entered = (
        (out or Path("runs") / Path(suite).stem) / "run.json"
    ).exists()  # so that little is left to compute, or nothing
    if executor == "local" and not entered and (workers or memory.default_workers()) > 1:
        from robust_augcl.workers import processes

        # before anything else: what workers import takes as long as what this process imports
        processes.warm_up()
    from robust_augcl.plan.suite import load_suite
    from robust_augcl.workers import executors

    chosen = load_suite(suite, overrides, _seeds(seeds))

    from robust_augcl.cli.display import Display, LogFile
    from robust_augcl.plan.planner import plan
    from robust_augcl.review.assessor import Assessor
    from robust_augcl.revisions import changes
    from robust_augcl.store.manifest import Manifest
    from robust_augcl.store.run_folder import RunFolder
    from robust_augcl.workers.runner import run as run_steps

    folder = RunFolder(out or Path("runs") / chosen.name)
    earlier = folder.manifest()
    fingerprint = chosen.source.fingerprint(archives)
    planned = plan(chosen, fingerprint)

    def manifest_of(seeds: Sequence[int]) -> Manifest:
        wanted = plan(dataclasses.replace(chosen, seeds=tuple(seeds)), fingerprint)
        measured = list({measurement.step.key: 0 for measurement in wanted.measurements})
        records = [step.key for step in wanted.attacks]
        return Manifest(
            chosen.name, chosen.table, fingerprint, list(seeds), records, measured, wanted.revisions
        )

    new = folder.claim(chosen.seeds, manifest_of)
    console = Console(stderr=True, quiet=quiet)
    assessor = Assessor(
        folder, lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)
    )
    pen = Pen()

    # A Dask worker says for itself what "auto" is there.
    own_device = devices.resolve_device(device) if scheduler is None else device

    def make_pool(tasks: int) -> executors.Pool:
        size = 1
        if scheduler is None:
            size = min(workers or memory.default_workers(own_device), tasks)
        if scheduler is not None or size > 1:  # this process has time, then
            assessor.begin_ahead(pen.draw, log.write)
        if scheduler is not None:
            from robust_augcl.workers.dask_cluster import DaskCluster

            return DaskCluster(scheduler)
        return (
            executors.LocalProcesses(size)
            if size > 1
            else executors.InProcess(display.report_by_key)
        )

    display = Display(console)
    with LogFile(folder.path / "run.log", display) as log:
        log.write(f"robust-augcl {__version__}: {' '.join(sys.argv[1:])}")
        if earlier is not None and not earlier.same_settings(new):
            log.note(
                f"The settings are not those of the last run in {folder.path}: tables show "
                "this one, what both share is reused"
            )
            if left_out := sorted(set(earlier.seeds) - set(new.seeds)):
                log.note(
                    f"Seeds {', '.join(map(str, left_out))} of that run are not in the tables "
                    "any more: --seeds brings them back"
                )
        if earlier is not None and (revised := changes(earlier.revisions, new.revisions)):
            log.note(
                f"Revised since the last run in {folder.path}: {', '.join(revised)}; what they "
                "determine is computed again"
            )
            if waiting := sorted(set(new.seeds) - set(chosen.seeds)):
                log.note(
                    f"Seeds {', '.join(map(str, waiting))} of that run are not computed now: "
                    "name them in --seeds too"
                )
        try:
            with display:
                outcome = run_steps(
                    planned.steps,
                    folder,
                    make_pool,
                    log,
                    device=own_device,
                    archives=archives and archives.absolute(),
                    commit=_commit(),
                )
        except KeyboardInterrupt:
            there = sum(folder.store.path(step).exists() for step in planned.steps)
            console.print(
                f"Interrupted: {there} of {len(planned.steps)} results are stored. The same "
                "command goes on from there."
            )
            sys.exit(130)
        finally:
            _end(assessor)
        present(folder, assessor, console, pen.gallery)
        seconds = time.monotonic() - _STARTED
        own = seconds - outcome.step_seconds
        log.write(
            f"{seconds:.1f} s in all; steps ran for {outcome.step_seconds:.1f} s of them, "
            f"{own:.1f} s were imports, planning and report"
        )
    if outcome.missing:
        failed = f", since this failed: {', '.join(outcome.failed)}" if outcome.failed else ""
        raise click.ClickException(
            f"{outcome.missing} of {len(planned.steps)} results are missing{failed}"
        )


def _end(assessor: Assessor) -> None:
    """End what is done ahead. Python must not end while a thread computes, so a second Ctrl-C ends
    the process at once.
    """
    try:
        interrupted = isinstance(sys.exc_info()[1], SystemExit)
        if not assessor.end_ahead(_PATIENCE if interrupted else None):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.stdout.flush()
        os._exit(130)


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
def status(folder: Path) -> None:
    """Show what the run in DIR holds: results, what failed, what is being computed, and what could
    be freed.
    """
    from robust_augcl.store.housekeeping import survey
    from robust_augcl.store.run_folder import RunFolder

    run_folder = RunFolder(folder)
    found, revised = survey(run_folder), revised_since(run_folder, run_folder.existing_manifest())
    click.echo(f"suite {found.suite}, seeds {', '.join(map(str, found.seeds))}")
    click.echo(
        f"results: {found.there} of {found.wanted}"
        + (f", {len(found.damaged)} damaged" if found.damaged else "")
    )
    if revised:
        click.echo(
            f"revised since: {revised}; `robust-augcl run` computes again what they determine"
        )
    for problem in found.damaged:
        click.echo(f"  damaged: {problem}")
    for failure in found.failures:
        click.echo(f"  failed: {failure}")
    if found.running:
        click.echo(f"being computed now: {', '.join(found.running)}")
    free = f"{_size(found.bytes_free)} in {len(found.superfluous)} files"
    click.echo(f"on disk: {_size(found.bytes_used)}, of which `robust-augcl clean` frees {free}")


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also artifacts that no record rests on: they make further runs faster.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def clean(folder: Path, everything: bool, dry_run: bool) -> None:
    """Free what the run in DIR does not need: results of other settings, damaged and half-written
    files.

    What `show`, `report` and `replay` need stays.
    """
    from robust_augcl.store.housekeeping import remove, size_of, survey
    from robust_augcl.store.run_folder import RunFolder

    run_folder = RunFolder(folder)
    run_folder.existing_manifest()
    with (
        run_folder.store.exclusive()
    ):  # a run that enters other settings now waits, and then sees what is left
        found = survey(run_folder, everything=everything)
        if found.running and not dry_run:
            raise InputError(
                f"Expected {folder} to be at rest, a run is computing {', '.join(found.running)}"
            )
        count = size = 0
        for path in found.superfluous:
            held = size_of(path)
            if dry_run or remove(path, run_folder.store):
                count, size = count + 1, size + held
                click.echo(f"{'would remove' if dry_run else 'removed'} {path.relative_to(folder)}")
    click.echo(f"{_size(size)} in {count} files")


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    show_default=True,
)
def show(folder: Path, form: str) -> None:
    """Show the rows of the run in DIR: one for each attack on each victim."""
    run_folder = run_folder_of(folder)
    manifest = run_folder.existing_manifest()
    records = records_of(run_folder, manifest)
    audit = assessor_of(run_folder).stored_audit(records)
    if revised := revised_since(run_folder, manifest):
        unmarked = "" if audit else "; no audit of today's speaks of them, so none is marked"
        click.echo(
            f"warning: revised since these results were computed: {revised}; `robust-augcl "
            f"run` computes them again{unmarked}",
            err=True,
        )
    print_rows(records, form, audit)


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--out", type=_FOLDER, help="Where the report goes [default: DIR].")
def report(folder: Path, out: Path | None) -> None:
    """Write the report of the run in DIR: report.md, and figures as PNG and SVG."""
    run_folder = run_folder_of(folder)
    records = records_of(run_folder, run_folder.current_manifest())
    for path in write_report(assessor_of(run_folder).report_input(records), out or folder):
        click.echo(path)


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
)
@click.option(
    "--again", is_flag=True, help="Look again, even if these results were audited already."
)
def audit(folder: Path, form: str, again: bool) -> None:
    """Audit the attacks of the run in DIR: is each number the model's robustness, or a broken
    attack, victim or split?

    Each check is PASS, WARN, FAIL or n/a, with what was seen. Exit code 1 if one fails; the results
    that it speaks against are marked in every table.
    """
    from robust_augcl.reports._audit import render_findings

    run_folder = run_folder_of(folder)
    records = records_of(run_folder, run_folder.current_manifest())
    found = assessor_of(run_folder).audit(records, again)
    click.echo(render_findings(found, form), nl=False)
    if form == "table":
        click.echo(f"\n{found.summary}, in {found.seconds:.1f} s, of {len(records)} results")
    if found.counts["FAIL"]:
        raise click.ClickException(
            f"{found.counts['FAIL']} of {len(found.findings)} checks fail, {len(found.failed)} "
            "results are marked"
        )


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--attack", help="Only this attack, by its label in the suite.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    show_default=True,
)
def transfer(folder: Path, attack: str | None, form: str) -> None:
    """Show what edits that were made for one victim of the run in DIR do to the others: a matrix of
    methods for each attack.
    """
    from robust_augcl.errors import unknown
    from robust_augcl.reports._transfer import render_transfers
    from robust_augcl.results.transfers import matrix

    run_folder = run_folder_of(folder)
    records, assessor = (
        records_of(run_folder, run_folder.current_manifest()),
        assessor_of(run_folder),
    )
    labels = {record.cell.attack for record in records}
    if attack is not None and attack not in labels:
        raise unknown(f"attack in {folder}:", attack, labels)
    transfers = assessor.transfers(records)
    if transfers is None:
        raise InputError(
            f"Expected {folder} to hold the victims that its results rest on; `robust-augcl "
            "replay` says what is missing"
        )
    entries = [
        entry for entry in matrix(transfers, records) if attack in (None, entry.group.attack)
    ]
    known = assessor.stored_audit(records)
    click.echo(render_transfers(entries, form, known.failed if known else ()), nl=False)


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
def replay(folder: Path) -> None:
    """Prove every record and certificate of the run in DIR again, from the stored graphs, edits and
    weights alone.

    Rebuilds each attacked graph, checks budget and label preservation, and predicts again. Of a
    certificate the breaking edits are proved so, and for one edit, or where a bound is enough, the
    certified graphs too; beyond that only single edits of them are tried. Exit code 1 if anything
    does not hold.
    """
    from robust_augcl.review.replay import Verdict
    from robust_augcl.review.replay import replay as replay_run
    from robust_augcl.steps.this_process import one_thread
    from robust_augcl.store.manifest import MANIFEST
    from robust_augcl.store.run_folder import RunFolder

    run_folder = RunFolder(folder)
    manifest = run_folder.current_manifest()

    def tell(verdict: Verdict) -> None:
        click.echo(
            f"{'FAILED' if verdict.problems else 'holds'}  {verdict.name}: "
            f"{'; '.join(verdict.problems) or verdict.proved}"
        )

    with one_thread():
        verdicts = replay_run(run_folder, manifest, tell)
    of_kind = {
        kind: [bool(v.problems) for v in verdicts if v.kind == kind]
        for kind in ("list", "record", "certificate")
    }
    failed = [
        f"{sum(bad)} of {_counted(len(bad), kind)}"
        for kind, bad in of_kind.items()
        if any(bad) and kind != "list"
    ]
    if any(of_kind["list"]):
        failed.insert(0, MANIFEST)
    if failed:
        raise click.ClickException(
            f"{' and '.join(failed)} {'does' if failed == [MANIFEST] else 'do'} not hold"
        )
    counts = [_counted(len(of_kind[kind]), kind) for kind in ("record", "certificate")]
    proved = [
        text for kind, text in zip(("record", "certificate"), counts, strict=True) if of_kind[kind]
    ]
    click.echo(f"All {' and '.join(proved)} hold.")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"Expected --seeds to be whole numbers like 0,1,2, got {text!r}") from None


def _commit() -> str | None:
    """The commit of the checkout that this package runs from, None where it is installed elsewhere
    or changed.
    """
    import subprocess

    source = Path(__file__).resolve().parents[1]
    if not (source / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+changes" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return None


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: bad input is one line and exit code 2, a result that does not hold exit code 1,
    Ctrl-C exit code 130.
    """
    try:
        cli(standalone_mode=False)
    except InputError as error:
        click.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except BrokenPipeError:  # e.g. `robust-augcl show DIR | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (or Python complains once more when it ends)
        sys.exit(1)
