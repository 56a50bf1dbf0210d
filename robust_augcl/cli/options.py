"""The options of commands. Light: `--help` needs no more than this."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from robust_augcl.errors import InputError

STARTED = time.monotonic()
"""When this process began to read its command."""

FOLDER = click.Path(path_type=Path)
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
    overrides: tuple[str, ...] = ()
    plug_ins: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if (self.executor == "dask") != (self.scheduler is not None):
            raise InputError(
                "Expected --executor dask and --scheduler ADDRESS together, got --executor "
                f"{self.executor} and --scheduler {self.scheduler}"
            )
        if self.executor == "dask" and self.workers is not None:
            raise InputError(
                "Expected --workers with local processes alone, a Dask cluster has its own; got "
                f"--workers {self.workers}"
            )
        if self.archives is not None and not self.archives.is_dir():
            raise InputError(f"Expected --archives to be a folder, got {self.archives}")

    @property
    def chosen_seeds(self) -> list[int] | None:
        """The seeds instead of the suite's own.

        Example:
            >>> RunOptions("quick", seeds="0,1").chosen_seeds
            [0, 1]
        """
        if self.seeds is None:
            return None
        try:
            return [int(part) for part in self.seeds.split(",")]
        except ValueError:
            raise InputError(
                f"Expected --seeds to be whole numbers like 0,1,2, got {self.seeds!r}"
            ) from None


def all_of(*decorators: Decorator) -> Decorator:
    """Several decorators as one, the first outermost."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


plug_ins = click.option(
    "--plugin",
    "plug_ins",
    multiple=True,
    metavar="NAME",
    help="Allow other people's code to be imported: package.module:Class or file.py:Class; "
    "repeatable.",
)
folder = click.argument("folder", metavar="DIR", type=FOLDER)


def form(*choices: str) -> Decorator:
    """The option `--format`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="How it is printed.",
    )


run_options = all_of(
    click.argument("suite"),
    click.option("--out", type=FOLDER, help="The run's folder [default: runs/SUITE]."),
    click.option("--seeds", help="Seeds instead of the suite's own, e.g. 0,1,2."),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Processes, of one thread each [default: one a core, as memory allows].",
    ),
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where models run.",
    ),
    click.option(
        "--archives",
        type=FOLDER,
        envvar="ROBUST_AUGCL_ARCHIVES",
        help="A folder with TUDataset/NAME.zip, instead of downloads [env: ROBUST_AUGCL_ARCHIVES].",
    ),
    click.option(
        "--executor",
        type=click.Choice(["local", "dask"]),
        default="local",
        show_default=True,
        help="Processes here, or a Dask cluster's workers.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="The Dask scheduler's address, e.g. tcp://node1:8786.",
    ),
    click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors."),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set a value of the suite, e.g. training.epochs=50; repeatable.",
    ),
    plug_ins,
)
"""All options of `run`, by the names of the fields of `RunOptions`."""
