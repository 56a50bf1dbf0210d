"""The options of `replay`. Light: `--help` needs no more than this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from robust_augcl.cli import options
from robust_augcl.cli.words import Folder, Seconds, Whole
from robust_augcl.errors import InputError, shown

_OF_FILES = ("seed", "layers", "method", "protocol", "all_budgets")
"""The fields that say which model of a file is computed again."""


@dataclass(frozen=True)
class ReplayOptions:
    """What `replay` is asked for, one field an option."""

    report_in: Path | None = None
    archives: Path | None = None
    again: float = 0.1
    from_scratch: bool = False
    out: Path | None = None
    workers: int | None = None
    seed: int | None = None
    layers: int | None = None
    method: str | None = None
    protocol: str | None = None
    all_budgets: bool = False

    def __post_init__(self) -> None:
        given = self._given("out", "workers", *_OF_FILES)
        if given and not self.from_scratch:
            raise InputError(f"Expected {given} with --from-scratch alone, got it without")
        options.check_archives(self.archives)

    def check_for(self, path: Path, models: Sequence[str]) -> None:
        """Refuse what is not for this folder, or not for this file.

        Args:
            path: what is replayed.
            models: the options --model and --adapter.

        Raises:
            InputError: an option that is for folders alone, or for files alone.
        """
        if not is_file(path):
            if given := self._given(*_OF_FILES):
                raise InputError(
                    f"Expected {given} with a file of `robust-augcl baseline` alone, got "
                    f"{shown(str(path))}: of a run's folder everything is computed again"
                )
            return
        if not self.from_scratch:
            raise InputError(
                f"Expected --from-scratch with the file {shown(str(path))}, got it without: a file "
                "holds no graphs and no weights, so its models can be computed again, no more"
            )
        given = "--report" if self.report_in is not None else "--model" if any(models) else ""
        if given:
            raise InputError(
                f"Expected {given} with a run's folder alone, got the file {shown(str(path))}"
            )

    def _given(self, *names: str) -> str:
        """The first of these options that the user gave; empty for none."""
        for name in names:
            value = getattr(self, name)
            if value is not None and value is not False:  # 0 is a seed
                return f"--{name.replace('_', '-')}"
        return ""


def is_file(path: Path) -> bool:
    """Whether what is replayed is a file of results, or is called as one that is not there."""
    return path.is_file() or (path.suffix == ".json" and not path.exists())


replay_options = options.all_of(
    click.argument("folder", metavar="DIR|FILE", type=Folder("a folder or a file")),
    click.option(
        "--report", "report_in", type=options.FOLDER, help="Where its report lies [default: DIR]."
    ),
    options.archives,
    click.option(
        "--again",
        metavar="SECONDS",
        type=Seconds(),
        default=0.1,
        show_default=True,
        help="Steps that took no longer than this, as they recorded, are computed again.",
    ),
    click.option(
        "--from-scratch",
        is_flag=True,
        help="Then compute everything again in a folder of its own, and compare it; of a FILE, one "
        "model.",
    ),
    click.option(
        "--out",
        type=options.FOLDER,
        help="That folder, new or empty, which stays [default: a temporary one].",
    ),
    options.workers,
    click.option(
        "--seed", type=Whole(least=0), help="Of the model in FILE [default: its only one]."
    ),
    click.option("--layers", type=Whole(), help="Of the model in FILE [default: its only one]."),
    click.option(
        "--method", help="Of the model in FILE, by its label [default: the quickest to compute]."
    ),
    click.option("--protocol", help="Of the model in FILE [default: its only one]."),
    click.option(
        "--all-budgets",
        is_flag=True,
        help="The worst case under all budgets in FILE, not under the smallest alone.",
    ),
)
"""What `replay` is called with, by the names of the fields of `ReplayOptions`."""
