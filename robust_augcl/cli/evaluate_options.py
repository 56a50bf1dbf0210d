"""The options of `evaluate`. Light: `--help` needs no more than this."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import click

from robust_augcl.arithmetic import ARITHMETICS, DEFAULT
from robust_augcl.cli import options
from robust_augcl.cli.words import Word, whole
from robust_augcl.errors import InputError, shown

Rule = Literal["most_common", "mean", "zeros"]
_RULES: tuple[Rule, ...] = get_args(Rule)
_NUMBERS = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?(,-?[0-9]{1,12}(\.[0-9]{1,12})?){0,999}")
_SHARE = re.compile(r"(0?\.[0-9]{1,12}|1\.0{1,12})")


@dataclass(frozen=True)
class EvaluateOptions:
    """What `evaluate` is asked for, one field an option."""

    models: tuple[str, ...]
    weights: tuple[str, ...]
    data: str
    attacks: tuple[str, ...]
    budgets: tuple[str, ...]
    operations: tuple[str, ...] = ("add",)
    within_component: bool = False
    adapters: tuple[str, ...] = ()
    edge_attributes: bool | None = None
    added_edge: str | None = None
    fit: str | None = None
    seeds: str | None = None
    out: Path | None = None
    name: str = "evaluation"
    certificates: bool = True
    workers: int | None = None
    device: str = "auto"
    arithmetic: str = DEFAULT
    archives: Path | None = None
    quiet: bool = False
    plug_ins: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        options.check_archives(self.archives)

    @property
    def chosen_seeds(self) -> list[int] | None:
        """The seeds; None for one for each trained copy."""
        return None if self.seeds is None else options.read_seeds(self.seeds)

    @property
    def chosen_budgets(self) -> list[int | float]:
        """The budgets: numbers of edits, or shares of a graph's edges, which have a dot."""
        return [_budget(text) for text in self.budgets]

    @property
    def share_to_learn(self) -> float | None:
        """The share of the graphs that attacks may learn on.

        Example:
            >>> EvaluateOptions((), (), "MUTAG", (), ("1",), (), fit="0.2").share_to_learn
            0.2
        """
        if self.fit is None:
            return None
        if not _SHARE.fullmatch(self.fit) or not 0 < float(self.fit) < 1:
            raise InputError(
                f"Expected --fit to be a share between 0 and 1, like 0.2, got {shown(self.fit)}"
            )
        return float(self.fit)

    @property
    def carried_by_added(self) -> Rule | tuple[float, ...] | None:
        """What an added edge carries: a rule, or the numbers themselves.

        Example:
            >>> EvaluateOptions((), (), "a", (), (), (), added_edge="1,0.5").carried_by_added
            (1.0, 0.5)
        """
        text = self.added_edge
        if text is None:
            return None
        for rule in _RULES:
            if text == rule:
                return rule
        if not _NUMBERS.fullmatch(text):
            raise InputError(
                f"Expected --added-edge to be one of {', '.join(_RULES)}, or numbers like 1,0,0, "
                f"got {shown(text)}"
            )
        return tuple(map(float, text.split(",")))


def _budget(text: str) -> int | float:
    """The budget of a text: a number of edits, or a share of edges, which has a dot."""
    count = whole(text)
    if count is not None and count > 0:
        return count
    if not _SHARE.fullmatch(text) or not 0 < float(text) <= 1:
        raise InputError(
            "Expected --budget to be a number of edits, like 2, or a share of a graph's edges, "
            f"like 0.05, got {shown(text)}"
        )
    return float(text)


evaluate_options = options.all_of(
    options.several(
        "--model",
        "models",
        "[LABEL=]NAME",
        "A function that returns a module: package.module:function or file.py:function",
        required=True,
    ),
    options.adapters,
    click.option(
        "--weights",
        multiple=True,
        metavar="[LABEL=]FILE",
        help="Its weights: .safetensors, or a state dict in .pt; repeated, one copy a seed.",
    ),
    click.option(
        "--data",
        required=True,
        metavar="NAME|FILE",
        help="The graphs to attack: a TU data set, or a file of graphs (.jsonl, .jsonl.gz).",
    ),
    options.several("--attack", "attacks", "NAME", "An attack, see `list`", required=True),
    click.option(
        "--edge-attributes/--no-edge-attributes",
        "edge_attributes",
        default=None,
        help="Give models the attributes of edges [default: where graphs carry them and a model "
        "takes them].",
    ),
    click.option(
        "--added-edge",
        metavar="RULE|NUMBERS",
        help="What an added edge carries: most_common, mean, zeros, or numbers like 1,0,0 "
        "[default: most_common].",
    ),
    options.several(
        "--budget",
        "budgets",
        "EDITS",
        "Edits a graph: a number, or a share of its edges",
        required=True,
    ),
    click.option(
        "--operation",
        "operations",
        multiple=True,
        type=Word("add", "delete"),
        default=("add",),
        help="What an edit may do: add, delete; repeatable [default: add].",
    ),
    click.option(
        "--within-component",
        is_flag=True,
        help="Added edges join nodes of one connected component alone.",
    ),
    click.option(
        "--fit",
        metavar="SHARE",
        help="The share of the graphs that attacks may learn on, and that is not attacked.",
    ),
    click.option("--seeds", help="Seeds, e.g. 0,1,2 or 0-29 [default: one for each trained copy]."),
    click.option("--out", type=options.FOLDER, help="The run's folder [default: runs/NAME]."),
    click.option("--name", default="evaluation", show_default=True, help="Of the run."),
    click.option(
        "--certificates/--no-certificates",
        default=True,
        show_default=True,
        help="Prove what no attack can break.",
    ),
    options.workers,
    options.device,
    click.option(
        "--arithmetic",
        type=Word(*ARITHMETICS),
        default=DEFAULT,
        show_default=True,
        help="The same bits on every x86-64 processor with AVX2, or the fastest.",
    ),
    options.archives,
    options.quiet,
    options.plug_ins,
)
"""All options of `evaluate`, by the names of the fields of `EvaluateOptions`."""
