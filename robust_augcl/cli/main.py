"""The command line: its commands and what they are called with.

What a command does is imported when it is called, by name. So `--help` and `list` answer at once.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from robust_augcl import __version__
from robust_augcl.arithmetic import use_arithmetic
from robust_augcl.cli import chosen_arithmetic, options
from robust_augcl.cli.calling import call as _call
from robust_augcl.cli.evaluate_options import EvaluateOptions, evaluate_options
from robust_augcl.cli.gate_options import (
    BaselineOptions,
    GateOptions,
    baseline_options,
    gate_options,
)
from robust_augcl.cli.replay_options import ReplayOptions, replay_options
from robust_augcl.cli.words import Commands, check_arguments, complaint
from robust_augcl.errors import InputError, one_line
from robust_augcl.registry.families import MEASUREMENTS, families

Texts = tuple[str, ...]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
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
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.form("table", "json")
@click.option(
    "--check",
    is_flag=True,
    help="Import the code of installed packages, to find out what is broken.",
)
@options.plug_ins
def list_(names: Texts, form: str, check: bool, plug_ins: Texts) -> None:
    """List suites, attacks, encoders, methods and data sources, with where they come from.

    Families of suites, bases and augmentations of contrastive learning are listed too, and optional
    parts, with what installs those that are missing. With NAMEs: their settings, with defaults.
    Nothing of installed packages is imported before it is used.
    """
    if names:
        _call("listing:list_settings", names, form, plug_ins=plug_ins)
    else:
        _call("listing:list_all", form, check, plug_ins=plug_ins)


@cli.command()
@options.run_options
def run(**given: Any) -> None:
    """Run SUITE, a suite's name or a TOML file, and write its report.

    What is there already is not computed again: a finished run called again computes nothing, an
    interrupted one goes on. A family of suites is run one suite after the other, each in its own
    folder.
    """
    wanted = options.RunOptions(**given)
    if wanted.suite in MEASUREMENTS:
        _call("scaling:run_scaling", wanted, plug_ins=wanted.plug_ins)
        return
    if wanted.suite in families():
        use_arithmetic(chosen_arithmetic.of_suite(families()[wanted.suite].members[0]))
        _call("running:run_family", wanted, plug_ins=wanted.plug_ins)
        return
    use_arithmetic(chosen_arithmetic.of_suite(wanted.suite, wanted.overrides))
    _call("running:run", wanted, plug_ins=wanted.plug_ins)


@cli.command()
@evaluate_options
def evaluate(**given: Any) -> None:
    """Attack models of your own, certify them, and write a report.

    \b
    robust-augcl evaluate --model mypackage.models:make --weights gin.safetensors \\
        --data MUTAG --budget 1 --attack prbcd --attack worst_case --out runs/mine

    What is there already is not computed again, as long as weights, source and graphs are the same.
    """
    wanted = EvaluateOptions(**given)
    use_arithmetic(wanted.arithmetic)
    _call("evaluating:evaluate", wanted, plug_ins=wanted.plug_ins)


@cli.command()
@options.folder
@options.plug_ins
def status(folder: Path, plug_ins: Texts) -> None:
    """Show what the run in DIR holds.

    That is: results, what failed, what is being computed, and what could be freed.
    """
    _call("keeping:status", folder, plug_ins=plug_ins)


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
def clean(folder: Path, everything: bool, dry_run: bool, plug_ins: Texts) -> None:
    """Free what the run in DIR does not need.

    That is: results of other settings, damaged and half-written files.

    What `show`, `report` and `replay` need stays.
    """
    _call("keeping:clean", folder, plug_ins=plug_ins, everything=everything, dry_run=dry_run)


@cli.command()
@options.folder
@options.form("table", "json", "csv", "markdown")
@click.option("--by-seed", is_flag=True, help="A row for each trained model, not means over seeds.")
@options.plug_ins
def show(folder: Path, form: str, by_seed: bool, plug_ins: Texts) -> None:
    """Show what stays right in the run in DIR: means over the seeds, with intervals.

    The other formats hold one row for each attack on each victim.
    """
    _call("showing:show", folder, form, by_seed, plug_ins=plug_ins)


@cli.command()
@options.folder
@options.report_options
@options.given_models
@options.plug_ins
def report(
    folder: Path,
    out: Path | None,
    form: str,
    width: str,
    models: Texts,
    adapters: Texts,
    plug_ins: Texts,
) -> None:
    """Write the report of the run in DIR: a page, report.md, data and figures.

    report.html is whole in itself; report.md is short, and an appendix has every table; means and
    differences are there as CSV and JSON. The audit and the transfers that it shows are made again.
    With --format latex: tables for booktabs, and figures as PDF and SVG at the width of a column or
    a page, without title and caption.
    """
    shape = (form, width)
    _call("showing:report", folder, out, shape, plug_ins=plug_ins, models=(models, adapters))


@cli.command()
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=options.FOLDER)
@click.option("-o", "--out", required=True, type=options.FOLDER, help="The folder of the site.")
@click.option("--no-graphs", is_flag=True, help="Without the attacked graphs, which take space.")
@options.plug_ins
def site(folders: tuple[Path, ...], out: Path, no_graphs: bool, plug_ins: Texts) -> None:
    """Write the runs in DIR... as one static site, for a lab's own pages.

    It has a table of all models to sort and filter, the report of each run, and the graphs that
    attacks made. Nothing in it asks a network for anything.
    """
    use_arithmetic(chosen_arithmetic.of_folder(folders[0]))
    _call("siting:site", list(folders), out, not no_graphs, plug_ins=plug_ins)


@cli.command()
@options.folder
@click.option("-o", "--out", required=True, type=options.FOLDER, help="The folder of the files.")
@click.option("--attack", help="Only this attack, by its label in the suite.")
@options.plug_ins
def export(folder: Path, out: Path, attack: str | None, plug_ins: Texts) -> None:
    """Write the graphs that attacks made in the run in DIR as plain files, which others can read.

    For each attack on each model: a NumPy archive without pickles, and a list of edges as text.
    `robust_augcl.load_attacked` reads an archive, and so does NumPy by itself.
    """
    _call("exporting:export", folder, out, attack, plug_ins=plug_ins)


@cli.command()
@options.folders
@options.form("text", "json")
@click.option(
    "--claims",
    "file",
    type=options.FILE,
    metavar="FILE",
    help="A TOML file of claims [default: those that are installed].",
)
@options.plug_ins
def claims(folders: tuple[Path, ...], form: str, file: Path | None, plug_ins: Texts) -> None:
    """Say what the run in DIR means for published claims; several runs together.

    For each claim: what is claimed, what is reproduced by the same attack and protocol, the exact
    worst case, the bracket, and a verdict.
    """
    use_arithmetic(chosen_arithmetic.of_folder(folders[0]))
    _call("claiming:claims", folders, form, file, plug_ins=plug_ins)


@cli.command()
@options.folder
@options.form("table", "json", "markdown")
@options.given_models
@options.plug_ins
def audit(folder: Path, form: str, models: Texts, adapters: Texts, plug_ins: Texts) -> None:
    """Audit the attacks of the run in DIR.

    Is each number the model's robustness, or a broken attack, victim or split?

    Each check is PASS, WARN, FAIL or n/a, with what was seen. Exit code 1 if one fails; the records
    that it speaks against are marked in every table.
    """
    _call("proving:audit", folder, form, plug_ins=plug_ins, models=(models, adapters))


@cli.command()
@options.folder
@click.option("--attack", help="Only this attack, by its label in the suite.")
@options.form("table", "json", "csv", "markdown")
@options.given_models
@options.plug_ins
def transfer(
    folder: Path, attack: str | None, form: str, models: Texts, adapters: Texts, plug_ins: Texts
) -> None:
    """Show what edits that were made for one victim of the run in DIR do to the others.

    There is a matrix of methods for each attack.
    """
    _call("showing:transfer", folder, attack, form, plug_ins=plug_ins, models=(models, adapters))


@cli.command()
@replay_options
@options.given_models
@options.plug_ins
def replay(folder: Path, models: Texts, adapters: Texts, plug_ins: Texts, **given: Any) -> None:
    """Prove the results in DIR again, as far as its files tell, or compute a model of FILE again.

    Of DIR it needs nothing but the stored graphs, edits and weights. Of a record it rebuilds each
    attacked graph, checks that its edits keep to the budget and keep the class, and predicts again.
    Of a certificate (the proof of which graphs no edits can break) it applies the edits that are
    said to break a graph. Graphs that are said to be safe are proved again for one edit, and for
    more where a bound or a short search is enough; of the others only some edits are tried. Graphs
    are drawn again, or read again from --archives. What took next to no time is computed again. So
    are audit, transfers and report. A table says of each
    field what is proved and what is taken on trust.

    Of FILE, as `baseline` writes it, --from-scratch computes one model and its worst case from
    nothing, and compares them. Exit code 1 if anything does not hold or is missing.
    """
    wanted = ReplayOptions(**given)
    wanted.check_for(folder, (*models, *adapters))
    _call("proving:replay", folder, wanted, plug_ins=plug_ins, models=(models, adapters))


@cli.command()
@gate_options
def gate(**given: Any) -> None:
    """Say whether the results in NEW are worse than a baseline. NEW is a run's folder, or a file.

    \b
    robust-augcl baseline runs/main -o baseline.json   # to be committed
    robust-augcl gate runs/change --baseline baseline.json

    Exit codes: 0 it holds, 1 regressed (or a check of the audit fails now), 2 bad input, 3 not
    comparable or no baseline, 4 cannot tell. The baseline is never changed.
    """
    wanted = GateOptions(**given)
    _call("gating:gate", wanted, plug_ins=wanted.plug_ins)


@cli.command()
@baseline_options
def baseline(**given: Any) -> None:
    """Write what the run in DIR found into a small file, for `gate` to compare with.

    It holds what became of each target, and digests: no weights, no graphs. Results are published
    in such files, too: `replay --from-scratch FILE` computes one of its models again.
    """
    wanted = BaselineOptions(**given)
    _call("gating:baseline", wanted, plug_ins=wanted.plug_ins)


def main() -> None:
    """Entry point.

    Bad input is one line and exit code 2, a result that does not hold exit code 1, Ctrl-C exit code
    130.
    """
    for stream in (sys.stdout, sys.stderr):  # what a terminal cannot show is no reason to stop
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        check_arguments(sys.argv[1:])
        cli(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except InputError as error:
        _end(error, 2)
    except click.ClickException as error:
        _end(complaint(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except BrokenPipeError:  # e.g. `robust-augcl show DIR | head`
        # Or Python complains once more when it ends.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sys.exit(1)
    except OSError as error:  # e.g. a folder that may not be entered, a full disk
        what = f": {error.filename}" if error.filename is not None else ""
        _end(f"The system refuses{what}: {error.strerror or error}", 2)


def _end(message: object, code: int) -> None:
    click.echo(one_line(f"error: {message}"), err=True)
    sys.exit(code)
