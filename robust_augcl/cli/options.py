"""The options of commands. Light: `--help` needs no more than this."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from robust_augcl.cli.words import Folder, Whole, Word, whole
from robust_augcl.errors import InputError, shown
from robust_augcl.validation import MOST_SEEDS

STARTED = time.monotonic()
"""When this process began to read its command."""

FOLDER = Folder()
FILE = Folder("a file")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class RunOptions:
    """What `run` is asked for, one field an option."""

    suite: str
    out: Path | None = None
    seeds: str | None = None
    workers: int | None = None
    device: str = "auto"
    archives: Path | None = None
    executor: str = "local"
    scheduler: str | None = None
    quiet: bool = False
    fail_on_audit: bool = False
    overrides: tuple[str, ...] = ()
    plug_ins: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if (self.executor == "dask") != (self.scheduler is not None):
            raise InputError(
                "Expected --executor dask and --scheduler ADDRESS together, got --executor "
                f"{self.executor} and --scheduler {shown(self.scheduler)}"
            )
        if self.executor == "dask" and self.workers is not None:
            raise InputError(
                "Expected --workers with local processes alone, a Dask cluster has its own; got "
                f"--workers {self.workers}"
            )
        check_archives(self.archives)
        _ = self.chosen_seeds  # refused at once where they are none, before anything is imported

    @property
    def chosen_seeds(self) -> list[int] | None:
        """The seeds instead of the suite's own.

        Example:
            >>> RunOptions("quick", seeds="0,1").chosen_seeds
            [0, 1]
        """
        return None if self.seeds is None else read_seeds(self.seeds)


def read_seeds(text: str) -> list[int]:
    """The seeds of a text like 0,1,2 or 0-29, in its order.

    Raises:
        InputError: it is no such text; a range that falls; a seed twice; more seeds than a suite
            may have, which is found out before any list is made.

    Example:
        >>> read_seeds("0-3,7")
        [0, 1, 2, 3, 7]
    """
    ranges = [_seed_range(part, text) for part in text.split(",")]
    number = sum(last - first + 1 for first, last in ranges)
    if number > MOST_SEEDS:
        raise InputError(
            f"Expected --seeds to be at most {MOST_SEEDS:,} seeds, got {number:,} in {shown(text)}"
        )
    seeds = [seed for first, last in ranges for seed in range(first, last + 1)]
    twice = next((seed for place, seed in enumerate(seeds) if seed in seeds[:place]), None)
    if twice is not None:
        raise InputError(
            f"Expected --seeds to name each seed once, got {twice} twice in {shown(text)}"
        )
    return seeds


def _seed_range(part: str, text: str) -> tuple[int, int]:
    """The first and the last seed of one part of a text; of a single seed both are it."""
    left, dash, right = part.partition("-")
    first, last = whole(left), whole(right if dash else left)
    if first is None or last is None:
        raise InputError(
            "Expected --seeds to be whole numbers like 0,1,2 or ranges like 0-29, got "
            f"{shown(text)}"
        )
    if first > last:
        raise InputError(
            f"Expected --seeds to have ranges from the smaller seed to the larger, got {part} in "
            f"{shown(text)}"
        )
    return first, last


def check_archives(archives: Path | None) -> None:
    """Raise `InputError` where the folder of archives is none."""
    if archives is not None and not archives.is_dir():
        raise InputError(f"Expected --archives to be a folder, got {shown(str(archives))}")


def all_of(*decorators: Decorator) -> Decorator:
    """Several decorators as one, the first outermost."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def several(option: str, field: str, metavar: str, help: str, required: bool = False) -> Decorator:
    """An option that can be repeated."""
    return click.option(
        option,
        field,
        multiple=True,
        metavar=metavar,
        help=f"{help}; repeatable.",
        required=required,
    )


plug_ins = several(
    "--plugin",
    "plug_ins",
    "NAME",
    "Allow other people's code to be imported: package.module:Class, file.py:Class, or "
    "file.py, whose plug-ins then have its name",
)
archives = click.option(
    "--archives",
    type=FOLDER,
    envvar="ROBUST_AUGCL_ARCHIVES",
    help="A folder with TUDataset/NAME.zip, instead of downloads [env: ROBUST_AUGCL_ARCHIVES].",
)
workers = click.option(
    "--workers",
    type=Whole(),
    help="Processes, of one thread each [default: one a core, as memory allows].",
)
device = click.option(
    "--device",
    type=Word("auto", "cpu", "cuda"),
    default="auto",
    show_default=True,
    help="Where models run.",
)
quiet = click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")
models = several(
    "--model",
    "models",
    "[LABEL=]NAME",
    "A function that returns the module of a given model: package.module:function or "
    "file.py:function",
)
adapters = several(
    "--adapter",
    "adapters",
    "[LABEL=]NAME",
    "A function that calls the module of a given model, where its signature does not say how: it "
    "takes the module and a Batch, and returns logits; named like --model",
)
given_models = all_of(models, adapters)
"""What makes and calls the given models of a folder."""
folder = click.argument("folder", metavar="DIR", type=FOLDER)
folders = click.argument("folders", metavar="DIR [DIR]...", type=FOLDER, nargs=-1, required=True)


def form(*choices: str, help: str = "How it is printed.") -> Decorator:
    """The option `--format`."""
    return click.option(
        "--format",
        "form",
        type=Word(*choices),
        default=choices[0],
        show_default=True,
        help=help,
    )


report_options = all_of(
    click.option("--out", type=FOLDER, help="Where it goes [default: DIR; of latex DIR/paper]."),
    form("page", "latex", help="For reading, or for a paper: tables and figures."),
    click.option(
        "--width",
        type=Word("column", "page"),
        default="column",
        show_default=True,
        help="Of figures for a paper.",
    ),
)
"""The options of `report`."""
run_options = all_of(
    click.argument("suite"),
    click.option("--out", type=FOLDER, help="The run's folder [default: runs/SUITE]."),
    click.option("--seeds", help="Seeds instead of the suite's own, e.g. 0,1,2 or 0-29."),
    workers,
    device,
    archives,
    click.option(
        "--executor",
        type=Word("local", "dask"),
        default="local",
        show_default=True,
        help="Processes here, or a Dask cluster's workers.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="The Dask scheduler's address, e.g. tcp://node1:8786.",
    ),
    quiet,
    click.option(
        "--fail-on-audit",
        is_flag=True,
        help="Exit code 1 if a check of the audit fails, as `audit` has.",
    ),
    several("--set", "overrides", "KEY=VALUE", "Set a value of the suite, e.g. training.epochs=50"),
    plug_ins,
)
"""All options of `run`, by the names of the fields of `RunOptions`."""
