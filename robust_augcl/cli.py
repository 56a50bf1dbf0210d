"""The command line. Nothing heavy is imported before a command needs it: `--help` and `list` answer at once."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from robust_augcl import __version__, registry
from robust_augcl.errors import InputError

if TYPE_CHECKING:
    from robust_augcl.records import Record
    from robust_augcl.run_folder import RunFolder

_FOLDER = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="robust-augcl")
def cli() -> None:
    """How well do contrastively pretrained graph encoders hold up when somebody edits the graphs?

    \b
    robust-augcl run quick      pretrain, attack and compare; the report is in runs/quick/
    robust-augcl show runs/quick
    robust-augcl replay runs/quick
    """


@cli.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
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
        click.echo(json.dumps({kind.replace(" ", "_"): entries for kind, entries in found.items()}, indent=1))
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
@click.option("--workers", type=click.IntRange(min=1), help="Processes, of one thread each [default: one a core].")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where models run.")
@click.option(
    "--archives", type=_FOLDER, envvar="ROBUST_AUGCL_ARCHIVES", help="A folder with TUDataset/NAME.zip, instead of downloads [env: ROBUST_AUGCL_ARCHIVES]."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a value of the suite, e.g. training.epochs=50; repeatable.")
def run(
    suite: str, out: Path | None, seeds: str | None, workers: int | None, device: str, archives: Path | None, overrides: tuple[str, ...]
) -> None:
    """Run SUITE, a suite's name or a TOML file, and write its report.

    What is there already is not computed again: a finished run called again computes nothing, an interrupted one goes on.
    """
    from robust_augcl.suite import load_suite

    signal.signal(signal.SIGTERM, _interrupt)
    chosen = load_suite(suite, overrides, _seeds(seeds))
    if archives is not None and not archives.is_dir():
        raise InputError(f"Expected --archives to be a folder, got {archives}")

    from robust_augcl.cells import plain, plan
    from robust_augcl.display import Display
    from robust_augcl.run_folder import Manifest, RunFolder
    from robust_augcl.runner import Execution
    from robust_augcl.runner import run as run_steps

    folder = RunFolder(out or Path("runs") / chosen.name)
    attacks = plan(chosen)
    settings = {key: value for key, value in plain(chosen).items() if key != "seeds"}
    earlier = folder.manifest()
    manifest = folder.claim(Manifest(chosen.name, settings, sorted(chosen.seeds), [step.key for step in attacks]))
    execution = Execution(workers or _cores(), _device(device), archives.absolute() if archives else None)
    console = Console(stderr=True)
    if earlier is not None and earlier.settings != manifest.settings:
        console.print(f"The settings are not those of the last run in {folder.path}: tables will show this one; what both share is used again.")
    try:
        with Display(console) as display:
            outcome = run_steps(attacks, folder, execution, display)
    except KeyboardInterrupt:
        there = sum(folder.store.record_path(step.key).exists() for step in attacks)
        console.print(f"Interrupted: {there} of {len(attacks)} results are stored. The same command goes on from there.")
        sys.exit(130)
    records = folder.load_records(manifest.records).records
    if records:
        _print_rows(records, "table")
        report_file = folder.path / "report.md"
        if outcome.computed or manifest != earlier or not report_file.exists():
            _write_report(records, folder.path)
        click.echo(f"Report: {report_file}")
    if outcome.failed:
        raise click.ClickException(f"{outcome.missing} of {len(attacks)} results are missing, since this failed: {', '.join(outcome.failed)}")


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--format", "form", type=click.Choice(["table", "json", "csv", "markdown"]), default="table", show_default=True)
def show(folder: Path, form: str) -> None:
    """Show the rows of the run in DIR: one for each attack on each victim."""
    _print_rows(_records(folder), form)


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--out", type=_FOLDER, help="Where the report goes [default: DIR].")
def report(folder: Path, out: Path | None) -> None:
    """Write the report of the run in DIR: report.md, and figures as PNG and SVG."""
    for path in _write_report(_records(folder), out or folder):
        click.echo(path)


@cli.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
def replay(folder: Path) -> None:
    """Prove every record of the run in DIR again, from the stored graphs, edits and weights alone.

    Rebuilds each attacked graph, checks budget and label preservation, and predicts again. Exit code 1 if a record does not hold.
    """
    from robust_augcl.replay import Verdict
    from robust_augcl.replay import replay as replay_records
    from robust_augcl.run_folder import RunFolder
    from robust_augcl.runner import one_thread

    run_folder = RunFolder(folder)
    manifest = run_folder.existing_manifest()

    def tell(verdict: Verdict) -> None:
        click.echo(f"{'FAILED' if verdict.problems else 'holds'}  {verdict.name}: {'; '.join(verdict.problems) or f'{verdict.num_graphs} graphs'}")

    with one_thread():
        verdicts = replay_records(run_folder, manifest.records, tell)
    failed = sum(bool(verdict.problems) for verdict in verdicts)
    if failed:
        raise click.ClickException(f"{failed} of {len(verdicts)} records do not hold")
    click.echo(f"All {len(verdicts)} records hold.")


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"Expected --seeds to be whole numbers like 0,1,2, got {text!r}") from None


def _cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _device(name: str) -> str:
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("Expected --device cuda to name a device that is there, got none that PyTorch can use: try --device cpu")
    return "cuda" if there and name != "cpu" else "cpu"


def _records(path: Path) -> list[Record]:
    """The records of a run; says on the error stream what is missing or damaged."""
    from robust_augcl.run_folder import RunFolder

    folder = RunFolder(path)
    manifest = folder.existing_manifest()
    loaded = folder.load_records(manifest.records)
    for problem in loaded.damaged:
        click.echo(f"warning: left out: {problem}", err=True)
    if loaded.missing:
        click.echo(f"warning: {len(loaded.missing)} of {len(manifest.records)} results are missing: the run is not finished", err=True)
    if not loaded.records:
        raise InputError(f"Expected {path} to hold results, there are none yet")
    return loaded.records


def _print_rows(records: list[Record], form: str) -> None:
    from robust_augcl.reports.tables import render_rows

    click.echo(render_rows(records, form), nl=False)


def _write_report(records: list[Record], out: Path) -> list[Path]:
    from robust_augcl.reports.markdown import render

    try:
        return render(records, out)
    except OSError as error:
        raise InputError(f"Cannot write the report to {out}: {error.strerror or error}") from None


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: bad input is one line and exit code 2, a result that does not hold exit code 1, Ctrl-C exit code 130."""
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
