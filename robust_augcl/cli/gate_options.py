"""The options of `gate` and of `baseline`. Light: `--help` needs no more than this."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from robust_augcl.cli import options
from robust_augcl.cli.options import all_of
from robust_augcl.errors import InputError, shown


@dataclass(frozen=True)
class GateOptions:
    """What `gate` is asked for, one field an option."""

    new: Path | None = None
    base: Path | None = None
    tolerance: float | None = None
    method: str | None = None
    one_model: bool = False
    self_test: bool = False
    form: str = "text"
    plug_ins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.self_test:
            if self.new is not None or self.base is not None:
                raise InputError("Expected --self-test alone, got results to compare besides")
            return
        if self.new is None:
            raise InputError("Expected NEW, got nothing")
        if self.base is None:
            raise InputError("Expected --baseline, got nothing")


@dataclass(frozen=True)
class BaselineOptions:
    """What `baseline` is asked for, one field an option."""

    folder: Path
    out: Path
    seeds: str | None = None
    partly: bool = False
    plug_ins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.chosen_seeds  # refused at once where they are none, before anything is imported

    @property
    def chosen_seeds(self) -> list[int] | None:
        """The seeds that are taken; None for all of the run."""
        return None if self.seeds is None else options.read_seeds(self.seeds)


class Share(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has none
    """A share above 0 and below 1, written like 0.02."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value)
        is_plain = text.isascii() and text.count(".") == 1 and text.replace(".", "").isdigit()
        found = float(text) if is_plain and len(text) <= 20 else 0.0
        if not 0 < found < 1:
            raise InputError(
                "Expected --tolerance to be a share above 0 and below 1 like 0.02, got "
                f"{shown(value)}"
            )
        return found


gate_options = all_of(
    click.argument("new", metavar="NEW", type=options.FOLDER, required=False),
    click.option(
        "--baseline",
        "base",
        type=options.FILE,
        metavar="BASE",
        help="What NEW is compared with: a run's folder, or a file of `robust-augcl baseline`.",
    ),
    click.option(
        "--tolerance",
        type=Share(),
        help="The drop that is accepted where models were trained again, a share [default: the "
        "suite's margin, or 0.02].",
    ),
    click.option(
        "--method",
        help="The method, by its label, whose worst case is the primary comparison [default: the "
        "first that the suite compares, or the last].",
    ),
    click.option(
        "--one-model",
        is_flag=True,
        help="Where each side has one trained model, compare these two models; that says nothing "
        "of how well the training works.",
    ),
    click.option(
        "--self-test",
        is_flag=True,
        help="Run the gate on planted regressions, and show that each is caught.",
    ),
    options.form("text", "markdown", "junit", "github", "json"),
    options.plug_ins,
)
"""All options of `gate`, by the names of the fields of `GateOptions`."""

baseline_options = all_of(
    options.folder,
    click.option(
        "--out", "-o", type=options.FILE, metavar="FILE", required=True, help="Where it is written."
    ),
    click.option("--seeds", help="These seeds alone, e.g. 0,1,2 or 0-29 [default: all]."),
    click.option("--partly", is_flag=True, help="Of a run that is not finished, what there is."),
    options.plug_ins,
)
"""The options of `baseline`, by the names of the fields of `BaselineOptions`."""
