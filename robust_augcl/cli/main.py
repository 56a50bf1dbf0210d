"""The command line: its commands and what they are called with.

What a command does is imported when it is called, by name. So `--help` and `list` answer at once.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from robust_augcl import __version__, registry
from robust_augcl.cli import options
from robust_augcl.errors import InputError


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
@options.form("table", "json")
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
        by_kind = {kind.replace(" ", "_"): entries for kind, entries in found.items()}
        click.echo(json.dumps(by_kind, indent=1))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for kind, entries in found.items():
        table.add_row(f"[bold]{kind}")
        for name, text in entries.items():
            table.add_row(f"  {name}", f"[dim]{text}")
    Console().print(table)


@cli.command()
@options.run_options
def run(**given: Any) -> None:
    """Run SUITE, a suite's name or a TOML file, and write its report.

    What is there already is not computed again: a finished run called again computes nothing, an
    interrupted one goes on.
    """
    _call("running:run", options.RunOptions(**given))


@cli.command()
@options.folder
@options.plug_ins
def status(folder: Path, plug_ins: tuple[str, ...]) -> None:
    """Show what the run in DIR holds.

    That is: results, what failed, what is being computed, and what could be freed.
    """
    registry.consent(plug_ins)
    _call("keeping:status", folder)


@cli.command()
@options.folder
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also artifacts that no record rests on: they make further runs faster.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@options.plug_ins
def clean(folder: Path, everything: bool, dry_run: bool, plug_ins: tuple[str, ...]) -> None:
    """Free what the run in DIR does not need.

    That is: results of other settings, damaged and half-written files.

    What `show`, `report` and `replay` need stays.
    """
    registry.consent(plug_ins)
    _call("keeping:clean", folder, everything=everything, dry_run=dry_run)


@cli.command()
@options.folder
@options.form("table", "json", "csv", "markdown")
@options.plug_ins
def show(folder: Path, form: str, plug_ins: tuple[str, ...]) -> None:
    """Show the rows of the run in DIR: one for each attack on each victim."""
    registry.consent(plug_ins)
    _call("showing:show", folder, form)


@cli.command()
@options.folder
@click.option("--out", type=options.FOLDER, help="Where the report goes [default: DIR].")
@options.plug_ins
def report(folder: Path, out: Path | None, plug_ins: tuple[str, ...]) -> None:
    """Write the report of the run in DIR: report.md, and figures as PNG and SVG."""
    registry.consent(plug_ins)
    _call("showing:report", folder, out or folder)


@cli.command()
@options.folder
@options.form("table", "json", "markdown")
@click.option(
    "--again", is_flag=True, help="Look again, even if these results were audited already."
)
@options.plug_ins
def audit(folder: Path, form: str, again: bool, plug_ins: tuple[str, ...]) -> None:
    """Audit the attacks of the run in DIR.

    Is each number the model's robustness, or a broken attack, victim or split?

    Each check is PASS, WARN, FAIL or n/a, with what was seen. Exit code 1 if one fails; the results
    that it speaks against are marked in every table.
    """
    registry.consent(plug_ins)
    _call("proving:audit", folder, form, again=again)


@cli.command()
@options.folder
@click.option("--attack", help="Only this attack, by its label in the suite.")
@options.form("table", "json", "csv", "markdown")
@options.plug_ins
def transfer(folder: Path, attack: str | None, form: str, plug_ins: tuple[str, ...]) -> None:
    """Show what edits that were made for one victim of the run in DIR do to the others.

    There is a matrix of methods for each attack.
    """
    registry.consent(plug_ins)
    _call("showing:transfer", folder, attack, form)


@cli.command()
@options.folder
@options.plug_ins
def replay(folder: Path, plug_ins: tuple[str, ...]) -> None:
    """Prove every record and certificate of the run in DIR again.

    This takes the stored graphs, edits and weights alone. It rebuilds each attacked graph, checks
    budget and label preservation, and predicts again. Of a certificate the breaking edits are
    proved so, and for one edit, or where a bound is enough, the certified graphs too. Beyond that
    only single edits of them are tried. Exit code 1 if anything does not hold.
    """
    registry.consent(plug_ins)
    _call("proving:replay", folder)


def _call(reference: str, *arguments: Any, **named: Any) -> None:
    """Call what a command does: a function of a module beside this one."""
    module, _, name = reference.partition(":")
    getattr(importlib.import_module(f"robust_augcl.cli.{module}"), name)(*arguments, **named)


def main() -> None:
    """Entry point.

    Bad input is one line and exit code 2, a result that does not hold exit code 1, Ctrl-C exit code
    130.
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
        # Or Python complains once more when it ends.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sys.exit(1)
